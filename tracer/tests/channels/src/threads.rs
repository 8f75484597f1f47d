//! Channels between plain threads, with no runtime at all.

use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::Duration;

use crate::{Message, ready_until_end_of_input};

/// Reached through a static alone.
static LOG: LazyLock<(flume::Sender<u8>, flume::Receiver<u8>)> = LazyLock::new(|| flume::bounded(50));

/// Never used.
fn idle(from: crossbeam_channel::Receiver<u128>) {
    for number in from {
        std::hint::black_box(number);
    }
}

fn slow(from: mpsc::Receiver<Message>) {
    while let Ok(message) = from.recv() {
        std::hint::black_box(&message);
        if message.number == 2 {
            thread::sleep(Duration::from_secs(3600));
        }
    }
}

pub fn all() {
    let (to_slow, from) = mpsc::channel();
    thread::spawn(move || slow(from));
    for number in 0..50 {
        to_slow.send(Message::new(number)).unwrap();
    }
    let (to_full, full) = mpsc::sync_channel(8);
    for number in 0..8_u32 {
        to_full.send(number).unwrap();
    }
    let blocked = to_full.clone();
    thread::spawn(move || blocked.send(8));
    let (to_idle, from) = crossbeam_channel::bounded(16);
    thread::spawn(move || idle(from));
    let (to_jobs, jobs) = crossbeam_channel::unbounded();
    for number in 0..200 {
        to_jobs.send(Message::new(number)).unwrap();
    }
    for _ in 0..100 {
        jobs.recv().unwrap();
    }
    for number in 0..12 {
        LOG.0.send(number).unwrap();
    }
    thread::sleep(Duration::from_millis(100));
    ready_until_end_of_input();
    drop((to_slow, to_full, full, to_idle, to_jobs, jobs));
}

/// A producer that never rests, and a consumer that cannot keep up.
pub fn busy() {
    let (to, from) = crossbeam_channel::bounded(1000);
    thread::spawn(move || {
        for number in 0.. {
            if to.send(Message { number, text: String::new() }).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for message in from {
            std::hint::black_box(message);
        }
    });
    ready_until_end_of_input();
}
