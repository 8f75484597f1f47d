//! Shapes of tokio programs for the tests that look at actors from outside: `shapes MODE [RUNTIME]` prints `ready`
//! when its shape stands, and lives until its standard input ends. Knows nothing of who looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, Notify, RwLock, Semaphore, broadcast, mpsc, oneshot, watch};

struct Job {
    number: u64,
    /// Only looked at from outside.
    _text: String,
    reply_to: Option<oneshot::Sender<u64>>,
}

async fn worker(mut inbox: mpsc::Receiver<Job>, per_job: Duration) {
    let mut sum = 0;
    while let Some(job) = inbox.recv().await {
        tokio::time::sleep(per_job).await;
        sum += job.number;
        if let Some(reply_to) = job.reply_to {
            let _ = reply_to.send(sum);
        }
    }
}

async fn caller(to: mpsc::Sender<Job>, number: u64) {
    loop {
        let (reply_to, reply) = oneshot::channel();
        let _ = to.send(Job { number, _text: format!("job {number}"), reply_to: Some(reply_to) }).await;
        let _ = reply.await;
    }
}

/// A channel that nobody reads: `count` messages stay in it.
async fn stuffed(count: u64) {
    let (to, inbox) = mpsc::unbounded_channel();
    for number in 0..count {
        let _ = to.send(Job { number, _text: format!("job {number}"), reply_to: None });
    }
    println!("stuffed {count}");
    std::future::pending::<()>().await;
    drop((to, inbox));
}

async fn first_then_second(first: Arc<Mutex<u64>>, second: Arc<Mutex<u64>>, both: Arc<tokio::sync::Barrier>) {
    let guard = first.lock().await;
    both.wait().await;
    let other = second.lock().await;
    drop((guard, other));
}

async fn ping(to: mpsc::Sender<oneshot::Sender<()>>, mut inbox: mpsc::Receiver<oneshot::Sender<()>>) {
    let (reply_to, reply) = oneshot::channel();
    let _ = to.send(reply_to).await;
    let _ = reply.await;
    while let Some(reply_to) = inbox.recv().await {
        let _ = reply_to.send(());
    }
}

async fn holds_across_await(lock: Arc<Mutex<u64>>) {
    loop {
        let mut guard = lock.lock().await;
        tokio::time::sleep(Duration::from_secs(3600)).await;
        *guard += 1;
    }
}

async fn wants(lock: Arc<Mutex<u64>>) {
    loop {
        *lock.lock().await += 1;
    }
}

async fn reads(lock: Arc<RwLock<u64>>) {
    let _guard = lock.read().await;
    std::future::pending::<()>().await;
}

async fn writes(lock: Arc<RwLock<u64>>) {
    *lock.write().await += 1;
}

async fn burns() {
    tokio::task::yield_now().await;
    let mut x = 1u64;
    loop {
        x = std::hint::black_box(x.wrapping_mul(6364136223846793005).wrapping_add(1));
    }
}

/// Computes for that long without an await.
#[inline(never)]
fn spins(time: Duration) {
    let begun = std::time::Instant::now();
    let mut x = 1u64;
    while begun.elapsed() < time {
        // The clock is read by code of the kernel's, which no file tells of.
        for _ in 0..100_000 {
            x = std::hint::black_box(x.wrapping_mul(6364136223846793005).wrapping_add(1));
        }
    }
}

async fn blocks_now_and_then() {
    loop {
        spins(Duration::from_millis(81));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn sleeps_in_its_poll() {
    loop {
        std::thread::sleep(Duration::from_millis(41));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn sleeps() {
    tokio::time::sleep(Duration::from_secs(3600)).await;
}

async fn selects(mut inbox: mpsc::Receiver<Job>, stop: Arc<Notify>) {
    tokio::select! {
        job = inbox.recv() => { std::hint::black_box(job); }
        _ = stop.notified() => {}
        _ = tokio::time::sleep(Duration::from_secs(3600)) => {}
    }
}

async fn joins(a: Arc<Notify>, b: Arc<Notify>) {
    tokio::join!(a.notified(), b.notified());
}

async fn accepts(listener: tokio::net::TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serves(stream));
    }
}

async fn serves(mut stream: tokio::net::TcpStream) {
    use tokio::io::AsyncReadExt as _;
    let mut buffer = [0; 64];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        std::hint::black_box(read);
    }
}

async fn subscribed(mut topic: broadcast::Receiver<u64>) {
    while topic.recv().await.is_ok() {}
}

async fn watches(mut topic: watch::Receiver<u64>) {
    while topic.changed().await.is_ok() {}
}

async fn permitted(permits: Arc<Semaphore>) {
    let _permit = permits.acquire().await;
    std::future::pending::<()>().await;
}

fn ready() {
    println!("ready");
}

async fn variety() {
    let (to, inbox) = mpsc::channel(4);
    tokio::spawn(worker(inbox, Duration::from_millis(20)));
    for number in 0..8 {
        tokio::spawn(caller(to.clone(), number));
    }
    tokio::spawn(stuffed(100));
    let lock = Arc::new(Mutex::new(0));
    tokio::spawn(holds_across_await(lock.clone()));
    tokio::task::yield_now().await;
    tokio::spawn(wants(lock.clone()));
    let rw = Arc::new(RwLock::new(0));
    tokio::spawn(reads(rw.clone()));
    tokio::time::sleep(Duration::from_millis(10)).await;
    tokio::spawn(writes(rw));
    let stop = Arc::new(Notify::new());
    let (keep, second) = mpsc::channel(8);
    tokio::spawn(selects(second, stop.clone()));
    tokio::spawn(joins(stop.clone(), stop.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(accepts(listener));
    let client = tokio::net::TcpStream::connect(address).await.unwrap();
    let (topic, subscriber) = broadcast::channel(16);
    tokio::spawn(subscribed(subscriber));
    let (state, watcher) = watch::channel(0);
    tokio::spawn(watches(watcher));
    let permits = Arc::new(Semaphore::new(1));
    tokio::spawn(permitted(permits.clone()));
    tokio::spawn(permitted(permits.clone()));
    let waiting = tokio::spawn(sleeps());
    tokio::spawn(async move {
        let _ended = waiting.await;
    });
    tokio::spawn(async { Box::pin(async { sleeps().await }).await });
    let dynamic: std::pin::Pin<Box<dyn std::future::Future<Output = ()> + Send>> = Box::pin(sleeps());
    tokio::spawn(dynamic);
    tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_secs(3600)));
    tokio::time::sleep(Duration::from_millis(200)).await;
    ready();
    until_end_of_input().await;
    drop((to, keep, topic, state, client));
}

async fn until_end_of_input() {
    let (told, ended) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = told.send(());
    });
    let _ = ended.await;
    std::process::exit(0);
}

