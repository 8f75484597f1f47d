//! `cargo xtask demo`: the registry app under load, and the tracer's own commands that find its bottleneck.
//! Tells the story; every sentence in it is drawn from the tracer's JSON by `findings`.

mod findings;
mod interrupt;
mod load;
mod tracer;

use std::{process::Command, time::Instant};

use anyhow::{Context, Result, bail};

use self::{
    findings::{Checks, Functions, Mailboxes},
    load::Load,
    tracer::Tracer,
};
use crate::{run, workspace};

/// Enough calls to see every handler several times; each takes 80 ms at most.
const CALLS_TO_JUDGE: &str = "60";

pub(crate) fn run() -> Result<()> {
    if !run::is_root() {
        bail!("the demo attaches probes, which takes root: run `sudo -E env PATH=\"$PATH\" cargo xtask demo`");
    }
    build()?;
    interrupt::watch();
    let started = Instant::now();
    println!("\nThe registry app starts: 8 clients register trees, each waits for its reply, then 100 ms.");
    let load = Load::start()?;
    println!("It is process {}; nothing in it knows that it will be observed.", load.pid());
    let verdict = investigate(&Tracer::of(load.pid()))?;
    let farewell = load.stop()?;
    println!("\n{}", tracer::strong(&format!("Verdict: {verdict}")));
    println!("\nThe probes are gone, and the app was asked to end: {farewell}.");
    println!("That took {:.0} s.", started.elapsed().as_secs_f64());
    Ok(())
}

fn build() -> Result<()> {
    println!("Building the registry app and the tracer (a few minutes the first time).");
    let mut command = Command::new(workspace::cargo());
    command.current_dir(workspace::root());
    command.args(["build", "--locked", "--release", "--package", "target-app", "--package", "tracer"]);
    run::checked(&mut command)
}

/// Goes from the queues to the function that keeps them from being served.
fn investigate(tracer: &Tracer) -> Result<String> {
    let checks = Checks::read(&tracer.show("What can be seen of it?", &["doctor"])?);
    conclude(&checks);

    let mailboxes = Mailboxes::read(&tracer.show("Where do messages wait?", &["queues"])?);
    let fullest = mailboxes.fullest().context("the tracer saw no mailbox")?;
    conclude(&mailboxes);

    let handlers: Vec<String> = mailboxes.names().map(|name| format!("{name}::*")).collect();
    let mut trace = vec!["trace"];
    trace.extend(handlers.iter().map(String::as_str));
    trace.extend(["-n", CALLS_TO_JUDGE, "--json"]);
    tracer.announce("Where does the time of these actors go? (the durations of their functions, added up)", &trace);
    let functions = Functions::read(&tracer.records(&trace)?);
    functions.table().for_each(|line| println!("{line}"));
    let handler = functions.busiest().context("no call of an actor was seen")?;
    conclude(handler);

    let neighbours = handler.module_pattern();
    let inside = Functions::read(&tracer.show("What does it do all that time?", &["trace", &neighbours])?);
    let busiest = inside.busiest().context("no call inside the module was seen")?;
    conclude(busiest);

    let contrast = match mailboxes.of_actor(&handler.actor()) {
        Some(own) if own.name() != fullest.name() => format!(", while {} holds {}", own.name(), own.fill()),
        _ => String::new(),
    };
    let queue = format!("messages wait for {}, whose mailbox holds {}{contrast}", fullest.name(), fullest.fill());
    Ok(format!("{queue}. But the time goes to {}: that is the bottleneck.", busiest.name_and_mean()))
}

fn conclude(finding: &impl std::fmt::Display) {
    println!("{}", tracer::strong(&format!("=> {finding}.")));
}
