//! Expression → logic: every name found, every comparison checked against the types, before anything is attached.

use tracer_ebpf::abi::filter::Match;

use super::compare::{self, Subject};
use super::logic::{Leaf, Logic, Root, Test};
use super::ranges::Ranges;
use super::relation;
use crate::plan::description::Parameter;
use crate::plan::expression::error::{ExpressionError, Mistake};
use crate::plan::expression::resolve::{enum_with, resolve, resolve_behind, shown};
use crate::plan::expression::{Expression, Kind, Literal, Operator, Path, PathStep, Span, StepKind, Variant};
use crate::plan::nearest;
use crate::value::layout::{Enum, Shape, TypeId, Types, UNRESUMED};
use crate::value::walk::{Part, Step, TextPlace, Way};

/// What the names of an expression may mean: one function's arguments and result.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'s> {
    pub(crate) types: &'s Types,
    pub(crate) arguments: &'s [Parameter],
    /// The only argument is the environment of an `async fn`, whose fields are what the user knows as arguments.
    pub(crate) is_poll: bool,
    /// No debug information says what there is.
    pub(crate) is_untyped: bool,
    pub(crate) result: Outcome<'s>,
    /// What is known to hold where a part of the condition is looked at.
    pub(crate) facts: &'s [Fact],
}

/// That a value has a variant: behind `message is Save &&`, `message.id` is a field of that variant.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    subject: Path,
    variant: Variant,
}

/// What an expression says of variants, if it holds.
fn facts(expression: &Expression) -> Vec<Fact> {
    match &expression.kind {
        Kind::Is { subject, variant } => vec![Fact { subject: subject.clone(), variant: variant.clone() }],
        Kind::And(left, right) => [facts(left), facts(right)].concat(),
        _ => Vec::new(),
    }
}

