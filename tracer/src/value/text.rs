//! Values as people read them: as `{:?}` prints them, on one line.
//!
//! What a limit left out follows in brackets: `"abc"… (+12 bytes)`, `[1, 2, … (+30 items)]`; what could not be read
//! is its reason, `<optimized out>`; bytes without meaning come with their type, `<Type: 0a 0b>`.

use std::fmt::{self, Display, Formatter};

use super::name;
use super::value::{Omitted, Payload, Value};

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit => f.write_str("()"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Char(value) => write!(f, "{value:?}"),
            Self::Signed(value) => write!(f, "{value}"),
            Self::Unsigned(value) => write!(f, "{value}"),
            Self::Float32(value) => write!(f, "{value:?}"),
            Self::Float64(value) => write!(f, "{value:?}"),
            Self::Text { text, omitted } => {
                write!(f, "{text:?}")?;
                omitted_bytes(f, *omitted)
            }
            Self::Bytes { bytes, omitted } => {
                byte_string(f, bytes)?;
                omitted_bytes(f, *omitted)
            }
            Self::Uuid(bytes) => f.write_str(&uuid(bytes)),
            Self::Tuple(fields) => tuple(f, fields),
            Self::TupleStruct { name, fields } => {
                f.write_str(name)?;
                positional(f, fields)
            }
            Self::Struct { name, fields } => {
                f.write_str(name)?;
                braced(f, fields)
            }
            Self::Open { name, fields } => {
                write!(f, "{name} {{ ")?;
                fields.iter().try_for_each(|(name, value)| write!(f, "{name}: {value}, "))?;
                f.write_str(".. }")
            }
            Self::Range { start, end, is_inclusive, is_exhausted } => {
                start.iter().try_for_each(|start| write!(f, "{start}"))?;
                f.write_str(if *is_inclusive { "..=" } else { ".." })?;
                end.iter().try_for_each(|end| write!(f, "{end}"))?;
                f.write_str(if *is_exhausted { " (exhausted)" } else { "" })
            }
            Self::Plain(text) => f.write_str(text),
            Self::Sequence { items, omitted } => {
                f.write_str("[")?;
                separated(f, items, |f, item| write!(f, "{item}"))?;
                omitted_items(f, items.is_empty(), *omitted)?;
                f.write_str("]")
            }
            Self::Set { items, omitted } => {
                f.write_str("{")?;
                separated(f, items, |f, item| write!(f, "{item}"))?;
                omitted_items(f, items.is_empty(), *omitted)?;
                f.write_str("}")
            }
            Self::Map { entries, omitted } => {
                f.write_str("{")?;
                separated(f, entries, |f, (key, value)| write!(f, "{key}: {value}"))?;
                omitted_items(f, entries.is_empty(), *omitted)?;
                f.write_str("}")
            }
            Self::Variant { name, payload } => {
                f.write_str(name)?;
                match payload {
                    Payload::Unit => Ok(()),
                    Payload::Tuple(fields) => positional(f, fields),
                    Payload::Struct(fields) => braced(f, fields),
                    Payload::Beside(content) => write!(f, " {content}"),
                }
            }
            Self::Address(address) => write!(f, "{address:#x}"),
            Self::AddressOfText { address, text, omitted } => {
                write!(f, "{address:#x} {text:?}")?;
                omitted_bytes(f, *omitted)
            }
            Self::Unreadable(missing) => write!(f, "<{missing}>"),
            Self::Raw { type_name, bytes, omitted } => {
                write!(f, "<{}:", name::without_modules(type_name))?;
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

fn separated<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    mut each: impl FnMut(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        each(f, item)?;
    }
    Ok(())
}

/// A tuple of one has a comma: `(5,)`.
fn tuple(f: &mut Formatter<'_>, fields: &[Value]) -> fmt::Result {
    match fields {
        [only] => write!(f, "({only},)"),
        _ => positional(f, fields),
    }
}

fn positional(f: &mut Formatter<'_>, fields: &[Value]) -> fmt::Result {
    f.write_str("(")?;
    separated(f, fields, |f, field| write!(f, "{field}"))?;
    f.write_str(")")
}

/// A struct without fields is only its name.
fn braced(f: &mut Formatter<'_>, fields: &[(String, Value)]) -> fmt::Result {
    if fields.is_empty() {
        return Ok(());
    }
    f.write_str(" { ")?;
    separated(f, fields, |f, (name, value)| write!(f, "{name}: {value}"))?;
    f.write_str(" }")
}

fn omitted_bytes(f: &mut Formatter<'_>, omitted: Omitted) -> fmt::Result {
    match omitted {
        Omitted::Nothing => Ok(()),
        Omitted::Count(1) => f.write_str("… (+1 byte)"),
        Omitted::Count(count) => write!(f, "… (+{count} bytes)"),
        Omitted::Unknown => f.write_str("…"),
    }
}

fn omitted_items(f: &mut Formatter<'_>, is_empty: bool, omitted: Omitted) -> fmt::Result {
    if !omitted.is_nothing() && !is_empty {
        f.write_str(", ")?;
    }
    match omitted {
        Omitted::Nothing => Ok(()),
        Omitted::Count(1) => f.write_str("… (+1 item)"),
        Omitted::Count(count) => write!(f, "… (+{count} items)"),
        Omitted::Unknown => f.write_str("…"),
    }
}
