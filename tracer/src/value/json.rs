//! Values as tools read them: JSON, after serde's habits. Each is lossless, or says what it lost.
//!
//! Beyond those habits: a newtype struct is its content, a raw pointer `"0x7f…"`, a word that leads to
//! text `{"$address":"0x7f…","text":"…"}`, a pointer of C `{"$address":"0x7f…","to":…}`, a value without meaning `{"$type":"…","$bytes":"0a0b"}`, what a limit cut `{"$truncated":…,"omitted":12}` (bytes of a text, items of a
//! sequence; `null` if nobody counted them), what is masked by name `{"$redacted":true}`.

use serde_json::{Map, Number, Value as Json, json};

use super::place::Missing;
use super::text;
use super::value::{Omitted, Payload, Value};

/// Largest integer that every JSON reader keeps exact (RFC 8259, section 6: IEEE 754 doubles).
const EXACT_INTEGER_MAX: u128 = 1 << 53;

/// The value as the project's JSON Lines carry it.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Unit => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Char(value) => Json::String(value.to_string()),
        Value::Signed(value) if value.unsigned_abs() > EXACT_INTEGER_MAX => Json::String(value.to_string()),
        Value::Signed(value) => json!(*value as i64),
        Value::Unsigned(value) if *value > EXACT_INTEGER_MAX => Json::String(value.to_string()),
        Value::Unsigned(value) => json!(*value as u64),
        Value::Float32(value) => float(f64::from(*value), &format!("{value:?}")),
        Value::Float64(value) => float(*value, &format!("{value:?}")),
        Value::Text { text, omitted } => truncated(Json::String(text.clone()), *omitted),
        Value::Plain(text) => Json::String(text.clone()),
        Value::Range { .. } => Json::String(value.to_string()),
        Value::Open { fields, .. } => object(fields),
        Value::Bytes { bytes, omitted } => match std::str::from_utf8(bytes) {
            Ok(text) => truncated(Json::String(text.to_owned()), *omitted),
            Err(_) => truncated(json!({ "$bytes": hex(bytes) }), *omitted),
        },
        Value::Uuid(bytes) => Json::String(text::uuid(bytes)),
        Value::Tuple(fields) => array(fields),
        Value::TupleStruct { fields, .. } => positional(fields),
        Value::Struct { fields, .. } if fields.is_empty() => Json::Null,
        Value::Struct { fields, .. } => object(fields),
        Value::Sequence { items, omitted } | Value::Set { items, omitted } => truncated(array(items), *omitted),
        Value::Map { entries, omitted } => truncated(map(entries), *omitted),
        Value::Variant { name, payload } => match payload {
            Payload::Unit => Json::String(name.clone()),
            Payload::Tuple(fields) => tagged(name, positional(fields)),
            Payload::Struct(fields) => tagged(name, object(fields)),
            Payload::Beside(content) => tagged(name, to_json(content)),
        },
        Value::Address(address) => Json::String(format!("{address:#x}")),
        Value::Pointer { address, target } => json!({ "$address": format!("{address:#x}"), "to": to_json(target) }),
        Value::AddressOfText { address, text, omitted } => {
            json!({ "$address": format!("{address:#x}"), "text": truncated(Json::String(text.clone()), *omitted) })
        }
        Value::Unreadable(Missing::Redacted) => json!({ "$redacted": true }),
        Value::Unreadable(missing) => json!({ "$unreadable": missing.to_string() }),
        Value::Raw { type_name, bytes, omitted } => {
            truncated(json!({ "$type": type_name, "$bytes": hex(bytes) }), *omitted)
        }
    }
}

/// `shortest` is the text with the fewest digits that reads back as the same float of its own width.
fn float(value: f64, shortest: &str) -> Json {
    let number = shortest.parse().ok().filter(|_| value.is_finite()).and_then(Number::from_f64);
    number.map_or_else(|| Json::String(shortest.to_owned()), Json::Number)
}

fn truncated(shown: Json, omitted: Omitted) -> Json {
    match omitted {
        Omitted::Nothing => shown,
        Omitted::Count(count) => json!({ "$truncated": shown, "omitted": count }),
        Omitted::Unknown => json!({ "$truncated": shown, "omitted": null }),
    }
}

fn array(values: &[Value]) -> Json {
    Json::Array(values.iter().map(to_json).collect())
}

fn positional(fields: &[Value]) -> Json {
    match fields {
        [only] => to_json(only),
        _ => array(fields),
    }
}

fn object(fields: &[(String, Value)]) -> Json {
    Json::Object(fields.iter().map(|(name, value)| (name.clone(), to_json(value))).collect())
}

fn tagged(name: &str, content: Json) -> Json {
    Json::Object(Map::from_iter([(name.to_owned(), content)]))
}

/// An object if all keys are whole strings, otherwise an array of pairs.
fn map(entries: &[(Value, Value)]) -> Json {
    let named = entries.iter().map(|(key, value)| match key {
        Value::Text { text, omitted: Omitted::Nothing } => Some((text.clone(), to_json(value))),
        _ => None,
    });
    match named.collect::<Option<Map<_, _>>>() {
        Some(object) => Json::Object(object),
        None => entries.iter().map(|(key, value)| json!([to_json(key), to_json(value)])).collect(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
