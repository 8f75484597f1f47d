//! `tracer trace --dry-run`: what would be attached, and where each value would be read.
//!
//! ```text
//! app::store::Store::save  1 copy: 1 entry, 2 exits
//!     self: &mut Store     in rdi
//!     tree: Tree           in *rsi
//!     → Result<(), Error>  in *result-pointer
//! ```

use std::fmt::{self, Write as _};

use serde_json::json;

use super::color::{Paint, Palette, printable};
use super::type_name::short;
use super::units::counted;
use crate::value::place::{Location, MemoryPlace, Place};
use crate::value::term::{Operator, Term};

/// What is probed, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Subjects {
    /// Out-of-line functions.
    pub functions: u64,
    pub inlined: u64,
    /// Lines of source.
    pub lines: u64,
    /// USDT probes.
    pub probes: u64,
}

/// `2 functions, 3 inlined copies and 1 USDT probe`.
impl fmt::Display for Subjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { functions, inlined, lines, probes } = *self;
        let copies = if inlined == 1 { "1 inlined copy".to_owned() } else { format!("{inlined} inlined copies") };
        let parts = [
            (functions > 0 || inlined + lines + probes == 0).then(|| counted(functions, "function")),
            (inlined > 0).then_some(copies),
            (lines > 0).then(|| counted(lines, "source line")),
            (probes > 0).then(|| counted(probes, "USDT probe")),
        ];
        match parts.into_iter().flatten().collect::<Vec<_>>().as_slice() {
            [first @ .., last] if !first.is_empty() => write!(f, "{} and {last}", first.join(", ")),
            all => f.write_str(&all.concat()),
        }
    }
}

/// One argument or result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedValue {
    /// Empty for a result.
    pub name: String,
    pub type_name: String,
    pub location: Location,
    /// It is somewhere behind the value that is at `location`.
    pub is_part: bool,
}

/// Which calls count, as the user wrote it, and where that is decided.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PlannedCondition {
    pub in_kernel: Vec<String>,
    /// With the reason why the kernel does not decide it.
    pub afterwards: Vec<(String, String)>,
}

/// One function with all its copies, or one USDT probe with all its sites.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PlannedFunction {
    pub name: String,
    pub is_poll: bool,
    pub is_usdt: bool,
    /// A line of source: the name is file and line, and copies and inlined copies are those of the functions it is in.
    pub is_line: bool,
    /// No debug information says what it takes and returns.
    pub is_untyped: bool,
    /// Out-of-line copies.
    pub copies: u64,
    pub inlined: u64,
    pub entries: u64,
    /// Probes on `ret`s and tail jumps.
    pub exits: u64,
    /// Returns seen by the kernel's trampoline.
    pub trampolines: u64,
    /// Of the first copy.
    pub arguments: Vec<PlannedValue>,
    pub result: Option<PlannedValue>,
    /// Parts of the result, if only those are asked for.
    pub results: Vec<PlannedValue>,
    pub has_stack: bool,
    pub condition: Option<PlannedCondition>,
}

/// The whole plan.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PlanReport {
    pub functions: Vec<PlannedFunction>,
    /// What was left out or may be missing.
    pub notes: Vec<String>,
    pub sites: u64,
    pub capture_plans: u64,
}

impl PlanReport {
    /// A block of lines for each function, the notes, and a line of totals.
    pub fn text(&self, palette: Palette, full_types: bool) -> String {
        let mut out = String::new();
        for function in &self.functions {
            function.text(&mut out, palette, full_types);
        }
        for note in &self.notes {
            palette.paint(&mut out, Paint::Warning, &printable(note));
            out.push('\n');
        }
        let totals = format!(
            "{}, {}, {}; nothing was attached",
            Subjects {
                functions: self
                    .functions
                    .iter()
                    .filter(|function| !function.is_usdt && !function.is_line)
                    .map(|function| function.copies)
                    .sum(),
                inlined: self
                    .functions
                    .iter()
                    .filter(|function| !function.is_line)
                    .map(|function| function.inlined)
                    .sum(),
                lines: self.functions.iter().filter(|function| function.is_line).count() as u64,
                probes: self.functions.iter().filter(|function| function.is_usdt).count() as u64,
            },
            counted(self.sites, "site"),
            counted(self.capture_plans, "capture plan"),
        );
        palette.paint(&mut out, Paint::Dim, &totals);
        out.push('\n');
        out
    }

