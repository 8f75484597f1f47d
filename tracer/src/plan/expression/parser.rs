//! Tokens → expressions, by precedence: `||`, `&&`, `!`, comparisons, paths. Bounded in depth and size.

use super::error::{ExpressionError, Mistake};
use super::lexer::{Token, tokens};
use super::{Expression, Kind, Literal, Operator, Path, PathStep, Span, StepKind, Variant};

/// Brackets, `!` and `*` within each other.
const DEPTH_MAX: u32 = 48;
/// Tokens of one expression.
const TOKENS_MAX: usize = 1024;
/// Paths of one list.
const PATHS_MAX: usize = 32;

type Parsed<T> = Result<T, ExpressionError>;

/// The condition that starts at byte `start` of `text` and ends with it or before a `->`; also where it ends.
///
/// # Errors
/// [`ExpressionError`] says where in `text` and why it is none.
pub fn parse_condition(text: &str, start: usize) -> Parsed<(Expression, usize)> {
    let mut parser = Parser::new(text, start)?;
    let condition = parser.disjunction(0)?;
    match parser.peek() {
        Token::End | Token::Sign("->") => Ok((condition, parser.span().start)),
        _ => Err(parser.unexpected("`&&`, `||` or the end")),
    }
}

/// The paths, parted by commas, from byte `start` of `text` to its end. A `*` alone stands for everything and has no
/// path.
///
/// # Errors
/// As above.
pub fn parse_paths(text: &str, start: usize) -> Parsed<Vec<(Option<Path>, Span)>> {
    let mut parser = Parser::new(text, start)?;
    let mut paths = Vec::new();
    loop {
        let span = parser.span();
        let is_all =
            matches!(parser.peek(), Token::Sign("*")) && matches!(parser.second(), Token::Sign(",") | Token::End);
        if is_all {
            parser.next();
            paths.push((None, span));
        } else {
            let path = parser.prefixed_path(0)?;
            paths.push((Some(path.0), path.1));
        }
        if paths.len() > PATHS_MAX {
            return Err(ExpressionError::new(span, Mistake::TooLong));
        }
        match parser.next() {
            (Token::Sign(","), _) => {}
            (Token::End, _) => return Ok(paths),
            (found, span) => {
                let found = found.describe();
                return Err(ExpressionError::new(span, Mistake::Unexpected { found, expected: "`,` or the end" }));
            }
        }
    }
}

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
}

impl Parser {
    fn new(text: &str, start: usize) -> Parsed<Self> {
        let tokens = tokens(text, start)?;
        match tokens.get(TOKENS_MAX) {
            Some((_, span)) => Err(ExpressionError::new(*span, Mistake::TooLong)),
            None => Ok(Self { tokens, at: 0 }),
        }
    }

    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn second(&self) -> &Token {
        self.tokens.get(self.at + 1).map_or(&Token::End, |(token, _)| token)
    }

    /// Where the next token is.
    fn span(&self) -> Span {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(Span::default(), |(_, span)| *span)
    }

    fn next(&mut self) -> (Token, Span) {
        let next = (self.peek().clone(), self.span());
        self.at = (self.at + 1).min(self.tokens.len().saturating_sub(1));
        next
    }

    fn take(&mut self, sign: &str) -> Option<Span> {
        let found = matches!(self.peek(), Token::Sign(found) if *found == sign);
        found.then(|| self.next().1)
    }

    fn take_word(&mut self, word: &str) -> Option<Span> {
        let found = matches!(self.peek(), Token::Name(found) if found == word);
        found.then(|| self.next().1)
    }

    fn unexpected(&self, expected: &'static str) -> ExpressionError {
        let mistake = match self.peek() {
            Token::End => Mistake::Missing(expected),
            found => Mistake::Unexpected { found: found.describe(), expected },
        };
        ExpressionError::new(self.span(), mistake)
    }

    fn expect(&mut self, sign: &str, expected: &'static str) -> Parsed<Span> {
        self.take(sign).ok_or_else(|| self.unexpected(expected))
    }

    fn deeper(&self, depth: u32) -> Parsed<u32> {
        if depth < DEPTH_MAX { Ok(depth + 1) } else { Err(ExpressionError::new(self.span(), Mistake::TooDeep)) }
    }

    fn disjunction(&mut self, depth: u32) -> Parsed<Expression> {
        let mut left = self.conjunction(depth)?;
        while self.take("||").is_some() {
            let right = self.conjunction(depth)?;
            left = joined(left, right, Kind::Or);
        }
        Ok(left)
    }

    fn conjunction(&mut self, depth: u32) -> Parsed<Expression> {
        let mut left = self.negation(depth)?;
        while self.take("&&").is_some() {
            let right = self.negation(depth)?;
            left = joined(left, right, Kind::And);
        }
        Ok(left)
    }

    fn negation(&mut self, depth: u32) -> Parsed<Expression> {
        let Some(sign) = self.take("!") else { return self.comparison(depth) };
        let inner = self.negation(self.deeper(depth)?)?;
        Ok(Expression { span: sign.to(inner.span), kind: Kind::Not(Box::new(inner)) })
    }

