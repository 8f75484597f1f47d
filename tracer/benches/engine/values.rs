//! What an event costs by the kind of value that it brings: the target, as a ratio to the empty program on the same
//! site in the same round; and the tracer, which decodes and prints the records that came.

use std::arch::asm;
use std::collections::HashMap;
use std::hint::black_box;
use std::io::Sink;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use aya::maps::{MapData, RingBuf};
use tracer::events::clock::Clock;
use tracer::events::description::Descriptions;
use tracer::events::event::Event;
use tracer::events::stream::Stream;
use tracer::kernel::link::Links;
use tracer::kernel::load::{AttachMode, LoadRequest, Loaded};
use tracer::plan::function::{FunctionOptions, Returns};
use tracer::plan::inlined::InlinedCopies;
use tracer::plan::probe::Probe;
use tracer::plan::probe_plan::{AttachPlan, Program};
use tracer::plan::request::{self, TraceRequest};
use tracer::report::color::Palette;
use tracer::report::json::JsonReport;
use tracer::report::output::Output;
use tracer::report::text::TextReport;
use tracer::report::trace::TraceReport;
use tracer::report::width::ShownValues;
use tracer::target::files::Files;
use tracer::target::image::Image;
use tracer::target::process::Process;
use tracer::target::unwind::Unwinder;
use tracer::value::Limits;
use tracer::value::backtrace::Stack;
use tracer::value::redaction::Redaction;
use tracer_ebpf::abi::control::Control;
use tracer_ebpf::abi::cookie::Scope;
use tracer_ebpf::abi::record::RECORD_FULL_AT;

use crate::Outcome;
use crate::table::{self, Spread};

const ROUNDS: usize = 15;
/// The fastest of these counts: whatever disturbs a batch makes it longer.
const BATCHES: usize = 8;
/// With 16 kB of stack each, a batch's records fit the ring buffer.
const BATCH_CALLS: u32 = 400;
const RING_BYTES: u32 = 16 << 20;
const STACK_BYTES: u32 = 16 << 10;

/// As of `--max-bytes`.
const RECORD_BYTES_MAX: u32 = RECORD_FULL_AT as u32;

#[expect(dead_code, reason = "only the tracer reads it")]
struct Account {
    owner: String,
    address: Address,
    tags: Vec<&'static str>,
}

#[expect(dead_code, reason = "only the tracer reads it")]
struct Address {
    city: &'static str,
    code: u32,
    place: (f64, f64),
}

#[expect(dead_code, reason = "only the tracer reads it")]
enum Message {
    Save { id: u64, text: String },
    Stop,
}

#[expect(dead_code, reason = "only the tracer reads it")]
struct Link {
    number: u32,
    next: Option<Box<Link>>,
}

struct Values {
    text: String,
    numbers: Vec<u64>,
    map: HashMap<u32, u64>,
    account: Account,
    message: Message,
    chain: Box<Link>,
}

static VALUES: LazyLock<Values> = LazyLock::new(|| Values {
    text: "a2b1c3d4-e5f6".to_owned(),
    numbers: (0..16).collect(),
    map: (0..8).map(|number| (number, u64::from(number) * 7)).collect(),
    account: Account {
        owner: "Ann".to_owned(),
        address: Address { city: "Berlin", code: 10_115, place: (52.5, 13.4) },
        tags: vec!["new", "paid"],
    },
    message: black_box(Message::Save { id: 7, text: "hello".to_owned() }),
    chain: (0..3)
        .fold(Box::new(Link { number: 3, next: None }), |next, number| Box::new(Link { number, next: Some(next) })),
});

/// Each leaves its argument where the caller put it, differs from the others, so that none is merged, and begins by
/// saving r12, a `push` that the kernel emulates.
macro_rules! sites {
    ($($name:ident($argument:ident: $ty:ty) $number:literal)*) => {
        $(
            #[inline(never)]
            fn $name($argument: $ty) -> u32 {
                // SAFETY: no instruction at all.
                unsafe { asm!("", out("r12") _) };
                black_box($argument);
                black_box($number)
            }
        )*
    };
}

