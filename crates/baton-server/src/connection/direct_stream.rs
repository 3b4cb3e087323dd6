//! A stream that any task may write to without waiting: TCP, or a Unix socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::net::{Shutdown, shutdown};
use tokio::io::{AsyncRead, Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

/// The reading half.
#[derive(Debug)]
pub(crate) enum DirectReader {
    Tcp(tcp::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
}

/// The writing half.
#[derive(Debug)]
pub(crate) enum DirectWriter {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
}

/// Splits a stream of TCP.
pub(crate) fn split_tcp(stream: TcpStream) -> (DirectReader, DirectWriter) {
    let (from, to) = stream.into_split();
    (DirectReader::Tcp(from), DirectWriter::Tcp(to))
}

/// Splits a stream of a Unix socket.
pub(crate) fn split_unix(stream: UnixStream) -> (DirectReader, DirectWriter) {
    let (from, to) = stream.into_split();
    (DirectReader::Unix(from), DirectWriter::Unix(to))
}

impl AsyncRead for DirectReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(half) => Pin::new(half).poll_read(context, buffer),
            Self::Unix(half) => Pin::new(half).poll_read(context, buffer),
        }
    }
}

impl From<tcp::OwnedWriteHalf> for DirectWriter {
    fn from(half: tcp::OwnedWriteHalf) -> Self {
        Self::Tcp(half)
    }
}

impl DirectWriter {
    /// Writes what the kernel takes at once.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(half) => half.try_write(bytes),
            Self::Unix(half) => half.try_write(bytes),
        }
    }

    /// Writes what the kernel takes at once of these pieces.
    pub(crate) fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(half) => half.try_write_vectored(pieces),
            Self::Unix(half) => half.try_write_vectored(pieces),
        }
    }

    /// Waits until the stream is ready for one of these.
    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match self {
            Self::Tcp(half) => half.ready(interest).await,
            Self::Unix(half) => half.ready(interest).await,
        }
    }

    /// Waits until the kernel takes something.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(half) => half.writable().await,
            Self::Unix(half) => half.writable().await,
        }
    }

    /// Ends both directions of the stream.
    pub(crate) fn hang_up(&self) {
        // A stream that has ended already needs no end.
        let _gone = match self {
            Self::Tcp(half) => shutdown(half.as_ref(), Shutdown::Both),
            Self::Unix(half) => shutdown(half.as_ref(), Shutdown::Both),
        };
    }

    /// Gives this half up, so that the reading half closes the stream.
    pub(crate) fn forget(self) {
        match self {
            Self::Tcp(half) => half.forget(),
            Self::Unix(half) => half.forget(),
        }
    }
}
