//! Texts and the trees they stand for, and that no text whatever makes the parser panic.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::{Expression, ExpressionError, Kind, Literal, Path, StepKind, parse_condition, parse_paths};

/// The tree with all its brackets.
fn shown(expression: &Expression) -> String {
    match &expression.kind {
        Kind::Path(path) => path_shown(path),
        Kind::Literal(literal) => literal_shown(literal),
        Kind::Not(inner) => format!("!{}", shown(inner)),
        Kind::And(left, right) => format!("({} && {})", shown(left), shown(right)),
        Kind::Or(left, right) => format!("({} || {})", shown(left), shown(right)),
        Kind::Compare { operator, left, right } => format!("({} {} {})", shown(left), operator.text(), shown(right)),
        Kind::Is { subject, variant } => {
            let content = variant.content.as_ref().map(|(literal, _)| format!("({})", literal_shown(literal)));
            format!("({} is {}{})", path_shown(subject), variant.name, content.unwrap_or_default())
        }
    }
}

fn path_shown(path: &Path) -> String {
    let mut text = path.name.clone();
    for step in &path.steps {
        match &step.kind {
            StepKind::Field(name) => write!(text, ".{name}").unwrap(),
            StepKind::Index(index) => write!(text, "[{}]", literal_shown(index)).unwrap(),
            StepKind::Length => text.push_str(".len()"),
            StepKind::Dereference => text = format!("(*{text})"),
        }
    }
    text
}

fn literal_shown(literal: &Literal) -> String {
    match literal {
        Literal::Integer { magnitude, negative } => format!("{}{magnitude}", if *negative { "-" } else { "" }),
        Literal::Float(value) => format!("{value:?}f"),
        Literal::Duration(ns) => format!("{ns}ns"),
        Literal::Null => "null".to_owned(),
        Literal::Bool(value) => value.to_string(),
        Literal::Char(character) => format!("{character:?}"),
        Literal::Text(text) => format!("{text:?}"),
        Literal::Bytes(bytes) => format!("b{:?}", String::from_utf8_lossy(bytes)),
    }
}

fn parsed(text: &str) -> String {
    match parse_condition(text, 0) {
        Ok((expression, _)) => shown(&expression),
        Err(ExpressionError { span, mistake }) => format!("{}..{}: {mistake}", span.start, span.end),
    }
}

