//! Values as people read them: as `{:?}` prints them, on one line, or as `{:#?}` does, on several.
//!
//! What a limit left out follows in brackets: `"abc"… (+12 bytes)`, `[1, 2, … (+30 items)]`; what could not be read
//! is its reason, `<optimized out>`; bytes without meaning come with their type, `<Type: 0a 0b>`.

use std::fmt::{self, Debug, Display, Formatter};

use super::name;
use super::value::{Omitted, Payload, Value};

/// How values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Over several lines, as `{:#?}`.
    pub pretty: bool,
    /// Type names with their modules and generic arguments.
    pub full_types: bool,
}

impl Value {
    /// The value in that style.
    pub fn text(&self, style: Style) -> String {
        let shown = Shown { value: self, full_types: style.full_types };
        if style.pretty { format!("{shown:#?}") } else { format!("{shown:?}") }
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&Shown { value: self, full_types: false }, f)
    }
}

/// A value whose `{:?}` and `{:#?}` are what people read.
#[derive(Clone, Copy)]
struct Shown<'v> {
    value: &'v Value,
    full_types: bool,
}

impl Debug for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.value {
            Value::Unit => f.write_str("()"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Char(value) => write!(f, "{value:?}"),
            Value::Signed(value) => write!(f, "{value}"),
            Value::Unsigned(value) => write!(f, "{value}"),
            Value::Float32(value) => write!(f, "{value:?}"),
            Value::Float64(value) => write!(f, "{value:?}"),
            Value::Text { text, omitted } => {
                write!(f, "{text:?}")?;
                omitted_bytes(f, *omitted)
            }
            Value::Bytes { bytes, omitted } => {
                byte_string(f, bytes)?;
                omitted_bytes(f, *omitted)
            }
            Value::Uuid(bytes) => f.write_str(&uuid(bytes)),
            Value::Tuple(fields) => self.positional(f, "", fields),
            Value::TupleStruct { name, fields } => self.positional(f, &self.type_name(name), fields),
            Value::Struct { name, fields } => self.named(f, &self.type_name(name), fields),
            Value::Sequence { items, omitted } => {
                f.debug_list().entries(self.each(items)).entries(Rest::of(*omitted)).finish()
            }
            Value::Map { entries, omitted } => {
                let entries = entries.iter().map(|(key, value)| Entry(self.of(key), self.of(value)));
                f.debug_set().entries(entries).entries(Rest::of(*omitted)).finish()
            }
            Value::Open { name, fields } => {
                let mut structure = f.debug_struct(&self.type_name(name));
                for (name, value) in fields {
                    structure.field(name, &self.of(value));
                }
                structure.finish_non_exhaustive()
            }
            Value::Range { start, end, is_inclusive, is_exhausted } => {
                start.iter().try_for_each(|start| Debug::fmt(&self.of(start), f))?;
                f.write_str(if *is_inclusive { "..=" } else { ".." })?;
                end.iter().try_for_each(|end| Debug::fmt(&self.of(end), f))?;
                f.write_str(if *is_exhausted { " (exhausted)" } else { "" })
            }
            Value::Plain(text) => f.write_str(text),
            Value::Set { items, omitted } => {
                f.debug_set().entries(self.each(items)).entries(Rest::of(*omitted)).finish()
            }
            Value::Variant { name, payload } => match payload {
                Payload::Unit => f.write_str(name),
                Payload::Tuple(fields) => self.positional(f, name, fields),
                Payload::Struct(fields) => self.named(f, name, fields),
                Payload::Beside(content) => {
                    write!(f, "{name} ")?;
                    Debug::fmt(&self.of(content), f)
                }
            },
            Value::Address(address) => write!(f, "{address:#x}"),
            Value::Pointer { address, target } => {
                write!(f, "{address:#x} &")?;
                Debug::fmt(&self.of(target), f)
            }
            Value::AddressOfText { address, text, omitted } => {
                write!(f, "{address:#x} {text:?}")?;
                omitted_bytes(f, *omitted)
            }
            Value::Unreadable(missing) => write!(f, "<{missing}>"),
            Value::Raw { type_name, bytes, omitted } => {
                let short = || name::without_modules(type_name);
                write!(f, "<{}:", if self.full_types { type_name.clone() } else { short() })?;
                bytes.iter().try_for_each(|byte| write!(f, " {byte:02x}"))?;
                omitted_bytes(f, *omitted)?;
                f.write_str(">")
            }
        }
    }
}

/// As the bytes crate writes them, and Rust's own byte strings.
fn byte_string(f: &mut Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_str("b\"")?;
    for byte in bytes {
        match byte {
            b'\'' => f.write_str("'"),
            0 => f.write_str("\\0"),
            byte => write!(f, "{}", byte.escape_ascii()),
        }?;
    }
    f.write_str("\"")
}

impl<'v> Shown<'v> {
    fn of(self, value: &'v Value) -> Self {
        Self { value, ..self }
    }

