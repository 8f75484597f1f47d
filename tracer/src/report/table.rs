//! Columns aligned by hand: a heading, rows of cells, two spaces between. No frames, so that lines stay greppable.

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

    /// Columns of the terminal, taking each character as one.
    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// Appends the heading and the rows, one line each.
pub(crate) fn draw(out: &mut String, palette: Palette, columns: &[Column], rows: &[Vec<Cell>]) {
    let heading: Vec<Cell> = columns.iter().map(|column| Cell::painted(column.title, Paint::Dim)).collect();
    let lines = || std::iter::once(&heading).chain(rows);
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| lines().filter_map(|line| line.get(at)).map(Cell::width).max().unwrap_or(0))
        .collect();
    for line in lines() {
        let mut written = String::new();
        for ((cell, column), width) in line.iter().zip(columns).zip(&widths) {
            let space = " ".repeat(width - cell.width());
            if !written.is_empty() {
                written.push_str("  ");
            }
            if column.is_number {
                written.push_str(&space);
            }
            palette.paint(&mut written, cell.paint, &cell.text);
            if !column.is_number {
                written.push_str(&space);
            }
        }
        out.push_str(written.trim_end());
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
}
