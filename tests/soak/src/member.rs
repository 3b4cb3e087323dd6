//! A client of Baton's channel that costs little: it answers beats and pings, claims what it is
//! offered, and tells what of the rest was waited for.
//!
//! Owns one connection and its reading. Keeps no document, and decodes of what comes only what it
//! needs: a view of all locks is long, and thousands of these share a machine with the server that
//! is measured.

use std::io;
use std::net::SocketAddr;

use baton_sync::control_channel::{
    ClientMessage, FencingToken, Outcome, Paths, ServerMessage, User, VERSION,
};
use baton_sync::lib0;
use baton_sync::y_websocket::{self, Message};
use baton_testkit::websocket::{self, Frame, Reader, Writer};

use crate::arrivals::Closed;

/// A message that a member does not handle by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It is in.
    Welcome,
    /// The outcome of its request.
    Result(Outcome),
    /// It holds this.
    Granted(FencingToken),
    /// It holds this no more.
    Lost(FencingToken),
}

/// See the module.
#[derive(Debug)]
pub struct Member {
    reader: Reader,
    writer: Writer,
}

impl Member {
    /// Comes in, and has its welcome.
    ///
    /// # Errors
    /// The server cannot be reached, or ends the connection.
    pub async fn joins(address: SocketAddr, document: &str) -> io::Result<Self> {
        let (reader, writer) =
            websocket::connect(address, &format!("/ws/{document}"), None).await?;
        let mut member = Self { reader, writer };
        let hello = ClientMessage::Hello {
            version: VERSION,
            resume: None,
            epoch: None,
            fences: Vec::new(),
            locks: None,
            user: User::default(),
            user_key: None,
            client: None,
            observer: false,
            encodings: Vec::new(),
        };
        member.says(&hello).await?;
        while member.hears().await? != Heard::Welcome {}
        Ok(member)
    }

    /// Says something in the channel.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn says(&mut self, message: &ClientMessage) -> io::Result<()> {
        self.writer.queue(&y_websocket::baton(&message.encode()));
        self.writer.flush().await
    }

    /// Asks for this; returns whether it is to be had at once or waited for. What it is granted
    /// meanwhile is not told.
    ///
    /// # Errors
    /// The connection is gone, or it is refused.
    pub async fn acquires(&mut self, paths: Paths) -> io::Result<Outcome> {
        self.says(&ClientMessage::Acquire { nonce: 1, paths })
            .await?;
        loop {
            match self.hears().await? {
                Heard::Result(outcome @ (Outcome::Done | Outcome::Queued)) => return Ok(outcome),
                Heard::Result(other) => {
                    return Err(io::Error::other(format!("refused: {other:?}")));
                }
                _ => {}
            }
        }
    }

    /// Asks for this, and has it.
    ///
    /// # Errors
    /// The connection is gone, or it is refused.
    pub async fn takes(&mut self, paths: Paths) -> io::Result<FencingToken> {
        self.says(&ClientMessage::Acquire { nonce: 1, paths })
            .await?;
        self.is_granted().await
    }

    /// Waits until it has what it asked for.
    ///
    /// # Errors
    /// The connection is gone, or it is refused.
    pub async fn is_granted(&mut self) -> io::Result<FencingToken> {
        loop {
            match self.hears().await? {
                Heard::Granted(fence) => return Ok(fence),
                Heard::Result(Outcome::Done | Outcome::Queued)
                | Heard::Welcome
                | Heard::Lost(_) => {}
                Heard::Result(other) => {
                    return Err(io::Error::other(format!("refused: {other:?}")));
                }
            }
        }
    }

    /// The next thing that it does not see to by itself. Cancel safe but for an answer that is half
    /// sent.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn hears(&mut self) -> io::Result<Heard> {
        loop {
            match self.reader.next().await? {
                Frame::Ping(payload) => self.writer.pong(&payload).await?,
                Frame::Close(code) => return Err(Closed(code).into()),
                Frame::Other => {}
                Frame::Binary(frame) => {
                    if let Some(heard) = self.takes_in(&frame).await? {
                        return Ok(heard);
                    }
                }
            }
        }
    }

    async fn takes_in(&mut self, frame: &[u8]) -> io::Result<Option<Heard>> {
        let Ok(Message::Baton(payload)) = y_websocket::decode(frame) else {
            return Ok(None);
        };
        if payload.starts_with(r#"{"type":"welcome""#) {
            return Ok(Some(Heard::Welcome));
        }
        let wanted = ["beat", "offer", "granted", "lost", "result", "drain"];
        let kind = payload.strip_prefix(r#"{"type":""#).unwrap_or_default();
        if !wanted.iter().any(|wanted| kind.starts_with(wanted)) {
            return Ok(None);
        }
        match ServerMessage::decode(payload).map_err(io::Error::other)? {
            ServerMessage::Beat { n, .. } => {
                let (visible, idle_ms) = (true, 0);
                self.says(&ClientMessage::Answer {
                    n,
                    visible,
                    idle_ms,
                })
                .await?;
                Ok(None)
            }
            ServerMessage::Offer { fence, .. } => {
                self.says(&ClientMessage::Claim { fence }).await?;
                Ok(None)
            }
            ServerMessage::Drain { fence, .. } => {
                self.says(&ClientMessage::Drained { fence }).await?;
                Ok(None)
            }
            ServerMessage::Granted { fence, .. } => Ok(Some(Heard::Granted(fence))),
            ServerMessage::Lost { fence, .. } => Ok(Some(Heard::Lost(fence))),
            ServerMessage::Result { outcome, .. } => Ok(Some(Heard::Result(outcome))),
            _ => Ok(None),
        }
    }

    /// Leaves as a page that is closed in order.
    ///
    /// # Errors
    /// The connection is gone already.
    pub async fn leaves(mut self) -> io::Result<()> {
        self.writer.close().await
    }
}

/// An empty state vector, which asks for everything.
#[must_use]
pub fn nothing_yet() -> Vec<u8> {
    let mut vector = Vec::new();
    lib0::write_var_uint(&mut vector, 0);
    vector
}
