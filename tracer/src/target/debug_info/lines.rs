//! The line tables: which code each line of a source file has. Says nothing of functions and scopes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use gimli::UnitRef;
use rayon::prelude::*;

use super::DebugInfo;
use super::index::code_ranges;
use super::scan::InlinedEntry;
use super::unit::{Position, Slice, View, link_range};
use crate::target::address::LinkRange;

/// More rows than any source file has, over all copies of its code; a lying file is cut here.
const ROWS_MAX: usize = 4_000_000;

/// A source file, as the compiler knew it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceFile {
    /// The whole path.
    pub path: String,
    /// The path as it was given to the compiler: relative to where that ran, if it was.
    pub shown: String,
}

/// A stretch of code that belongs to one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRow {
    pub file: Arc<SourceFile>,
    pub line: u64,
    /// Up to where the next row begins: empty where a line has no code of its own.
    pub range: LinkRange,
    /// How many rows before it begin at the same address: GCC numbers a variable's states by them.
    pub view: u64,
    /// A good place to stop at for this line; otherwise amid a statement.
    pub is_statement: bool,
    /// The function's frame stands from here on.
    pub is_prologue_end: bool,
}

impl DebugInfo<'_> {
    /// All source files that the line tables name.
    pub fn source_files(&self) -> BTreeSet<SourceFile> {
        let view = View::new(self);
        let of_unit = |unit: usize| files(&view, unit).into_values().collect::<Vec<_>>();
        (0..self.units.len()).into_par_iter().flat_map_iter(of_unit).map(|file| (*file).clone()).collect()
    }

    /// The rows of the files whose path `is_wanted` passes, by address. Where a call was inlined, all its code can belong
    /// to the lines of what was called: its beginning counts as a row of the line that calls, too. Reads all line tables' headers, in parallel,
    /// and the rows of those that name such a file.
    pub fn source_rows(&self, is_wanted: impl Fn(&SourceFile) -> bool + Sync) -> Vec<SourceRow> {
        let view = View::new(self);
        let of_unit = |unit: usize| {
            let mut files = files(&view, unit);
            files.retain(|_, file| is_wanted(file));
            if files.is_empty() {
                return Vec::new();
            }
            let mut rows = rows(&view, unit, &files);
            rows.extend(calls(&view, unit, &files));
            rows
        };
        let mut rows: Vec<SourceRow> = (0..self.units.len()).into_par_iter().flat_map_iter(of_unit).collect();
        rows.truncate(ROWS_MAX);
        rows.par_sort_by(|a, b| (a.range, a.view).cmp(&(b.range, b.view)));
        rows
    }
}

/// A unit's files by their index in its line table.
fn files(view: &View<'_>, unit: usize) -> HashMap<u64, Arc<SourceFile>> {
    let Some(lines) = view.lines(unit) else { return HashMap::new() };
    let Some(header) = lines.line_program.as_ref().map(|program| program.header()) else { return HashMap::new() };
    let first = if header.version() >= 5 { 0 } else { 1 };
    let directory = lines.comp_dir.map(|directory| directory.to_string_lossy().into_owned()).unwrap_or_default();
    let file = |index| Some((index, Arc::new(source_file(lines, index, &directory)?)));
    (first..first + header.file_names().len() as u64).filter_map(file).collect()
}

fn source_file(lines: UnitRef<'_, Slice<'_>>, index: u64, compiled_in: &str) -> Option<SourceFile> {
    let shown = shown_path(lines, index)?;
    let path = if shown.starts_with('/') { shown.clone() } else { format!("{compiled_in}/{shown}") };
    Some(SourceFile { path: without_detours(&path), shown })
}

