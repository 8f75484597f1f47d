//! `tracer messages`: the messages that one actor receives, each with its sender, its times, the reply and what it
//! changed. Watches the functions of the actor's channel; the actor itself is asked nothing.

use std::sync::Arc;

use clap::Args;
use tracer_ebpf::abi::record::RECORD_FULL_AT;

use super::actor_system::{Opened, with_system};
use super::exit::Failure;
use super::info::find;
use super::interrupt::Interrupt;
use super::messages_watch::{Channel, MessageSink};
use super::options::{Limit, OutputOptions, SafetyOptions, TargetOptions, ValueOptions};
use super::say::say;
use super::session::{self, Limits};
use super::target::{attach_mode, images, link_filter, namespace};
use crate::actors::look::{Look, System, label};
use crate::kernel::feature::Features;
use crate::kernel::session::SessionRequest;
use crate::plan::function::{FunctionOptions, Returns};
use crate::plan::inlined::InlinedCopies;
use crate::plan::probe::Probe;
use crate::plan::request::{self, Planned, TraceRequest};
use crate::target::files::Files;
use crate::target::image::Image;
use crate::target::process::Process;

/// Room for records that wait to be read.
const RING_BYTES: u32 = 8 << 20;
/// Of the stack, with each message that is sent.
const STACK_BYTES: u32 = 16 << 10;
/// A limit for the kernel where user space counts: several calls make one message.
const NO_LIMIT: u64 = 0;

pub(super) const RECEIVES: &str = "tokio::sync::mpsc::list::Rx";
pub(super) const SENDS: &str = "tokio::sync::mpsc::list::Tx";
pub(super) const REPLIES: &str = "tokio::sync::oneshot::Inner";
pub(super) const POLLS: &str = "tokio::runtime::task::";

const EXAMPLES: &str = "\
Examples:
  tracer messages -p myapp AuditLog                  10 messages, or 15 seconds
  tracer messages -p myapp audit_log::run -n 100     by the task's function
  tracer messages -p myapp 12 -n 0 --for 1m          by the task's number
  tracer messages -p myapp AuditLog --pretty --redact '*token*'
  tracer messages -p myapp AuditLog --json | jq -c 'select(.kind==\"message\") | [.waited_ns, .took_ns]'

A message is shown when the actor asks for the next one: how long it waited in the mailbox, how long the actor took \
for it, who sent it, what it replied. The actor's state is read from memory while it waits for a message, and what has \
changed is shown. Probes are on the functions of tokio's mpsc channel, for this actor's channel alone; what they cannot \
see in this build, because the compiler put it into its callers, is said with each message.";

/// Show the messages that an actor receives: who sent each, how long it waited and took, the reply, the state's change
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    target: TargetOptions,
    /// The actor: its task's number, its mailbox's name, or the end of its function's path
    #[arg(value_name = "ACTOR")]
    actor: String,
    /// End after so many messages; 0 lifts the limit
    #[arg(short = 'n', long, value_name = "MESSAGES", default_value_t = 10)]
    pub(super) limit: u64,
    /// End after so much time, as 500ms, 15s or 1m; 0 lifts the limit
    #[arg(long = "for", value_name = "DURATION", default_value = "15s")]
    duration: Limit,
    /// Cut values after N characters in text, and say how much is left out; 0 shows all [default: 160, with --pretty 0]
    #[arg(long, value_name = "N")]
    pub(super) value_width: Option<usize>,
    #[command(flatten)]
    safety: SafetyOptions,
    #[command(flatten)]
    pub(super) output: OutputOptions,
    #[command(flatten)]
    pub(super) values: ValueOptions,
}

pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    arguments.output.set_up();
    let process = Process::find(&arguments.target.process)?;
    with_system(&process, |opened| watch(arguments, &process, opened))
}

