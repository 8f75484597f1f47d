//! Bytes → texts: those with a length, those that end with a NUL, and what is no UTF-8.

use super::image::Memory;
use super::limits::Limits;
use super::place::Missing;
use super::source::Source;
use super::value::{Omitted, Value};
use super::walk::TextPlace;

/// The text at `source`, as far as the limits allow.
pub(super) fn text_at(
    text: TextPlace,
    source: Source<'_>,
    memory: &dyn Memory,
    limits: &Limits,
) -> Result<Value, Missing> {
    match text {
        TextPlace::Stretch(stretch) => {
            let length = source.at(stretch.length_offset).word(memory)?.saturating_sub(stretch.terminator_bytes);
            let start = source.at(stretch.pointer_offset).word(memory)?.wrapping_add(stretch.data_offset);
            if length == 0 {
                return Ok(text_or_bytes(Vec::new(), Omitted::Nothing));
            }
            let bytes = memory.read_prefix(start, length.min(limits.string_bytes_max))?;
            let omitted = Omitted::count(length.saturating_sub(bytes.len() as u64));
            Ok(text_or_bytes(bytes, omitted))
        }
        TextPlace::CString => match source.word(memory)? {
            0 => Ok(Value::Address(0)),
            pointer => Ok(up_to_nul(memory.read_prefix(pointer, limits.string_bytes_max)?, Omitted::Unknown)),
        },
        TextPlace::CharArray(count) => {
            let shown = count.min(limits.string_bytes_max);
            Ok(up_to_nul(source.read(memory, shown)?, Omitted::count(count - shown)))
        }
        TextPlace::Bytes(count) => {
            let shown = count.min(limits.string_bytes_max);
            Ok(text_or_bytes(source.read(memory, shown)?, Omitted::count(count - shown)))
        }
        TextPlace::ThreadName => Err(Missing::NotCaptured),
    }
}

/// The bytes in front of the first NUL; without one, all of them and what was `omitted`.
pub(super) fn up_to_nul(mut bytes: Vec<u8>, omitted: Omitted) -> Value {
    match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => {
            bytes.truncate(end);
            text_or_bytes(bytes, Omitted::Nothing)
        }
        None => text_or_bytes(bytes, omitted),
    }
}

/// Text if it is UTF-8; a character that a limit cut in two is left out.
pub(super) fn text_or_bytes(mut bytes: Vec<u8>, mut omitted: Omitted) -> Value {
    if let Err(error) = std::str::from_utf8(&bytes)
        && error.error_len().is_none()
        && !omitted.is_nothing()
        && error.valid_up_to() > 0
    {
        let cut = (bytes.len() - error.valid_up_to()) as u64;
        bytes.truncate(error.valid_up_to());
        if let Omitted::Count(count) = omitted {
            omitted = Omitted::Count(count.saturating_add(cut));
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) => Value::Text { text, omitted },
        Err(error) => Value::Bytes { bytes: error.into_bytes(), omitted },
    }
}
