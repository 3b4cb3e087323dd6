//! What stands before the sockets of a sound server, and is not sound.
//!
//! Owns the connections on both sides, message by message: all pass as they are, but for the bug. A connection that ends
//! on one side ends on the other.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use baton_sync::y_websocket::{self, Message as Frame};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

/// Which deletion on its way to a client is left out; the earlier ones are for everybody to come.
const LEFT_OUT: u32 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    DroppedUpdate,
    UncheckedFence,
}

type Socket = WebSocketStream<TcpStream>;

pub(crate) async fn serve(listener: TcpListener, inner: SocketAddr, flaw: Flaw) {
    let deletions = Arc::new(AtomicU32::new(0));
    while let Ok((client, _)) = listener.accept().await {
        let deletions = Arc::clone(&deletions);
        tokio::spawn(async move {
            // Whatever ends a connection, both of its sides are gone then.
            let _ = match flaw {
                Flaw::DroppedUpdate => leaves_one_out(client, inner, &deletions).await,
                Flaw::UncheckedFence => keeps_locks_elsewhere(client, inner).await,
            };
        });
    }
}

/// The client's side, and the path that it asked for.
async fn accept(client: TcpStream) -> Result<(Socket, String), Error> {
    client.set_nodelay(true)?;
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let look = |request: &Request, response: Response| {
        request.uri().path().clone_into(&mut path);
        Ok(response)
    };
    let socket = accept_hdr_async(client, look).await?;
    Ok((socket, path))
}

async fn connect(inner: SocketAddr, path: &str) -> Result<Socket, Error> {
    let stream = TcpStream::connect(inner).await?;
    stream.set_nodelay(true)?;
    let (socket, _) = client_async(format!("ws://{inner}{path}"), stream).await?;
    Ok(socket)
}

fn ended() -> Error {
    Error::Io(io::ErrorKind::ConnectionReset.into())
}

async fn leaves_one_out(
    client: TcpStream,
    inner: SocketAddr,
    deletions: &AtomicU32,
) -> Result<(), Error> {
    let (mut client, path) = accept(client).await?;
    let mut server = connect(inner, &path).await?;
    loop {
        tokio::select! {
            message = client.next() => server.send(message.ok_or_else(ended)??).await?,
            message = server.next() => {
                let message = message.ok_or_else(ended)??;
                // One that were an insertion would be asked for again with its author's next.
                let bug = is_deletion(&message) && deletions.fetch_add(1, Ordering::Relaxed) == LEFT_OUT;
                if !bug {
                    client.send(message).await?;
                }
            }
        }
    }
}

/// An update that brings in nothing, and takes something out.
fn is_deletion(message: &Message) -> bool {
    let Message::Binary(frame) = message else {
        return false;
    };
    matches!(y_websocket::decode(frame), Ok(Frame::Update([0, ..])))
}

/// Edits go to one document and all that is about the lock to another: each is sound, and nothing joins them.
async fn keeps_locks_elsewhere(client: TcpStream, inner: SocketAddr) -> Result<(), Error> {
    let (mut client, path) = accept(client).await?;
    let mut edits = connect(inner, &path).await?;
    let mut locks = connect(inner, &format!("{path}.locks")).await?;
    loop {
        tokio::select! {
            message = client.next() => {
                let message = message.ok_or_else(ended)??;
                match said(&message) {
                    None => edits.send(message).await?,
                    Some(payload) => {
                        if is(&payload, "hello") {
                            edits.send(newly(payload)).await?;
                        }
                        locks.send(message).await?;
                    }
                }
            }
            message = edits.next() => {
                let message = message.ok_or_else(ended)??;
                match said(&message) {
                    // The seat beside the document must not seem asleep.
                    Some(payload) if is(&payload, "beat") => edits.send(answer(&payload)).await?,
                    Some(payload) if !is(&payload, "saved") && !is(&payload, "error") => {}
                    _ => client.send(message).await?,
                }
            }
            message = locks.next() => {
                let message = message.ok_or_else(ended)??;
                if said(&message).is_some() || message.is_close() {
                    client.send(message).await?;
                }
            }
        }
    }
}

/// What a message says on Baton's channel.
fn said(message: &Message) -> Option<Value> {
    let Message::Binary(frame) = message else {
        return None;
    };
    match y_websocket::decode(frame) {
        Ok(Frame::Baton(payload)) => serde_json::from_str(payload).ok(),
        _ => None,
    }
}

fn is(payload: &Value, kind: &str) -> bool {
    payload.get("type").and_then(Value::as_str) == Some(kind)
}

fn channel(payload: &Value) -> Message {
    Message::Binary(y_websocket::baton(&payload.to_string()))
}

/// A hello of somebody who has never been there: the session that goes on is the one at the locks.
fn newly(mut hello: Value) -> Message {
    if let Some(fields) = hello.as_object_mut() {
        fields.retain(|name, _| !["resume", "fence", "fences"].contains(&name.as_str()));
    }
    channel(&hello)
}

fn answer(beat: &Value) -> Message {
    let n = beat.get("n").cloned().unwrap_or_default();
    channel(&serde_json::json!({ "type": "answer", "n": n, "visible": true, "idle_ms": 0 }))
}
