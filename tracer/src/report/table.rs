//! Columns of text: a heading, rows of cells, two spaces between. No frames, so that lines stay greppable.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, CellAlignment, Color, Table};

use super::color::{Paint, Palette};

/// One column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) is_number: bool,
}

/// Text and how it is painted. Must be printable already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) paint: Paint,
}

impl Cell {
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), paint: Paint::Plain }
    }

    pub(crate) fn painted(text: impl Into<String>, paint: Paint) -> Self {
        Self { text: text.into(), paint }
    }

    fn drawn(&self, is_number: bool) -> comfy_table::Cell {
        let side = if is_number { CellAlignment::Right } else { CellAlignment::Left };
        let cell = comfy_table::Cell::new(&self.text).set_alignment(side);
        match self.paint {
            Paint::Dim => cell.add_attribute(Attribute::Dim),
            Paint::Strong => cell.add_attribute(Attribute::Bold),
            Paint::Good => cell.fg(Color::DarkGreen),
            Paint::Warning => cell.fg(Color::DarkYellow),
            Paint::Bad => cell.fg(Color::DarkRed),
            Paint::Plain => cell,
        }
    }
}

/// Appends the heading and the rows, one line each.
pub(crate) fn draw(out: &mut String, palette: Palette, columns: &[Column], rows: &[Vec<Cell>]) {
    let mut table = Table::new();
    table.load_style(NOTHING);
    // The palette has decided already whether there is a terminal that wants colours.
    table.force_no_tty();
    if palette.is_on() {
        table.enforce_styling();
        table.style_text_only();
    }
    table.set_header(columns.iter().map(|column| Cell::painted(column.title, Paint::Dim).drawn(column.is_number)));
    for row in rows {
        table.add_row(row.iter().zip(columns).map(|(cell, column)| cell.drawn(column.is_number)));
    }
    let last = columns.len().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index == last { 0 } else { 2 }));
    }
    for line in table.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_right_aligned_and_lines_end_with_text() {
        let columns = [
            Column { title: "NAME", is_number: false },
            Column { title: "N", is_number: true },
            Column { title: "NOTE", is_number: false },
        ];
        let row = |name: &str, number: &str, note: &str| [name, number, note].map(Cell::plain).to_vec();
        let mut out = String::new();
        draw(&mut out, Palette::OFF, &columns, &[row("é", "1", "x"), row("longer", "1,000", "")]);
        assert_eq!(out, "NAME        N  NOTE\né           1  x\nlonger  1,000\n");
    }

    #[test]
    fn wide_characters_and_paint_do_not_shift_columns() {
        let columns = [Column { title: "NAME", is_number: false }, Column { title: "N", is_number: true }];
        let rows = [vec![Cell::plain("木"), Cell::plain("1")], vec![Cell::painted("ab", Paint::Bad), Cell::plain("2")]];
        let mut plain = String::new();
        draw(&mut plain, Palette::OFF, &columns, &rows);
        assert_eq!(plain, "NAME  N\n木    1\nab    2\n");
        let mut painted = String::new();
        draw(&mut painted, Palette::ON, &columns, &rows);
        let line = painted.lines().last().unwrap();
        assert!(line.starts_with("\x1b[") && line.ends_with("    2"), "{line:?}");
    }
}
