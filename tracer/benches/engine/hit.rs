//! What one hit costs: each program on the same site, one after the other, round by round, so that the ratios of a
//! round are of the same minute of this machine.

use std::time::Instant;

use aya::maps::{MapData, RingBuf};
use tracer::kernel::link::Links;
use tracer::kernel::load::{AttachMode, LoadRequest, Loaded};
use tracer::plan::capture_plan::CapturePlan;
use tracer::plan::probe_plan::{AttachPlan, AttachPoint, Filters, Program};
use tracer_ebpf::abi::control::Control;
use tracer_ebpf::abi::cookie::{Cookie, Scope, SiteCost};
use tracer_ebpf::abi::filter::{Filter, Term, UNUSUAL_ARGUMENT};
use tracer_ebpf::abi::plan::{Op, OpCode, PLAN_FRAME, Plan};
use tracer_ebpf::abi::record::RECORD_FULL_AT;

use crate::table::{self, Spread};
use crate::{Outcome, site};

const ROUNDS: usize = 25;
/// The fastest of these counts: whatever disturbs a batch makes it longer.
const BATCHES: usize = 12;
const BATCH_CALLS: u32 = 1000;
/// A hit on `ret` takes twenty times as long.
const BATCH_CALLS_WITH_EXIT: u32 = 150;

const RING_BYTES: u32 = 16 << 20;
const COPIED_BYTES: u64 = 64;

/// DWARF numbers of rdi, rsi and rax.
const RDI: u8 = 5;
const RSI: u8 = 4;
const RAX: u8 = 0;

/// A line of the table.
pub struct Measure {
    name: &'static str,
    at_entry: &'static [(Program, u32)],
    at_exit: &'static [(Program, u32)],
    records: u32,
    /// The measure that it is held against, by name, and how many times its cost it may have.
    goal: Option<(&'static str, f64)>,
}

const TWO_REGISTERS: &str = "engine, two registers";
const EMPTY: &str = "empty program";
const HANDWRITTEN: &str = "hand-written, two registers";
const HANDWRITTEN_CONDITION: &str = "hand-written, a false condition";
const TWO_EMPTY: &str = "empty at entry and at `ret`";

// Plans by index, see `plans`.
const EVENT: u32 = 0;
const CALL: u32 = 1;
const RETURN: u32 = 2;
const COPY: u32 = 3;
const STRING: u32 = 4;
const CONDITION: u32 = 5;

const MEASURES: &[Measure] = &[
    Measure { name: EMPTY, at_entry: &[(Program::Empty, EVENT)], at_exit: &[], records: 0, goal: None },
    Measure { name: HANDWRITTEN, at_entry: &[(Program::Handwritten, EVENT)], at_exit: &[], records: 1, goal: None },
    Measure {
        name: TWO_REGISTERS,
        at_entry: &[(Program::Entry, EVENT)],
        at_exit: &[],
        records: 1,
        goal: Some((HANDWRITTEN, 1.05)),
    },
    Measure {
        name: HANDWRITTEN_CONDITION,
        at_entry: &[(Program::HandwrittenCondition, EVENT)],
        at_exit: &[],
        records: 0,
        goal: None,
    },
    Measure {
        name: "engine, a false condition",
        at_entry: &[(Program::Entry, CONDITION)],
        at_exit: &[],
        records: 0,
        goal: Some((HANDWRITTEN_CONDITION, 1.05)),
    },
    Measure {
        name: "engine, and 64 bytes copied",
        at_entry: &[(Program::Entry, COPY)],
        at_exit: &[],
        records: 1,
        goal: None,
    },
    Measure {
        name: "engine, and a C string",
        at_entry: &[(Program::Entry, STRING)],
        at_exit: &[],
        records: 1,
        goal: None,
    },
    Measure {
        name: TWO_EMPTY,
        at_entry: &[(Program::Empty, EVENT)],
        at_exit: &[(Program::Empty, EVENT)],
        records: 0,
        goal: None,
    },
    Measure {
        name: "engine, entry and exit on `ret`",
        at_entry: &[(Program::Entry, CALL)],
        at_exit: &[(Program::Exit, RETURN)],
        records: 2,
        goal: Some((TWO_EMPTY, 1.05)),
    },
    Measure {
        name: "engine, entry and uretprobe",
        at_entry: &[(Program::Entry, CALL), (Program::ReturnTrampoline, RETURN)],
        at_exit: &[],
        records: 2,
        goal: None,
    },
];

fn plans() -> [CapturePlan; 6] {
    let mut event = Plan { register_count: 2, ..Plan::EMPTY };
    event.registers[0] = RDI;
    event.registers[1] = RSI;
    let call = Plan { flags: PLAN_FRAME, ..event };
    let mut result = Plan { flags: PLAN_FRAME, register_count: 1, ..Plan::EMPTY };
    result.registers[0] = RAX;
    let [copy, string] = [OpCode::Copy, OpCode::CopyString].map(|code| through_first(event, code));
    let condition = Plan { filter: 1, ..event };
    [
        CapturePlan::bare(event),
        CapturePlan::bare(call),
        CapturePlan::bare(result),
        copy,
        string,
        CapturePlan::bare(condition),
    ]
}

/// The condition that the hand-written program has.
fn filters() -> Filters {
    let low = u64::from(UNUSUAL_ARGUMENT);
    let mut filter = Filter { term_count: 1, ..Filter::default() };
    filter.terms[0] = Term { value: RDI, mask: u32::MAX.into(), low, span: 0, ..Term::default() };
    Filters { filters: vec![filter], texts: Vec::new() }
}

/// Adds what the first argument points to.
fn through_first(head: Plan, code: OpCode) -> CapturePlan {
    let load = Op { code: OpCode::LoadRegister as u8, register: RDI, ..Op::default() };
    let copy = Op { code: code as u8, b: COPIED_BYTES, ..Op::default() };
    CapturePlan { head, ops: [load, copy].into() }
}

/// What others are held against.
pub fn two_registers() -> &'static Measure {
    MEASURES.iter().find(|measure| measure.name == TWO_REGISTERS).unwrap_or(&MEASURES[0])
}