sites! {
    take_number(number: u64) 1
    take_text(text: &str) 2
    take_string(text: &String) 3
    take_numbers(numbers: &Vec<u64>) 4
    take_map(map: &HashMap<u32, u64>) 5
    take_account(account: &Account) 6
    take_message(message: &Message) 7
    take_chain(chain: &Link) 8
    take_anything(anything: u64) 9
}

struct Kind {
    name: &'static str,
    function: &'static str,
    /// Calls the function once; not seen through, since the bench takes its address.
    call: fn(&Values) -> u32,
    has_backtrace: bool,
}

const KINDS: &[Kind] = &[
    Kind { name: "u64", function: "take_number", call: |_| take_number(7), has_backtrace: false },
    Kind { name: "&str, 13 bytes", function: "take_text", call: |v| take_text(&v.text), has_backtrace: false },
    Kind { name: "String, 13 bytes", function: "take_string", call: |v| take_string(&v.text), has_backtrace: false },
    Kind { name: "Vec<u64>, 16", function: "take_numbers", call: |v| take_numbers(&v.numbers), has_backtrace: false },
    Kind { name: "HashMap<u32, u64>, 8", function: "take_map", call: |v| take_map(&v.map), has_backtrace: false },
    Kind {
        name: "struct in a struct, texts and a Vec of texts",
        function: "take_account",
        call: |v| take_account(&v.account),
        has_backtrace: false,
    },
    Kind {
        name: "enum with a String",
        function: "take_message",
        call: |v| take_message(&v.message),
        has_backtrace: false,
    },
    Kind { name: "4 boxes in a chain", function: "take_chain", call: |v| take_chain(&v.chain), has_backtrace: false },
    Kind { name: "u64, --backtrace", function: "take_anything", call: |_| take_anything(7), has_backtrace: true },
];

/// A kind's session.
struct Bench {
    kind: &'static Kind,
    attach: AttachPlan,
    descriptions: Arc<Descriptions>,
    loaded: Loaded,
    records: RingBuf<MapData>,
    /// Bytes of the last batch's records.
    last: Vec<Vec<u8>>,
}

/// What a round gave, nanoseconds per event.
struct Costs {
    empty: f64,
    engine: f64,
    text: f64,
    json: f64,
}

