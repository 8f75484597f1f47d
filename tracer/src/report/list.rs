//! `tracer list`: the functions and USDT probes of a target, one per line, as they can be given to `trace`.

use std::fmt::Write as _;

use serde_json::json;

use super::color::{Paint, Palette, printable};
use super::type_name::short;
use super::units;

/// One function, all its copies together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFunction {
    /// Demangled path.
    pub name: String,
    /// The object that it is in: file name of the library or program.
    pub object: String,
    /// `None` without debug information.
    pub signature: Option<Signature>,
    /// Out-of-line copies, of generic functions for instance. 0: it exists only inlined.
    pub copies: u32,
    /// Places where it was inlined.
    pub inlined_copies: u32,
    pub is_async: bool,
}

/// What DWARF says of a function's interface, in the language's own type names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Name and type.
    pub parameters: Vec<(String, String)>,
    /// `None` for `()` and `void`.
    pub result: Option<String>,
}

/// One USDT probe, all its sites together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedUsdt {
    pub provider: String,
    pub name: String,
    pub object: String,
    pub arguments: Vec<UsdtArgument>,
    pub sites: u32,
    pub has_semaphore: bool,
}

/// An argument of a USDT probe: `u64` from `8@%rdi`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsdtArgument {
    pub type_name: String,
    /// The note's operand, at the first site.
    pub operand: String,
}

/// A line of source that has code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedLine {
    pub file: String,
    pub line: u64,
    pub object: String,
    /// The functions that it is in.
    pub functions: Vec<String>,
    /// Places that a probe on it would have.
    pub sites: usize,
}

/// Everything that matched.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Listing {
    pub functions: Vec<ListedFunction>,
    pub usdt: Vec<ListedUsdt>,
    pub lines: Vec<ListedLine>,
    /// Found as well, and left out by a limit.
    pub hidden: usize,
    /// Functions that exist only inlined, and are not listed because nobody asked for them.
    pub hidden_inlined: usize,
}

impl Listing {
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty() && self.usdt.is_empty() && self.lines.is_empty()
    }

    /// Keeps the first `limit` functions and the first `limit` probes.
    pub fn shorten(&mut self, limit: usize) {
        let found = [self.functions.len(), self.usdt.len(), self.lines.len()];
        self.hidden = found.iter().map(|found| found.saturating_sub(limit)).sum();
        self.lines.truncate(limit);
        self.functions.truncate(limit);
        self.usdt.truncate(limit);
    }

    /// One line each, with the object in front if there are several, and a line of totals at the end.
    /// Types are written without their modules, unless `full_types`.
    pub fn text(&self, palette: Palette, full_types: bool) -> String {
        let mut out = String::new();
        let mut objects = self.functions.iter().map(|function| &function.object);
        let first = objects.next();
        let several = objects.any(|object| Some(object) != first);
        for function in &self.functions {
            if several {
                palette.paint(&mut out, Paint::Dim, &printable(&format!("{}!", function.object)));
            }
            function.text(&mut out, palette, full_types);
        }
        let mut objects = self.usdt.iter().map(|usdt| &usdt.object);
        let first = objects.next();
        let several = objects.any(|object| Some(object) != first);
        for usdt in &self.usdt {
            usdt.text(&mut out, palette, several);
        }
        for line in &self.lines {
            line.text(&mut out, palette);
        }
        let inlined = self.functions.iter().filter(|function| function.copies == 0).count() as u64;
        let note = match (inlined, self.hidden_inlined as u64) {
            (0, 0) => String::new(),
            (0, hidden) => format!(" (a pattern also shows {} that are inlined everywhere)", units::count(hidden)),
            (inlined, _) => format!(" ({} inlined only)", units::count(inlined)),
        };
        let functions = units::counted(self.functions.len() as u64, "function");
        let probes = units::counted(self.usdt.len() as u64, "USDT probe");
        let counted = match self.lines.len() as u64 {
            0 => format!("{functions}{note}, {probes}"),
            lines => units::counted(lines, "line"),
        };
        let hidden = match self.hidden {
            0 => String::new(),
            hidden => format!(", {} more not shown", units::count(hidden as u64)),
        };
        palette.paint(&mut out, Paint::Dim, &format!("{counted}{hidden}"));
        out.push('\n');
        out
    }

    /// JSON Lines: `{"kind":"function",…}` and `{"kind":"usdt-probe",…}`.
    pub fn json(&self) -> String {
        let mut out = String::new();
        let lines = self.functions.iter().map(ListedFunction::json).chain(self.usdt.iter().map(ListedUsdt::json));
        for line in lines.chain(self.lines.iter().map(ListedLine::json)) {
            let _ = writeln!(out, "{line}");
        }
        out
    }
}

