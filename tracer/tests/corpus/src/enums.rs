//! Enums of every encoding.

use std::convert::Infallible;
use std::num::NonZeroU8;
use std::ops::{Bound, ControlFlow};
use std::task::Poll;

#[derive(Debug, Clone, Copy)]
#[allow(dead_code)]
pub enum Plain {
    First,
    Second,
    Third,
}
#[derive(Debug, Clone, Copy)]
#[allow(dead_code)]
#[repr(i16)]
pub enum Valued {
    Negative = -300,
    Zero = 0,
    Positive = 300,
}
#[derive(Debug, Clone, Copy)]
#[allow(dead_code)]
#[repr(u64)]
pub enum Wide {
    Small = 1,
    Huge = u64::MAX,
}
#[derive(Debug, Clone)]
#[allow(dead_code)]
pub enum Message {
    Quit,
    Move { x: i32, y: i32 },
    Write(String),
    Color(u8, u8, u8),
    Nested(Box<Message>),
    Many(Vec<Message>),
}
#[derive(Debug, Clone)]
#[allow(dead_code)]
pub enum Single {
    Only(u32),
}
#[derive(Debug, Clone)]
pub enum Marker {
    Only,
}
#[derive(Debug, Clone)]
#[allow(dead_code)]
pub enum NicheInString {
    Text(String),
    Nothing,
    Everything,
    Other,
}
#[derive(Debug, Clone)]
#[allow(dead_code)]
pub enum NicheWithData {
    Text(String),
    Number(u32),
    Letter(char),
}
#[derive(Debug, Clone)]
#[allow(dead_code)]
pub enum NicheInBool {
    Flag(bool),
    Unknown,
    Missing,
}
#[derive(Debug, Clone)]
#[allow(dead_code)]
pub enum NicheInChar {
    Letter(char),
    End,
    Start,
}
#[derive(Debug, Clone)]
#[allow(dead_code)]
#[repr(C)]
pub enum ReprC {
    Number(u64),
    Text(&'static str),
    Pair { a: u8, b: u16 },
}
#[derive(Debug, Clone)]
#[allow(dead_code)]
#[repr(u8)]
pub enum ReprU8 {
    Number(u64),
    Flag(bool) = 77,
    Nothing,
}
#[derive(Debug, Clone)]
#[allow(dead_code)]
pub enum WithUninhabited {
    Good(u32),
    Never(Infallible),
    Fine(String),
}
#[derive(Debug, Clone)]
#[allow(dead_code)]
pub enum Outer {
    Inner(Inner),
    Alone,
}
#[derive(Debug, Clone)]
#[allow(dead_code)]
pub enum Inner {
    Plain(Plain),
    Deep(Option<Option<bool>>),
}
#[derive(Debug, Clone)]
#[allow(dead_code)]
pub enum Expression {
    Number(f64),
    Negate(Box<Expression>),
    Binary { left: Box<Expression>, operator: char, right: Box<Expression> },
}

fn expression() -> Expression {
    let one = Box::new(Expression::Number(1.0));
    let sum = Expression::Binary { left: one.clone(), operator: '+', right: Box::new(Expression::Negate(one)) };
    Expression::Negate(Box::new(sum))
}

crate::arguments! {
    plain: Plain = Plain::Second;
    plain_ref: &'static Plain = &Plain::Third;
    valued: Valued = Valued::Negative;
    wide: Wide = Wide::Huge;
    message_quit: Message = Message::Quit;
    message_move: Message = Message::Move { x: 3, y: -4 };
    message_write: Message = Message::Write("written".to_owned());
    message_color: Message = Message::Color(1, 2, 3);
    message_nested: Message = Message::Nested(Box::new(Message::Write("inside".to_owned())));
    message_many: Message = Message::Many(vec![Message::Quit, Message::Color(9, 8, 7), Message::Write("w".to_owned())]);
    message_ref: &'static Message = Box::leak(Box::new(Message::Move { x: 1, y: 1 }));
    single: Single = Single::Only(5);
    marker: Marker = Marker::Only;
    niche_text: NicheInString = NicheInString::Text("held".to_owned());
    niche_nothing: NicheInString = NicheInString::Nothing;
    niche_everything: NicheInString = NicheInString::Everything;
    niche_data_text: NicheWithData = NicheWithData::Text("text".to_owned());
    niche_data_number: NicheWithData = NicheWithData::Number(17);
    niche_data_letter: NicheWithData = NicheWithData::Letter('q');
    niche_bool: NicheInBool = NicheInBool::Flag(true);
    niche_bool_missing: NicheInBool = NicheInBool::Missing;
    niche_char: NicheInChar = NicheInChar::Letter('é');
    niche_char_end: NicheInChar = NicheInChar::End;
    repr_c_number: ReprC = ReprC::Number(1);
    repr_c_text: ReprC = ReprC::Text("c");
    repr_c_pair: ReprC = ReprC::Pair { a: 1, b: 2 };
    repr_u8_number: ReprU8 = ReprU8::Number(99);
    repr_u8_flag: ReprU8 = ReprU8::Flag(false);
    repr_u8_nothing: ReprU8 = ReprU8::Nothing;
    uninhabited_good: WithUninhabited = WithUninhabited::Good(4);
    uninhabited_fine: WithUninhabited = WithUninhabited::Fine("fine".to_owned());
    outer_plain: Outer = Outer::Inner(Inner::Plain(Plain::First));
    outer_deep: Outer = Outer::Inner(Inner::Deep(Some(None)));
    outer_deepest: Outer = Outer::Inner(Inner::Deep(Some(Some(true))));
    outer_alone: Outer = Outer::Alone;
    expression_value: Expression = expression();
    option_u8: Option<u8> = Some(200);
    option_u64: Option<u64> = Some(1 << 50);
    option_u64_none: Option<u64> = None;
    option_i128: Option<i128> = Some(-5);
    option_bool: Option<bool> = Some(false);
    option_bool_none: Option<bool> = None;
    option_option_bool: Option<Option<bool>> = Some(None);
    option_char: Option<char> = Some('c');
    option_ref: Option<&'static u32> = Some(&5);
    option_ref_none: Option<&'static u32> = None;
    option_box: Option<Box<u64>> = Some(Box::new(6));
    option_vec: Option<Vec<u8>> = Some(vec![1, 2]);
    option_vec_none: Option<Vec<u8>> = None;
    option_unit: Option<()> = Some(());
    option_tuple: Option<(u8, u16)> = Some((1, 2));
    option_nested: Option<Option<Option<u8>>> = Some(Some(None));
    option_f64: Option<f64> = Some(2.5);
    result_ok: Result<u32, String> = Ok(1);
    result_err: Result<u32, String> = Err("failed".to_owned());
    result_unit: Result<(), NonZeroU8> = Ok(());
    result_unit_err: Result<(), NonZeroU8> = Err(NonZeroU8::MIN);
    result_infallible: Result<u16, Infallible> = Ok(16);
    result_boxed: Result<Box<u8>, Box<u16>> = Err(Box::new(8));
    poll_ready: Poll<u32> = Poll::Ready(3);
    poll_pending: Poll<String> = Poll::Pending;
    poll_nested: Poll<Option<Result<u8, ()>>> = Poll::Ready(Some(Err(())));
    control_continue: ControlFlow<u8, u16> = ControlFlow::Continue(2);
    control_break: ControlFlow<String> = ControlFlow::Break("out".to_owned());
    bound_included: Bound<u32> = Bound::Included(1);
    bound_unbounded: Bound<u32> = Bound::Unbounded;
}
