//! Events and descriptions that the tests of `events` and `report` share: a small audit log, as target-app has it.

use std::sync::Arc;

use tracer_ebpf::abi::cookie::{Cookie, Scope, SiteCost};

use super::description::{Description, DescriptionKind, Descriptions, LineOf, Parameter, ResultDescription};
use super::event::{Argument, Call, Ending, LineHit, Return, Returned, Thread};
use crate::value::Value;
use crate::value::layout::{PointerKind, Shape, Type, Types};
use crate::value::place::{Location, MemoryPlace, Piece, Place, Register};

/// Function numbers in [`descriptions`].
pub(crate) const HANDLE: u32 = 0;
pub(crate) const STORE: u32 = 1;
pub(crate) const SEND: u32 = 2;
pub(crate) const RUN: u32 = 3;

/// Plan numbers in [`descriptions`].
pub(crate) const NO_REGISTERS: u32 = 0;
pub(crate) const RDI_RSI: u32 = 1;
pub(crate) const RAX: u32 = 2;

pub(crate) fn cookie(function: u32, plan: u32) -> Cookie {
    Cookie::new(function, Scope::Target, SiteCost::Emulated, plan)
}

/// `handle(uuid: &str) -> u32`, `store(attempt: u32)`, the USDT probe `mailbox:send(arg0: u64)`, the poll of
/// `async fn run`.
pub(crate) fn descriptions() -> Arc<Descriptions> {
    let mut types = Types::default();
    let u8_ = types.add(integer("u8", 1));
    let u32_ = types.add(integer("u32", 4));
    let u64_ = types.add(integer("u64", 8));
    let shape = Shape::Slice { element: u8_, pointer_offset: 0, length_offset: 8, data_offset: 0, is_str: true };
    let str_ = types.add(Type { name: "&str".to_owned(), size_bytes: 16, shape });
    let opaque = types.add(Type { name: "run::{async_fn_env#0}".to_owned(), size_bytes: 4, shape: Shape::Opaque });
    let shape = Shape::Pointer { target: Some(opaque), kind: PointerKind::Reference };
    let environment = types.add(Type { name: "&mut run::{async_fn_env#0}".to_owned(), size_bytes: 8, shape });
    let register = |size_bytes, register| Location::whole(size_bytes, Place::Register(register));
    let piece = |register| Piece { size_bytes: 8, place: Place::Register(register) };
    let text = Location { pieces: vec![piece(Register::RDI), piece(Register::RSI)] };
    let parameter = |name: &str, ty, location| Parameter::whole(name, ty, location);
    let function =
        |name: &str, kind, arguments, result| Arc::new(Description::new(name.to_owned(), kind, arguments, result));
    let functions = vec![
        function(
            "app::audit_log::handle",
            DescriptionKind::Function,
            vec![parameter("uuid", str_, text)],
            ResultDescription::Value(parameter("", u32_, register(4, Register::RAX))),
        ),
        function(
            "app::audit_log::store",
            DescriptionKind::Function,
            vec![parameter("attempt", u32_, register(4, Register::RDI))],
            ResultDescription::Nothing,
        ),
        function(
            "mailbox:send",
            DescriptionKind::Usdt,
            vec![parameter("arg0", u64_, Location::whole(8, Place::Memory(MemoryPlace::at(Register::RSI, 8))))],
            ResultDescription::Nothing,
        ),
        function(
            "app::audit_log::run",
            DescriptionKind::Poll,
            vec![parameter("environment", environment, register(8, Register::RDI))],
            ResultDescription::Untyped,
        ),
    ];
    let plan_registers = vec![vec![], vec![Register::RDI, Register::RSI], vec![Register::RAX]];
    Arc::new(Descriptions { types, functions, plan_registers })
}

fn integer(name: &str, size_bytes: u64) -> Type {
    Type { name: name.to_owned(), size_bytes, shape: Shape::Integer { signed: false } }
}

fn described(function: u32) -> Arc<Description> {
    Arc::clone(&descriptions().functions[function as usize])
}

pub(crate) fn thread() -> Thread {
    Thread { pid: 41, tid: 42, name: "tokio-rt-worker".into() }
}

/// `store(attempt=1)`, at `id` ms.
pub(crate) fn call(id: u64, depth: u32) -> Call {
    Call {
        id,
        parent: id.checked_sub(1).filter(|_| depth > 0),
        time_ns: id * 1_000_000,
        thread: thread(),
        depth,
        function: described(STORE),
        arguments: vec![Argument { name: "attempt".into(), value: Value::Unsigned(1) }],
        untold: None,
        returns: true,
        stack: None,
    }
}

/// The return of [`call`], 81.2 ms later, at depth 0.
pub(crate) fn returned(id: u64) -> Return {
    Return {
        id,
        time_ns: id * 1_000_000 + 81_200_000,
        thread: thread(),
        depth: 0,
        function: described(STORE),
        ending: Ending::Returned,
        duration_ns: Some(81_200_000),
        value: Returned::Nothing,
        call_seen: true,
    }
}

/// A call of `store` that was inlined.
pub(crate) fn inlined() -> Call {
    let function = Description { kind: DescriptionKind::Inlined, ..(*described(STORE)).clone() };
    Call { function: Arc::new(function), returns: false, ..call(1, 0) }
}

/// Line 42 of `store`, inlined.
pub(crate) fn line() -> LineHit {
    let line = Arc::new(LineOf { file: "src/audit_log.rs".to_owned(), line: 42, is_inlined: true });
    let Call { id, parent, time_ns, thread, depth, function, arguments, .. } = call(1, 0);
    LineHit { id, parent, time_ns, thread, depth, function, line, locals: arguments, stack: None }
}

/// The first poll of `async fn run(attempt: u32)`.
pub(crate) fn poll() -> Call {
    Call { function: described(RUN), ..call(1, 0) }
}
