//! A way for a client that speaks y-websocket to a server on the Hocuspocus wire.
//!
//! Owns a port, and the pairs of connections through it; all end with it. It runs on the client's own thread, so that it
//! stands still with the client. What frames mean is in [`HocuspocusFraming`].

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{accept_async_with_config, connect_async_with_config};

use baton_testkit::{HocuspocusFraming, Translated};

/// See the module.
#[derive(Debug)]
pub(crate) struct HocuspocusBridge {
    url: String,
    unanswered: Arc<AtomicI64>,
    task: JoinHandle<()>,
}

impl HocuspocusBridge {
    /// Opens a free loopback port, to be used for this document only.
    ///
    /// # Errors
    /// There is no free port.
    pub(crate) fn open(server: &str, document: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let url = format!("ws://{}", listener.local_addr()?);
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let unanswered = Arc::new(AtomicI64::new(0));
        let (server, document) = (server.to_owned(), document.to_owned());
        let tally = Arc::clone(&unanswered);
        let task = tokio::spawn(async move {
            let mut pairs = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((client, _)) = accepted else { return };
                        let framing = HocuspocusFraming::new(&document);
                        pairs.spawn(carry(client, server.clone(), framing, Arc::clone(&tally)));
                    }
                    Some(_) = pairs.join_next() => {}
                }
            }
        });
        Ok(Self {
            url,
            unanswered,
            task,
        })
    }

    /// Returns the address below which the client finds its document.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns true if the server has answered each change of the newest connection once.
    pub(crate) fn all_answered(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) == 0
    }
}

impl Drop for HocuspocusBridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries messages between the two until one of them ends. A server that cannot be reached, or that breaks, looks to the
/// client as it would without a bridge.
async fn carry(
    client: TcpStream,
    server: String,
    mut framing: HocuspocusFraming,
    unanswered: Arc<AtomicI64>,
) {
    let config = WebSocketConfig::default()
        .max_message_size(None)
        .max_frame_size(None);
    let Ok((server, _)) = connect_async_with_config(server, Some(config), true).await else {
        return;
    };
    let _late = client.set_nodelay(true);
    let Ok(client) = accept_async_with_config(client, Some(config)).await else {
        return;
    };
    unanswered.store(0, Ordering::Relaxed);
    let (server_sink, mut from_server) = server.split();
    let (client_sink, mut from_client) = client.split();
    let (to_server, server_queue) = mpsc::unbounded_channel();
    let (to_client, client_queue) = mpsc::unbounded_channel();
    let _gone = to_server.send(Message::Binary(framing.greeting()));
    let reading = async {
        let last = loop {
            let step = tokio::select! {
                message = from_client.next() => sent(message, &mut framing, &to_server),
                message = from_server.next() => {
                    came(message, &mut framing, &to_server, &to_client)
                }
            };
            unanswered.store(framing.unanswered(), Ordering::Relaxed);
            if step != Step::On {
                break step;
            }
        };
        if last == Step::Close {
            // What is queued goes before the end.
            drop((to_server, to_client));
            drain(&mut from_client, &mut from_server).await;
        }
    };
    let writing = async {
        tokio::join!(
            write(server_queue, server_sink),
            write(client_queue, client_sink)
        );
        // A connection that broke says so to the reader.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}

/// What follows a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    On,
    /// Both ends are told of the end.
    Close,
    /// Neither is told more.
    Broken,
}

/// A message of the client.
fn sent(
    message: Option<Result<Message, Error>>,
    framing: &mut HocuspocusFraming,
    to_server: &mpsc::UnboundedSender<Message>,
) -> Step {
    let (message, step) = match message {
        Some(Ok(Message::Binary(frame))) => match framing.outgoing(&frame) {
            Ok(frame) => (Message::Binary(frame), Step::On),
            Err(_) => return Step::Broken,
        },
        Some(Ok(Message::Close(frame))) => (Message::Close(frame), Step::Close),
        Some(Ok(_)) => return Step::On,
        Some(Err(_)) | None => return Step::Broken,
    };
    let _gone = to_server.send(message);
    step
}

/// A message of the server.
fn came(
    message: Option<Result<Message, Error>>,
    framing: &mut HocuspocusFraming,
    to_server: &mpsc::UnboundedSender<Message>,
    to_client: &mpsc::UnboundedSender<Message>,
) -> Step {
    let (message, step) = match message {
        Some(Ok(Message::Binary(frame))) => match framing.incoming(&frame) {
            Ok(Translated::Frame(frame)) => (Message::Binary(frame), Step::On),
            Ok(Translated::Ping(answer)) => {
                let _gone = to_server.send(Message::Binary(answer));
                (Message::Ping(Vec::new().into()), Step::On)
            }
            Ok(Translated::Nothing) => return Step::On,
            Ok(Translated::End { last, code, reason }) => {
                let last = last.map(Message::Binary);
                let _gone = last.map(|last| to_client.send(last));
                let frame = CloseFrame {
                    code: CloseCode::from(code),
                    reason: reason.into(),
                };
                (Message::Close(Some(frame)), Step::Close)
            }
            Err(_) => return Step::Broken,
        },
        // A sign of life for the client, too; its answer goes no further than here.
        Some(Ok(Message::Ping(payload))) => (Message::Ping(payload), Step::On),
        Some(Ok(Message::Close(frame))) => (Message::Close(frame), Step::Close),
        Some(Ok(_)) => return Step::On,
        Some(Err(_)) | None => return Step::Broken,
    };
    let _gone = to_client.send(message);
    step
}

/// Reads on for as long as the answers to a close may take, or a second.
async fn drain(
    client: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
    server: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
) {
    let client = async { while let Some(Ok(_)) = client.next().await {} };
    let server = async { while let Some(Ok(_)) = server.next().await {} };
    let both = async { tokio::join!(client, server) };
    let _late = tokio::time::timeout(std::time::Duration::from_secs(1), both).await;
}

async fn write(
    mut queue: mpsc::UnboundedReceiver<Message>,
    mut to: impl Sink<Message, Error = Error> + Unpin,
) {
    while let Some(message) = queue.recv().await {
        if to.send(message).await.is_err() {
            return;
        }
    }
}
