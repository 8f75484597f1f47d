//! `cargo xtask demo`: the registry app under load, and the tracer's own commands that find its bottleneck.
//! Tells the story; every conclusion in it is drawn from the tracer's JSON by `findings`.

mod findings;
mod load;
mod tracer;

use std::{process::Command, time::Instant};

use anyhow::{Context, Result, bail};

use self::{
    findings::{Functions, Mailboxes},
    load::Load,
    tracer::Tracer,
};
use crate::{run, workspace};

const CALLS_MAX: &str = "10";
/// Enough calls to see every handler several times; each takes 80 ms at most.
const CALLS_TO_JUDGE: &str = "30";

pub(crate) fn run() -> Result<()> {
    if !run::is_root() {
        bail!("the demo attaches probes, which takes root: run `cargo xtask demo` as root");
    }
    build()?;
    let started = Instant::now();
    let load = Load::start()?;
    println!("\ntarget-app register-random-trees 8 100 runs as process {}: 8 clients, 100 ms apart", load.pid());
    let verdict = investigate(&Tracer::of(load.pid()))?;
    let farewell = load.stop()?;
    println!("\nVerdict: {verdict}");
    println!("The app served on and ended by itself: {farewell}");
    println!("The whole took {:.0} s.", started.elapsed().as_secs_f64());
    Ok(())
}

fn build() -> Result<()> {
    println!("building target-app and the tracer");
    let mut command = Command::new(workspace::cargo());
    command.current_dir(workspace::root());
    command.args(["build", "--locked", "--release", "--package", "target-app", "--package", "tracer"]);
    run::checked(&mut command)
}

/// Goes from the queues to the function that keeps them from being served.
fn investigate(tracer: &Tracer) -> Result<String> {
    tracer.show("what the kernel, this user and the process allow", &["doctor"])?;

    tracer.show("how many messages wait in each mailbox, and how that changes within 2 s", &["queues"])?;
    let mailboxes = Mailboxes::read(&tracer.json(&["queues"])?);
    let fullest = mailboxes.fullest().context("the tracer saw no mailbox")?;
    println!("  So: {fullest}.");

    let handlers: Vec<String> = mailboxes.names().map(|name| format!("{name}::*")).collect();
    let mut trace = vec!["trace"];
    trace.extend(handlers.iter().map(String::as_str));
    trace.extend(["-n", CALLS_TO_JUDGE]);
    tracer.announce("where the time of all these actors goes, by function", &trace);
    let functions = Functions::read(&tracer.json(&trace)?);
    for line in functions.table() {
        println!("  {line}");
    }
    let handler = functions.busiest().context("no call of an actor was seen")?;
    println!("  So: {handler}.");

    let neighbours = handler.module_pattern();
    let inside = ["trace", neighbours.as_str(), "-n", CALLS_MAX];
    tracer.show("what happens inside its module: calls, arguments, durations", &inside)?;
    let functions = Functions::read(&tracer.json(&inside)?);
    let busiest = functions.busiest().context("no call inside the module was seen")?;
    let own = mailboxes.of_actor(&handler.actor());
    let contrast = own.map_or_else(String::new, |mailbox| format!(", while {mailbox}"));
    Ok(format!("{fullest}{contrast}; {busiest}."))
}