/// Pairs of tasks that never rest; every 50 ms a line with the nanoseconds since the start and the messages so far.
fn load() {
    const PAIRS: usize = 50;
    let received = Arc::new(AtomicU64::new(0));
    for _ in 0..PAIRS {
        let (to, mut inbox) = mpsc::channel(16);
        let received = received.clone();
        tokio::spawn(async move {
            while let Some(number) = inbox.recv().await {
                std::hint::black_box::<u64>(number);
                received.fetch_add(1, Ordering::Relaxed);
            }
        });
        tokio::spawn(async move {
            for number in 0.. {
                if to.send(number).await.is_err() {
                    break;
                }
            }
        });
    }
    std::thread::spawn(move || {
        let began = std::time::Instant::now();
        loop {
            println!("{} {}", began.elapsed().as_nanos(), received.load(Ordering::Relaxed));
            std::thread::sleep(Duration::from_millis(50));
        }
    });
}

async fn mode(name: &str) {
    match name {
        "variety" => variety().await,
        "deadlock" => {
            let (a, b) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
            let both = Arc::new(tokio::sync::Barrier::new(2));
            tokio::spawn(first_then_second(a.clone(), b.clone(), both.clone()));
            tokio::spawn(first_then_second(b, a, both));
        }
        "call-each-other" => {
            let ((to_a, a), (to_b, b)) = (mpsc::channel(4), mpsc::channel(4));
            tokio::spawn(ping(to_a, b));
            tokio::spawn(ping(to_b, a));
        }
        "lock-across-await" => {
            let lock = Arc::new(Mutex::new(0));
            tokio::spawn(holds_across_await(lock.clone()));
            tokio::task::yield_now().await;
            for _ in 0..5 {
                tokio::spawn(wants(lock.clone()));
            }
        }
        "blocked-worker" => {
            tokio::spawn(burns());
        }
        "blocks" => {
            tokio::spawn(blocks_now_and_then());
        }
        "sleeps" => {
            tokio::spawn(sleeps_in_its_poll());
        }
        "many" => {
            for _ in 0..10_000 {
                tokio::spawn(sleeps());
            }
        }
        "million" => {
            tokio::spawn(stuffed(1_000_000));
            tokio::time::sleep(Duration::from_millis(1000)).await;
        }
        "grows" => {
            let (to, inbox) = mpsc::unbounded_channel();
            tokio::spawn(async move {
                let mut number = 0;
                loop {
                    let _ = to.send(number);
                    number += 1u64;
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            });
            tokio::spawn(async move {
                let mut inbox = inbox;
                while let Some(number) = inbox.recv().await {
                    std::hint::black_box(number);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        }
        "idle" => {
            tokio::spawn(sleeps());
        }
        "load" => load(),
        _ => panic!("no such mode: {name}"),
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    ready();
    until_end_of_input().await;
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "variety".to_owned());
    let runtime = arguments.next().unwrap_or_else(|| "multi".to_owned());
    match runtime.as_str() {
        "multi" => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
            .block_on(mode(&name)),
        "current" => tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(mode(&name)),
        "local" => {
            let set = tokio::task::LocalSet::new();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            set.spawn_local(sleeps());
            set.spawn_local(sleeps());
            set.block_on(&runtime, mode(&name));
        }
        "two" => {
            let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            std::thread::spawn(move || other.block_on(async { tokio::spawn(sleeps()).await }));
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap()
                .block_on(mode(&name))
        }
        _ => panic!("no such runtime: {runtime}"),
    }
}
