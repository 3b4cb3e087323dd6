//! Runs the two directions of one WebSocket in one task, so that reader and writer share one fate.
//!
//! Owns the end: the last frames and the ending are written, the client's last edits are taken in,
//! and the closing handshake is completed. Does not track liveness.

use std::sync::Arc;
use std::time::Duration;

use baton_room::Receipts;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::config::Settings;
use crate::connection::direct_stream::{DirectReader, DirectWriter};
use crate::connection::hocuspocus::{HocuspocusEntry, HocuspocusSocket};
use crate::connection::inbound_stream::{InboundStream, Parted};
use crate::connection::session::ConnectionOver;
use crate::connection::single_document::{self, Entry};
use crate::connection::socket_writer::{SlowReaderLimits, SocketWriter};
use crate::documents::registry::Registry;
use crate::ops::rejection_counters::Rejection;

/// Time that the client has to take the last frames and to answer a close.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// Buffer for reading, in bytes: the library's default of 128 KiB a connection would be most of an
/// idle connection's memory.
const READ_BUFFER: usize = 2 * 1024;

/// A WebSocket that was just opened, by what it carries.
pub(crate) enum Opened {
    /// One document.
    Document(Entry),
    /// Any documents, each under an address.
    Hocuspocus(Box<HocuspocusEntry>),
}

impl Opened {
    fn registry(&self) -> &Arc<Registry> {
        match self {
            Self::Document(entry) => &entry.registry,
            Self::Hocuspocus(entry) => &entry.registry,
        }
    }

    fn prepare(&self, writer: SocketWriter) -> Arc<SocketWriter> {
        Arc::new(match self {
            Self::Document(entry) => writer.comes_from(entry.source, entry.receipts),
            Self::Hocuspocus(entry) => writer
                .comes_from(entry.source, Receipts::EachUpdate)
                .with_addresses(),
        })
    }
}

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

/// Serves a WebSocket until it ends, on a stream that any task may write to. `early` was read
/// behind the handshake.
pub(crate) async fn serve_direct(
    (from, to): (DirectReader, DirectWriter),
    early: Vec<u8>,
    opened: Opened,
) {
    let writer = opened.prepare(SocketWriter::direct(patience(&opened), to));
    let reading = InboundStream::new(from, &writer, opened.registry());
    let writing = writer.serve();
    serve(reading, early, writing, &writer, opened).await;
    writer.hang_up();
}

/// The same over any other stream, as of TLS.
pub(crate) async fn serve_any<S>(stream: S, early: Vec<u8>, opened: Opened)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (from, mut to) = tokio::io::split(stream);
    let writer = opened.prepare(SocketWriter::indirect(patience(&opened)));
    let reading = InboundStream::new(from, &writer, opened.registry());
    let writing = writer.serve_alone(&mut to);
    serve(reading, early, writing, &writer, opened).await;
    writer.hang_up();
    // Ends TLS in order: a client that misses the end may take the connection for cut off.
    let _no_end = tokio::time::timeout(CLOSE_WAIT, to.shutdown()).await;
}

fn patience(opened: &Opened) -> SlowReaderLimits {
    SlowReaderLimits::new(opened.registry().settings())
}

async fn serve<R>(
    reading: InboundStream<R>,
    early: Vec<u8>,
    writing: impl Future<Output = ()>,
    writer: &Arc<SocketWriter>,
    opened: Opened,
) where
    R: AsyncRead + Unpin,
{
    let registry = Arc::clone(opened.registry());
    let config = Some(config(registry.settings()));
    let part = Arc::clone(reading.part());
    let mut stream =
        WebSocketStream::from_partially_read(reading, early, Role::Server, config).await;
    let mut use_of = match opened {
        Opened::Document(entry) => SocketUse::Document(entry),
        Opened::Hocuspocus(entry) => {
            SocketUse::Hocuspocus(Box::new(HocuspocusSocket::new(*entry, writer)))
        }
    };
    tokio::pin!(writing);
    let ended = {
        let reader = async {
            match &mut use_of {
                SocketUse::Document(entry) => {
                    single_document::take_part(&mut stream, entry, writer, &part).await
                }
                // Boxed, so that it is not a part of every other connection's memory.
                SocketUse::Hocuspocus(socket) => {
                    Box::pin(socket.read(&mut stream, writer, &part)).await
                }
            }
        };
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
    match &mut use_of {
        SocketUse::Document(entry) => {
            if let (Some(told), Some((code, _))) = (entry.on_close.take(), writer.outbox().ending())
            {
                told(code);
            }
        }
        SocketUse::Hocuspocus(socket) => socket.leave(),
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
            let _no_end = tokio::time::timeout(CLOSE_WAIT, stream.get_mut().discard()).await;
        }
    }
    if let SocketUse::Hocuspocus(socket) = use_of {
        // The client's last edits are still taken in.
        Box::pin(socket.finish()).await;
    }
}

/// The reader of a WebSocket, by what it carries.
enum SocketUse {
    Document(Entry),
    Hocuspocus(Box<HocuspocusSocket>),
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

#[cfg(test)]
mod tests;
