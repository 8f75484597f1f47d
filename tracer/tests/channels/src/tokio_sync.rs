//! tokio's own channels and locks, held by tasks.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::{Mutex, Notify, OnceCell, RwLock, Semaphore, broadcast, mpsc, oneshot, watch};

use crate::Message;

async fn bounded_7_of_16() {
    let (to, mut from) = mpsc::channel(16);
    for number in 0..10 {
        to.send(Message::new(number)).await.unwrap();
    }
    for _ in 0..3 {
        from.recv().await.unwrap();
    }
    pending::<()>().await;
    drop((to, from));
}

async fn unbounded_100() {
    let (to, from) = mpsc::unbounded_channel();
    for number in 0..100 {
        to.send(Message::new(number)).unwrap();
    }
    pending::<()>().await;
    drop((to, from));
}

/// One receiver has read 2 of 5, the other none.
async fn broadcast_5_of_8() {
    let (to, mut first) = broadcast::channel(8);
    let second = to.subscribe();
    for number in 0..5 {
        to.send(Message::new(number)).unwrap();
    }
    first.recv().await.unwrap();
    first.recv().await.unwrap();
    pending::<()>().await;
    drop((to, first, second));
}

/// 12 sent into 4 places: one receiver lags and has lost 8.
async fn broadcast_lagging() {
    let (to, slow) = broadcast::channel(4);
    for number in 0..12 {
        to.send(number as u16).unwrap();
    }
    pending::<()>().await;
    drop((to, slow));
}

async fn watch_version_3() {
    let (to, first) = watch::channel(Message::new(0));
    let second = first.clone();
    for number in 1..4 {
        to.send(Message::new(number)).unwrap();
    }
    pending::<()>().await;
    drop((to, first, second));
}

async fn oneshot_sent() {
    let (to, from) = oneshot::channel();
    to.send(Message::new(1)).unwrap();
    pending::<()>().await;
    drop(from);
}

async fn oneshot_waiting() {
    let (to, from) = oneshot::channel::<Message>();
    tokio::spawn(async move {
        pending::<()>().await;
        drop(to);
    });
    let _ = from.await;
}

async fn semaphore_2_of_5(permits: Arc<Semaphore>) {
    let _three = permits.acquire_many(3).await.unwrap();
    pending::<()>().await;
}

async fn wants_4_permits(permits: Arc<Semaphore>) {
    let _four = permits.acquire_many(4).await.unwrap();
}

async fn locks(lock: Arc<Mutex<u64>>) {
    let _guard = lock.lock().await;
    pending::<()>().await;
}

async fn reads(lock: Arc<RwLock<u64>>) {
    let _guard = lock.read().await;
    pending::<()>().await;
}

async fn writes(lock: Arc<RwLock<u64>>) {
    *lock.write().await += 1;
}

async fn notified(notify: Arc<Notify>) {
    notify.notified().await;
}

async fn initialises(cell: Arc<OnceCell<u64>>) {
    cell.get_or_init(pending::<u64>).await;
}

pub async fn all() {
    tokio::spawn(bounded_7_of_16());
    tokio::spawn(unbounded_100());
    tokio::spawn(broadcast_5_of_8());
    tokio::spawn(broadcast_lagging());
    tokio::spawn(watch_version_3());
    tokio::spawn(oneshot_sent());
    tokio::spawn(oneshot_waiting());
    let permits = Arc::new(Semaphore::new(5));
    tokio::spawn(semaphore_2_of_5(permits.clone()));
    tokio::task::yield_now().await;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    tokio::spawn(wants_4_permits(permits));
    let lock = Arc::new(Mutex::new(0));
    for _ in 0..3 {
        tokio::spawn(locks(lock.clone()));
    }
    let both = Arc::new(RwLock::new(0));
    tokio::spawn(reads(both.clone()));
    tokio::spawn(reads(both.clone()));
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    tokio::spawn(writes(both));
    let notify = Arc::new(Notify::new());
    tokio::spawn(notified(notify.clone()));
    tokio::spawn(notified(notify));
    tokio::spawn(initialises(Arc::new(OnceCell::new())));
    // The receiver is nobody's but the function's that blocks on the runtime: no task has it.
    let (to, mut from) = mpsc::channel::<(u32, u32)>(300);
    tokio::spawn(async move {
        for number in 0..40 {
            to.send((number, number)).await.unwrap();
        }
        pending::<()>().await;
    });
    from.recv().await.unwrap();
    std::mem::forget(from);
}
