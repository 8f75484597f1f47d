//! `--backtrace`: its options, and the unwinding of what a session brings.

use clap::{Args, ValueEnum};
use tracer_ebpf::abi::stack::STACK_BYTES_MAX;

use crate::events::event::Event;
use crate::plan::probe_plan::AttachPlan;
use crate::report::backtrace::Detail;
use crate::target::files::Files;
use crate::target::process::Process;
use crate::target::unwind::Unwinder;
use crate::value::backtrace::Stack;

#[derive(Debug, Args)]
pub struct BacktraceOptions {
    /// Show the stack of each call, innermost function first, with inlined functions and source lines
    #[arg(long, value_enum, value_name = "DETAIL", num_args = 0..=1, require_equals = true, default_missing_value = "short")]
    pub backtrace: Option<BacktraceDetail>,
    /// With --backtrace or '-> stack', copy so much of the stack with each call, at most 64k: what lies above is missing
    /// in the backtrace
    #[arg(long, value_name = "BYTES", default_value = "16k", value_parser = stack_bytes)]
    pub stack_bytes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BacktraceDetail {
    /// With the frames of async runtimes and the standard library folded
    Short,
    /// With every frame
    Full,
}

impl BacktraceOptions {
    /// Bytes of stack that calls bring, 0 for none; the plan is told if all do.
    pub fn plan(&self, attach: &mut AttachPlan) -> u32 {
        if self.backtrace.is_some() {
            attach.with_stacks();
        }
        if attach.has_stacks() { self.stack_bytes } else { 0 }
    }

    /// How much of a backtrace is shown as text.
    pub fn detail(&self) -> Detail {
        match self.backtrace {
            Some(BacktraceDetail::Full) => Detail::Full,
            Some(BacktraceDetail::Short) | None => Detail::Short,
        }
    }

    /// What unwinds the session's stacks; made before it is armed, while the process is there for sure.
    pub fn unwinder<'data>(stack_bytes: u32, process: &'data Process, files: &'data Files) -> Option<Unwinder<'data>> {
        (stack_bytes > 0).then(|| Unwinder::new(process, files))
    }
}

/// Unwinds the stack that the event brought, if it brought one.
pub fn unwind(event: &mut Event, unwinder: Option<&mut Unwinder<'_>>) {
    if let Some(unwinder) = unwinder
        && let Some(Some(stack)) = event.stack_mut()
        && let Stack::Taken(picture) = stack
    {
        *stack = Stack::Unwound(unwinder.unwind(picture));
    }
}

/// `16k`, `64kB` or `4096`.
fn stack_bytes(text: &str) -> Result<u32, String> {
    let number = text.trim_end_matches(['B', 'b']);
    let (number, unit) = match number.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1024),
        None => (number, 1),
    };
    let bytes = number.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
    match bytes {
        Some(bytes) if (256..=STACK_BYTES_MAX).contains(&bytes) => Ok(bytes),
        Some(_) => Err(format!("it must be from 256 bytes to {}k", STACK_BYTES_MAX / 1024)),
        None => Err("write a size as 16k".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_in_bytes_or_kilobytes() {
        for (text, bytes) in [("16k", 16 << 10), ("64kB", 64 << 10), ("4096", 4096), ("512B", 512)] {
            assert_eq!(stack_bytes(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "k", "65k", "100", "-1", "1M", "99999999999"] {
            assert!(stack_bytes(wrong).is_err(), "{wrong}");
        }
    }
}
