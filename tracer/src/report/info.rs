//! `tracer info`: the card of one actor, as indented text or as one JSON object. Must not know how it was read.

use serde_json::{Map, Value as Json, json};

use super::color::{Paint, Palette, printable};
use super::units;
use crate::actors::card::{Content, Group, Line};
use crate::value::json::to_json;

/// The groups that have something to say, with line feeds.
pub fn text(groups: &[Group], palette: Palette) -> String {
    let mut out = String::new();
    for group in groups.iter().filter(|group| !group.lines.is_empty()) {
        palette.paint(&mut out, Paint::Strong, group.name);
        out.push('\n');
        let width = group.lines.iter().map(|line| line.key.chars().count()).max().unwrap_or(0);
        for line in &group.lines {
            lines(&mut out, line, width, palette);
        }
    }
    out
}

fn lines(out: &mut String, line: &Line, width: usize, palette: Palette) {
    let mut put = |key: &str, text: &str| {
        out.push_str("  ");
        palette.paint(out, Paint::Dim, &format!("{key:width$}"));
        out.push_str("  ");
        out.push_str(&printable(text));
        out.push('\n');
    };
    let key = line.key.replace('_', " ");
    match &line.content {
        Content::Text(text) => put(&key, text),
        Content::Number(number) => put(&key, &units::count(*number)),
        Content::Change(change) => put(&key, &units::change(*change)),
        Content::Share(share) => put(&key, &units::percent(*share)),
        Content::Flag(flag) => put(&key, if *flag { "yes" } else { "no" }),
        Content::Value(value) => put(&line.key, &cut(&value.to_string())),
        Content::List(items) => {
            for (index, item) in items.iter().enumerate() {
                put(if index == 0 { &key } else { "" }, item);
            }
        }
    }
}

/// A long value by its beginning; `--json` has all of it.
fn cut(text: &str) -> String {
    const CHARACTERS_MAX: usize = 240;
    let characters = text.chars().count();
    match characters > CHARACTERS_MAX {
        true => {
            let shown: String = text.chars().take(CHARACTERS_MAX).collect();
            format!("{shown}… (+{} characters)", characters - CHARACTERS_MAX)
        }
        false => text.to_owned(),
    }
}

/// One JSON line, without line feed: an object per group. A key that a group has several times holds an array.
pub fn json(groups: &[Group], pid: u32, task: u64) -> String {
    let mut object = Map::new();
    object.insert("kind".to_owned(), json!("info"));
    object.insert("pid".to_owned(), json!(pid));
    object.insert("task".to_owned(), json!(task));
    for group in groups {
        let mut fields = Map::new();
        for line in &group.lines {
            let value = content(&line.content);
            match fields.get_mut(&line.key) {
                None => {
                    let is_repeated = group.lines.iter().filter(|other| other.key == line.key).count() > 1;
                    fields.insert(line.key.clone(), if is_repeated { json!([value]) } else { value });
                }
                Some(Json::Array(values)) => values.push(value),
                Some(_) => {}
            }
        }
        object.insert(group.name.to_owned(), Json::Object(fields));
    }
    Json::Object(object).to_string()
}

fn content(content: &Content) -> Json {
    match content {
        Content::Text(text) => json!(text),
        Content::Number(number) => json!(number),
        Content::Change(change) => json!(change),
        Content::Share(share) => json!(share),
        Content::Flag(flag) => json!(flag),
        Content::Value(value) => to_json(value),
        Content::List(items) => json!(items),
    }
}
