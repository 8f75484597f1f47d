//! The language of the TCP service: one JSON object per line, each request answered by one response,
//! in order. Knows neither sockets nor actors.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::registry::Stats;
use crate::tree::Tree;

/// Longer request lines are refused: no request needs a tenth of it.
pub const LINE_BYTES_MAX: usize = 4096;

/// `{"register":{"latitude":52.5,"longitude":13.4}}` (uuid, moisture and specie may be given),
/// `{"load":"<uuid>"}` or `{"stats":true}`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    Register(Tree),
    Load(Uuid),
    Stats(bool),
}

#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    #[error("bad request: {0}; expected {{\"register\":{{…}}}}, {{\"load\":\"UUID\"}} or {{\"stats\":true}}")]
    BadRequest(#[source] serde_json::Error),
    #[error("request longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
}

pub fn parse(line: &[u8]) -> Result<Request, ProtocolError> {
    serde_json::from_slice(line).map_err(ProtocolError::BadRequest)
}

pub fn registered(uuid: Uuid) -> Value {
    json!({ "registered": uuid })
}

pub fn tree(tree: &Tree) -> Value {
    json!({ "tree": tree })
}

pub fn stats(stats: &Stats) -> Value {
    json!({ "stats": stats })
}

pub fn error(error: &dyn std::error::Error) -> Value {
    json!({ "error": error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_needs_a_place_and_nothing_else() {
        let request = parse(br#"{"register":{"latitude":52.5,"longitude":13.4}}"#).unwrap();
        let Request::Register(tree) = request else { panic!("{request:?}") };
        assert_eq!((tree.latitude, tree.longitude, tree.moisture), (52.5, 13.4, None));
        assert_eq!(tree.uuid.get_version_num(), 1);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for _ in 0..1_000 {
            let request = Request::Register(Tree::random());
            assert_eq!(parse(&serde_json::to_vec(&request).unwrap()).unwrap(), request);
        }
    }

    #[test]
    fn bad_requests_say_what_is_wrong() {
        for (line, complaint) in [
            ("", "EOF"),
            ("{}", "expected value"),
            (r#"{"fell":1}"#, "unknown variant `fell`"),
            (r#"{"load":"x"}"#, "UUID parsing failed"),
            (r#"{"register":{"latitude":1}}"#, "missing field `longitude`"),
            (r#"{"register":{"latitude":1,"longitude":1,"height":3}}"#, "unknown field `height`"),
            (r#"{"register":{"latitude":1,"longitude":1,"moisture":300}}"#, "invalid value: integer `300`"),
        ] {
            let message = parse(line.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(complaint), "{line}: {message}");
        }
    }
}
