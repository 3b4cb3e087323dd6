//! An accepted stream in the hands of HTTP, before it becomes a WebSocket or ends.
//!
//! Owns the way back: when HTTP drops the stream, the acceptor gets it back and knows if HTTP wrote
//! anything. Only if not, the acceptor may still send the reason for closing it as an HTTP
//! response. The acceptor also shuts the stream down, because something may have to be read before.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::accepted_stream::AcceptedStream;

/// See the module.
#[derive(Debug)]
pub(crate) struct HttpStream {
    /// `None` once it was taken out.
    stream: Option<AcceptedStream>,
    returned: Arc<ReturnedStream>,
}

/// The stream of a connection after HTTP has dropped it.
#[derive(Debug, Default)]
pub(crate) struct ReturnedStream {
    written: AtomicBool,
    stream: Mutex<Option<AcceptedStream>>,
}

impl ReturnedStream {
    /// Returns true if HTTP wrote anything.
    pub(crate) fn was_written(&self) -> bool {
        self.written.load(Ordering::Relaxed)
    }

    /// Takes the stream, once HTTP has dropped it; `None` if it became a WebSocket.
    pub(crate) fn take(&self) -> Option<AcceptedStream> {
        self.stream.lock().take()
    }
}

impl HttpStream {
    /// Returns the stream for HTTP; `returned` gets it back.
    pub(crate) fn new(stream: AcceptedStream, returned: &Arc<ReturnedStream>) -> Self {
        Self {
            stream: Some(stream),
            returned: Arc::clone(returned),
        }
    }

    /// Takes the stream for a WebSocket: the acceptor does not get it back.
    pub(crate) fn into_stream(mut self) -> Option<AcceptedStream> {
        self.stream.take()
    }

    fn stream(&mut self) -> io::Result<Pin<&mut AcceptedStream>> {
        let stream = self.stream.as_mut();
        let stream = stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
        Ok(Pin::new(stream))
    }

    fn note_written(&self) {
        self.returned.written.store(true, Ordering::Relaxed);
    }
}

impl Drop for HttpStream {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            *self.returned.stream.lock() = Some(stream);
        }
    }
}

impl AsyncRead for HttpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for HttpStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.note_written();
        self.stream()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.note_written();
        self.stream()?.poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        let stream = self.stream.as_ref();
        stream.is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