    fn comparison(&mut self, depth: u32) -> Parsed<Expression> {
        let left = self.operand(depth)?;
        if let Some(word) = self.take_word("is") {
            let variant = self.variant()?;
            let span = left.span.to(variant.span);
            return match left.kind {
                Kind::Path(subject) => Ok(Expression { span, kind: Kind::Is { subject, variant } }),
                _ => Err(ExpressionError::new(
                    word,
                    Mistake::Unexpected { found: "`is`".into(), expected: "a path before it" },
                )),
            };
        }
        let Some(operator) = self.operator() else { return Ok(left) };
        let right = self.operand(depth)?;
        if let Some(second) = self.clone_operator() {
            return Err(ExpressionError::new(second, Mistake::Chained));
        }
        let span = left.span.to(right.span);
        Ok(Expression { span, kind: Kind::Compare { operator, left: Box::new(left), right: Box::new(right) } })
    }

    fn operator_at(&self) -> Option<Operator> {
        Some(match self.peek() {
            Token::Sign("==") => Operator::Equal,
            Token::Sign("!=") => Operator::NotEqual,
            Token::Sign("<") => Operator::Less,
            Token::Sign("<=") => Operator::LessOrEqual,
            Token::Sign(">") => Operator::Greater,
            Token::Sign(">=") => Operator::GreaterOrEqual,
            Token::Name(word) => text_operator(word)?,
            _ => return None,
        })
    }

    fn operator(&mut self) -> Option<Operator> {
        let operator = self.operator_at()?;
        self.next();
        Some(operator)
    }

    fn clone_operator(&self) -> Option<Span> {
        self.operator_at().map(|_| self.span())
    }

    /// A literal, a path, or something in brackets.
    fn operand(&mut self, depth: u32) -> Parsed<Expression> {
        match self.peek().clone() {
            Token::Literal(literal) => {
                let span = self.next().1;
                Ok(Expression { span, kind: Kind::Literal(literal) })
            }
            Token::Name(word) if literal_word(&word).is_some() && !self.is_path_start() => {
                let span = self.next().1;
                Ok(Expression { span, kind: Kind::Literal(literal_word(&word).unwrap_or(Literal::Null)) })
            }
            Token::Sign("-") => self.negative(),
            Token::Sign("(") => {
                let open = self.next().1;
                let inner = self.disjunction(self.deeper(depth)?)?;
                let close = self.expect(")", "`)`")?;
                let span = open.to(close);
                match inner.kind {
                    Kind::Path(path) => self.with_steps(path, span),
                    kind => Ok(Expression { span, kind }),
                }
            }
            Token::Name(_) | Token::Sign("*") => {
                let (path, span) = self.prefixed_path(depth)?;
                self.text_call(path, span, depth)
            }
            _ => Err(self.unexpected("a value: an argument, a field or a literal")),
        }
    }

    fn is_path_start(&self) -> bool {
        matches!(self.second(), Token::Sign("." | "["))
    }

    fn negative(&mut self) -> Parsed<Expression> {
        let sign = self.next().1;
        let (token, span) = self.next();
        let literal = match token {
            Token::Literal(Literal::Integer { magnitude, .. }) => {
                Literal::Integer { magnitude, negative: magnitude != 0 }
            }
            Token::Literal(Literal::Float(value)) => Literal::Float(-value),
            _ => return Err(ExpressionError::new(span, Mistake::Missing("a number behind `-`"))),
        };
        Ok(Expression { span: sign.to(span), kind: Kind::Literal(literal) })
    }

    /// `*a.b`: what the pointer in `a.b` leads to. Also the whole path's span, which `*` starts.
    fn prefixed_path(&mut self, depth: u32) -> Parsed<(Path, Span)> {
        if let Some(star) = self.take("*") {
            let (mut path, span) = self.prefixed_path(self.deeper(depth)?)?;
            path.steps.push(PathStep { span: star, kind: StepKind::Dereference });
            path.span = star.to(span);
            let span = path.span;
            return Ok((path, span));
        }
        if let Some(open) = self.take("(") {
            let (path, _) = self.prefixed_path(self.deeper(depth)?)?;
            let close = self.expect(")", "`)`")?;
            let path = self.steps(path, open.to(close))?;
            let span = path.span;
            return Ok((path, span));
        }
        let (token, span) = self.next();
        let Token::Name(name) = token else {
            let mistake = match token {
                Token::End => Mistake::Missing("the name of an argument"),
                found => Mistake::Unexpected { found: found.describe(), expected: "the name of an argument" },
            };
            return Err(ExpressionError::new(span, mistake));
        };
        let path = self.steps(Path { span, name, name_span: span, steps: Vec::new() }, span)?;
        let span = path.span;
        Ok((path, span))
    }

    fn with_steps(&mut self, path: Path, span: Span) -> Parsed<Expression> {
        let path = self.steps(path, span)?;
        let span = path.span;
        self.text_call(path, span, 0)
    }

