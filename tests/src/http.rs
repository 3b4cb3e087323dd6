//! Plain HTTP, by hand: what a story needs to ask, and what no proper client would send.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::within;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    /// All behind the head.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// Asks for a path.
///
/// # Panics
/// When no answer comes in time.
pub async fn get(address: SocketAddr, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    ask(address, request.as_bytes()).await
}

/// Asks a server that may be down, or stand still, for a path. Returns nothing if no answer comes
/// within `patience`.
pub async fn try_get(address: SocketAddr, path: &str, patience: Duration) -> Option<Answer> {
    // Of the older version, in which an answer does not come in chunks.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    let attempt = attempt(address, request.as_bytes(), Ending::Open);
    let text = timeout(patience, attempt).await.ok()?.ok()?;
    answer(&String::from_utf8_lossy(&text))
}

/// Calls the operator's API with this method and path, and this token if there is one.
///
/// # Panics
/// When no answer comes in time.
pub async fn call(address: SocketAddr, line: &str, token: Option<&str>) -> Answer {
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let bearer = bearer.unwrap_or_default();
    let request =
        format!("{line} HTTP/1.1\r\nHost: {address}\r\n{bearer}Connection: close\r\n\r\n");
    ask(address, request.as_bytes()).await
}

/// Sends these bytes, which are to be one request with an answer behind which the server closes.
///
/// # Panics
/// When no answer comes in time.
pub async fn ask(address: SocketAddr, request: &[u8]) -> Answer {
    let text = exchange(address, request, Ending::Open).await;
    let text = String::from_utf8_lossy(&text);
    let asked = String::from_utf8_lossy(&request[..request.len().min(200)]);
    answer(&text).unwrap_or_else(|| panic!("no HTTP answer to {asked:?}: {text:?}"))
}

fn answer(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Some(Answer {
        status: status?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// Sends these bytes and then the end, on a connection of their own, and returns all that came until the server closed
/// it. A connection that the server resets is none that answered.
///
/// # Panics
/// When the server neither takes the connection nor closes it in time.
pub async fn send(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    exchange(address, bytes, Ending::Closed).await
}

/// Whether our direction is closed after the request. To a server that may look like a client who has gone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Open,
    Closed,
}

async fn exchange(address: SocketAddr, bytes: &[u8], ending: Ending) -> Vec<u8> {
    let exchange = attempt(address, bytes, ending);
    within("the server to answer and to close", exchange)
        .await
        .expect("the server accepts connections")
}

async fn attempt(address: SocketAddr, bytes: &[u8], ending: Ending) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let mut answer = Vec::new();
    // The server may close before it has read all of it, which is its right.
    let _closed_early = stream.write_all(bytes).await;
    if ending == Ending::Closed {
        let _closed_early = stream.shutdown().await;
    }
    let _reset = stream.read_to_end(&mut answer).await;
    Ok(answer)
}