    /// JSON Lines: `{"kind":"planned",…}` for each function, then `{"kind":"note",…}`.
    pub fn json(&self) -> String {
        let mut out = String::new();
        for function in &self.functions {
            let _ = writeln!(out, "{}", function.json());
        }
        for note in &self.notes {
            let _ = writeln!(out, "{}", json!({"kind": "note", "text": note}));
        }
        out
    }
}

impl PlannedFunction {
    fn text(&self, out: &mut String, palette: Palette, full_types: bool) {
        let prefix = match (self.is_usdt, self.is_poll) {
            (true, _) => "usdt:",
            (_, true) => "poll ",
            _ => "",
        };
        palette.paint(out, Paint::Dim, prefix);
        palette.paint(out, Paint::Strong, &printable(&self.name));
        palette.paint(out, Paint::Dim, &format!("  {}", self.sites()));
        out.push('\n');
        let values: Vec<(String, String)> = self
            .arguments
            .iter()
            .chain(&self.result)
            .chain(&self.results)
            .map(|value| value.text(full_types))
            .collect();
        let width = values.iter().map(|(value, _)| value.chars().count()).max().unwrap_or(0);
        if self.is_untyped {
            out.push_str("    arguments and result unknown: no debug information\n");
        }
        for (value, place) in values {
            let space = " ".repeat(width - value.chars().count());
            let _ = write!(out, "    {value}{space}  ");
            palette.paint(out, Paint::Dim, &place);
            out.push('\n');
        }
        if self.has_stack {
            out.push_str("    the stack\n");
        }
        if let Some(condition) = &self.condition {
            condition.text(out, palette);
        }
    }

    fn sites(&self) -> String {
        if self.is_line {
            return match self.inlined {
                0 => counted(self.entries, "site"),
                inlined => format!("{}, {inlined} of them inlined", counted(self.entries, "site")),
            };
        }
        if self.is_usdt {
            return counted(self.entries, "site");
        }
        let copies = match (self.copies, self.inlined) {
            (1, 0) => "1 copy".to_owned(),
            (copies, 0) => format!("{copies} copies"),
            (0, 1) => "1 inlined copy".to_owned(),
            (0, inlined) => format!("{inlined} inlined copies"),
            (copies, inlined) => format!("{} copies, {inlined} of them inlined", copies + inlined),
        };
        let entries = if self.entries == 1 { "1 entry".to_owned() } else { format!("{} entries", self.entries) };
        let exits = (self.exits > 0).then(|| counted(self.exits, "exit"));
        let trampolines = (self.trampolines > 0).then(|| counted(self.trampolines, "return trampoline"));
        let sites: Vec<String> = [Some(entries), exits, trampolines].into_iter().flatten().collect();
        format!("{copies}: {}", sites.join(", "))
    }

    fn json(&self) -> serde_json::Value {
        let value =
            |value: &PlannedValue| json!({"name": value.name, "type": value.type_name, "place": value.place_text()});
        let mut object = json!({
            "kind": "planned",
            "function": self.name,
            "poll": self.is_poll,
            "usdt": self.is_usdt,
            "line": self.is_line,
            "copies": self.copies,
            "inlined_copies": self.inlined,
            "entries": self.entries,
            "exits": self.exits,
            "trampolines": self.trampolines,
            "args": (!self.is_untyped).then(|| self.arguments.iter().map(value).collect::<Vec<_>>()),
            "result": self.result.as_ref().map(value),
        });
        let mut add = |key: &str, value| object.as_object_mut().and_then(|object| object.insert(key.to_owned(), value));
        if !self.results.is_empty() {
            add("results", self.results.iter().map(value).collect());
        }
        if self.has_stack {
            add("stack", true.into());
        }
        if let Some(PlannedCondition { in_kernel, afterwards }) = &self.condition {
            let afterwards: Vec<_> =
                afterwards.iter().map(|(text, why)| json!({"condition": text, "reason": why})).collect();
            add("if", json!({"kernel": in_kernel, "afterwards": afterwards}));
        }
        object
    }
}

