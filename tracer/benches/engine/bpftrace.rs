//! bpftrace, where it is installed, on the site of this program: what the same costs there, in the same run.

use std::env;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::hit::{self, Bench};
use crate::table::{self, Spread};
use crate::{Outcome, site};

const ROUNDS: usize = 5;

/// What bpftrace does at a hit, by the name of its row.
const ACTIONS: [(&str, &str); 2] =
    [("bpftrace, counted", "@hits = count();"), ("bpftrace, printf of two", "printf(\"%d %d\\n\", arg0, arg1);")];

/// How long bpftrace may take to attach.
const ATTACH_MAX: Duration = Duration::from_secs(20);

/// A call that takes longer hits a probe.
const HIT_NS: f64 = 300.0;

/// A running bpftrace; ended when dropped.
struct Attached {
    child: Child,
    /// From its start to the first hit.
    after: Duration,
}

impl Attached {
    fn to_site(action: &str) -> Outcome<Self> {
        let program = format!("uprobe:{}:{} {{ {action} }}", env::current_exe()?.display(), site::NAME);
        let started = Instant::now();
        let child = Command::new("bpftrace")
            .args(["-p", &std::process::id().to_string(), "-e", &program])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut attached = Self { child, after: Duration::ZERO };
        while hit::best_ns(3, 20) < HIT_NS {
            if let Some(status) = attached.child.try_wait()? {
                return Err(format!("bpftrace ended: {status}").into());
            }
            if started.elapsed() > ATTACH_MAX {
                return Err("bpftrace does not attach".into());
            }
        }
        attached.after = started.elapsed();
        Ok(attached)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // SAFETY: a signal to a child that was not waited for, so the number is still its own.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGINT) };
        let _ = self.child.wait();
    }
}

pub fn run() -> Outcome<()> {
    let version = match Command::new("bpftrace").arg("--version").output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => {
            println!("bpftrace is not installed: nothing to compare with\n");
            return Ok(());
        }
    };
    let mut bench = Bench::plain()?;
    let mut engine = Vec::new();
    let mut rows = ACTIONS.map(|_| (Vec::new(), Vec::new()));
    for _ in 0..ROUNDS {
        engine.push(bench.cost_ns(hit::two_registers())?);
        for ((_, action), (costs, times)) in ACTIONS.iter().zip(&mut rows) {
            let attached = Attached::to_site(action)?;
            costs.push(hit::batches_ns());
            times.push(attached.after);
        }
    }
    let ratio = |costs: &[f64]| Spread::of(costs.iter().zip(&engine).map(|(cost, engine)| cost / engine));
    let row = |name: &str, costs: &[f64], times: Option<&[Duration]>| {
        vec![
            name.to_owned(),
            format!("{:.0}", Spread::of(costs.iter().copied())),
            format!("{:.2}", ratio(costs)),
            times.map_or_else(String::new, |times| format!("{:.0}", Spread::of_times(times))),
        ]
    };
    let mut table = vec![row(hit::two_registers().name(), &engine, None)];
    table.extend(ACTIONS.iter().zip(&rows).map(|((name, _), (costs, times))| row(name, costs, Some(times))));
    let title = format!("{version} on the same site, {ROUNDS} rounds; what its buffer loses costs less");
    table::print(&title, &["program", "ns", "× engine, two registers", "start to first hit, ms"], table);
    Ok(())
}