impl ListedFunction {
    fn text(&self, out: &mut String, palette: Palette, full_types: bool) {
        let written = |name: &str| if full_types { name.to_owned() } else { short(name) };
        if self.is_async {
            palette.paint(out, Paint::Dim, "async ");
        }
        let paint = if self.copies == 0 { Paint::Dim } else { Paint::Strong };
        palette.paint(out, paint, &printable(&self.name));
        if let Some(signature) = &self.signature {
            let parameters: Vec<String> = signature
                .parameters
                .iter()
                .map(|(name, type_name)| format!("{name}: {}", written(type_name)))
                .collect();
            out.push_str(&printable(&format!("({})", parameters.join(", "))));
            if let Some(result) = &signature.result {
                out.push_str(&printable(&format!(" -> {}", written(result))));
            }
        }
        let note = match (self.copies, self.inlined_copies) {
            (0, inlined) => format!("  [inlined only, {}]", units::counted(inlined.into(), "place")),
            (1, 0) => String::new(),
            (1, inlined) => format!("  [also inlined in {}]", units::counted(inlined.into(), "place")),
            (copies, 0) => format!("  [{} copies]", units::count(copies.into())),
            (copies, inlined) => format!(
                "  [{} copies, also inlined in {}]",
                units::count(copies.into()),
                units::counted(inlined.into(), "place")
            ),
        };
        palette.paint(out, Paint::Dim, &note);
        out.push('\n');
    }

    fn json(&self) -> serde_json::Value {
        let signature = self.signature.as_ref().map(|signature| {
            let parameter = |(name, type_name): &(String, String)| json!({"name": name, "type": type_name});
            json!({
                "parameters": signature.parameters.iter().map(parameter).collect::<Vec<_>>(),
                "result": signature.result,
            })
        });
        json!({
            "kind": "function",
            "name": self.name,
            "object": self.object,
            "signature": signature,
            "copies": self.copies,
            "inlined_copies": self.inlined_copies,
            "async": self.is_async,
        })
    }
}

impl ListedLine {
    fn text(&self, out: &mut String, palette: Palette) {
        palette.paint(out, Paint::Strong, &printable(&format!("{}:{}", self.file, self.line)));
        out.push_str("  ");
        out.push_str(&printable(&self.functions.join(", ")));
        if self.sites > 1 {
            palette.paint(out, Paint::Dim, &format!("  [{}]", units::counted(self.sites as u64, "site")));
        }
        out.push('\n');
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "kind": "source-line",
            "file": self.file,
            "line": self.line,
            "object": self.object,
            "functions": self.functions,
            "sites": self.sites,
        })
    }
}

impl ListedUsdt {
    fn text(&self, out: &mut String, palette: Palette, with_object: bool) {
        palette.paint(out, Paint::Dim, "usdt:");
        palette.paint(out, Paint::Strong, &printable(&format!("{}:{}", self.provider, self.name)));
        let arguments: Vec<String> = self
            .arguments
            .iter()
            .enumerate()
            .map(|(index, argument)| format!("arg{index}: {} = {}", argument.type_name, argument.operand))
            .collect();
        out.push_str(&printable(&format!("({})", arguments.join(", "))));
        let sites = units::counted(self.sites.into(), "site");
        let semaphore = if self.has_semaphore { ", semaphore" } else { "" };
        let object = if with_object { format!(", in {}", printable(&self.object)) } else { String::new() };
        palette.paint(out, Paint::Dim, &format!("  [{sites}{semaphore}{object}]"));
        out.push('\n');
    }