/// The path of a line table's file, relative to where the compiler ran if it was given so.
pub(super) fn shown_path(lines: UnitRef<'_, Slice<'_>>, index: u64) -> Option<String> {
    let header = lines.line_program.as_ref()?.header();
    let entry = header.file(index)?;
    let text = |value| lines.attr_string(value).ok().map(|text| text.to_string_lossy().into_owned());
    let mut path = String::new();
    // Directory 0 is where the compiler ran: file names in it are kept as they were given.
    if entry.directory_index() != 0
        && let Some(directory) = entry.directory(header).and_then(text)
    {
        path.push_str(&directory);
        path.push('/');
    }
    let name = text(entry.path_name())?;
    if name.starts_with('/') {
        path.clear();
    }
    path.push_str(&name);
    Some(path)
}

/// The path without `.` and `..`.
fn without_detours(path: &str) -> String {
    let mut components: Vec<&str> = Vec::new();
    for component in path.split('/') {
        match component {
            "." => {}
            "" if !components.is_empty() => {}
            ".." if components.last().is_some_and(|last| !matches!(*last, ".." | "")) => {
                components.pop();
            }
            component => components.push(component),
        }
    }
    components.join("/")
}

fn rows(view: &View<'_>, unit: usize, files: &HashMap<u64, Arc<SourceFile>>) -> Vec<SourceRow> {
    let mut found: Vec<SourceRow> = Vec::new();
    let Some(program) = view.lines(unit).and_then(|unit| unit.line_program.clone()) else { return found };
    let mut rows = program.rows();
    // The row before, which ends where the next one begins; and how many began at its address.
    let mut last: Option<(u64, Option<usize>, u64)> = None;
    loop {
        let row = match rows.next_row() {
            Ok(Some((_, row))) => row,
            Ok(None) => break,
            Err(source) => {
                view.damaged(unit, source);
                break;
            }
        };
        let address = row.address();
        if let Some((_, Some(index), _)) = last
            && let Some(open) = found.get_mut(index)
        {
            open.range.end.0 = address.max(open.range.start.0);
        }
        if row.end_sequence() {
            last = None;
            continue;
        }
        let row_view = match last {
            Some((before, _, view)) if before == address => view + 1,
            _ => 0,
        };
        let file = files.get(&row.file_index()).filter(|_| address > 1 && found.len() < ROWS_MAX);
        let line = row.line().map(u64::from);
        let index = file.zip(line).map(|(file, line)| {
            found.push(SourceRow {
                file: Arc::clone(file),
                line,
                range: link_range(address, address),
                view: row_view,
                is_statement: row.is_stmt(),
                is_prologue_end: row.prologue_end(),
            });
            found.len() - 1
        });
        last = Some((address, index, row_view));
    }
    found
}

/// The beginnings of inlined calls, as rows of the lines that they are on.
fn calls(view: &View<'_>, unit: usize, files: &HashMap<u64, Arc<SourceFile>>) -> Vec<SourceRow> {
    let call = |entry: &InlinedEntry| {
        let at = Position { unit, offset: entry.offset as usize };
        let die = view.entry(at)?;
        let file = match die.attr_value(gimli::DW_AT_call_file)? {
            gimli::AttributeValue::FileIndex(index) => index,
            other => other.udata_value()?,
        };
        let file = Arc::clone(files.get(&file)?);
        let line = die.attr_value(gimli::DW_AT_call_line)?.udata_value()?;
        let range = *code_ranges(view, at).first()?;
        let view = die.attr_value(gimli::DW_AT_GNU_entry_view).and_then(|view| view.udata_value()).unwrap_or(0);
        Some(SourceRow { file, line, range, view, is_statement: true, is_prologue_end: false })
    };
    view.scan(unit).inlined.par_iter().with_min_len(256).filter_map(call).collect()
}

#[cfg(test)]
mod tests {
    use super::without_detours;

    #[test]
    fn paths_lose_their_detours() {
        for (path, straight) in [
            ("/a/./b//c.c", "/a/b/c.c"),
            ("/a/b/../c.c", "/a/c.c"),
            ("../c.c", "../c.c"),
            ("/../c.c", "/../c.c"),
            ("a/../../c.c", "../c.c"),
        ] {
            assert_eq!(without_detours(path), straight);
        }
    }
}
