//! What users write: probes with their conditions and fields, and the expressions of `print`.
//!
//! Input: text. It is read as a probe, as a condition and as paths; what parses is matched with names and followed
//! through types.

use tracer::plan::expression::resolve::{known_fields, resolve};
use tracer::plan::expression::{ExpressionError, parse_condition, parse_paths};
use tracer::plan::probe::{Place, Probe};
use tracer::value::layout::{Field, PointerKind, Shape, StructStyle, Type, TypeId, Types};

const NAMES: [&str; 6] =
    ["main", "a::b::c", "<a::B as c::D<e>>::f", "a::{closure#0}", "x::<impl y>::z<u8>", "Ünïcode::naïve"];

pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match Probe::parse(&text) {
        Ok(probe) => matched(&probe),
        Err(error) => {
            let shown = format!("{error} {}", error.pointer());
            assert!(!shown.is_empty());
        }
    }
    match parse_condition(&text, 0) {
        Ok((_, end)) => assert!(end <= text.len()),
        Err(error) => within(&error, &text),
    }
    match parse_paths(&text, 0) {
        Err(error) => within(&error, &text),
        Ok(paths) => {
            let (types, root) = types();
            for (path, span) in paths {
                assert!(text.get(span.start..span.end).is_some());
                if let Some(Err(error)) = path.map(|path| resolve(&types, root, &path)) {
                    within(&error, &text);
                }
            }
            assert!(!known_fields(&types, root).is_empty());
        }
    }
}

/// An error points into the text, between characters.
fn within(error: &ExpressionError, text: &str) {
    assert!(text.get(error.span.start..error.span.end).is_some(), "{error:?} in {text:?}");
    assert!(!error.to_string().is_empty());
}

fn matched(probe: &Probe) {
    if let Place::Function { pattern, .. } = &probe.place {
        for name in NAMES {
            let _ = (pattern.matches(name, false), pattern.matches(name, true));
        }
        let _ = pattern.required_word();
    }
}

/// A struct that leads to itself, with one field of each kind that a path can go through.
fn types() -> (Types, TypeId) {
    let mut types = Types::default();
    let mut add = |name: &str, size_bytes, shape| types.add(Type { name: name.to_owned(), size_bytes, shape });
    let word = add("u64", 8, Shape::Integer { signed: false });
    let array = add("[u64; 4]", 32, Shape::Array { element: word, count: 4 });
    let slice = Shape::Slice { element: word, pointer_offset: 0, length_offset: 8, data_offset: 0, is_str: false };
    let slice = add("&[u64]", 16, slice);
    let root = add("a::Node", 64, Shape::Opaque);
    let pointer = add("*a::Node", 8, Shape::Pointer { target: Some(root), kind: PointerKind::Raw });
    let field = |name: &str, offset, ty| Field { name: name.to_owned(), offset, ty, bits: None };
    let fields = vec![field("a", 0, word), field("b", 8, pointer), field("c", 16, slice), field("d", 32, array)];
    let shape = Shape::Struct { fields, parameters: Vec::new(), style: StructStyle::Named };
    types.set(root, Type { name: "a::Node".to_owned(), size_bytes: 64, shape });
    (types, root)
}