impl PlannedCondition {
    fn text(&self, out: &mut String, palette: Palette) {
        let kernel = self.in_kernel.iter().map(|text| (text, "decided in the kernel".to_owned()));
        let afterwards = self.afterwards.iter().map(|(text, why)| (text, format!("decided on the record: {why}")));
        for (text, decided) in kernel.chain(afterwards) {
            let _ = write!(out, "    if {}  ", printable(text));
            palette.paint(out, Paint::Dim, &decided);
            out.push('\n');
        }
    }
}

impl PlannedValue {
    /// What it is, and where.
    fn text(&self, full_types: bool) -> (String, String) {
        let type_name = if full_types { self.type_name.clone() } else { short(&self.type_name) };
        let value =
            if self.name.is_empty() { format!("→ {type_name}") } else { format!("{}: {type_name}", self.name) };
        (printable(&value).into_owned(), self.place_text())
    }

    fn place_text(&self) -> String {
        let place = place_text(&self.location);
        if self.is_part { format!("behind {}", place.strip_prefix("in ").unwrap_or(&place)) } else { place }
    }
}

/// `in rdi`, `in *rsi`, `in rdx, rcx`, `optimized out`.
fn place_text(location: &Location) -> String {
    let mut places: Vec<String> = location.pieces.iter().map(|piece| place(&piece.place)).collect();
    places.dedup();
    match (location.pieces.as_slice(), places.join(", ")) {
        ([], _) => "of size 0".to_owned(),
        ([only], text) if matches!(only.place, Place::Constant(_) | Place::Missing(_)) => text,
        (_, text) => format!("in {text}"),
    }
}

fn place(place: &Place) -> String {
    match place {
        Place::Register(register) => register.to_string(),
        Place::Memory(memory) => memory_text(memory),
        Place::Address(term) => format!("*{}", term_text(term)),
        Place::Value(term) => term_text(term),
        Place::Constant(value) => format!("always {value:#x}"),
        Place::Missing(missing) => missing.to_string(),
    }
}

/// `(**(rsp+8)+16)`: a star for each word that is loaded.
fn term_text(term: &Term) -> String {
    match term {
        Term::Constant(number) if *number as i64 >= -4096 && (*number as i64) < 4096 => format!("{}", *number as i64),
        Term::Constant(number) => format!("{number:#x}"),
        Term::Register(register) => register.to_string(),
        Term::Load { address, .. } => format!("*{}", term_text(address)),
        Term::Extend { term, size_bytes, signed } => {
            format!("{}{}({})", if *signed { 'i' } else { 'u' }, 8 * u32::from(*size_bytes), term_text(term))
        }
        Term::Operation(operator, left, right) => match **right {
            Term::Constant(number) if *operator == Operator::Plus => {
                format!("({}{:+})", term_text(left), number as i64)
            }
            _ => format!("({}{}{})", term_text(left), operator.symbol(), term_text(right)),
        },
    }
}

