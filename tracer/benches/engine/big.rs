//! One function of a large binary: this program itself, with the debug information of all its crates.

use crate::Outcome;
use crate::fixture::{IDLE, Running};
use crate::table::{self, Spread};
use crate::tracer::Session;

const ROUNDS: usize = 9;
const FUNCTION: &str = "tracer::plan::request::plan";

pub fn run() -> Outcome<()> {
    let binary = std::env::current_exe()?;
    let size_mb = std::fs::metadata(&binary)?.len() as f64 / 1e6;
    let target = Running::start(&binary, &[IDLE])?;
    let (mut armed, mut peak, mut line) = (vec![], vec![], String::new());
    for _ in 0..ROUNDS {
        let session = Session::trace(target.pid(), &[FUNCTION])?;
        armed.push(session.armed - session.started);
        peak.push(session.peak_mb()?);
        line.clone_from(&session.line);
        session.interrupt()?;
    }
    let (armed, peak) = (Spread::of_times(&armed), Spread::of(peak));
    let row = vec![
        format!("{armed:.0}"),
        table::judged(armed, 120.0, " ms"),
        format!("{peak:.0}"),
        table::judged(peak, 100.0, " MB"),
    ];
    let title =
        format!("One function of a binary of {size_mb:.0} MB: `tracer trace {FUNCTION}`, {ROUNDS} rounds\n{line}");
    table::print(&title, &["start to armed, ms", "target", "peak memory, MB", "target"], vec![row]);
    Ok(())
}
