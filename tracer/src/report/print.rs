//! Values of globals, statics and thread locals: one line each, a table of threads for thread locals.

use std::fmt::Write as _;

use serde_json::json;

use super::color::{Paint, Palette, printable};
use super::table::{Cell, Column, draw};
use super::type_name;
use crate::value::Value;
use crate::value::json::to_json;

/// What one expression showed.
#[derive(Clone, Debug, PartialEq)]
pub struct Printed {
    /// As the user wrote it.
    pub expression: String,
    /// The variable's whole path, and where it is declared.
    pub variable: String,
    pub declared: Option<String>,
    pub type_name: String,
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

const CHANGING: &str = "  (changed while it was read)";

/// As people read it.
pub fn text(printed: &Printed, palette: Palette, full_types: bool) -> String {
    let mut text = String::new();
    palette.paint(&mut text, Paint::Strong, &printable(&printed.expression));
    let type_name = if full_types { printed.type_name.clone() } else { type_name::short(&printed.type_name) };
    palette.paint(&mut text, Paint::Dim, &format!(": {}", printable(&type_name)));
    match printed.readings.as_slice() {
        [Reading { thread: None, value, is_changing }] => {
            let _ = write!(text, " = {}", printable(&value.to_string()));
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
                let value = format!("{}{changing}", printable(&reading.value.to_string()));
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
