//! A WebSocket client as bytes: frames out with an empty mask, frames in by their headers.
//!
//! It owns one connection. A library's client would cost more than the servers that are measured.
//! Fragmented messages are not put together (no server here sends any).

use std::io;
use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// Memory that a frame's header alone can make us reserve.
const LONGEST: usize = 1 << 27;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// What came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A message.
    Binary(Bytes),
    /// To be answered with [`Writer::pong`].
    Ping(Bytes),
    /// The server ends the connection, with this code.
    Close(u16),
    /// Anything else.
    Other,
}

/// The reading half.
#[derive(Debug)]
pub struct Reader {
    half: OwnedReadHalf,
    buffer: BytesMut,
}

/// The writing half.
#[derive(Debug)]
pub struct Writer {
    half: OwnedWriteHalf,
    buffer: BytesMut,
}

/// Opens a WebSocket at `path`, for instance `/ws/room`, with the system's receive buffer or one of `buffer` bytes.
///
/// # Errors
/// The server cannot be reached, or does not switch protocols: then the text is the first line of its answer.
pub async fn connect(
    address: SocketAddr,
    path: &str,
    buffer: Option<u32>,
) -> io::Result<(Reader, Writer)> {
    let socket = TcpSocket::new_v4()?;
    if let Some(buffer) = buffer {
        socket.set_recv_buffer_size(buffer)?;
    }
    open(socket, address, path).await
}

/// Opens a WebSocket at `path` through a socket that its caller has set up.
///
/// # Errors
/// As [`connect`].
pub async fn open(
    socket: TcpSocket,
    address: SocketAddr,
    path: &str,
) -> io::Result<(Reader, Writer)> {
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    write.write_all(handshake(path).as_bytes()).await?;
    let mut reader = Reader {
        half: read,
        buffer: BytesMut::with_capacity(4096),
    };
    reader.switched().await?;
    let writer = Writer {
        half: write,
        buffer: BytesMut::new(),
    };
    Ok((reader, writer))
}

/// Returns the request that opens a WebSocket at `path`.
#[must_use]
pub fn handshake(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

impl Reader {
    async fn switched(&mut self) -> io::Result<()> {
        loop {
            let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                let head = self.buffer.split_to(end + 4);
                let line = String::from_utf8_lossy(&head);
                let line = line.lines().next().unwrap_or_default();
                if line.split(' ').nth(1) == Some("101") {
                    return Ok(());
                }
                return Err(io::Error::other(format!("the server answered: {line}")));
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        // Of a long frame, room for all that is missing, so that it is not copied at every growth.
        let missing = header(&self.buffer).map_or(0, |(header, length)| {
            (header + length).saturating_sub(self.buffer.len())
        });
        self.buffer.reserve(missing.clamp(4096, LONGEST));
        if self.half.read_buf(&mut self.buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// The next frame. Cancel safe.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn next(&mut self) -> io::Result<Frame> {
        loop {
            if let Some(frame) = self.buffered() {
                return Ok(frame);
            }
            self.fill().await?;
        }
    }

    /// The next frame that has arrived whole already.
    pub fn buffered(&mut self) -> Option<Frame> {
        let (header, length) = header(&self.buffer)?;
        if self.buffer.len() < header + length {
            return None;
        }
        let kind = self.buffer[0] & 0x0f;
        self.buffer.advance(header);
        let payload = self.buffer.split_to(length).freeze();
        Some(match kind {
            BINARY => Frame::Binary(payload),
            PING => Frame::Ping(payload),
            CLOSE => Frame::Close(
                payload
                    .first_chunk()
                    .map_or(1005, |code| u16::from_be_bytes(*code)),
            ),
            _ => Frame::Other,
        })
    }
}

/// Lengths of the header and of the payload, when the header is here.
fn header(buffer: &[u8]) -> Option<(usize, usize)> {
    let short = usize::from(buffer.get(1)? & 0x7f);
    match short {
        126 => {
            let long = buffer.get(2..4)?.first_chunk::<2>()?;
            Some((4, usize::from(u16::from_be_bytes(*long))))
        }
        127 => {
            let long = buffer.get(2..10)?.first_chunk::<8>()?;
            Some((10, usize::try_from(u64::from_be_bytes(*long)).ok()?))
        }
        _ => Some((2, short)),
    }
}

impl Writer {
    /// Queues a message; [`Writer::flush`] sends.
    pub fn queue(&mut self, message: &[u8]) {
        add_frame(&mut self.buffer, BINARY, message);
    }

    /// Writes bytes that are frames already, see [`ready`]; nothing is copied.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn write(&mut self, frames: &[u8]) -> io::Result<()> {
        self.half.write_all(frames).await
    }

    /// Answers a ping.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn pong(&mut self, payload: &[u8]) -> io::Result<()> {
        add_frame(&mut self.buffer, PONG, payload);
        self.flush().await
    }

    /// Sends what is queued, in one write.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.half.write_all_buf(&mut self.buffer).await
    }

    /// Says goodbye, as a page that is closed in order.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn close(&mut self) -> io::Result<()> {
        add_frame(&mut self.buffer, CLOSE, &1000_u16.to_be_bytes());
        self.flush().await
    }

    /// Sends the end of the stream: nothing more is written.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.half.shutdown().await
    }
}

/// A message as the bytes of one frame, for [`Writer::write`].
#[must_use]
pub fn ready(message: &[u8]) -> Bytes {
    let mut buffer = BytesMut::with_capacity(message.len() + 14);
    add_frame(&mut buffer, BINARY, message);
    buffer.freeze()
}

/// An empty ping as the bytes of one frame.
#[must_use]
pub fn ping() -> Bytes {
    let mut buffer = BytesMut::new();
    add_frame(&mut buffer, PING, &[]);
    buffer.freeze()
}

/// Returns a frame whose first byte is this: an opcode with its flags.
#[must_use]
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut buffer = BytesMut::with_capacity(payload.len() + 14);
    head(&mut buffer, first, payload.len());
    buffer.extend_from_slice(payload);
    buffer.into()
}

/// Adds a frame. A mask of zeros is a mask: the payload stays as it is.
fn add_frame(buffer: &mut BytesMut, kind: u8, payload: &[u8]) {
    head(buffer, FINAL | kind, payload.len());
    buffer.extend_from_slice(payload);
}

/// The beginning of a frame whose payload of `length` bytes its caller writes behind it.
#[must_use]
pub fn beginning(length: usize) -> BytesMut {
    let mut buffer = BytesMut::new();
    head(&mut buffer, FINAL | BINARY, length);
    buffer
}

fn head(buffer: &mut BytesMut, first: u8, length: usize) {
    buffer.extend_from_slice(&[first]);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => buffer.extend_from_slice(&[MASKED | short]),
        (_, Ok(long)) => {
            buffer.extend_from_slice(&[MASKED | 126]);
            buffer.extend_from_slice(&long.to_be_bytes());
        }
        _ => {
            buffer.extend_from_slice(&[MASKED | 127]);
            buffer.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    buffer.extend_from_slice(&[0; 4]);
}