#[test]
fn conditions() {
    let texts = [
        "a > 5 && b < 3 || !c",
        "a || b && c == -0x1F",
        "tree.moisture >= 80 && uuid starts_with \"a2\"",
        "name.contains(\"x\\n\\u{e9}\")",
        "(name.starts_with(\"x\")) || !(y ends_with \"z\")",
        "*pointer == 3 && (*pointer).x.0.1 != 2.5e3",
        "**p is null_like",
        "items[3].len() == 0b11 && map[\"host\"] == 'a'",
        "result is Err && answer is Option::Some(5)",
        "duration > 1.5ms || duration <= 10us",
        "x == null && y == true && z == 1_000",
        "is is Some",
        "args.0 == 5",
        "x == 340282366920938463463374607431768211455",
        "x == -170141183460469231731687303715884105728",
    ];
    let trees: Vec<String> = texts.iter().map(|text| parsed(text)).collect();
    insta::assert_snapshot!(trees.join("\n"), @r#"
    (((a > 5) && (b < 3)) || !c)
    (a || (b && (c == -31)))
    ((tree.moisture >= 80) && (uuid starts_with "a2"))
    (name contains "x\né")
    ((name starts_with "x") || !(y ends_with "z"))
    (((*pointer) == 3) && ((*pointer).x.0.1 != 2500.0f))
    ((*(*p)) is null_like)
    ((items[3].len() == 3) && (map["host"] == 'a'))
    ((result is Err) && (answer is Some(5)))
    ((duration > 1500000ns) || (duration <= 10000ns))
    (((x == null) && (y == true)) && (z == 1000))
    (is is Some)
    (args.0 == 5)
    (x == 340282366920938463463374607431768211455)
    (x == -170141183460469231731687303715884105728)
    "#);
}

#[test]
fn what_is_wrong_is_pointed_at() {
    let texts = [
        "",
        "a >",
        "a > > 5",
        "a = 5",
        "a & b",
        "a == \"x",
        "a == 'xy'",
        "a == 5parsecs",
        "a == 0xzz",
        "a == 340282366920938463463374607431768211456",
        "a == \"\\q\"",
        "(a == 5",
        "a == 5)",
        "a < b < c",
        "a.",
        "a[b]",
        "a is",
        "5 is Some",
        "a == 5 b",
        "a # b",
        "- 3",
    ];
    let errors: Vec<String> = texts.iter().map(|text| format!("{text:<14} {}", parsed(text))).collect();
    insta::assert_snapshot!(errors.join("\n"), @r#"
                   0..0: a value: an argument, a field or a literal is missing
    a >            3..3: a value: an argument, a field or a literal is missing
    a > > 5        4..5: `>` does not belong here: expected a value: an argument, a field or a literal
    a = 5          2..3: write `==`
    a & b          2..3: write `&&`
    a == "x        5..7: the text is not closed: end it with `"`
    a == 'xy'      5..7: a character is written 'a'
    a == 5parsecs  5..13: there is no unit "parsecs": write ns, us, ms, s, m or h
    a == 0xzz      5..9: this is no number
    a == 340282366920938463463374607431768211456 5..44: the number is larger than any integer of the target can be
    a == "\q"      6..8: `\q` is no escape: there are \n \r \t \0 \\ \' \" \xNN \u{NNNN}
    (a == 5        7..7: `)` is missing
    a == 5)        6..7: `)` does not belong here: expected `&&`, `||` or the end
    a < b < c      6..7: comparisons do not chain: write `a < b && b < c`
    a.             2..2: the name of a field is missing
    a[b]           2..3: an index is a number that is not negative
    a is           4..4: the name of a variant behind `is` is missing
    5 is Some      2..4: `is` does not belong here: expected a path before it
    a == 5 b       7..8: `b` does not belong here: expected `&&`, `||` or the end
    a # b          2..3: the character '#' means nothing here
    - 3            -3
    "#);
}

#[test]
fn a_condition_ends_where_the_fields_begin() {
    let text = "f if a > 5 -> *, tree.uuid, items[0].name, *p";
    let (condition, end) = parse_condition(text, 5).unwrap();
    assert_eq!((shown(&condition).as_str(), text.get(end..end + 2)), ("(a > 5)", Some("->")));
    let paths = parse_paths(text, end + 2).unwrap();
    let shown: Vec<String> = paths.iter().map(|(path, _)| path.as_ref().map_or("*".into(), path_shown)).collect();
    assert_eq!(shown, ["*", "tree.uuid", "items[0].name", "(*p)"]);
    let written: Vec<_> = paths.iter().map(|(_, span)| text.get(span.start..span.end).unwrap()).collect();
    assert_eq!(written, ["*", "tree.uuid", "items[0].name", "*p"]);
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    for text in ["(".repeat(2000), "!".repeat(900), "*".repeat(900), "a.b".repeat(1000), "a == -".repeat(999)] {
        assert!(parse_condition(&text, 0).is_err());
    }
}

proptest! {
    #[test]
    fn no_text_panics_and_every_place_is_inside(text in "(?s).{0,80}", start in 0_usize..90) {
        let errors = [parse_condition(&text, start).err(), parse_paths(&text, start).err()];
        for ExpressionError { span, .. } in errors.into_iter().flatten() {
            prop_assert!(span.start <= span.end && span.end <= text.len().max(start), "{span:?}");
        }
    }

    #[test]
    fn no_tokens_panic(tokens in prop::collection::vec(prop::sample::select(vec![
        "a", "b.c", "is", "Some", "(", ")", "[", "]", "&&", "||", "!", "*", "-", "5", "0x", "1.5", "\"x\"", "'c'", ".",
        "len", "()", "==", "<", "starts_with", "null", ",", "->", "10ms", "9e9", "::",
    ]), 0..24)) {
        let text = tokens.join(" ");
        if let Err(error) = parse_condition(&text, 0) {
            prop_assert!(error.span.start <= error.span.end && error.span.end <= text.len());
        }
        let _ = parse_paths(&text, 0);
    }
}
