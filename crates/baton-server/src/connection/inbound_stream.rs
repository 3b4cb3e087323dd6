//! The reading side of a stream, as the WebSocket library wants it.
//!
//! Owns the count of bytes that are not handled yet, and the limits on them. The library reads:
//! what it answers by itself (a pong, the echo of a close) goes onto the [`SocketWriter`] with
//! everything else.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;

use crate::connection::close_codes;
use crate::connection::socket_writer::SocketWriter;
use crate::documents::registry::Registry;
use crate::limits::inbound_memory_limit::{Excess, InboundBytes};
use crate::ops::rejection_counters::Rejection;

/// Header and mask of a control frame from a client, in bytes.
pub(super) const CONTROL: usize = 6;

/// See the module.
pub(super) struct InboundStream<R> {
    from: R,
    writer: Arc<SocketWriter>,
    registry: Arc<Registry>,
    part: Arc<InboundBytes>,
}

/// The way in which reading came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parted {
    /// The other side closed, or is gone.
    Closed,
    /// The bytes are no WebSocket any more, or more than may come.
    Garbled,
}

impl<R> InboundStream<R> {
    /// Returns the reading side of a stream whose answers go onto this writer.
    pub(super) fn new(from: R, writer: &Arc<SocketWriter>, registry: &Arc<Registry>) -> Self {
        let max = usize::try_from(registry.settings().max_frame.as_u64()).unwrap_or(usize::MAX);
        Self {
            from,
            writer: Arc::clone(writer),
            registry: Arc::clone(registry),
            part: Arc::new(registry.receiving().part(max)),
        }
    }

    /// Returns the bytes of this connection that are not handled yet.
    pub(super) const fn part(&self) -> &Arc<InboundBytes> {
        &self.part
    }

    /// Reads what cannot be understood, so that closing does not reset the connection.
    pub(super) async fn discard(&mut self)
    where
        R: AsyncRead + Unpin,
    {
        let mut unread = [0; 1024];
        while let Ok(1..) = self.from.read(&mut unread).await {}
    }

    fn came(&self, bytes: usize) -> io::Result<()> {
        self.part.came(bytes).map_err(|excess| {
            let (refusal, code) = match excess {
                Excess::All(_) => (Rejection::Receiving, close_codes::OVERLOADED),
                Excess::Message(_) | Excess::Unauthorized(_) => {
                    (Rejection::Frame, close_codes::TOO_LARGE)
                }
            };
            self.registry.refusals().note(refusal, excess);
            self.writer.end(code, excess.to_string());
            io::Error::other(excess)
        })
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for InboundStream<R> {
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

impl<R: Unpin> AsyncWrite for InboundStream<R> {
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

/// Ends a WebSocket that came to an end which was no close.
pub(super) fn broken(error: &Error, writer: &SocketWriter, registry: &Registry) -> Parted {
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
