//! Values of globals, statics and thread locals: one line each, a table of threads for thread locals.

use std::fmt::Write as _;

use serde_json::json;

use super::backtrace::within_crate;
use super::color::{Paint, Palette, printable};
use super::table::{Cell, Column, draw};
use super::type_name;
use crate::value::Value;
use crate::value::json::to_json;
use crate::value::place::Missing;
use crate::value::text::Style;

/// What one expression showed.
#[derive(Clone, Debug, PartialEq)]
pub struct Printed {
    /// As the user wrote it.
    pub expression: String,
    /// The variable's whole path, and where it is declared.
    pub variable: String,
    pub declared: Option<String>,
    pub type_name: String,
    /// There are several variables of that path, so people are told which one this is.
    pub is_one_of_several: bool,
    pub readings: Vec<Reading>,
}

/// One value, of one thread if it is thread-local.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub thread: Option<(u32, String)>,
    pub value: Value,
    /// It was another value at each look, so parts of it may not belong together.
    pub is_changing: bool,
}

/// Puts together what is one variable to the user. Of a lazy `thread_local!` an unoptimised program has two, one for
/// values with a destructor and one for the others, and uses one of them.
pub fn merged(all: Vec<Printed>) -> Vec<Printed> {
    let mut merged: Vec<Printed> = Vec::new();
    for printed in all {
        let is_same = |known: &&mut Printed| {
            known.readings.iter().all(|reading| reading.thread.is_some())
                && known.declared == printed.declared
                && known.type_name == printed.type_name
                && known
                    .readings
                    .iter()
                    .map(|reading| &reading.thread)
                    .eq(printed.readings.iter().map(|reading| &reading.thread))
        };
        match merged.iter_mut().find(is_same) {
            Some(known) => {
                for (known, other) in known.readings.iter_mut().zip(printed.readings) {
                    if known.value == Value::Unreadable(Missing::NotInitialised) {
                        *known = other;
                    }
                }
            }
            None => merged.push(printed),
        }
    }
    let is_one_of_several = merged.len() > 1;
    merged.into_iter().map(|printed| Printed { is_one_of_several, ..printed }).collect()
}

const CHANGING: &str = "  (changed while it was read)";

/// As people read it.
pub fn text(printed: &Printed, palette: Palette, style: Style) -> String {
    let mut text = String::new();
    palette.paint(&mut text, Paint::Strong, &printable(&printed.expression));
    let type_name = if style.full_types { printed.type_name.clone() } else { type_name::short(&printed.type_name) };
    palette.paint(&mut text, Paint::Dim, &format!(": {}", printable(&type_name)));
    if let (true, Some(declared)) = (printed.is_one_of_several, &printed.declared) {
        palette.paint(&mut text, Paint::Dim, &format!(" at {}", printable(within_crate(declared))));
    }
    match printed.readings.as_slice() {
        [Reading { thread: None, value, is_changing }] => {
            let value = value.text(style);
            let lines: Vec<_> = value.lines().map(printable).collect();
            let _ = write!(text, " = {}", lines.join("\n"));
            if *is_changing {
                palette.paint(&mut text, Paint::Warning, CHANGING);
            }
        }
        readings => {
            let column = |title, is_number| Column { title, is_number };
            let columns = [column("THREAD", false), column("TID", true), column("VALUE", false)];
            let row = |reading: &Reading| {
                let (tid, name) = reading.thread.as_ref().map_or((0, ""), |(tid, name)| (*tid, name.as_str()));
                let changing = if reading.is_changing { CHANGING } else { "" };
                let value = format!("{}{changing}", printable(&reading.value.text(Style { pretty: false, ..style })));
                vec![Cell::plain(printable(name)), Cell::plain(tid.to_string()), Cell::plain(value)]
            };
            let rows: Vec<_> = readings.iter().map(row).collect();
            text.push('\n');
            draw(&mut text, palette, &columns, &rows);
        }
    }
    text
}

