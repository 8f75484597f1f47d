//! Variants of enums that `{:?}` shows in a way of their own.

use super::value::{Payload, Value};
use super::view::EnumStyle;

/// A variant as its enum is shown.
pub(super) fn styled(value: Value, style: EnumStyle) -> Value {
    match (value, style) {
        (Value::Variant { payload: Payload::Tuple(mut fields), .. }, EnumStyle::Content) if fields.len() == 1 => {
            fields.remove(0)
        }
        (Value::Variant { name, payload: Payload::Tuple(mut fields) }, EnumStyle::Beside) if fields.len() == 1 => {
            let content = fields.remove(0);
            let payload = match content {
                Value::Sequence { .. } | Value::Map { .. } => Payload::Beside(Box::new(content)),
                _ => Payload::Tuple(vec![content]),
            };
            Value::Variant { name, payload }
        }
        (Value::Variant { name, payload: Payload::Unit }, EnumStyle::Capitals) => Value::Plain(name.to_uppercase()),
        (Value::Variant { name, payload: Payload::Unit }, EnumStyle::HttpVersion) => Value::Plain(http_version(&name)),
        (value, _) => value,
    }
}

/// `Http11` → `HTTP/1.1`, `H2` → `HTTP/2.0`.
fn http_version(name: &str) -> String {
    match name {
        "Http09" => "HTTP/0.9".to_owned(),
        "Http10" => "HTTP/1.0".to_owned(),
        "Http11" => "HTTP/1.1".to_owned(),
        "H2" => "HTTP/2.0".to_owned(),
        "H3" => "HTTP/3.0".to_owned(),
        other => other.to_owned(),
    }
}