/// What the end of a call tells.
#[derive(Clone, Copy)]
pub(crate) enum Outcome<'s> {
    Value(&'s Parameter),
    /// `()`, `void`.
    Nothing,
    /// Why nothing is known.
    Unknown(&'static str),
    /// Ends are not seen at all.
    Unseen(&'static str),
}

type Checked<T> = Result<T, ExpressionError>;

impl Scope<'_> {
    /// The condition's logic.
    pub(crate) fn condition(&self, expression: &Expression) -> Checked<Logic> {
        match &expression.kind {
            Kind::And(..) => Ok(Logic::all(self.conjuncts(expression)?.into_iter().map(|(_, logic)| logic))),
            Kind::Or(left, right) => Ok(Logic::any([self.condition(left)?, self.condition(right)?])),
            Kind::Not(inner) => Ok(self.condition(inner)?.negated()),
            Kind::Compare { operator, left, right } => self.comparison(*operator, left, right),
            Kind::Is { subject, variant } => self.is(subject, variant),
            Kind::Literal(Literal::Bool(value)) => Ok(Logic::Constant(*value)),
            Kind::Literal(_) => Err(ExpressionError::new(expression.span, Mistake::NoCondition("a literal".into()))),
            Kind::Path(path) => self.flag(path),
        }
    }

    /// The parts that `&&` joins, each with its place in the text.
    pub(crate) fn conjuncts(&self, expression: &Expression) -> Checked<Vec<(Span, Logic)>> {
        let Kind::And(left, right) = &expression.kind else {
            return Ok(vec![(expression.span, self.condition(expression)?)]);
        };
        let mut all = self.conjuncts(left)?;
        let facts = [self.facts, facts(left).as_slice()].concat();
        all.extend(Scope { facts: &facts, ..*self }.conjuncts(right)?);
        Ok(all)
    }

    /// A `bool` by itself.
    fn flag(&self, path: &Path) -> Checked<Logic> {
        let subject = self.subject(path)?;
        if !subject.is_bool(self.types) {
            return Err(ExpressionError::new(path.span, Mistake::NoCondition(subject.describe(self.types))));
        }
        let literal = Literal::Bool(true);
        compare::with_literal(self.types, subject, Operator::Equal, &literal)
            .map_err(|mistake| ExpressionError::new(path.span, mistake))
    }

    fn comparison(&self, operator: Operator, left: &Expression, right: &Expression) -> Checked<Logic> {
        let span = left.span.to(right.span);
        let (path, literal, operator, literal_span) = match (&left.kind, &right.kind) {
            (Kind::Path(path), Kind::Literal(literal)) => (path, literal.clone(), operator, right.span),
            (Kind::Literal(literal), Kind::Path(path)) => {
                let mirrored = operator.mirrored().ok_or_else(|| {
                    let mistake = Mistake::OperatorType { operator: operator.text(), ty: "a literal before it".into() };
                    ExpressionError::new(left.span, mistake)
                })?;
                (path, literal.clone(), mirrored, left.span)
            }
            (Kind::Path(path), Kind::Path(other)) => return self.enumerator(operator, path, other, span),
            (Kind::Literal(_), Kind::Literal(_)) => return Err(ExpressionError::new(span, Mistake::TwoLiterals)),
            (Kind::Path(_) | Kind::Literal(_), _) => return Err(no_value(right)),
            _ => return Err(no_value(left)),
        };
        let subject = self.subject(path)?;
        compare::with_literal(self.types, subject, operator, &literal)
            .map_err(|mistake| ExpressionError::new(literal_span, mistake))
    }

    /// `color == RED`: a name of an enumeration's value; or two values.
    fn enumerator(&self, operator: Operator, path: &Path, name: &Path, span: Span) -> Checked<Logic> {
        let subject = self.subject(path)?;
        let last = name.name.rsplit("::").next().unwrap_or(&name.name);
        let is_name = name.steps.is_empty() && self.subject(name).is_err();
        match (is_name, subject.enumerator(self.types, last)) {
            (true, Some(value)) => {
                let value = compare::integer_literal(value);
                compare::with_literal(self.types, subject, operator, &value)
                    .map_err(|mistake| ExpressionError::new(name.span, mistake))
            }
            (true, None) => self.subject(name).map(|_| Logic::Constant(false)),
            (false, _) => relation::with_subject(self.types, subject, operator, self.subject(name)?)
                .map_err(|mistake| ExpressionError::new(span, mistake)),
        }
    }

    fn is(&self, path: &Path, variant: &Variant) -> Checked<Logic> {
        let at = |mistake| ExpressionError::new(variant.span, mistake);
        let subject = self.subject(path)?;
        let Subject { root, way, .. } = &subject;
        if let Some(value) = subject.enumerator(self.types, &variant.name) {
            if let Some((_, span)) = &variant.content {
                return Err(ExpressionError::new(*span, Mistake::BadIndex));
            }
            let value = compare::integer_literal(value);
            return compare::with_literal(self.types, subject, Operator::Equal, &value).map_err(at);
        }
        let (found, layout) = enum_with(self.types, way.clone(), &variant.name).map_err(at)?;
        let Part::Value { ty, .. } = found.part else { return Ok(Logic::Constant(false)) };
        let Some(number) = layout.variants.iter().position(|known| known.name == variant.name) else {
            return Ok(Logic::Constant(false));
        };
        let is_active = tag_test(*root, &found, layout, number).map_err(at)?;
        let Some((content, span)) = &variant.content else { return Ok(is_active) };
        let fields = layout.variants.get(number).map_or(&[][..], |variant| &variant.fields);
        let [field] = fields else {
            let known = fields.iter().map(|field| field.name.clone()).collect();
            return Err(at(Mistake::NotSimple { ty: shown(self.types, ty), known }));
        };
        let mut steps = found.steps.clone();
        steps.extend([Step::Variant { ty, variant: number }, Step::Offset(field.offset)]);
        let way = Way { steps, part: Part::Value { ty: field.ty, bits: field.bits } };
        let content = compare::with_literal(self.types, Subject { root: *root, way }, Operator::Equal, content)
            .map_err(|mistake| ExpressionError::new(*span, mistake))?;
        Ok(Logic::all([is_active, content]))
    }

    /// What a path means in this function, and behind what is known of variants.
    pub(crate) fn subject(&self, path: &Path) -> Checked<Subject> {
        let found = self.named(path);
        let Err(ExpressionError { mistake: Mistake::UnknownField { .. }, .. }) = &found else { return found };
        let through = |fact: &Fact| {
            let known = fact.subject.steps.len();
            let leads = path.steps.len() > known
                && path.name == fact.subject.name
                && path.steps.iter().zip(&fact.subject.steps).all(|(own, known)| own.kind == known.kind);
            let mut path = path.clone();
            let kind = StepKind::Field(fact.variant.name.clone());
            leads.then(|| path.steps.insert(known, PathStep { span: fact.variant.span, kind }))?;
            self.named(&path).ok()
        };
        self.facts.iter().rev().find_map(through).map_or(found, Ok)
    }

    fn named(&self, path: &Path) -> Checked<Subject> {
        let builtin = |root| {
            let builtin = Subject { root, way: Way::whole(TypeId(u32::MAX)) };
            match path.steps.first() {
                None => Ok(builtin),
                Some(step) => {
                    let ty = builtin.describe(self.types);
                    let mistake = Mistake::UnknownField { name: "…".into(), ty, known: vec![] };
                    Err(ExpressionError::new(step.span, mistake))
                }
            }
        };
        match path.name.as_str() {
            "tid" => builtin(Root::ThreadId),
            "thread" => builtin(Root::ThreadName),
            "duration" => match self.result {
                Outcome::Unseen(why) => Err(ExpressionError::new(path.name_span, Mistake::ResultUnknown(why))),
                _ => builtin(Root::Duration),
            },
            "result" | "return" => {
                let at = |mistake| ExpressionError::new(path.name_span, mistake);
                match self.result {
                    Outcome::Value(result) => {
                        Ok(Subject { root: Root::Result, way: resolve(self.types, result.ty, path)? })
                    }
                    Outcome::Nothing => Err(at(Mistake::NoResult)),
                    Outcome::Unknown(why) | Outcome::Unseen(why) => Err(at(Mistake::ResultUnknown(why))),
                }
            }
            "args" if !self.has_argument("args") => self.by_args(path),
            name => self.argument(name, path.name_span, path),
        }
    }

    pub(crate) fn has_argument(&self, name: &str) -> bool {
        self.arguments.iter().any(|argument| &*argument.name == name)
    }

    /// `args.0`, `args.name`.
    fn by_args(&self, path: &Path) -> Checked<Subject> {
        let Some((first, rest)) = path.steps.split_first() else {
            let mistake = Mistake::Missing("the number of an argument, as in `args.0`,");
            return Err(ExpressionError::new(path.span, mistake));
        };
        let StepKind::Field(name) = &first.kind else {
            return Err(ExpressionError::new(first.span, Mistake::BadIndex));
        };
        let name = match name.parse::<usize>() {
            Ok(number) => self.names().get(number).cloned().unwrap_or_else(|| name.clone()),
            Err(_) => name.clone(),
        };
        let path = Path { steps: rest.to_vec(), ..path.clone() };
        self.argument(&name, first.span, &path)
    }

    /// The environment's type, way and variant of an `async fn`'s arguments.
    fn environment(&self) -> Option<(Way, TypeId, usize)> {
        let environment = self.arguments.first().filter(|_| self.is_poll)?;
        let (way, layout) = enum_with(self.types, Way::whole(environment.ty), UNRESUMED).ok()?;
        let Part::Value { ty, .. } = way.part else { return None };
        let number = layout.variants.iter().position(|variant| variant.name == UNRESUMED)?;
        Some((way, ty, number))
    }

    /// The arguments' names.
    pub(crate) fn names(&self) -> Vec<String> {
        match self.environment() {
            Some((_, ty, number)) => match &self.types.get(ty).shape {
                Shape::Enum(layout) => layout
                    .variants
                    .get(number)
                    .map_or_else(Vec::new, |variant| variant.fields.iter().map(|field| field.name.clone()).collect()),
                _ => Vec::new(),
            },
            None => self.arguments.iter().map(|argument| argument.name.to_string()).collect(),
        }
    }

    fn argument(&self, name: &str, span: Span, path: &Path) -> Checked<Subject> {
        let unknown = || {
            let mistake = match self.is_untyped {
                true => Mistake::NoDebugInfo,
                false => Mistake::UnknownName { name: name.to_owned(), known: nearest::ordered(name, self.names()) },
            };
            Err(ExpressionError::new(span, mistake))
        };
        if let Some((way, ty, number)) = self.environment() {
            let Shape::Enum(layout) = &self.types.get(ty).shape else { return unknown() };
            let fields = layout.variants.get(number).map_or(&[][..], |variant| &variant.fields);
            let Some(field) = fields.iter().find(|field| field.name == name) else { return unknown() };
            let mut before = way.steps;
            before.extend([Step::Variant { ty, variant: number }, Step::Offset(field.offset)]);
            let way = resolve_behind(self.types, before, field.ty, &path.steps)?;
            return Ok(Subject { root: Root::Argument(0), way });
        }
        match self.arguments.iter().position(|argument| &*argument.name == name) {
            Some(number) => {
                let ty = self.arguments.get(number).map_or(TypeId(u32::MAX), |argument| argument.ty);
                Ok(Subject { root: Root::Argument(number), way: resolve(self.types, ty, path)? })
            }
            None => unknown(),
        }
    }
}

fn no_value(expression: &Expression) -> ExpressionError {
    ExpressionError::new(expression.span, Mistake::Missing("a path or a literal"))
}

/// Whether the enum at the end of the way has its variant of that number.
pub(super) fn tag_test(root: Root, way: &Way, layout: &Enum, number: usize) -> Result<Logic, Mistake> {
    let Some(tag) = layout.tag else { return Ok(Logic::Constant(number == 0)) };
    let accepted = tags(layout, number).ok_or(Mistake::NotInKernel("its enum has a tag of more than 8 bytes"))?;
    let mut steps = way.steps.clone();
    steps.push(Step::Offset(tag.offset));
    let test = Test::Bits { size_bytes: tag.size_bytes, first_bit: 0, accepted };
    Ok(Logic::Leaf(Leaf { root, steps, test }))
}

/// The tags that select a variant, as [`Enum::active`] has it.
pub(crate) fn tags(layout: &Enum, number: usize) -> Option<Ranges> {
    let tag = layout.tag.filter(|tag| matches!(tag.size_bytes, 1 | 2 | 4 | 8))?;
    let bit_count = 8 * tag.size_bytes as u32;
    let listed = |variants: &[crate::value::layout::Variant]| {
        let all = variants.iter().flat_map(|variant| &variant.discriminants);
        Ranges::new(
            bit_count,
            all.filter_map(|(low, high)| Some((u64::try_from(*low).ok()?, u64::try_from(*high).unwrap_or(u64::MAX)))),
        )
    };
    let variant = layout.variants.get(number)?;
    if variant.discriminants.is_empty() {
        let first_default = layout.variants.iter().position(|variant| variant.discriminants.is_empty());
        let none = Ranges::new(bit_count, []);
        return Some(if first_default == Some(number) { listed(&layout.variants).complement() } else { none });
    }
    let own = listed(std::slice::from_ref(variant));
    let earlier = listed(layout.variants.get(..number)?);
    // What is its own and no earlier variant's.
    let outside = Ranges::new(bit_count, own.complement().ranges.into_iter().chain(earlier.ranges));
    Some(outside.complement())
}

/// A test of the thread's name, which may be given by its beginning (`tokio-*`) or its end.
pub(crate) fn thread_name(how: Match, wanted: &str, negated: bool) -> Result<Logic, Mistake> {
    let (how, wanted) = match (how, wanted.strip_suffix('*'), wanted.strip_prefix('*')) {
        (Match::Equals, Some(start), None) => (Match::StartsWith, start),
        (Match::Equals, None, Some(end)) => (Match::EndsWith, end),
        (Match::Equals, Some(_), Some(middle)) => (Match::Contains, middle.trim_end_matches('*')),
        _ => (how, wanted),
    };
    if how != Match::Contains && wanted.contains('*') {
        return Err(Mistake::StarAmid);
    }
    let test = Test::Text { text: TextPlace::ThreadName, how, wanted: wanted.as_bytes().to_vec(), negated };
    Ok(Logic::Leaf(Leaf { root: Root::ThreadName, steps: Vec::new(), test }))
}
