//! The binary: starts what the command line asks for, waits for the stop, prints the counters.

mod cli;

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::Parser;
use target_app::client::{Client, Connection};
use target_app::load::Totals;
use target_app::protocol::Request;
use target_app::registry::{Registry, Stats, Supervisors};
use target_app::shutdown::Stop;
use target_app::{load, log, mailbox, registry, server};
use tokio::net::TcpListener;

use crate::cli::{Cli, Command, LoadShape, RunArgs};

fn main() -> ExitCode {
    let command = Cli::parse().command;
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "target-app: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    // Two at least: one burns in the audit log, the other must serve.
    let workers = available_parallelism().map_or(2, |cores| cores.get().max(2));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Serve { listen, load, run } => serve(&listen, load, &run).await,
            Command::RegisterRandomTrees { tasks, sleep_ms, connect, run } => {
                let shape = LoadShape { tasks, sleep_ms };
                match connect {
                    Some(server) => load_server(&server, shape, &run).await,
                    None => load_alone(shape, &run).await,
                }
            }
        }
    })
}

async fn serve(listen: &str, shape: Option<LoadShape>, run: &RunArgs) -> anyhow::Result<()> {
    let stop = prepare(run)?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}, choose another address with --listen"))?;
    say(format_args!("listening on {}", listener.local_addr()?));
    let (registry, supervisors) = registry::start();
    let load = async {
        if let Some(shape) = shape {
            load_locally(&registry, shape, stop.clone()).await;
        }
    };
    tokio::join!(server::serve(listener, registry.clone(), stop.clone()), load);
    shut_down(registry, supervisors).await;
    Ok(())
}

async fn load_alone(shape: LoadShape, run: &RunArgs) -> anyhow::Result<()> {
    let stop = prepare(run)?;
    let (registry, supervisors) = registry::start();
    load_locally(&registry, shape, stop).await;
    shut_down(registry, supervisors).await;
    Ok(())
}

async fn load_server(server: &str, shape: LoadShape, run: &RunArgs) -> anyhow::Result<()> {
    let stop = prepare(run)?;
    let mut clients = Vec::new();
    for _ in 0..shape.tasks {
        clients.push(Client::Remote(Connection::open(server).await?));
    }
    let Totals { registered, failed } = load::run(clients, Duration::from_millis(shape.sleep_ms), stop).await;
    let trees = trees_of(server).await.map_or("unknown".to_owned(), |trees| trees.to_string());
    say(format_args!("registered={registered} failed={failed} trees={trees}"));
    Ok(())
}

async fn load_locally(registry: &Registry, shape: LoadShape, stop: Stop) -> Totals {
    let clients = (0..shape.tasks).map(|_| Client::Local(registry.clone())).collect();
    load::run(clients, Duration::from_millis(shape.sleep_ms), stop).await
}

async fn trees_of(server: &str) -> Option<u64> {
    let response = Connection::open(server).await.ok()?.request(&Request::Stats(true)).await.ok()?;
    response["stats"]["trees"].as_u64()
}

/// Listens for signals and starts what runs beside the work.
fn prepare(run: &RunArgs) -> anyhow::Result<Stop> {
    let stop = Stop::on_signal_or_after(run.limit).context("cannot listen for signals")?;
    if let Some(interval) = run.stats_every {
        tokio::spawn(print_mailboxes(interval));
    }
    Ok(stop)
}

async fn print_mailboxes(interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    loop {
        ticks.tick().await;
        let time = humantime::format_rfc3339_millis(SystemTime::now());
        for mailbox::Snapshot { id, name, length, capacity, sent, received } in mailbox::snapshots() {
            say(format_args!(
                "mailbox {name} length={length} capacity={capacity} sent={sent} received={received} id={id} time={time}"
            ));
        }
    }
}

async fn shut_down(registry: Registry, supervisors: Supervisors) {
    let Stats { registered, failed, trees, .. } = registry.stats();
    drop(registry);
    if !supervisors.ended().await {
        log::warning("the actors did not end in time");
    }
    say(format_args!("registered={registered} failed={failed} trees={trees}"));
}

fn say(line: std::fmt::Arguments) {
    // Nobody reads it any more: that must not stop the service.
    let _ = writeln!(io::stdout(), "{line}");
}