    fn each(self, values: &'v [Value]) -> impl Iterator<Item = Self> {
        values.iter().map(move |value| self.of(value))
    }

    fn type_name(&self, name: &str) -> String {
        if self.full_types { name.to_owned() } else { name::of_struct(name) }
    }

    fn positional(self, f: &mut Formatter<'_>, name: &str, fields: &'v [Value]) -> fmt::Result {
        // A builder writes nothing at all for a tuple of none.
        if fields.is_empty() {
            return write!(f, "{name}()");
        }
        let mut tuple = f.debug_tuple(name);
        self.each(fields).for_each(|field| {
            tuple.field(&field);
        });
        tuple.finish()
    }

    /// A struct without fields is only its name.
    fn named(self, f: &mut Formatter<'_>, name: &str, fields: &'v [(String, Value)]) -> fmt::Result {
        let mut structure = f.debug_struct(name);
        for (name, value) in fields {
            structure.field(name, &self.of(value));
        }
        structure.finish()
    }
}

/// `key: value`.
struct Entry<'v>(Shown<'v>, Shown<'v>);

impl Debug for Entry<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.0, f)?;
        f.write_str(": ")?;
        Debug::fmt(&self.1, f)
    }
}

/// Stands for the items that are left out.
struct Rest(Omitted);

impl Rest {
    fn of(omitted: Omitted) -> Option<Self> {
        (!omitted.is_nothing()).then_some(Self(omitted))
    }
}

impl Debug for Rest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Omitted::Nothing => Ok(()),
            Omitted::Count(1) => f.write_str("… (+1 item)"),
            Omitted::Count(count) => write!(f, "… (+{count} items)"),
            Omitted::Unknown => f.write_str("…"),
        }
    }
}

fn omitted_bytes(f: &mut Formatter<'_>, omitted: Omitted) -> fmt::Result {
    match omitted {
        Omitted::Nothing => Ok(()),
        Omitted::Count(1) => f.write_str("… (+1 byte)"),
        Omitted::Count(count) => write!(f, "… (+{count} bytes)"),
        Omitted::Unknown => f.write_str("…"),
    }
}

/// The hyphenated form, lower case.
pub(crate) fn uuid(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::place::Missing;
    use super::*;

    fn number(value: u128) -> Value {
        Value::Unsigned(value)
    }

    fn sample() -> Value {
        let text = Value::Text { text: "a\nb".to_owned(), omitted: Omitted::Count(2) };
        let fields = vec![
            ("list".to_owned(), Value::Sequence { items: vec![number(1), number(2)], omitted: Omitted::Count(7) }),
            ("empty".to_owned(), Value::Sequence { items: vec![], omitted: Omitted::Nothing }),
            ("map".to_owned(), Value::Map { entries: vec![(text, number(3))], omitted: Omitted::Nothing }),
            ("one".to_owned(), Value::Tuple(vec![number(5)])),
            ("none".to_owned(), Value::Variant { name: "None".to_owned(), payload: Payload::Unit }),
            ("secret".to_owned(), Value::Unreadable(Missing::Redacted)),
        ];
        let inner = Value::Struct { name: "a::b::Inner<c::D>".to_owned(), fields };
        Value::Variant { name: "Some".to_owned(), payload: Payload::Tuple(vec![inner]) }
    }

    #[test]
    fn one_line_reads_as_debug_prints_it() {
        assert_eq!(
            sample().to_string(),
            "Some(Inner { list: [1, 2, … (+7 items)], empty: [], map: {\"a\\nb\"… (+2 bytes): 3}, one: (5,), \
             none: None, secret: <redacted> })"
        );
        let unit = Value::Struct { name: "a::Unit".to_owned(), fields: vec![] };
        assert_eq!(unit.to_string(), "Unit");
        assert_eq!(Value::Tuple(vec![]).to_string(), "()");
    }

    #[test]
    fn several_lines_read_as_pretty_debug_prints_them() {
        insta::assert_snapshot!(sample().text(Style { pretty: true, full_types: true }), @r#"
        Some(
            a::b::Inner<c::D> {
                list: [
                    1,
                    2,
                    … (+7 items),
                ],
                empty: [],
                map: {
                    "a\nb"… (+2 bytes): 3,
                },
                one: (
                    5,
                ),
                none: None,
                secret: <redacted>,
            },
        )
        "#);
    }

    #[test]
    fn the_style_decides_how_types_are_named() {
        let raw = Value::Raw { type_name: "a::Odd<b::C>".to_owned(), bytes: vec![1, 0xff], omitted: Omitted::Count(1) };
        assert_eq!(raw.to_string(), "<Odd<C>: 01 ff… (+1 byte)>");
        let full = raw.text(Style { full_types: true, ..Style::default() });
        assert_eq!(full, "<a::Odd<b::C>: 01 ff… (+1 byte)>");
    }
}
