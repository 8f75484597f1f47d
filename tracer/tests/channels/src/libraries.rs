//! Channels of other libraries, held by tokio tasks.

use std::future::pending;
use std::sync::Arc;

use crate::Message;

async fn async_bounded() {
    let (to, from) = async_channel::bounded(10);
    for number in 0..6 {
        to.send(Message::new(number)).await.unwrap();
    }
    from.recv().await.unwrap();
    from.recv().await.unwrap();
    pending::<()>().await;
    drop((to, from));
}

async fn async_unbounded() {
    let (to, from) = async_channel::unbounded();
    for number in 0..70 {
        to.send(Message::new(number)).await.unwrap();
    }
    from.recv().await.unwrap();
    pending::<()>().await;
    drop((to, from));
}

async fn async_single() {
    let (to, from) = async_channel::bounded(1);
    to.send(Message::new(1)).await.unwrap();
    pending::<()>().await;
    drop((to, from));
}

async fn async_waits(from: async_channel::Receiver<u8>) {
    let _ = from.recv().await;
}

async fn flume_bounded() {
    let (to, from) = flume::bounded(5);
    for number in 0..3 {
        to.send_async(Message::new(number)).await.unwrap();
    }
    pending::<()>().await;
    drop((to, from));
}

async fn flume_unbounded() {
    let (to, from) = flume::unbounded();
    for number in 0..40 {
        to.send_async(Message::new(number)).await.unwrap();
    }
    from.recv_async().await.unwrap();
    pending::<()>().await;
    drop((to, from));
}

/// Two senders wait for room.
async fn flume_full(to: flume::Sender<u16>) {
    let _ = to.send_async(1).await;
    pending::<()>().await;
}

struct Shared {
    jobs: crossbeam_channel::Sender<Message>,
    done: std::sync::mpsc::SyncSender<u32>,
}

async fn uses_threads(
    shared: Arc<Shared>,
    own: crossbeam_channel::Receiver<Message>,
    done: std::sync::mpsc::Receiver<u32>,
) {
    for number in 0..9 {
        shared.jobs.send(Message::new(number)).unwrap();
    }
    own.recv().unwrap();
    shared.done.send(1).unwrap();
    shared.done.send(2).unwrap();
    pending::<()>().await;
    drop((own, done));
}

async fn std_unbounded() {
    let (to, from) = std::sync::mpsc::channel();
    for number in 0..33 {
        to.send(Message::new(number)).unwrap();
    }
    from.recv().unwrap();
    pending::<()>().await;
    drop((to, from));
}

pub async fn all() {
    tokio::spawn(async_bounded());
    tokio::spawn(async_unbounded());
    tokio::spawn(async_single());
    let (keep, waited) = async_channel::bounded(4);
    tokio::spawn(async_waits(waited));
    tokio::spawn(flume_bounded());
    tokio::spawn(flume_unbounded());
    let (to, from) = flume::bounded(0);
    tokio::spawn(flume_full(to.clone()));
    tokio::spawn(flume_full(to));
    let (jobs, own) = crossbeam_channel::bounded(20);
    let (done_to, done) = std::sync::mpsc::sync_channel(3);
    tokio::spawn(uses_threads(Arc::new(Shared { jobs, done: done_to }), own, done));
    tokio::spawn(std_unbounded());
    std::mem::forget((keep, from));
}

async fn async_million() {
    let (to, from) = async_channel::unbounded();
    for number in 0..1_000_000 {
        to.send(Message { number, text: String::new() }).await.unwrap();
    }
    println!("filled");
    pending::<()>().await;
    drop((to, from));
}

async fn flume_million() {
    let (to, from) = flume::unbounded();
    for number in 0..1_000_000 {
        to.send(Message { number, text: String::new() }).unwrap();
    }
    println!("filled");
    pending::<()>().await;
    drop((to, from));
}

async fn tokio_million() {
    let (to, from) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..1_000_000 {
        to.send(Message { number, text: String::new() }).unwrap();
    }
    println!("filled");
    pending::<()>().await;
    drop((to, from));
}

pub async fn million() {
    tokio::spawn(async_million());
    tokio::spawn(flume_million());
    tokio::spawn(tokio_million());
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
}
