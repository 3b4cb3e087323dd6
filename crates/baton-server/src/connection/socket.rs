//! Reads frames into the session and runs the writer of one WebSocket. Does not track liveness.
//!
//! Owns the two directions of one connection, in one task, so that reader and writer share one
//! fate. The library reads: what it answers by itself (a pong, the echo of a close) goes onto the
//! [`SocketWriter`] with everything else.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use baton_room::Source;
use bytes::Bytes;
use futures_util::future::FutureExt;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::access::{AccessDenied, Authorizer, ShownToken};
use crate::config::Settings;
use crate::connection::close_codes;
use crate::connection::outbox::WriterEvent;
use crate::connection::send_queue::FrameClass;
use crate::connection::session::{ConnectionOver, Session};
use crate::connection::socket_writer::{SlowReaderLimits, SocketWriter};
use crate::connection::wire_codec;
use crate::documents::registry::Registry;
use crate::limits::inbound_memory_limit::{Excess, InboundBytes};
use crate::ops::rejection_counters::Rejection;

/// Time that the client has to take the last frames and to answer a close.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// Buffer for reading, in bytes: the library's default of 128 KiB a connection would be most of an
/// idle connection's memory.
const READ_BUFFER: usize = 2 * 1024;

/// Header and mask of a control frame from a client, in bytes.
const CONTROL: usize = 6;

/// Returns the library's configuration: limits explicit, none left at its default.
pub(crate) fn config(settings: &Settings) -> WebSocketConfig {
    let max = usize::try_from(settings.max_frame.as_u64()).unwrap_or(usize::MAX);
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(usize::MAX)
        .max_message_size(Some(max))
        .max_frame_size(Some(max))
}

/// A connection that asks for a document: the request, and what decides about it.
pub(crate) struct Entry {
    pub(crate) registry: Arc<Registry>,
    pub(crate) authorizer: Arc<Authorizer>,
    /// Name of the document; checked after the upgrade, where a Yjs provider can see the answer.
    pub(crate) document: String,
    /// Token of the handshake, or the reason for which it has none that can be used.
    pub(crate) token: ShownToken,
    pub(crate) client: IpAddr,
    pub(crate) source: Source,
}

/// Serves one connection to one document until it ends. `early` was read behind the handshake.
pub(crate) async fn serve_tcp(stream: TcpStream, early: Vec<u8>, entry: Entry) {
    let (from, to) = stream.into_split();
    let writer =
        Arc::new(SocketWriter::direct(patience(&entry.registry), to).comes_from(entry.source));
    let reading = Reading::new(from, &writer, &entry.registry);
    let writing = writer.serve();
    serve(reading, early, writing, &writer, &entry).await;
    writer.hang_up();
}

/// The same over any other stream.
pub(crate) async fn serve_any<S>(stream: S, entry: Entry)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (from, mut to) = tokio::io::split(stream);
    let writer =
        Arc::new(SocketWriter::indirect(patience(&entry.registry)).comes_from(entry.source));
    let reading = Reading::new(from, &writer, &entry.registry);
    let writing = writer.serve_alone(&mut to);
    serve(reading, Vec::new(), writing, &writer, &entry).await;
}

fn patience(registry: &Registry) -> SlowReaderLimits {
    let settings = registry.settings();
    SlowReaderLimits {
        most: usize::try_from(settings.max_outbox.as_u64()).unwrap_or(usize::MAX),
        behind: settings.max_behind.0,
    }
}

async fn serve<R>(
    reading: Reading<R>,
    early: Vec<u8>,
    writing: impl Future<Output = ()>,
    writer: &Arc<SocketWriter>,
    entry: &Entry,
) where
    R: AsyncRead + Unpin,
{
    let registry = &entry.registry;
    let config = Some(config(registry.settings()));
    let part = Arc::clone(&reading.part);
    let mut stream =
        WebSocketStream::from_partially_read(reading, early, Role::Server, config).await;
    tokio::pin!(writing);
    let ended = {
        let reader = take_part(&mut stream, entry, writer, &part);
        tokio::pin!(reader);
        tokio::select! {
            parted = &mut reader => match parted {
                Ok(Parted::Garbled) => Ended::Garbled,
                Ok(Parted::Closed) | Err(ConnectionOver) => Ended::Reading,
            },
            () = &mut writing => Ended::Writing,
            () = stalled(writer) => Ended::Stalled,
        }
    };
    if let Some(reason) = writer.outbox().slow_reader() {
        registry.refusals().note(Rejection::SlowReader, reason);
    }
    // The seat is given back already. What is queued, and the ending if there is one, still goes
    // out.
    if matches!(ended, Ended::Reading | Ended::Garbled) && writer.outbox().has_ending() {
        let _too_slow = tokio::time::timeout(CLOSE_WAIT, &mut writing).await;
    }
    match ended {
        Ended::Stalled => {}
        Ended::Reading | Ended::Writing => {
            let _no_answer = tokio::time::timeout(CLOSE_WAIT, linger(&mut stream)).await;
        }
        Ended::Garbled => {
            let from = &mut stream.get_mut().from;
            let _no_end = tokio::time::timeout(CLOSE_WAIT, discard(from)).await;
        }
    }
}

