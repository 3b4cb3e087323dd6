//! A TCP stream as HTTP uses it, before it becomes a WebSocket or ends.
//!
//! Owns the way back: when HTTP lets go of the stream, its acceptor gets it again, with the
//! knowledge if anything was written to it. Only if nothing was, it may still be told in HTTP why
//! it is closed. Shutting it down is left to that one: something may have to be read before.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// See the module.
#[derive(Debug)]
pub(crate) struct HttpStream {
    /// There until it is taken out.
    stream: Option<TcpStream>,
    left: Arc<ReturnedStream>,
}

/// The remains of a connection after HTTP.
#[derive(Debug, Default)]
pub(crate) struct ReturnedStream {
    said: AtomicBool,
    stream: Mutex<Option<TcpStream>>,
}

impl ReturnedStream {
    /// Returns true if anything was written.
    pub(crate) fn was_said(&self) -> bool {
        self.said.load(Ordering::Relaxed)
    }

    /// Returns the stream, once HTTP has let go of it and no other owner has it.
    pub(crate) fn take(&self) -> Option<TcpStream> {
        self.stream.lock().take()
    }
}

impl HttpStream {
    pub(crate) fn new(stream: TcpStream, left: &Arc<ReturnedStream>) -> Self {
        Self {
            stream: Some(stream),
            left: Arc::clone(left),
        }
    }

    /// Takes the stream for a WebSocket: it does not go back.
    pub(crate) fn into_stream(mut self) -> Option<TcpStream> {
        self.stream.take()
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        let stream = self.stream.as_mut();
        let stream = stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
        Ok(Pin::new(stream))
    }

    fn say(&self) {
        self.left.said.store(true, Ordering::Relaxed);
    }
}

impl Drop for HttpStream {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            *self.left.stream.lock() = Some(stream);
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
        self.say();
        self.stream()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.say();
        self.stream()?.poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
