//! What the kernel can do, tried out, and what the user may do. Looks at no target.

use crate::cli::target::own_namespace;
use crate::kernel::calibrate::calibrate;
use crate::kernel::feature::{self, Features};
use crate::kernel::load::AttachMode;
use crate::kernel::overhead::Cost;
use crate::report::doctor::{Check, State, Subject};
use crate::report::units;
use crate::target::procfs;

/// Capabilities by their bit in `/proc/self/status` (linux/capability.h).
const CAP_SYS_PTRACE: u32 = 19;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// The kernels that have what is needed, and that have all of it.
const KERNEL_MIN: (u32, u32) = (5, 15);
const KERNEL_FULL: (u32, u32) = (6, 6);

const AS_ROOT: &str = "run tracer with sudo, or once: sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep TRACER";

pub fn checks() -> Vec<Check> {
    let user = User::read();
    let features = Features::probe();
    let mode = if features.uprobe_multi { AttachMode::Multi } else { AttachMode::PerfEvent };
    let mut checks = vec![release(feature::version())];
    checks.push(multi(&features, &user));
    checks.push(perf_event(feature::has_uprobe_events(), &features));
    checks.push(sleepable(&features, &user));
    checks.push(ring_buffer(feature::has_ring_buffer(), &user));
    checks.push(type_information(feature::has_type_information()));
    checks.push(jit(feature::jit()));
    checks.extend(nops(&features));
    checks.push(trial(user.may_load().then(|| calibrate(mode, own_namespace()).map_err(|error| chain(&error)))));
    checks.extend(user.checks(&features));
    checks
}

