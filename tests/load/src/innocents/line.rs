//! One connection of an attacker: frames that are ready go out while what comes in is read and dropped.
//!
//! Owns the socket. Attackers come from other loopback addresses than the innocent people, so that a limit on addresses
//! does not mix the two up (Linux answers on all of 127.0.0.0/8).

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use baton_sync::lib0;
use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpSocket;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::attack::ATTACKED;
use super::frames;
use crate::dialect::{Dialect, Incoming};
use baton_testkit::websocket::{self, Frame, Reader, Writer};

/// Longest wait for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// The code of a connection that ended without one.
const ABNORMAL: u16 = 1006;
/// First varUint of a frame of Baton's own channel.
const CHANNEL: u8 = 98;

/// A connection to the attacked document.
#[derive(Debug)]
pub(crate) struct Line {
    reader: Reader,
    writer: Writer,
}

/// The reason why a wait ended without its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Gone {
    /// The server closed the connection, or it broke (1006).
    #[error("the server closed the connection with {0}")]
    Closed(u16),
    /// The time was over.
    #[error("the server did not answer in time")]
    Late,
}

impl From<Gone> for io::Error {
    fn from(gone: Gone) -> Self {
        Self::other(gone)
    }
}

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Self {
        Self::Closed(ABNORMAL)
    }
}

impl Line {
    /// Connects as attacker `number`, with a receive buffer of so many bytes if not the system's.
    ///
    /// # Errors
    /// The server refuses, or does not answer in time.
    pub(crate) async fn open(
        address: SocketAddr,
        number: usize,
        buffer: Option<u32>,
    ) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        // 127.0.0.1 is where the innocent people come from.
        let last = u8::try_from(2 + number % 200).unwrap_or(2);
        socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
        if let Some(buffer) = buffer {
            socket.set_recv_buffer_size(buffer)?;
        }
        let path = format!("/ws/{ATTACKED}");
        let opened = timeout(HANDSHAKE, websocket::open(socket, address, &path)).await?;
        let (reader, writer) = opened?;
        Ok(Self { reader, writer })
    }

    /// Sends bytes that are frames, and drops what comes in meanwhile.
    pub(crate) async fn sends(&mut self, frames: &[u8], within: Duration) -> Result<(), Gone> {
        let mut pings = Vec::new();
        {
            let mut writing = pin!(self.writer.write(frames));
            let end = Instant::now() + within;
            loop {
                tokio::select! {
                    done = &mut writing => {
                        done?;
                        break;
                    }
                    frame = self.reader.next() => match frame? {
                        Frame::Ping(payload) => pings.push(payload),
                        Frame::Close(code) => return Err(Gone::Closed(code)),
                        Frame::Binary(_) | Frame::Other => {}
                    },
                    () = sleep_until(end) => return Err(Gone::Late),
                }
            }
        }
        for payload in pings {
            self.writer.pong(&payload).await?;
        }
        Ok(())
    }

    /// Says something on Baton's channel.
    pub(crate) async fn says(&mut self, message: &Value) -> Result<(), Gone> {
        Ok(self.writer.write(&frames::channel(message)).await?)
    }

    /// The next message; pings are answered.
    pub(crate) async fn message(&mut self, end: Instant) -> Result<Bytes, Gone> {
        loop {
            let next = timeout_at(end, self.reader.next()).await;
            match next.map_err(|_| Gone::Late)?? {
                Frame::Binary(bytes) => return Ok(bytes),
                Frame::Ping(payload) => self.writer.pong(&payload).await?,
                Frame::Close(code) => return Err(Gone::Closed(code)),
                Frame::Other => {}
            }
        }
    }

    /// Waits for a Step2.
    pub(crate) async fn step2(&mut self, within: Duration) -> Result<(), Gone> {
        let end = Instant::now() + within;
        loop {
            let bytes = self.message(end).await?;
            if matches!(Dialect::YWebsocket.read(&bytes), Incoming::Step2(_)) {
                return Ok(());
            }
        }
    }

    /// Waits for a message of that type on Baton's channel.
    pub(crate) async fn hears(&mut self, kind: &str, within: Duration) -> Result<Value, Gone> {
        let end = Instant::now() + within;
        loop {
            let bytes = self.message(end).await?;
            if let Some(message) = on_channel(&bytes)
                && message["type"] == kind
            {
                return Ok(message);
            }
        }
    }

    /// Closes in order; what the server has read by then stays read.
    pub(crate) async fn leave(mut self) -> io::Result<()> {
        self.writer.close().await?;
        let end = Instant::now() + HANDSHAKE;
        while self.message(end).await.is_ok() {}
        Ok(())
    }
}

fn on_channel(frame: &[u8]) -> Option<Value> {
    let (&CHANNEL, rest) = frame.split_first()? else {
        return None;
    };
    let text = lib0::Reader::new(rest).var_string().ok()?;
    serde_json::from_str(text).ok()
}