/// The reading side of a stream, as the library wants it: what it writes goes onto the line.
struct Reading<R> {
    from: R,
    writer: Arc<SocketWriter>,
    registry: Arc<Registry>,
    part: Arc<InboundBytes>,
}

impl<R> Reading<R> {
    fn new(from: R, writer: &Arc<SocketWriter>, registry: &Arc<Registry>) -> Self {
        let max = usize::try_from(registry.settings().max_frame.as_u64()).unwrap_or(usize::MAX);
        Self {
            from,
            writer: Arc::clone(writer),
            registry: Arc::clone(registry),
            part: Arc::new(registry.receiving().part(max)),
        }
    }

    fn came(&self, bytes: usize) -> io::Result<()> {
        self.part.came(bytes).map_err(|excess| {
            let (refusal, code) = match excess {
                Excess::All(_) => (Rejection::Receiving, close_codes::OVERLOADED),
                Excess::Message(_) => (Rejection::Frame, close_codes::TOO_LARGE),
            };
            self.registry.refusals().note(refusal, excess);
            self.writer.end(code, excess.to_string());
            io::Error::other(excess)
        })
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Reading<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.from).poll_read(context, buffer))?;
        Poll::Ready(self.came(buffer.filled().len() - before))
    }
}

impl<R: Unpin> AsyncWrite for Reading<R> {
    fn poll_write(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let _seen_to_by_the_flush = self.writer.outbox().raw(Bytes::copy_from_slice(bytes));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.flush();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

/// Which part of a connection came to its end first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Reading,
    /// As `Reading`, but what comes can be read no more.
    Garbled,
    Writing,
    Stalled,
}

/// The way in which reading came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parted {
    /// The other side closed, or is gone.
    Closed,
    /// The bytes are no WebSocket any more, or more than may come.
    Garbled,
}

/// Takes a seat in the document, and reads until the connection is over.
async fn take_part<R>(
    stream: &mut R,
    entry: &Entry,
    writer: &Arc<SocketWriter>,
    part: &InboundBytes,
) -> Result<Parted, ConnectionOver>
where
    R: Stream<Item = Result<Message, Error>> + Unpin,
{
    let (registry, document) = (&entry.registry, entry.document.as_str());
    check_name(document, registry, writer)?;
    let asking = entry.authorizer.admit(&entry.token, document, entry.client);
    let grant = match asking.await {
        Ok(grant) => grant,
        Err(denied) => {
            deny(writer, &denied);
            return Err(ConnectionOver);
        }
    };
    let writer = Arc::clone(writer);
    let mut session =
        Session::join(Arc::clone(registry), document, &grant, Arc::clone(&writer)).await?;
    tracing::debug!(connection = session.id.0, "joined");
    read(stream, &mut session, &writer, registry, part).await
}

/// Reads what cannot be understood, so that closing does not reset the connection.
async fn discard<R: AsyncRead + Unpin>(from: &mut R) {
    let mut unread = [0; 1024];
    while let Ok(1..) = from.read(&mut unread).await {}
}

/// Completes the closing handshake: closing a socket that has something unread would reset the
/// connection, and the other side might never read why it was closed.
async fn linger<R>(stream: &mut R)
where
    R: Stream<Item = Result<Message, Error>> + Unpin,
{
    while let Some(Ok(_unread)) = stream.next().await {}
}

/// Waits for an ending that then could not be written in time.
async fn stalled(writer: &SocketWriter) {
    writer.outbox().ended().await;
    tokio::time::sleep(CLOSE_WAIT).await;
}

