//! Keeps one long value from hiding the rest of a line.

use std::borrow::Cow;

use super::color::printable;
use crate::value::Value;
use crate::value::text::Style;

/// The longest that one value may be in text, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueWidth(pub Option<usize>);

/// A rest that is no longer than the note that would stand for it is shown.
const NOTE_CHARACTERS: usize = 20;

impl ValueWidth {
    pub const UNLIMITED: Self = Self(None);

    /// `text`, or its beginning and how much is left out: `Tree { uuid: a2… (+1,234 characters)`.
    pub(crate) fn cut(self, text: Cow<'_, str>) -> Cow<'_, str> {
        let Some(width) = self.0 else { return text };
        if text.chars().nth(width.saturating_add(NOTE_CHARACTERS)).is_none() {
            return text;
        }
        let Some((end, _)) = text.char_indices().nth(width) else { return text };
        let (shown, rest) = text.split_at(end);
        let more = super::units::counted(rest.chars().count() as u64, "character");
        Cow::Owned(format!("{shown}… (+{more})"))
    }
}

/// How the values of a report are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownValues {
    pub width: ValueWidth,
    pub style: Style,
}

impl ShownValues {
    /// Whole, and on one line.
    pub const PLAIN: Self = Self { width: ValueWidth::UNLIMITED, style: Style { pretty: false, full_types: false } };

    /// The value's lines, as they may be printed.
    pub(crate) fn lines(self, value: &Value) -> Vec<String> {
        let text = self.width.cut(Cow::Owned(value.text(self.style)));
        match self.style.pretty {
            true => text.lines().map(|line| printable(line).into_owned()).collect(),
            false => vec![printable(&text).into_owned()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(width: Option<usize>, text: &str) -> String {
        ValueWidth(width).cut(text.into()).into_owned()
    }

    #[test]
    fn what_fits_is_whole_and_the_rest_is_counted() {
        let rest = "é".repeat(20);
        assert_eq!(cut(Some(3), &format!("abc{rest}")), format!("abc{rest}"));
        assert_eq!(cut(Some(3), &format!("abcd{rest}")), "abc… (+21 characters)");
        assert_eq!(cut(Some(1), &"x".repeat(1_235)), "x… (+1,234 characters)");
        assert_eq!(cut(None, &"x".repeat(9_999)).len(), 9_999);
    }
}
