//! Values that functions return: in one register, in two, in memory.

use std::collections::*;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::enums::Message;
use crate::structs::{Person, Point};

crate::results! {
    u8_value: u8 = 200;
    i16_value: i16 = -2;
    u64_value: u64 = u64::MAX;
    i128_value: i128 = -(1 << 100);
    bool_value: bool = true;
    char_value: char = 'ñ';
    unit: () = ();
    pair: (u32, u32) = (1, 2);
    pair_of_words: (u64, usize) = (3, 4);
    triple: (u64, u64, u64) = (1, 2, 3);
    bytes_pair: (u8, u8) = (5, 6);
    str_value: &'static str = "returned";
    slice: &'static [u16] = &[1, 2, 3];
    string: String = "made".to_owned();
    vec: Vec<String> = vec!["x".to_owned(), "y".to_owned()];
    point: Point = Point { x: 3, y: -3 };
    boxed: Box<Point> = Box::new(Point { x: 1, y: 1 });
    person: Person = Person { name: "R".to_owned(), age: 9, address: None, tags: vec!["t".to_owned()] };
    option_u8: Option<u8> = Some(8);
    option_u64: Option<u64> = Some(64);
    option_u64_none: Option<u64> = None;
    option_string: Option<String> = Some("maybe".to_owned());
    option_box: Option<Box<u32>> = None;
    option_nonzero: Option<NonZeroU32> = NonZeroU32::new(32);
    result_unit: Result<(), String> = Err("bad".to_owned());
    result_word: Result<u64, u8> = Ok(5);
    result_small: Result<u8, u8> = Err(3);
    poll: Poll<u32> = Poll::Ready(4);
    array_small: [u8; 4] = [1, 2, 3, 4];
    array_sixteen: [u8; 16] = [7; 16];
    array_large: [u32; 10] = [9; 10];
    message: Message = Message::Move { x: 1, y: 2 };
    message_text: Message = Message::Write("w".to_owned());
    arc: Arc<String> = Arc::new("arc".to_owned());
    duration: Duration = Duration::from_millis(250);
    socket: SocketAddr = "1.1.1.1:53".parse().unwrap();
    map: BTreeMap<u8, &'static str> = BTreeMap::from([(1, "one")]);
    hash: HashMap<String, u32> = HashMap::from([("k".to_owned(), 1)]);
    set: HashSet<u64> = HashSet::from([1]);
    uuid: uuid::Uuid = uuid::Uuid::from_u128(1);
    json: serde_json::Value = serde_json::json!({"a": [1, 2]});
}