    fn json(&self) -> serde_json::Value {
        let argument = |argument: &UsdtArgument| json!({"type": argument.type_name, "operand": argument.operand});
        json!({
            "kind": "usdt-probe",
            "provider": self.provider,
            "name": self.name,
            "object": self.object,
            "args": self.arguments.iter().map(argument).collect::<Vec<_>>(),
            "sites": self.sites,
            "semaphore": self.has_semaphore,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(name: &str, copies: u32, inlined_copies: u32) -> ListedFunction {
        let parameters = vec![("self".to_owned(), "&mut AuditLog".to_owned()), ("uuid".to_owned(), "Uuid".to_owned())];
        let signature = Some(Signature { parameters, result: Some("Result<(), Error>".to_owned()) });
        ListedFunction {
            name: name.to_owned(),
            object: "app".to_owned(),
            signature,
            copies,
            inlined_copies,
            is_async: false,
        }
    }

    fn listing() -> Listing {
        let argument = |type_name: &str, operand: &str| UsdtArgument {
            type_name: type_name.to_owned(),
            operand: operand.to_owned(),
        };
        Listing {
            functions: vec![
                function("app::AuditLog::handle_call", 1, 0),
                function("app::push", 3, 2),
                ListedFunction { is_async: true, signature: None, ..function("app::run", 2, 0) },
                ListedFunction {
                    signature: Some(Signature { parameters: vec![], result: None }),
                    ..function("app::tiny", 0, 4)
                },
                function("app::both", 1, 1),
            ],
            usdt: vec![ListedUsdt {
                provider: "mailbox".to_owned(),
                name: "send".to_owned(),
                object: "app".to_owned(),
                arguments: vec![argument("u64", "8@%rdi"), argument("i32", "-4@-12(%rbp)")],
                sites: 2,
                has_semaphore: true,
            }],
            lines: vec![],
            hidden: 0,
            hidden_inlined: 0,
        }
    }

    #[test]
    fn text_marks_copies() {
        insta::assert_snapshot!(listing().text(Palette::OFF, false), @"
        app::AuditLog::handle_call(self: &mut AuditLog, uuid: Uuid) -> Result<(), Error>
        app::push(self: &mut AuditLog, uuid: Uuid) -> Result<(), Error>  [3 copies, also inlined in 2 places]
        async app::run  [2 copies]
        app::tiny()  [inlined only, 4 places]
        app::both(self: &mut AuditLog, uuid: Uuid) -> Result<(), Error>  [also inlined in 1 place]
        usdt:mailbox:send(arg0: u64 = 8@%rdi, arg1: i32 = -4@-12(%rbp))  [2 sites, semaphore]
        5 functions (1 inlined only), 1 USDT probe
        ");
    }

    #[test]
    fn lines_name_their_functions() {
        let line = |line, functions: &[&str], sites| ListedLine {
            file: "src/store.rs".to_owned(),
            line,
            object: "app".to_owned(),
            functions: functions.iter().map(|&name| name.to_owned()).collect(),
            sites,
        };
        let lines = vec![line(42, &["app::Store::save"], 1), line(43, &["app::get<u8>", "app::get<u16>"], 3)];
        let mut listing = Listing { lines, ..Listing::default() };
        insta::assert_snapshot!(listing.text(Palette::OFF, false), @"
        src/store.rs:42  app::Store::save
        src/store.rs:43  app::get<u8>, app::get<u16>  [3 sites]
        2 lines
        ");
        insta::assert_snapshot!(listing.json(), @r#"
        {"kind":"source-line","file":"src/store.rs","line":42,"object":"app","functions":["app::Store::save"],"sites":1}
        {"kind":"source-line","file":"src/store.rs","line":43,"object":"app","functions":["app::get<u8>","app::get<u16>"],"sites":3}
        "#);
        listing.shorten(1);
        assert_eq!((listing.lines.len(), listing.hidden), (1, 1));
    }

    #[test]
    fn json_has_one_object_per_line() {
        insta::assert_snapshot!(listing().json(), @r#"
        {"kind":"function","name":"app::AuditLog::handle_call","object":"app","signature":{"parameters":[{"name":"self","type":"&mut AuditLog"},{"name":"uuid","type":"Uuid"}],"result":"Result<(), Error>"},"copies":1,"inlined_copies":0,"async":false}
        {"kind":"function","name":"app::push","object":"app","signature":{"parameters":[{"name":"self","type":"&mut AuditLog"},{"name":"uuid","type":"Uuid"}],"result":"Result<(), Error>"},"copies":3,"inlined_copies":2,"async":false}
        {"kind":"function","name":"app::run","object":"app","signature":null,"copies":2,"inlined_copies":0,"async":true}
        {"kind":"function","name":"app::tiny","object":"app","signature":{"parameters":[],"result":null},"copies":0,"inlined_copies":4,"async":false}
        {"kind":"function","name":"app::both","object":"app","signature":{"parameters":[{"name":"self","type":"&mut AuditLog"},{"name":"uuid","type":"Uuid"}],"result":"Result<(), Error>"},"copies":1,"inlined_copies":1,"async":false}
        {"kind":"usdt-probe","provider":"mailbox","name":"send","object":"app","args":[{"type":"u64","operand":"8@%rdi"},{"type":"i32","operand":"-4@-12(%rbp)"}],"sites":2,"semaphore":true}
        "#);
    }
}