    /// `.field`, `.0`, `[3]`, `.len()`, as many as there are.
    fn steps(&mut self, mut path: Path, start: Span) -> Parsed<Path> {
        path.span = start;
        loop {
            let step = if matches!(self.peek(), Token::Sign(".")) {
                if matches!(self.second(), Token::Name(word) if text_operator(word).is_some() || word == "is_empty")
                    && self.is_call(2)
                {
                    return Ok(path);
                }
                self.next();
                self.field()?
            } else if let Some(open) = self.take("[") {
                let index = self.operand(DEPTH_MAX)?;
                let close = self.expect("]", "`]`")?;
                match index.kind {
                    Kind::Literal(literal) => PathStep { span: open.to(close), kind: StepKind::Index(literal) },
                    _ => return Err(ExpressionError::new(index.span, Mistake::BadIndex)),
                }
            } else {
                return Ok(path);
            };
            path.span = path.span.to(step.span);
            path.steps.push(step);
        }
    }

    /// Whether the token `ahead` of this one opens a bracket.
    fn is_call(&self, ahead: usize) -> bool {
        matches!(self.tokens.get(self.at + ahead), Some((Token::Sign("("), _)))
    }

    fn field(&mut self) -> Parsed<PathStep> {
        let (token, span) = self.next();
        match token {
            Token::Name(name) if name == "len" && matches!(self.peek(), Token::Sign("(")) => {
                self.next();
                let close = self.expect(")", "`)`")?;
                Ok(PathStep { span: span.to(close), kind: StepKind::Length })
            }
            Token::Name(name) => Ok(PathStep { span, kind: StepKind::Field(name) }),
            Token::End => Err(ExpressionError::new(span, Mistake::Missing("the name of a field"))),
            found => {
                let mistake = Mistake::Unexpected { found: found.describe(), expected: "the name of a field" };
                Err(ExpressionError::new(span, mistake))
            }
        }
    }

    /// `path.starts_with("a")`, which is `path starts_with "a"`; `path.is_empty()`, which is `path.len() == 0`.
    fn text_call(&mut self, path: Path, span: Span, depth: u32) -> Parsed<Expression> {
        let left = Expression { span, kind: Kind::Path(path) };
        let is_call = matches!(self.peek(), Token::Sign(".")) && self.is_call(2);
        let operator = match self.second() {
            Token::Name(word) if is_call && word == "is_empty" => return self.is_empty(left),
            Token::Name(word) if is_call => text_operator(word),
            _ => None,
        };
        let Some(operator) = operator else { return Ok(left) };
        (0..3).for_each(|_| drop(self.next()));
        let right = self.operand(self.deeper(depth)?)?;
        let close = self.expect(")", "`)`")?;
        let span = span.to(close);
        Ok(Expression { span, kind: Kind::Compare { operator, left: Box::new(left), right: Box::new(right) } })
    }

    fn is_empty(&mut self, of: Expression) -> Parsed<Expression> {
        let word = self.tokens.get(self.at + 1).map_or(of.span, |(_, span)| *span);
        (0..3).for_each(|_| drop(self.next()));
        let close = self.expect(")", "`)`")?;
        let span = of.span.to(close);
        let Kind::Path(mut path) = of.kind else { return Ok(of) };
        path.steps.push(PathStep { span: word, kind: StepKind::Length });
        let left = Box::new(Expression { span, kind: Kind::Path(path) });
        let nothing = Literal::Integer { magnitude: 0, negative: false };
        let right = Box::new(Expression { span: word, kind: Kind::Literal(nothing) });
        Ok(Expression { span, kind: Kind::Compare { operator: Operator::Equal, left, right } })
    }

    fn variant(&mut self) -> Parsed<Variant> {
        let (token, span) = self.next();
        let Token::Name(name) = token else {
            return Err(ExpressionError::new(span, Mistake::Missing("the name of a variant behind `is`")));
        };
        let name = name.rsplit("::").next().unwrap_or_default().to_owned();
        if self.take("(").is_none() {
            return Ok(Variant { span, name, content: None });
        }
        let content = self.operand(DEPTH_MAX)?;
        let close = self.expect(")", "`)`")?;
        match content.kind {
            Kind::Literal(literal) => {
                Ok(Variant { span: span.to(close), name, content: Some((literal, content.span)) })
            }
            _ => Err(ExpressionError::new(content.span, Mistake::Missing("a literal"))),
        }
    }
}

fn joined(left: Expression, right: Expression, kind: fn(Box<Expression>, Box<Expression>) -> Kind) -> Expression {
    let span = left.span.to(right.span);
    Expression { span, kind: kind(Box::new(left), Box::new(right)) }
}

fn text_operator(word: &str) -> Option<Operator> {
    Some(match word {
        "starts_with" => Operator::StartsWith,
        "ends_with" => Operator::EndsWith,
        "contains" => Operator::Contains,
        _ => return None,
    })
}

fn literal_word(word: &str) -> Option<Literal> {
    Some(match word {
        "true" => Literal::Bool(true),
        "false" => Literal::Bool(false),
        "null" | "NULL" | "nullptr" => Literal::Null,
        _ => return None,
    })
}