fn memory_text(memory: &MemoryPlace) -> String {
    let base = memory.base.map(|register| register.to_string());
    let index = memory.index.map(|(register, scale)| format!("{register}*{scale}"));
    let mut address: String = [base, index].into_iter().flatten().collect::<Vec<_>>().join("+");
    match memory.displacement {
        0 if !address.is_empty() => {}
        displacement if address.is_empty() => address = format!("{displacement:#x}"),
        displacement => address = format!("({address}{displacement:+})"),
    }
    match memory.indirect {
        None => format!("*{address}"),
        Some(0) => format!("**{address}"),
        Some(offset) => format!("*(*{address}{offset:+})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::place::{Missing, Piece, Register};

    fn value(name: &str, type_name: &str, places: &[Place]) -> PlannedValue {
        let pieces = places.iter().map(|place| Piece { size_bytes: 8, place: place.clone() }).collect();
        PlannedValue {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            location: Location { pieces },
            is_part: false,
        }
    }

    fn memory(displacement: i64, indirect: Option<i64>) -> Place {
        Place::Memory(MemoryPlace { indirect, ..MemoryPlace::at(Register::RSP, displacement) })
    }

    fn report() -> PlanReport {
        let register = Place::Register;
        let save = PlannedFunction {
            name: "app::Store::save".to_owned(),
            copies: 2,
            entries: 2,
            exits: 3,
            arguments: vec![
                value("self", "&mut app::store::Store", &[register(Register::RDI)]),
                value("name", "&str", &[register(Register::RSI), register(Register::RDX)]),
                value("tree", "app::Tree", &[memory(8, None)]),
                value("deep", "app::Tree", &[memory(-8, Some(16))]),
                value("first", "u64", &[memory(0, Some(0))]),
                value("unit", "()", &[]),
                value("gone", "u8", &[Place::Missing(Missing::OptimizedOut)]),
                value("seven", "u8", &[Place::Constant(7)]),
            ],
            result: Some(value("", "core::option::Option<u8>", &[register(Register::RAX)])),
            ..PlannedFunction::default()
        };
        let poll = PlannedFunction {
            name: "app::run".to_owned(),
            is_poll: true,
            copies: 1,
            entries: 1,
            trampolines: 1,
            is_untyped: true,
            ..PlannedFunction::default()
        };
        let indexed =
            MemoryPlace { base: Some(Register::RAX), index: Some((Register::RCX, 8)), displacement: 4, indirect: None };
        let usdt = PlannedFunction {
            name: "mailbox:send".to_owned(),
            is_usdt: true,
            copies: 1,
            entries: 1,
            arguments: vec![value("arg0", "u64", &[Place::Memory(indexed)])],
            ..PlannedFunction::default()
        };
        PlanReport {
            functions: vec![save, poll, usdt],
            notes: vec!["left out: app::x: it begins inside an instruction".to_owned()],
            sites: 8,
            capture_plans: 3,
        }
    }

    #[test]
    fn text_shows_sites_and_places() {
        insta::assert_snapshot!(report().text(Palette::OFF, false), @"
        app::Store::save  2 copies: 2 entries, 3 exits
            self: &mut Store  in rdi
            name: &str        in rsi, rdx
            tree: Tree        in *(rsp+8)
            deep: Tree        in *(*(rsp-8)+16)
            first: u64        in **rsp
            unit: ()          of size 0
            gone: u8          optimized out
            seven: u8         always 0x7
            → Option<u8>      in rax
        poll app::run  1 copy: 1 entry, 1 return trampoline
            arguments and result unknown: no debug information
        usdt:mailbox:send  1 site
            arg0: u64  in *(rax+rcx*8+4)
        left out: app::x: it begins inside an instruction
        3 functions and 1 USDT probe, 8 sites, 3 capture plans; nothing was attached
        ");
    }

    #[test]
    fn json_has_one_function_per_line() {
        let json = report().json();
        let lines: Vec<&str> = json.lines().skip(1).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        {"kind":"planned","function":"app::run","poll":true,"usdt":false,"line":false,"copies":1,"inlined_copies":0,"entries":1,"exits":0,"trampolines":1,"args":null,"result":null}
        {"kind":"planned","function":"mailbox:send","poll":false,"usdt":true,"line":false,"copies":1,"inlined_copies":0,"entries":1,"exits":0,"trampolines":0,"args":[{"name":"arg0","type":"u64","place":"in *(rax+rcx*8+4)"}],"result":null}
        {"kind":"note","text":"left out: app::x: it begins inside an instruction"}
        "#);
    }
}
