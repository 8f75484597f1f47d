//! The registry over TCP: one task per connection, requests and responses as in `protocol`.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::ReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::actor::CALL_TIMEOUT;
use crate::log;
use crate::protocol::{self, LINE_BYTES_MAX, ProtocolError, Request};
use crate::registry::Registry;
use crate::shutdown::Stop;

/// After a failed accept (no file descriptors left, mostly).
const ACCEPT_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the stop; every connection finishes the request that it works on.
pub async fn serve(listener: TcpListener, registry: Registry, mut stop: Stop) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, registry.clone(), stop.clone()));
                }
                Err(error) => {
                    log::warning(format_args!("cannot accept a connection: {error}"));
                    stop.sleep(ACCEPT_RETRY_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = stop.requested() => break,
        }
    }
    let all = async { while connections.join_next().await.is_some() {} };
    // Who does not read its response by then is dropped with the set.
    let _ = timeout(CALL_TIMEOUT, all).await;
}

async fn connection(mut stream: TcpStream, registry: Registry, mut stop: Stop) {
    // A client that goes away in the middle is its own affair.
    let _ = converse(&mut stream, &registry, &mut stop).await;
}

async fn converse(stream: &mut TcpStream, registry: &Registry, stop: &mut Stop) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        tokio::select! {
            read = read_line(&mut reader, &mut line) => if read? == 0 { return Ok(()) },
            () = stop.requested() => return Ok(()),
        }
        let response = if line.len() > LINE_BYTES_MAX && !line.ends_with(b"\n") {
            skip_line(&mut reader).await?;
            protocol::error(&ProtocolError::TooLong)
        } else {
            respond(&line, registry).await
        };
        writer.write_all(format!("{response}\n").as_bytes()).await?;
    }
}

async fn read_line(reader: &mut BufReader<ReadHalf<'_>>, line: &mut Vec<u8>) -> io::Result<usize> {
    reader.take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', line).await
}

/// Closing instead would reset the connection, and the client might never see why.
async fn skip_line(reader: &mut BufReader<ReadHalf<'_>>) -> io::Result<()> {
    loop {
        let bytes = reader.fill_buf().await?;
        let (skipped, ended) = match bytes.iter().position(|byte| *byte == b'\n') {
            Some(index) => (index + 1, true),
            None => (bytes.len(), bytes.is_empty()),
        };
        reader.consume(skipped);
        if ended {
            return Ok(());
        }
    }
}

async fn respond(line: &[u8], registry: &Registry) -> Value {
    match protocol::parse(line) {
        Ok(Request::Register(tree)) => {
            let uuid = tree.uuid;
            match registry.register(tree).await {
                Ok(()) => protocol::registered(uuid),
                Err(error) => protocol::error(&error),
            }
        }
        Ok(Request::Load(uuid)) => match registry.load(uuid).await {
            Ok(tree) => protocol::tree(&tree),
            Err(error) => protocol::error(&error),
        },
        Ok(Request::Stats(_)) => protocol::stats(&registry.stats()),
        Err(error) => protocol::error(&error),
    }
}
