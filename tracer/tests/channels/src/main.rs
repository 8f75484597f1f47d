//! Channels and locks in states that are known: `channels MODE` prints `ready` when they stand, and lives until its
//! standard input ends. Knows nothing of who looks.

mod libraries;
mod threads;
mod tokio_sync;
mod two_versions;

/// What is sent: wide enough that slots are no single words.
#[derive(Debug, Clone, Default)]
pub struct Message {
    pub number: u64,
    pub text: String,
}

impl Message {
    pub fn new(number: u64) -> Self {
        Self { number, text: format!("message {number}") }
    }
}

fn main() {
    let mode = std::env::args().nth(1).unwrap_or_default();
    match mode.as_str() {
        "tokio" => on_tokio(tokio_sync::all()),
        "libraries" => on_tokio(libraries::all()),
        "million" => on_tokio(libraries::million()),
        "threads" => threads::all(),
        "threads-busy" => threads::busy(),
        "two-versions" => two_versions::both(),
        _ => panic!("no such mode: {mode}"),
    }
}

fn on_tokio(shape: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        shape.await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        ready_until_end_of_input();
    });
}

/// Blocks its thread; the process ends with the input.
pub fn ready_until_end_of_input() {
    println!("ready");
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    std::process::exit(0);
}
