//! Two ways to the registry, one call: the actors of this process, or a server elsewhere.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::actor::CALL_TIMEOUT;
use crate::protocol::Request;
use crate::registry::{RegisterError, Registry};
use crate::tree::Tree;

/// The server times its calls out itself: only a dead one takes longer.
const RESPONSE_TIMEOUT: Duration = CALL_TIMEOUT.saturating_add(Duration::from_secs(1));

pub enum Client {
    Local(Registry),
    Remote(Connection),
}

/// A connection to `target-app serve`. After an error the next request connects anew.
pub struct Connection {
    server: String,
    stream: Option<BufReader<TcpStream>>,
}

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("cannot connect to {server}, is `target-app serve` running there?")]
    Connect { server: String, source: io::Error },
    #[error("lost the connection to {server}")]
    Lost { server: String, source: io::Error },
    #[error("{server} sent something else than a response: {response:?}")]
    NoResponse { server: String, response: String },
    #[error("the server answered: {0}")]
    Refused(String),
    #[error(transparent)]
    Register(#[from] RegisterError),
}

impl Client {
    pub async fn register(&mut self, tree: Tree) -> Result<(), ClientError> {
        match self {
            Client::Local(registry) => Ok(registry.register(tree).await?),
            Client::Remote(connection) => connection.request(&Request::Register(tree)).await.map(drop),
        }
    }
}

impl Connection {
    pub async fn open(server: &str) -> Result<Connection, ClientError> {
        let stream = Some(connect(server).await?);
        Ok(Connection { server: server.to_owned(), stream })
    }

    /// Sends a request and waits for its response, which is no `error`.
    pub async fn request(&mut self, request: &Request) -> Result<Value, ClientError> {
        // Taken out, so that a request that fails or is cancelled half-way leaves no stream out of step.
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(&self.server).await?,
        };
        let line = match timeout(RESPONSE_TIMEOUT, exchange(&mut stream, request)).await {
            Ok(Ok(line)) => line,
            Ok(Err(source)) => return Err(ClientError::Lost { server: self.server.clone(), source }),
            Err(_) => {
                return Err(ClientError::Lost { server: self.server.clone(), source: io::ErrorKind::TimedOut.into() });
            }
        };
        let response: Value = serde_json::from_str(&line)
            .map_err(|_| ClientError::NoResponse { server: self.server.clone(), response: line })?;
        self.stream = Some(stream);
        match response.get("error") {
            Some(error) => Err(ClientError::Refused(error.as_str().unwrap_or_default().to_owned())),
            None => Ok(response),
        }
    }
}

async fn connect(server: &str) -> Result<BufReader<TcpStream>, ClientError> {
    let stream = TcpStream::connect(server)
        .await
        .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
        .map_err(|source| ClientError::Connect { server: server.to_owned(), source })?;
    Ok(BufReader::new(stream))
}

async fn exchange(stream: &mut BufReader<TcpStream>, request: &Request) -> io::Result<String> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.get_mut().write_all(&line).await?;
    let mut response = String::new();
    match stream.read_line(&mut response).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(response),
    }
}