/// Tells a client that it may not open the document, and ends its connection.
fn deny(writer: &SocketWriter, denied: &AccessDenied) {
    let frame = wire_codec::denied(&denied.text);
    let _seen_to_by_the_ending = writer.outbox().send(frame, FrameClass::Required);
    writer.end(denied.code, denied.reason);
}

fn check_name(
    document: &str,
    registry: &Registry,
    writer: &SocketWriter,
) -> Result<(), ConnectionOver> {
    let most = registry.settings().max_document_name;
    let fault = if document.is_empty() {
        Some("the document name is missing or is not UTF-8: connect to /ws/{document}".to_owned())
    } else if document.len() > most {
        Some(format!(
            "the document name is longer than {most} bytes (max_document_name)"
        ))
    } else if document.chars().any(char::is_control) {
        Some("the document name has control characters".to_owned())
    } else {
        None
    };
    match fault {
        None => Ok(()),
        Some(fault) => {
            let denied = wire_codec::denied(&fault);
            let _seen_to_by_the_ending = writer.outbox().send(denied, FrameClass::Required);
            writer.end(close_codes::BAD_NAME, fault);
            Err(ConnectionOver)
        }
    }
}

async fn read<R>(
    stream: &mut R,
    session: &mut Session,
    writer: &SocketWriter,
    registry: &Registry,
    part: &InboundBytes,
) -> Result<Parted, ConnectionOver>
where
    R: Stream<Item = Result<Message, Error>> + Unpin,
{
    let first = registry.settings().handshake_timeout.0;
    let Ok(mut next) = tokio::time::timeout(first, stream.next()).await else {
        let what = "no message came within the handshake's time (handshake_timeout)";
        registry.refusals().note(Rejection::HandshakeTime, what);
        writer.end(close_codes::SILENT, what);
        return Err(ConnectionOver);
    };
    while let Some(message) = next {
        match message {
            Ok(Message::Binary(frame)) => {
                session.frame(&frame).await?;
                part.taken();
            }
            Ok(Message::Ping(payload)) => {
                session.control(payload.len()).await;
                part.taken_of(payload.len() + CONTROL);
            }
            Ok(Message::Pong(payload)) => {
                session.pong(&payload).await;
                part.taken_of(payload.len() + CONTROL);
            }
            Ok(Message::Close(frame)) => {
                let code = frame.map(|frame| frame.code);
                if code == Some(CloseCode::Normal) {
                    session.done();
                }
                // The echo of it: the library's own would come after the line's task has gone.
                writer.end(code.unwrap_or(CloseCode::Normal).into(), "");
                return Ok(Parted::Closed);
            }
            Ok(Message::Text(_) | Message::Frame(_)) => {
                let fault = "this wire has binary messages only";
                session.malformed(fault).await?;
            }
            Err(error) => return Ok(broken(&error, writer, registry)),
        }
        next = match stream.next().now_or_never() {
            Some(next) => next,
            None => {
                session.flush();
                next_message(stream, session, writer).await
            }
        };
    }
    Ok(Parted::Closed)
}

/// The WebSocket came to an end that was no close.
fn broken(error: &Error, writer: &SocketWriter, registry: &Registry) -> Parted {
    let (refusal, code, what) = match error {
        Error::Capacity(error) => {
            let what = format!("a message is over the limit (max_frame): {error}");
            (Rejection::Frame, close_codes::TOO_LARGE, what)
        }
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return Parted::Closed,
        Error::Protocol(_) | Error::Utf8(_) => {
            let what = format!("this is against RFC 6455: {error}");
            (Rejection::WebSocket, close_codes::WEBSOCKET, what)
        }
        error => {
            tracing::debug!(%error, "the connection broke");
            // A client that was closed for what it sent is let go in the same way.
            let told = writer.outbox().has_ending();
            return if told {
                Parted::Garbled
            } else {
                Parted::Closed
            };
        }
    };
    registry.refusals().note(refusal, &what);
    writer.end(code, what);
    Parted::Garbled
}

/// Waits for the next message, and meanwhile tells the room what happens on the line.
async fn next_message<R>(
    stream: &mut R,
    session: &mut Session,
    writer: &SocketWriter,
) -> Option<Result<Message, Error>>
where
    R: Stream<Item = Result<Message, Error>> + Unpin,
{
    loop {
        tokio::select! {
            biased;
            next = stream.next() => return next,
            news = writer.outbox().news() => match news {
                WriterEvent::Alive => session.heard().await,
                WriterEvent::Behind => session.catch_up().await,
            },
        }
    }
}

#[cfg(test)]
mod tests;
