//! The bare forwarder: the practical limit of a machine. Every binary frame goes to the others of its room, as shared
//! bytes; nothing is understood, kept or checked.
//!
//! Owns the baseline of every ratio, so it stays as plain as it is: a task and an unbounded queue for each connection.
//! [`Writes::Gathered`] is the stronger baseline: it puts the frames that wait for a connection into one write.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

type Room = Arc<Mutex<HashMap<u64, UnboundedSender<Bytes>>>>;
type Rooms = Arc<Mutex<HashMap<String, Room>>>;

/// The way in which a connection's frames are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Writes {
    /// One write for each frame.
    #[default]
    Each,
    /// One write for all frames that wait, 256 at most.
    Gathered,
}

/// Most frames of one gathered write.
const GATHERED: usize = 256;

/// Serves on `listen` until the runtime ends; returns the address.
///
/// # Errors
/// The address cannot be listened at.
pub async fn start(listen: &str, writes: Writes) -> io::Result<SocketAddr> {
    let listener = bind(listen)?;
    let address = listener.local_addr()?;
    let rooms = Rooms::default();
    let numbers = AtomicU64::new(0);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(serve(stream, number, Arc::clone(&rooms), writes));
        }
    });
    Ok(address)
}

/// With a backlog as long as the system allows: a thousand who come at once must not wait a second for their second SYN.
fn bind(listen: &str) -> io::Result<TcpListener> {
    let address: SocketAddr = listen.parse().map_err(io::Error::other)?;
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(16 * 1024)
}

async fn serve(stream: TcpStream, number: u64, rooms: Rooms, writes: Writes) {
    let _slower = stream.set_nodelay(true);
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the signature is the library's")]
    let note = |request: &Request, response: Response| {
        request.uri().path().clone_into(&mut path);
        Ok(response)
    };
    let config = WebSocketConfig::default().read_buffer_size(4096);
    let accepted = tokio_tungstenite::accept_hdr_async_with_config(stream, note, Some(config));
    let Ok(socket) = accepted.await else {
        return;
    };
    let room = Arc::clone(rooms.lock().entry(path).or_default());
    let (queue, mut queued) = unbounded_channel::<Bytes>();
    room.lock().insert(number, queue);
    let (mut sink, mut stream) = socket.split();
    let writer = async {
        let most = match writes {
            Writes::Each => 1,
            Writes::Gathered => GATHERED,
        };
        let mut frames = Vec::new();
        while queued.recv_many(&mut frames, most).await > 0 {
            for frame in frames.drain(..) {
                if sink.feed(Message::Binary(frame)).await.is_err() {
                    return;
                }
            }
            if sink.flush().await.is_err() {
                return;
            }
        }
    };
    let reader = async {
        while let Some(Ok(message)) = stream.next().await {
            let Message::Binary(frame) = message else {
                continue;
            };
            let room = room.lock();
            for (_, other) in room.iter().filter(|(id, _)| **id != number) {
                let _gone = other.send(frame.clone());
            }
        }
    };
    tokio::select! {
        () = writer => {}
        () = reader => {}
    }
    room.lock().remove(&number);
}