/// One line for each reading.
pub fn json(printed: &Printed) -> Vec<String> {
    let line = |reading: &Reading| {
        let mut line = json!({
            "kind": "value",
            "expression": printed.expression,
            "variable": printed.variable,
            "declared": printed.declared,
            "type": printed.type_name,
            "value": to_json(&reading.value),
        });
        if let (Some((tid, thread)), Some(line)) = (&reading.thread, line.as_object_mut()) {
            line.insert("tid".into(), json!(tid));
            line.insert("thread".into(), json!(thread));
        }
        if let (true, Some(line)) = (reading.is_changing, line.as_object_mut()) {
            line.insert("changing".into(), json!(true));
        }
        line.to_string()
    };
    printed.readings.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(line: u32, readings: Vec<Reading>) -> Printed {
        Printed {
            expression: "SEEN".into(),
            variable: "app::SEEN".into(),
            declared: Some(format!("/home/me/app/src/main.rs:{line}")),
            type_name: "alloc::vec::Vec<app::Note>".into(),
            is_one_of_several: false,
            readings,
        }
    }

    fn reading(thread: Option<(u32, &str)>, value: Value) -> Reading {
        Reading { thread: thread.map(|(tid, name)| (tid, name.to_owned())), value, is_changing: false }
    }

    #[test]
    fn a_value_stands_on_the_line_of_its_name_and_threads_below() {
        let one = printed(1, vec![Reading { is_changing: true, ..reading(None, Value::Unsigned(5)) }]);
        assert_eq!(text(&one, Palette::OFF, Style::default()), "SEEN: Vec<Note> = 5  (changed while it was read)");
        assert_eq!(
            text(&one, Palette::OFF, Style { full_types: true, ..Style::default() }),
            "SEEN: alloc::vec::Vec<app::Note> = 5  (changed while it was read)"
        );
        let several = printed(
            1,
            vec![reading(Some((7, "main")), Value::Unsigned(5)), reading(Some((12, "worker\n")), Value::Unsigned(6))],
        );
        let text = text(&several, Palette::OFF, Style::default());
        let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[0], ["SEEN:", "Vec<Note>"]);
        assert_eq!(words[1..], [vec!["THREAD", "TID", "VALUE"], vec!["main", "7", "5"], vec!["worker\\n", "12", "6"]]);
    }

    #[test]
    fn the_halves_of_a_lazy_thread_local_are_one() {
        let never = || Value::Unreadable(Missing::NotInitialised);
        let threads = [Some((7, "main")), Some((8, "worker"))];
        let half = |values: [Value; 2]| {
            printed(1, threads.into_iter().zip(values).map(|(thread, value)| reading(thread, value)).collect())
        };
        let merged = merged(vec![half([never(), never()]), half([Value::Unsigned(5), never()])]);
        assert_eq!(merged, [half([Value::Unsigned(5), never()])]);
    }

    #[test]
    fn variables_of_one_path_in_several_files_are_told_apart() {
        let merged = merged(vec![
            printed(1, vec![reading(None, Value::Unsigned(1))]),
            printed(2, vec![reading(None, Value::Unsigned(2))]),
        ]);
        let lines: Vec<String> = merged.iter().map(|printed| text(printed, Palette::OFF, Style::default())).collect();
        assert_eq!(lines, ["SEEN: Vec<Note> at src/main.rs:1 = 1", "SEEN: Vec<Note> at src/main.rs:2 = 2"]);
    }

    #[test]
    fn json_has_one_line_for_each_thread() {
        let lines = json(&printed(1, vec![reading(Some((7, "main")), Value::Unsigned(5)), reading(None, Value::Unit)]));
        assert_eq!(
            lines,
            [
                r#"{"kind":"value","expression":"SEEN","variable":"app::SEEN","declared":"/home/me/app/src/main.rs:1","type":"alloc::vec::Vec<app::Note>","value":5,"tid":7,"thread":"main"}"#,
                r#"{"kind":"value","expression":"SEEN","variable":"app::SEEN","declared":"/home/me/app/src/main.rs:1","type":"alloc::vec::Vec<app::Note>","value":null}"#,
            ]
        );
    }
}