impl Measure {
    pub fn name(&self) -> &'static str {
        self.name
    }

    fn has_condition(&self) -> bool {
        self.at_entry.iter().any(|(_, plan)| *plan == CONDITION)
    }
}

/// A session of this process.
pub struct Bench {
    loaded: Loaded,
    records: RingBuf<MapData>,
}

impl Bench {
    /// A session without filters.
    pub fn plain() -> Outcome<Self> {
        Self::new(&Filters::default())
    }

    /// A session with these filters, or without any.
    fn new(filters: &Filters) -> Outcome<Self> {
        let request = LoadRequest {
            mode: AttachMode::Multi,
            plans: &plans(),
            filters,
            ring_bytes: RING_BYTES,
            record_bytes_max: RECORD_FULL_AT as u32,
            diagnostics: false,
            find_vma: true,
            stack_bytes: 0,
            fault_in: None,
            sees_others: false,
        };
        let (loaded, records) = Loaded::new(&request)?;
        let control =
            Control { process_id: u64::from(std::process::id()), wakeup_bytes: u64::MAX, ..Control::default() };
        loaded.control.set(Scope::Target, control);
        Ok(Self { loaded, records })
    }

    /// Nanoseconds per call of the site.
    pub fn cost_ns(&mut self, measure: &Measure) -> Outcome<f64> {
        let (entry, exit) = site::offsets().ok_or("cannot find the bench's own code in its file")?;
        let point = |offset| {
            move |&(program, plan): &(Program, u32)| AttachPoint {
                object: 0,
                offset,
                program,
                semaphore: None,
                cookie: Cookie::new(0, Scope::Target, SiteCost::Emulated, plan),
            }
        };
        let points = measure.at_entry.iter().map(point(entry)).chain(measure.at_exit.iter().map(point(exit))).collect();
        let attach = AttachPlan { objects: vec!["/proc/self/exe".into()], points, ..AttachPlan::default() };
        let links = Links::attach(&self.loaded, &attach, std::process::id())?;
        let calls = if measure.at_exit.is_empty() { BATCH_CALLS } else { BATCH_CALLS_WITH_EXIT };
        let best = best_ns(BATCHES, calls);
        drop(links);
        let received = std::iter::from_fn(|| self.records.next().map(drop)).count();
        let expected = calls as usize * BATCHES * measure.records as usize;
        if received < expected {
            return Err(format!("{}: {received} records came, not {expected}", measure.name).into());
        }
        Ok(best)
    }
}

/// Nanoseconds per call of the site, as it is probed now.
pub fn batches_ns() -> f64 {
    best_ns(BATCHES, BATCH_CALLS)
}

/// Nanoseconds per call in the fastest of some batches.
pub fn best_ns(batches: usize, calls: u32) -> f64 {
    (0..batches).map(|_| batch_ns(calls)).fold(f64::INFINITY, f64::min)
}

fn batch_ns(calls: u32) -> f64 {
    let start = Instant::now();
    (0..calls).for_each(|_| site::call());
    start.elapsed().as_nanos() as f64 / f64::from(calls)
}

pub fn run() -> Outcome<()> {
    let (mut plain, mut conditional) = (Bench::plain()?, Bench::new(&filters())?);
    let mut cost_ns = |measure: &Measure| match measure.has_condition() {
        true => conditional.cost_ns(measure),
        false => plain.cost_ns(measure),
    };
    let mut rounds: Vec<Vec<f64>> = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(MEASURES.iter().map(&mut cost_ns).collect::<Outcome<_>>()?);
    }
    let spread = |of: usize, against: Option<usize>| {
        Spread::of(
            rounds.iter().filter_map(|round| Some(round.get(of)? / against.map_or(Some(&1.0), |i| round.get(i))?)),
        )
    };
    let rows = MEASURES.iter().enumerate().map(|(index, measure)| {
        let goal =
            measure.goal.and_then(|(name, max)| Some((MEASURES.iter().position(|m| m.name == name)?, name, max)));
        let mut row = vec![
            measure.name.to_owned(),
            format!("{:.0}", spread(index, None)),
            format!("{:.2}", spread(index, Some(0))),
        ];
        row.extend(match goal {
            Some((baseline, name, max)) => {
                let ratio = spread(index, Some(baseline));
                [format!("{ratio:.3} × {name}"), table::judged(ratio, max, " ×")]
            }
            None => [String::new(), String::new()],
        });
        row
    });
    let title = format!("Cost of a hit: a function `push; pop; ret` of this process, {ROUNDS} rounds");
    table::print(&title, &["program", "ns", "× empty", "against", "target"], rows.collect());
    Ok(())
}