impl Bench {
    fn new(kind: &'static Kind, images: &[Image<'_>]) -> Outcome<Self> {
        let probe = Probe::parse(&format!("values::{}", kind.function))?;
        let options = FunctionOptions {
            returns: Returns::Off,
            inlined: InlinedCopies::Off,
            limits: Limits::default(),
            patches_nops: false,
        };
        let trace = TraceRequest { probes: &[probe], closures: false, options, redaction: Redaction::default() };
        let mut planned = request::plan(images, &trace).map_err(|nothing| nothing.to_string())?;
        if kind.has_backtrace {
            planned.attach.with_stacks();
        }
        let request = LoadRequest {
            mode: AttachMode::Multi,
            plans: &planned.attach.plans,
            filters: &planned.attach.filters,
            ring_bytes: RING_BYTES,
            record_bytes_max: RECORD_BYTES_MAX,
            diagnostics: false,
            find_vma: true,
            sees_others: false,
            stack_bytes: if kind.has_backtrace { STACK_BYTES } else { 0 },
            fault_in: None,
        };
        let (loaded, records) = Loaded::new(&request)?;
        let control =
            Control { process_id: u64::from(std::process::id()), wakeup_bytes: u64::MAX, ..Control::default() };
        loaded.control.set(Scope::Target, control);
        let descriptions = Arc::new(planned.descriptions);
        Ok(Self { kind, attach: planned.attach, descriptions, loaded, records, last: Vec::new() })
    }

    fn round(&mut self, unwinder: &mut Unwinder<'_>) -> Outcome<Costs> {
        let mut empty = self.attach.clone();
        empty.points.iter_mut().for_each(|point| point.program = Program::Empty);
        let empty = self.target_ns(&empty, false)?;
        let engine = self.target_ns(&self.attach.clone(), true)?;
        let output = || Output::new(std::io::sink());
        let clock = Clock { realtime_offset_ns: 0 };
        let text = TextReport::new(output(), Palette::OFF, ShownValues::PLAIN, clock);
        let text = self.tracer_ns(TraceReport::Text(text), unwinder)?;
        let json = self.tracer_ns(TraceReport::Json(JsonReport::new(output(), clock)), unwinder)?;
        Ok(Costs { empty, engine, text, json })
    }

    /// Per call of the site, with these programs attached.
    fn target_ns(&mut self, attach: &AttachPlan, brings_events: bool) -> Outcome<f64> {
        let links = Links::attach(&self.loaded, attach, std::process::id())?;
        let mut best = f64::INFINITY;
        for _ in 0..BATCHES {
            let start = Instant::now();
            for _ in 0..BATCH_CALLS {
                black_box((black_box(self.kind.call))(&VALUES));
            }
            best = best.min(start.elapsed().as_nanos() as f64 / f64::from(BATCH_CALLS));
            self.last.clear();
            while let Some(record) = self.records.next() {
                self.last.push(record.to_vec());
            }
            if brings_events && self.last.len() < BATCH_CALLS as usize {
                return Err(format!("{}: only {} records came", self.kind.name, self.last.len()).into());
            }
        }
        drop(links);
        Ok(best)
    }

    /// CPU time per event of the last batch, from the record to the line.
    fn tracer_ns(&self, mut report: TraceReport<Sink>, unwinder: &mut Unwinder<'_>) -> Outcome<f64> {
        let mut stream = Stream::new(Arc::clone(&self.descriptions), Limits::default());
        let start_ns = thread_ns();
        self.last.iter().for_each(|record| stream.push(record));
        stream.finish(u64::MAX, |mut event: Event| {
            if let Some(Some(stack)) = event.stack_mut()
                && let Stack::Taken(picture) = stack
            {
                *stack = Stack::Unwound(unwinder.unwind(picture));
            }
            report.event(&event)
        })?;
        report.flush()?;
        Ok((thread_ns() - start_ns) as f64 / stream.calls() as f64)
    }
}

/// CPU time of this thread: what else runs on the machine does not count.
fn thread_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec to write to; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

pub fn run() -> Outcome<()> {
    LazyLock::force(&VALUES);
    let process = Process::open(std::process::id())?;
    let files = Files::new();
    let mut unwinder = Unwinder::new(&process, &files);
    let executable = process.objects()?.into_iter().find(|object| object.is_executable).ok_or("no executable")?;
    let images = [Image::of_process(&executable, &process, &files)?];
    let mut benches = KINDS.iter().map(|kind| Bench::new(kind, &images)).collect::<Outcome<Vec<_>>>()?;
    let mut rounds: Vec<Vec<Costs>> = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(benches.iter_mut().map(|bench| bench.round(&mut unwinder)).collect::<Outcome<_>>()?);
    }
    let spread =
        |kind: usize, of: fn(&Costs) -> f64| Spread::of(rounds.iter().filter_map(|round| round.get(kind)).map(of));
    let rows = KINDS.iter().enumerate().map(|(index, kind)| {
        vec![
            kind.name.to_owned(),
            format!("{:.0}", spread(index, |costs| costs.engine)),
            format!("{:.2}", spread(index, |costs| costs.engine / costs.empty)),
            format!("{:.1}", spread(index, |costs| costs.text / 1e3)),
            format!("{:.1}", spread(index, |costs| costs.json / 1e3)),
        ]
    });
    let title = format!("Cost of an event by kind of value, entries of functions of this process, {ROUNDS} rounds");
    table::print(&title, &["value", "target, ns", "× empty", "tracer to text, µs", "to JSON, µs"], rows.collect());
    Ok(())
}
