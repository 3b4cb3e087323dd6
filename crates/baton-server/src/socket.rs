//! A WebSocket: frames in to the session, the outbox out to the wire, liveness of neither.
//!
//! Owns the two directions of one connection, in one task, so that reader and writer share one fate. Frames that wait
//! together leave in one write.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::close;
use crate::config::Settings;
use crate::outbox::{Ending, Item, Outbox};
use crate::registry::Registry;
use crate::session::{Over, Session};

/// How long the other side has to take the last frames and to answer a close.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// Buffer for reading, in bytes: the library's default of 128 KiB a connection would be most of an idle connection's
/// memory.
const READ_BUFFER: usize = 4 * 1024;

/// Bytes of frames that are gathered before the transport is written to.
const WRITE_BUFFER: usize = 16 * 1024;

/// Longest close reason: a close frame has 125 bytes, two of them the code.
const MAX_REASON: usize = 123;

/// How the protocol is spoken: limits explicit, none left at the library's default.
pub(crate) fn config(settings: &Settings) -> WebSocketConfig {
    let max = usize::try_from(settings.max_frame.as_u64()).unwrap_or(usize::MAX);
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(usize::MAX)
        .max_message_size(Some(max))
        .max_frame_size(Some(max))
}

/// Serves one connection to one document until it ends.
pub(crate) async fn serve<S>(socket: WebSocketStream<S>, registry: Arc<Registry>, document: &str)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limit = registry.settings().max_outbox.as_u64();
    let outbox = Arc::new(Outbox::new(usize::try_from(limit).unwrap_or(usize::MAX)));
    let (sink, mut stream) = socket.split();
    let writer = write(sink, &outbox);
    tokio::pin!(writer);
    let ended = {
        let reader = take_part(&mut stream, &registry, document, &outbox);
        tokio::pin!(reader);
        tokio::select! {
            _over = &mut reader => Ended::Reading,
            () = &mut writer => Ended::Writing,
            () = stalled(&outbox) => Ended::Stalled,
        }
    };
    // The seat is given back already. What is queued, and the ending if there is one, still goes out.
    if ended == Ended::Reading && outbox.has_ending() {
        let _too_slow = tokio::time::timeout(CLOSE_WAIT, &mut writer).await;
    }
    if ended != Ended::Stalled {
        let _no_answer = tokio::time::timeout(CLOSE_WAIT, linger(&mut stream)).await;
    }
}

/// Which part of a connection came to its end first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Reading,
    Writing,
    Stalled,
}

/// Takes a seat in the document, and reads until the connection is over.
async fn take_part<R>(
    stream: &mut R,
    registry: &Arc<Registry>,
    document: &str,
    outbox: &Arc<Outbox>,
) -> Result<(), Over>
where
    R: Stream<Item = Result<Message, Error>> + Unpin,
{
    check_name(document, registry, outbox)?;
    let mut session = Session::join(Arc::clone(registry), document, Arc::clone(outbox)).await?;
    tracing::debug!(connection = session.id.0, "joined");
    let first = registry.settings().handshake_timeout.0;
    read(stream, &mut session, outbox, first).await
}

/// Completes the closing handshake: closing a socket that has something unread would reset the connection, and the
/// other side might never read why it was closed.
async fn linger<R>(stream: &mut R)
where
    R: Stream<Item = Result<Message, Error>> + Unpin,
{
    while let Some(Ok(_unread)) = stream.next().await {}
}

/// Waits for an ending that then could not be written in time.
async fn stalled(outbox: &Outbox) {
    outbox.ended().await;
    tokio::time::sleep(CLOSE_WAIT).await;
}

fn check_name(document: &str, registry: &Registry, outbox: &Outbox) -> Result<(), Over> {
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
            outbox.send(
                baton_sync::y_websocket::auth_denied(&fault),
                crate::outbox::Weight::Counted,
            );
            outbox.end(close::BAD_NAME, fault);
            Err(Over)
        }
    }
}

async fn read<R>(
    stream: &mut R,
    session: &mut Session,
    outbox: &Outbox,
    first: Duration,
) -> Result<(), Over>
where
    R: Stream<Item = Result<Message, Error>> + Unpin,
{
    let Ok(mut next) = tokio::time::timeout(first, stream.next()).await else {
        outbox.end(
            close::SILENT,
            "no message came within the handshake's time (handshake_timeout)",
        );
        return Err(Over);
    };
    while let Some(message) = next {
        match message {
            Ok(Message::Binary(frame)) => session.frame(&frame).await?,
            Ok(Message::Ping(_) | Message::Pong(_)) => session.heard(),
            Ok(Message::Close(frame)) => {
                if frame.is_some_and(|frame| frame.code == CloseCode::Normal) {
                    session.done();
                }
                return Ok(());
            }
            Ok(Message::Text(_) | Message::Frame(_)) => {
                return session.malformed("this wire has binary messages only");
            }
            Err(Error::Capacity(error)) => {
                outbox.end(
                    close::TOO_LARGE,
                    format!("a message is over the limit (max_frame): {error}"),
                );
                return Err(Over);
            }
            Err(error) => {
                tracing::debug!(%error, "the connection broke");
                return Ok(());
            }
        }
        next = stream.next().await;
    }
    Ok(())
}

/// Writes what is queued, many frames at a time, until the ending or until the connection breaks.
async fn write<W>(mut sink: W, outbox: &Outbox)
where
    W: Sink<Message, Error = Error> + Unpin,
{
    loop {
        let taken = outbox.drain().await;
        for item in taken.items {
            let message = match item {
                Item::Frame(frame) => Message::Binary(frame),
                Item::Ping => Message::Ping(bytes::Bytes::new()),
                Item::Replaced => continue,
            };
            if sink.feed(message).await.is_err() {
                return;
            }
        }
        if let Some(ending) = taken.ending {
            let _broken = sink.send(Message::Close(Some(close_frame(ending)))).await;
            return;
        }
        if sink.flush().await.is_err() {
            return;
        }
    }
}

fn close_frame(ending: Ending) -> CloseFrame {
    let mut reason = ending.reason;
    while reason.len() > MAX_REASON {
        reason.pop();
    }
    CloseFrame {
        code: CloseCode::from(ending.code),
        reason: reason.into(),
    }
}
