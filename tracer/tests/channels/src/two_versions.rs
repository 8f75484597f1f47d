//! Two versions of tokio in one program, each with tasks.

use std::future::pending;

async fn on_new() {
    pending::<()>().await;
}

async fn on_old() {
    let (mut to, from) = tokio_0_2::sync::mpsc::channel(4);
    to.send(1_u8).await.unwrap();
    pending::<()>().await;
    drop((to, from));
}

pub fn both() {
    let old = tokio_0_2::runtime::Builder::new().threaded_scheduler().core_threads(1).build().unwrap();
    for _ in 0..2 {
        old.spawn(on_old());
    }
    crate::on_tokio(async {
        for _ in 0..3 {
            tokio::spawn(on_new());
        }
    });
    drop(old);
}
