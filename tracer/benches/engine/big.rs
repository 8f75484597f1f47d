//! One function of large binaries: this program itself, and the registry app with the debug information of tokio and all
//! its other crates.

use std::path::Path;

use crate::Outcome;
use crate::fixture::{self, IDLE, Running};
use crate::table::{self, Spread};
use crate::tracer::Session;

const ROUNDS: usize = 9;

pub fn run() -> Outcome<()> {
    let (own, app) = (std::env::current_exe()?, fixture::registry_app()?);
    let rows = vec![
        row(&own, &[IDLE], "tracer::plan::request::plan")?,
        row(&app, &["serve", "--listen", "127.0.0.1:0"], "waste_electricity_and_pollute")?,
    ];
    let title = format!("One function of a large binary: `tracer trace FUNCTION`, {ROUNDS} rounds");
    let header = ["binary, MB", "function", "start to armed, ms", "target", "peak memory, MB", "target"];
    table::print(&title, &header, rows);
    Ok(())
}

fn row(binary: &Path, arguments: &[&str], function: &str) -> Outcome<Vec<String>> {
    let size_mb = std::fs::metadata(binary)?.len() as f64 / 1e6;
    let target = Running::start(binary, arguments)?;
    let (mut armed, mut peak) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let session = Session::trace(target.pid(), &[function])?;
        armed.push(session.armed - session.started);
        peak.push(session.peak_mb()?);
        session.interrupt()?;
    }
    let (armed, peak) = (Spread::of_times(&armed), Spread::of(peak));
    Ok(vec![
        format!("{size_mb:.0}"),
        function.to_owned(),
        format!("{armed:.0}"),
        table::judged(armed, 120.0, " ms"),
        format!("{peak:.0}"),
        table::judged(peak, 100.0, " MB"),
    ])
}
