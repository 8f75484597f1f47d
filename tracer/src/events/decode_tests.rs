//! Records written as the programs write them, decoded with the descriptions of `samples`.

use tracer_ebpf::abi::control::Tripped;
use tracer_ebpf::abi::record::{ChunkStatus, Kind};

use super::*;
use crate::events::bytes::{RecordBytes, thread_name};
use crate::events::samples::{self, HANDLE, NO_REGISTERS, RAX, RDI_RSI, RUN, SEND, STORE, cookie};
use crate::value::place::Missing;

fn decode_all(records: &[Vec<u8>]) -> Vec<Result<Event, Malformed>> {
    let mut decoder = Decoder::new(samples::descriptions(), Limits::default());
    records.iter().map(|bytes| decoder.decode(Record::parse(bytes).unwrap())).collect()
}

fn decode_one(record: RecordBytes) -> Result<Event, Malformed> {
    decode_all(&[record.bytes()]).remove(0)
}

fn entry(function: u32, registers: &[u64]) -> RecordBytes {
    RecordBytes::new(Kind::Entry).cookie(cookie(function, RDI_RSI)).registers(registers)
}

fn exit(function: u32, plan: u32, outcome: Outcome) -> RecordBytes {
    RecordBytes::new(Kind::Exit).cookie(cookie(function, plan)).outcome(outcome as u8).time_ns(500).context(100)
}

fn argument(event: Result<Event, Malformed>) -> Value {
    match event.unwrap() {
        Event::Call(Call { mut arguments, .. }) | Event::Usdt(Usdt { mut arguments, .. }) => arguments.remove(0).value,
        other => panic!("no arguments in {other:?}"),
    }
}

fn end(event: Result<Event, Malformed>) -> Return {
    match event.unwrap() {
        Event::Return(end) => end,
        other => panic!("not a return: {other:?}"),
    }
}

#[test]
fn an_argument_in_two_registers_reads_through_its_chunk() {
    let whole = entry(HANDLE, &[0x1000, 5]).chunk(0x1000, 5, b"hello", ChunkStatus::Whole);
    assert_eq!(argument(decode_one(whole)).to_string(), r#""hello""#);
    let fault = entry(HANDLE, &[0x1000, 5]).chunk(0x1000, 5, b"", ChunkStatus::Fault);
    assert_eq!(argument(decode_one(fault)), Value::Unreadable(Missing::NotResident));
}

#[test]
fn a_register_is_cut_to_the_size_of_its_type() {
    assert_eq!(argument(decode_one(entry(STORE, &[0xffff_ffff_0000_0007, 0]))), Value::Unsigned(7));
}

#[test]
fn a_usdt_argument_is_read_from_memory() {
    let memory = entry(SEND, &[0, 0x1000]).kind(Kind::Event as u8).chunk(
        0x1008,
        8,
        &[11, 0, 0, 0, 0, 0, 0, 0],
        ChunkStatus::Whole,
    );
    assert_eq!(argument(decode_one(memory)), Value::Unsigned(11));
}

#[test]
fn returns_carry_duration_and_value_only_where_they_are_known() {
    let returned = end(decode_one(exit(HANDLE, RAX, Outcome::Returned).registers(&[42])));
    assert_eq!((returned.duration_ns, returned.value), (Some(400), Returned::Value(Value::Unsigned(42))));
    let void = end(decode_one(exit(STORE, NO_REGISTERS, Outcome::Returned)));
    assert_eq!(void.value, Returned::Nothing);
    let untyped = end(decode_one(exit(RUN, NO_REGISTERS, Outcome::Returned)));
    assert_eq!(untyped.value, Returned::Untyped);
    // The frame's own cookie comes with it: the entry's plan, without its registers.
    let unwound = end(decode_one(exit(HANDLE, RDI_RSI, Outcome::Unwound)));
    assert_eq!((unwound.duration_ns, unwound.value), (Some(400), Returned::Absent));
    let unknown = end(decode_one(exit(HANDLE, RDI_RSI, Outcome::Unknown)));
    assert_eq!((unknown.ending, unknown.duration_ns), (Ending::Unknown, None));
}

#[test]
fn an_entry_after_its_exit_gives_no_duration() {
    let backwards = exit(HANDLE, RAX, Outcome::Returned).registers(&[0]).context(501);
    assert_eq!(end(decode_one(backwards)).duration_ns, None);
}

#[test]
fn events_carry_the_name_that_their_thread_had() {
    let call = entry(STORE, &[0, 0]).thread(41, 42).bytes();
    let events = decode_all(&[call.clone(), thread_name(41, 42, 0, b"worker\0\0\0\0\0\0\0\0\0\0"), call]);
    let name = |event: &Result<Event, Malformed>| match event {
        Ok(Event::Call(call)) => call.thread.name.to_string(),
        Ok(Event::ThreadNamed(thread)) => format!("named {}", thread.name),
        other => panic!("unexpected {other:?}"),
    };
    assert_eq!(events.iter().map(name).collect::<Vec<_>>(), ["", "named worker", "worker"]);
}

#[test]
fn a_function_entered_without_a_frame_does_not_return() {
    let event = decode_one(entry(STORE, &[1, 0]).kind(Kind::Event as u8));
    assert!(matches!(event, Ok(Event::Call(Call { returns: false, .. }))), "{event:?}");
    let limit = decode_one(RecordBytes::new(Kind::Limit).outcome(Tripped::Calls as u8));
    assert!(matches!(limit, Ok(Event::Limit { reason: Tripped::Calls, .. })), "{limit:?}");
}

#[test]
fn records_that_do_not_fit_the_plan_are_malformed() {
    let function = decode_one(entry(99, &[0, 0]));
    assert_eq!(function, Err(Malformed::Cookie { function: 99, plan: RDI_RSI }));
    let plan = decode_one(RecordBytes::new(Kind::Entry).cookie(cookie(STORE, 77)));
    assert_eq!(plan, Err(Malformed::Cookie { function: STORE, plan: 77 }));
    assert_eq!(decode_one(entry(STORE, &[0])), Err(Malformed::Registers { found: 1, planned: 2 }));
}

#[test]
fn only_the_first_poll_shows_the_arguments_of_an_async_function() {
    let environment = |name: &str| Argument {
        name: "environment".into(),
        value: Value::Variant {
            name: name.to_owned(),
            payload: Payload::Struct(vec![("uuid".to_owned(), Value::Unsigned(7))]),
        },
    };
    let arguments = [Argument { name: "uuid".into(), value: Value::Unsigned(7) }];
    assert_eq!(of_environment(environment("Unresumed"), None), (arguments.to_vec(), None));
    let fields = vec![("__pointer".to_owned(), environment("Unresumed").value)];
    let pinned = Value::Struct { name: "Pin".to_owned(), fields };
    assert_eq!(
        of_environment(Argument { name: "environment".into(), value: pinned }, None),
        (arguments.to_vec(), None)
    );
    assert_eq!(of_environment(environment("Suspend0"), None), (vec![], Some(Untold::Resumed(None))));
    let unreadable = Argument { name: "environment".into(), value: Value::Unreadable(Missing::NotResident) };
    assert_eq!(of_environment(unreadable.clone(), None), (vec![unreadable], None));
}

#[test]
fn names_of_threads_are_bounded() {
    let mut names = ThreadNames::default();
    for tid in 0..THREADS_MAX as u32 + 1 {
        names.learn(1, tid, "worker");
    }
    assert_eq!(names.names.len(), THREADS_MAX);
    assert_eq!(&*names.thread(1, 0).name, "");
    assert_eq!(&*names.thread(1, 1).name, "worker");
}