fn check(subject: Subject, name: &str, state: State, found: impl Into<String>) -> Check {
    Check { subject, name: name.to_owned(), state, found: found.into(), costs: None, remedy: None }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn release(version: (u32, u32)) -> Check {
    let found = feature::kernel_release();
    let state = match version {
        (0, 0) => State::Unknown,
        version if version >= KERNEL_FULL => State::Good,
        version if version >= KERNEL_MIN => State::Limited,
        _ => State::Missing,
    };
    let check = check(Subject::Kernel, "release", state, found);
    match state {
        State::Limited => Check {
            costs: Some("each probed site is attached on its own: slow with many functions".into()),
            remedy: Some("Linux 6.6 or newer attaches all at once".into()),
            ..check
        },
        State::Missing => Check { remedy: Some("Linux 6.6 or newer is needed, 5.15 at least".into()), ..check },
        _ => check,
    }
}

fn multi(features: &Features, user: &User) -> Check {
    let check = |state, found: &str| check(Subject::Kernel, "uprobe_multi links", state, found);
    if features.uprobe_multi {
        return check(State::Good, "many sites in one link");
    }
    if !user.may_load() {
        return Check {
            remedy: Some(AS_ROOT.into()),
            ..check(State::Unknown, "not tried: needs CAP_BPF and CAP_PERFMON")
        };
    }
    Check {
        costs: Some("attaching and detaching take about 0.1 s per function, and need CAP_SYS_ADMIN".into()),
        remedy: Some("Linux 6.6 or newer has them".into()),
        ..check(State::Limited, "none, perf events instead")
    }
}

fn perf_event(has_it: bool, features: &Features) -> Check {
    let check = |state, found: &str| check(Subject::Kernel, "uprobe perf events", state, found);
    match (has_it, features.uprobe_multi) {
        (true, true) => check(State::Good, "there, not needed"),
        (true, false) => check(State::Good, "there"),
        (false, true) => check(State::Good, "none, not needed"),
        (false, false) => Check {
            remedy: Some("the kernel must be built with CONFIG_UPROBE_EVENTS, and /sys mounted".into()),
            ..check(State::Missing, "none")
        },
    }
}

fn sleepable(features: &Features, user: &User) -> Check {
    let check = |state, found: &str| check(Subject::Kernel, "sleepable uprobes", state, found);
    match (features.fault_in, user.may_load()) {
        (true, _) => check(State::Good, "there, for trace --fault-in"),
        (false, false) => {
            Check { remedy: Some(AS_ROOT.into()), ..check(State::Unknown, "not tried: needs CAP_BPF and CAP_PERFMON") }
        }
        (false, true) => Check {
            costs: Some("values on pages that are not resident cannot be read: no trace --fault-in".into()),
            remedy: Some("Linux 6.6 or newer has them; built with CONFIG_DEBUG_INFO_BTF=y".into()),
            ..check(State::Limited, "none")
        },
    }
}

fn ring_buffer(found: Option<bool>, user: &User) -> Check {
    let check = |state, found: &str| check(Subject::Kernel, "BPF ring buffer", state, found);
    match found {
        Some(true) => check(State::Good, "there"),
        Some(false) if user.may_load() => {
            Check { remedy: Some("Linux 5.8 or newer has it".into()), ..check(State::Missing, "none") }
        }
        _ => check(State::Unknown, "not tried: needs CAP_BPF"),
    }
}

fn type_information(has_it: bool) -> Check {
    let check = |state, found: &str| check(Subject::Kernel, "type information (BTF)", state, found);
    if has_it {
        return check(State::Good, "/sys/kernel/btf/vmlinux");
    }
    Check {
        costs: Some("what depends on the kernel's own structures cannot be read".into()),
        remedy: Some("a kernel built with CONFIG_DEBUG_INFO_BTF=y".into()),
        ..check(State::Limited, "none")
    }
}

fn jit(setting: Option<bool>) -> Check {
    let check = |state, found: &str| check(Subject::Kernel, "BPF JIT", state, found);
    match setting {
        Some(true) => check(State::Good, "on"),
        Some(false) => Check {
            costs: Some("each probe hit costs more".into()),
            remedy: Some("sysctl -w net.core.bpf_jit_enable=1".into()),
            ..check(State::Limited, "off")
        },
        None => check(State::Unknown, "only root may read the setting"),
    }
}

fn nops(features: &Features) -> Option<Check> {
    features.patches_nops.then(|| Check {
        costs: Some("functions that begin with one (built for ftrace or hot patching) are left out".into()),
        remedy: Some("nothing: on this kernel a child forked by the target would crash there".into()),
        ..check(Subject::Kernel, "5-byte nops", State::Limited, "patched into calls")
    })
}

/// What a whole probe on the tracer itself said; `None` if the user may not try.
fn trial(result: Option<Result<Cost, String>>) -> Check {
    let check = |state, found: &str| check(Subject::Kernel, "a probe on myself", state, found);
    match result {
        None => check(State::Unknown, "not tried: needs CAP_BPF and CAP_PERFMON"),
        Some(Ok(cost)) => {
            let [emulated, single_stepped, ..] = cost.hit_ns.map(|ns| units::duration(ns as u64));
            check(State::Good, &format!("a hit costs {emulated} at an entry, up to {single_stepped} at a return"))
        }
        Some(Err(error)) => Check {
            remedy: Some("see the lines above and below; in a container, a security profile may forbid bpf(2)".into()),
            ..check(State::Missing, &error)
        },
    }
}

/// The user's effective capabilities.
struct User {
    capabilities: u64,
}

impl User {
    fn read() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self { capabilities: procfs::status(&status).map_or(0, |status| status.capabilities) }
    }

    fn has(&self, capability: u32) -> bool {
        let bit = |capability: u32| self.capabilities & (1 << capability) != 0;
        // capabilities(7): CAP_SYS_ADMIN includes what was split from it.
        bit(capability) || (matches!(capability, CAP_BPF | CAP_PERFMON) && bit(CAP_SYS_ADMIN))
    }

    fn may_load(&self) -> bool {
        self.has(CAP_BPF) && self.has(CAP_PERFMON)
    }

    fn checks(&self, features: &Features) -> [Check; 4] {
        let needs_admin = !features.uprobe_multi && self.may_load();
        let capability = |name: &str, number, state, purpose: &str| {
            if self.has(number) {
                return check(Subject::User, name, State::Good, "held");
            }
            if state == State::Good {
                return check(Subject::User, name, state, format!("not held, and not needed here: {purpose}"));
            }
            Check {
                costs: Some(purpose.to_owned()),
                remedy: Some(AS_ROOT.to_owned()),
                ..check(Subject::User, name, state, "not held")
            }
        };
        [
            capability("CAP_BPF", CAP_BPF, State::Missing, "no BPF program can be loaded: no trace, no queues"),
            capability("CAP_PERFMON", CAP_PERFMON, State::Missing, "no probe can be attached: no trace, no queues"),
            capability(
                "CAP_SYS_PTRACE",
                CAP_SYS_PTRACE,
                State::Limited,
                "only your own processes can be looked into, and no memory is read",
            ),
            capability(
                "CAP_SYS_ADMIN",
                CAP_SYS_ADMIN,
                if needs_admin { State::Missing } else { State::Good },
                "for perf events, and for files that were replaced while running",
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODERN: Features =
        Features { uprobe_multi: true, fault_in: true, filters_by_thread: false, patches_nops: false };
    const OLD: Features =
        Features { uprobe_multi: false, fault_in: false, filters_by_thread: true, patches_nops: false };

    fn user(capabilities: &[u32]) -> User {
        User { capabilities: capabilities.iter().map(|capability| 1 << capability).sum() }
    }

    fn states(user: &User, features: &Features) -> [State; 4] {
        user.checks(features).map(|check| check.state)
    }

    #[test]
    fn capabilities_are_asked_for_only_where_they_are_needed() {
        use State::{Good, Limited, Missing};
        assert_eq!(states(&user(&[CAP_BPF, CAP_PERFMON]), &MODERN), [Good, Good, Limited, Good]);
        assert_eq!(states(&user(&[CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE]), &OLD), [Good, Good, Good, Missing]);
        assert_eq!(states(&user(&[CAP_SYS_ADMIN]), &OLD), [Good, Good, Limited, Good]);
        assert_eq!(states(&user(&[]), &MODERN), [Missing, Missing, Limited, Good]);
    }

    #[test]
    fn old_kernels_are_told_apart() {
        let state = |version| release(version).state;
        assert_eq!([(5, 14), (5, 15), (6, 5)].map(state), [State::Missing, State::Limited, State::Limited]);
        assert_eq!([(6, 6), (7, 0), (0, 0)].map(state), [State::Good, State::Good, State::Unknown]);
    }

    #[test]
    fn without_any_way_to_attach_something_is_missing() {
        assert_eq!(perf_event(false, &OLD).state, State::Missing);
        assert_eq!(perf_event(false, &MODERN).state, State::Good);
        assert_eq!(multi(&OLD, &user(&[])).state, State::Unknown);
        assert_eq!(multi(&OLD, &user(&[CAP_SYS_ADMIN])).state, State::Limited);
    }

    #[test]
    fn what_is_not_good_says_what_to_do() {
        let all = [
            multi(&OLD, &user(&[])),
            multi(&OLD, &user(&[CAP_SYS_ADMIN])),
            perf_event(false, &OLD),
            sleepable(&OLD, &user(&[])),
            sleepable(&OLD, &user(&[CAP_SYS_ADMIN])),
            ring_buffer(Some(false), &user(&[CAP_SYS_ADMIN])),
            type_information(false),
            jit(Some(false)),
            release((5, 4)),
            release((6, 1)),
            trial(Some(Err("refused".into()))),
        ];
        for check in all {
            assert!(check.remedy.is_some(), "{check:?}");
        }
    }
}
