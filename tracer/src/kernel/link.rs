//! Attaches sites: one `uprobe_multi` link per object and program, or one perf event per site. A link's sites go
//! with it, so entries and exits are links of their own.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use super::error::KernelError;
use super::load::{AttachMode, Loaded};
use super::sys::{self, MultiSites, PerfSite};
use crate::plan::probe_plan::{AttachPlan, AttachPoint, Program};

/// The kernel's internal error number for an instruction that it cannot probe.
const ENOTSUPP: i32 = 524;

/// Sites attached as perf events: two descriptors each, and detaching takes a grace period for each.
const PERF_SITES_MAX: usize = 400;

/// Attached sites. Dropping them detaches.
#[derive(Default)]
pub struct Links {
    /// Descriptors by what they attach. A perf event is two: the event and the link on it.
    open: Vec<(Program, OwnedFd)>,
    /// Sites that this kernel refused although they looked fine.
    pub refused: Vec<AttachPoint>,
    pub attached: usize,
}

impl Links {
    /// Attaches all points of the plan for one process, exits before entries: a call that is seen to begin is also
    /// seen to end.
    pub fn attach(loaded: &Loaded, plan: &AttachPlan, process_id: u32) -> Result<Self, KernelError> {
        let mut groups: BTreeMap<(u8, usize, Program), Vec<AttachPoint>> = BTreeMap::new();
        for point in &plan.points {
            groups.entry((order(point.program), point.object, point.program)).or_default().push(*point);
        }
        let mut links = Self::default();
        for ((_, object, program), mut points) in groups {
            let Some(path) = plan.objects.get(object) else { continue };
            let fd = loaded.program(program)?;
            points.sort_by_key(|point| point.offset);
            let c_path = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
            let target = Target { path: &c_path, program: fd.as_fd(), process_id };
            let (before, refused_before) = (links.attached, links.refused.len());
            match loaded.mode {
                AttachMode::Multi => links.attach_multi(&target, &points),
                AttachMode::PerfEvent => links.attach_perf_events(&target, &points),
            }
            .map_err(|source| KernelError::Attach { path: path.display().to_string(), source })?;
            if is_exit(program) {
                for entry in plan.entry_plans_of(&links.refused[refused_before..]) {
                    loaded.mark_exits_incomplete(entry)?;
                }
            } else if links.attached == before {
                return Err(KernelError::NothingAttached { path: path.display().to_string(), asked: points.len() });
            }
        }
        Ok(links)
    }

    /// Attaches all in one link. The kernel takes all or none, so what it refuses is found by halving.
    fn attach_multi(&mut self, target: &Target<'_>, points: &[AttachPoint]) -> io::Result<()> {
        let Some(first) = points.first() else { return Ok(()) };
        let offsets: Vec<u64> = points.iter().map(|point| point.offset.0).collect();
        let cookies: Vec<u64> = points.iter().map(|point| point.cookie.0).collect();
        let semaphores: Vec<u64> = if points.iter().any(|point| point.semaphore.is_some()) {
            points.iter().map(|point| point.semaphore.map_or(0, |offset| offset.0)).collect()
        } else {
            Vec::new()
        };
        let sites = MultiSites {
            path: target.path,
            offsets: &offsets,
            semaphores: &semaphores,
            cookies: &cookies,
            on_return: first.program == Program::ReturnTrampoline,
            process_id: target.process_id,
        };
        match sys::link_multi(target.program, &sites) {
            Ok(link) => {
                self.open.push((first.program, link));
                self.attached += points.len();
                Ok(())
            }
            Err(error) if !is_refusal(&error) => Err(error),
            Err(_) if points.len() == 1 => {
                self.refused.extend(points);
                Ok(())
            }
            Err(_) => {
                let (low, high) = points.split_at(points.len() / 2);
                self.attach_multi(target, low)?;
                self.attach_multi(target, high)
            }
        }
    }

    fn attach_perf_events(&mut self, target: &Target<'_>, points: &[AttachPoint]) -> io::Result<()> {
        if points.len() > PERF_SITES_MAX {
            let text = format!(
                "{} sites are too many to attach one by one (at most {PERF_SITES_MAX}): narrow the pattern",
                points.len()
            );
            return Err(io::Error::other(text));
        }
        for point in points {
            let site = PerfSite {
                path: target.path,
                offset: point.offset.0,
                semaphore: point.semaphore.map_or(0, |offset| offset.0),
                cookie: point.cookie.0,
                on_return: point.program == Program::ReturnTrampoline,
                process_id: target.process_id,
            };
            match sys::link_perf_event(target.program, &site) {
                Ok((event, link)) => {
                    self.open.push((point.program, link));
                    self.open.push((point.program, event));
                    self.attached += 1;
                }
                Err(error) if is_refusal(&error) => self.refused.push(*point),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Detaches what opens frames and counts calls, and leaves the exits: calls under way still bring their return.
    pub fn detach_entries(&mut self) {
        let (exits, entries) = std::mem::take(&mut self.open).into_iter().partition(|(program, _)| is_exit(*program));
        self.open = exits;
        close(entries);
    }

    /// Whether exits are attached.
    pub fn has_exits(&self) -> bool {
        self.open.iter().any(|(program, _)| is_exit(*program))
    }

    /// Detaches everything.
    pub fn detach(&mut self) {
        close(std::mem::take(&mut self.open));
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.detach();
    }
}

fn is_exit(program: Program) -> bool {
    matches!(program, Program::Exit | Program::ReturnTrampoline)
}

/// Closes links side by side: each waits for the kernel's grace period, some 30 ms, and they can wait together.
fn close(links: Vec<(Program, OwnedFd)>) {
    /// Perf events come one per site; more threads than this would not help.
    const THREADS_MAX: usize = 8;
    let share = links.len().div_ceil(THREADS_MAX).max(1);
    let mut links = links;
    std::thread::scope(|scope| {
        while links.len() > share {
            let part = links.split_off(links.len() - share);
            scope.spawn(move || drop(part));
        }
        drop(links);
    });
}

/// Frees forked children of the target of the breakpoints that they inherit with its memory. A link's process filter
/// keeps their hits from the programs, but not from the trap; when any link on a site goes, the kernel looks again
/// which processes need the breakpoint there, and takes it out of all others.
#[derive(Clone)]
pub struct Relief {
    pub(super) loaded: Arc<Loaded>,
    pub(super) plan: Arc<AttachPlan>,
    pub(super) process_id: u32,
}

impl Relief {
    /// Attaches a program that does nothing to all sites of the session, and detaches it again.
    pub fn relieve(&self) -> Result<(), KernelError> {
        let mut plan = AttachPlan::clone(&self.plan);
        for point in &mut plan.points {
            (point.program, point.semaphore) = (Program::Empty, None);
        }
        plan.points.sort_by_key(|point| (point.object, point.offset));
        plan.points.dedup_by_key(|point| (point.object, point.offset));
        Links::attach(&self.loaded, &plan, self.process_id).map(drop)
    }
}

struct Target<'a> {
    path: &'a CStr,
    program: BorrowedFd<'a>,
    process_id: u32,
}

/// Exits are attached first.
fn order(program: Program) -> u8 {
    match program {
        Program::Exit | Program::ReturnTrampoline => 0,
        Program::Entry | Program::Mailbox | Program::Empty | Program::Handwritten | Program::HandwrittenCondition => 1,
    }
}

/// Whether the error speaks of a site, rather than of the process, the file or the permissions.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(ENOTSUPP | libc::EINVAL | libc::EOPNOTSUPP))
}