fn watch(arguments: &Arguments, process: &Process, opened: &mut Opened<'_, '_>) -> Result<u8, Failure> {
    let look = opened.look();
    let index = find(&look, &arguments.actor, process)?;
    let Some(system) = &opened.system else { return Err(Failure::new("there are no tasks")) };
    let channel = channel(system, &look, index)?;
    let files = Files::new();
    let images = images(process, &files, |_| false)?;
    let features = Features::probe();
    let mut planned = plan(arguments, &images, &channel, &features)?;
    let stack_bytes = bring_stacks(&mut planned);
    let mode = attach_mode(arguments.safety.attach, &features)?;
    let request = SessionRequest {
        mode,
        process_id: link_filter(process, mode, &features),
        namespace: namespace(process),
        calls_max: NO_LIMIT,
        rate_max: 0,
        duration: arguments.duration.0,
        ring_bytes: RING_BYTES,
        stack_bytes,
        record_bytes_max: RECORD_FULL_AT as u32,
        fault_in: false,
        diagnostics: arguments.output.verbose,
    };
    let limits = Limits {
        calls_max: arguments.limit,
        rate_max: 0,
        duration: arguments.duration.0,
        max_overhead: arguments.safety.max_overhead(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start the event loop: {error}")))?;
    runtime.block_on(async {
        let mut interrupt = Interrupt::new()?;
        let Some(mut session) = session::arm(&planned.attach, &request, process)? else {
            return Err(Failure::new(format!("{} ({}) has exited", process.comm(), process.pid())));
        };
        say(format_args!("messages of {} at {} sites; Ctrl-C ends it", channel.label, session.attached()));
        let mut sink = MessageSink::new(arguments, system, channel, Arc::new(planned.descriptions), process, &files);
        let reason = session::run(&mut session, process, &limits, &mut interrupt, &mut sink).await?;
        sink.finish(reason, &session)
    })
}

/// What is to be watched of an actor.
fn channel(system: &System<'_, '_>, look: &Look, index: usize) -> Result<Channel, Failure> {
    let missing = |why: &str| Failure::new(format!("its messages cannot be shown: {why}"));
    let actor = look.actors.get(index).ok_or_else(|| missing("it is gone"))?;
    let label = label(actor, look);
    let channel = actor
        .mailbox
        .and_then(|key| look.channels.get(&key))
        .ok_or_else(|| missing(&format!("{label} receives from no channel that is known")))?;
    let graph = &system.program.graph;
    let end = |path: &str| graph.typed(channel.place.ty, path).map(|part| channel.place.address + part.offset);
    let ends = end(RECEIVES).zip(end(SENDS));
    let (receiving, sending) = ends.ok_or_else(|| missing("its channel is not tokio's mpsc"))?;
    Ok(Channel {
        key: channel.key,
        place: channel.place.clone(),
        message_type: channel.message_type.clone().unwrap_or_default(),
        receiving,
        sending,
        label,
        task: actor.task.id,
        header: actor.task.address,
    })
}

/// Probes on the functions of its channel, and on those that poll its task; those that this build has.
fn plan(
    arguments: &Arguments,
    images: &[Image<'_>],
    channel: &Channel,
    features: &Features,
) -> Result<Planned, Failure> {
    let Channel { receiving, sending, header, .. } = channel;
    let receives = format!("{RECEIVES}::pop if self == {receiving:#x} -> self.index, result");
    let others = [
        format!("{SENDS}::push if self == {sending:#x} -> self.tail_position, value"),
        format!("{REPLIES}::complete -> self.value"),
        format!("{POLLS}harness::Harness::poll if self.cell == {header:#x} -> self.cell"),
        format!("{POLLS}raw::poll if ptr == {header:#x} -> ptr"),
    ];
    let plan = |probes: &[Probe]| {
        let trace = TraceRequest {
            probes,
            closures: false,
            options: FunctionOptions {
                returns: Returns::Auto,
                inlined: InlinedCopies::Auto,
                limits: arguments.values.limits(),
                patches_nops: features.patches_nops,
            },
            redaction: arguments.values.redaction(),
        };
        request::plan(images, &trace)
    };
    let texts = std::iter::once(&receives).chain(&others);
    let mut probes = texts.map(|text| Probe::parse(text)).collect::<Result<Vec<_>, _>>()?;
    loop {
        // A probe that this build has nothing for is left out, but not the one that everything hangs on.
        let nothing = match plan(&probes) {
            Ok(planned) => return Ok(planned),
            Err(nothing) => nothing,
        };
        let why = nothing.mistake.as_ref().map_or_else(|| nothing.to_string(), ToString::to_string);
        let is_at_fault = |probe: &Probe| match nothing.mistake {
            Some(_) => plan(std::slice::from_ref(probe)).is_err(),
            None => probe.text == nothing.probe,
        };
        let index = probes.iter().position(is_at_fault).unwrap_or(0);
        if index == 0 {
            return Err(Failure::new(format!(
                "the function that takes messages out of the channel of {} cannot be probed: {why}",
                channel.label
            )));
        }
        if arguments.output.verbose {
            say(format_args!("not watched: {why}"));
        }
        probes.remove(index);
    }
}

/// Who sends is told by the stack.
fn bring_stacks(planned: &mut Planned) -> u32 {
    let descriptions = &planned.descriptions;
    let sends = |cookie| descriptions.function(cookie).is_some_and(|function| function.name.starts_with(SENDS));
    planned.attach.with_stacks_of(sends);
    STACK_BYTES
}
