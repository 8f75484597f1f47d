//! Colours of the terminal, and text that cannot steer it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

impl ColorChoice {
    /// Whether to colour. `no_color` and `term` are the values of `NO_COLOR` (no-color.org: any non-empty value) and
    /// `TERM`; they and the kind of output matter to `Auto` only.
    pub fn resolve(self, is_terminal: bool, no_color: Option<&str>, term: Option<&str>) -> Palette {
        let on = match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => is_terminal && no_color.is_none_or(str::is_empty) && term.is_some_and(|term| term != "dumb"),
        };
        Palette { on }
    }
}

/// How things are painted. The default paints nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Palette {
    on: bool,
}

/// What is painted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Time, thread, tree lines.
    Dim,
    /// What the eye looks for: function names, headings.
    Strong,
    Good,
    Warning,
    Bad,
    Plain,
}

impl Paint {
    /// ECMA-48 parameters of the "select graphic rendition" sequence; the user's theme decides the shades.
    fn code(self) -> &'static str {
        match self {
            Self::Dim => "2",
            Self::Strong => "1",
            Self::Good => "32",
            Self::Warning => "33",
            Self::Bad => "31",
            Self::Plain => "",
        }
    }
}

impl Palette {
    pub const OFF: Self = Self { on: false };
    pub const ON: Self = Self { on: true };

    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    /// Appends `text`, painted.
    pub fn paint(self, line: &mut String, paint: Paint, text: &str) {
        if self.on && paint != Paint::Plain {
            let _ = write!(line, "\x1b[{}m{text}\x1b[0m", paint.code());
        } else {
            line.push_str(text);
        }
    }
}

/// `text` with its control characters escaped as Rust writes them. Names come from the target, and must not be able
/// to move the cursor, forge lines or retitle the terminal of a privileged user.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unsafe(c) { escaped.extend(c.escape_default()) } else { escaped.push(c) }
    }
    Cow::Owned(escaped)
}

/// Control characters, and those that reorder the text around them (Unicode TR9).
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_colours_only_terminals_that_want_it() {
        let auto = |terminal, no_color, term| ColorChoice::Auto.resolve(terminal, no_color, term) == Palette::ON;
        assert!(auto(true, None, Some("xterm")));
        assert!(auto(true, Some(""), Some("xterm")));
        assert!(!auto(false, None, Some("xterm")));
        assert!(!auto(true, Some("1"), Some("xterm")));
        assert!(!auto(true, None, Some("dumb")));
        assert!(!auto(true, None, None));
        assert_eq!(ColorChoice::Always.resolve(false, Some("1"), None), Palette::ON);
        assert_eq!(ColorChoice::Never.resolve(true, None, Some("xterm")), Palette::OFF);
    }

    #[test]
    fn painting_wraps_only_when_on() {
        let painted = |palette: Palette, paint| {
            let mut line = String::new();
            palette.paint(&mut line, paint, "x");
            line
        };
        assert_eq!(painted(Palette::ON, Paint::Dim), "\x1b[2mx\x1b[0m");
        assert_eq!(painted(Palette::ON, Paint::Plain), "x");
        assert_eq!(painted(Palette::OFF, Paint::Dim), "x");
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        assert_eq!(printable("tokio-rt-worker é"), "tokio-rt-worker é");
        assert_eq!(printable("a\x1b[2Jb\nc\u{202e}"), "a\\u{1b}[2Jb\\nc\\u{202e}");
    }
}
