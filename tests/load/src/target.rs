//! The server under load: where it is, how it is spoken to, and joining one of its documents.
//!
//! Owns the first moments of a connection. A server that does not answer within [`PATIENCE`] is an error: no number is
//! made of it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use crate::dialect::{Dialect, Incoming};
use baton_testkit::websocket::{self, Frame, Reader, Writer};

/// How long a server may take to let somebody in and to send the first sync.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long a server may take to close a connection that its client has closed.
const GOODBYE: Duration = Duration::from_secs(5);

/// Connections that are opened at the same time where a load does not say otherwise.
const AT_ONCE: usize = 64;

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// The path of a document, with `{doc}` for its name; without that, the name comes after it.
    pub base: String,
    /// Its wire.
    pub dialect: Dialect,
    /// Its process, if what it costs is to be known.
    pub pid: Option<u32>,
}

/// A connection to one document.
#[derive(Debug)]
pub struct Client {
    /// What comes in.
    pub reader: Reader,
    /// What goes out.
    pub writer: Writer,
}

/// What a newcomer was sent.
#[derive(Debug, Clone)]
pub struct FirstSync {
    /// Updates, in order; the last one is the Step2. None from a forwarder.
    pub updates: Vec<Bytes>,
    /// Time at which the first message with content had arrived.
    pub first: Instant,
    /// When the last of it was here.
    pub at: Instant,
}

impl Target {
    /// A server on this address that speaks y-websocket at `/ws/`, in a process that is not looked at.
    #[must_use]
    pub fn new(address: SocketAddr, dialect: Dialect) -> Self {
        Self {
            address,
            base: "/ws".to_owned(),
            dialect,
            pid: None,
        }
    }

    fn path(&self, document: &str) -> String {
        if self.dialect == Dialect::Hocuspocus {
            return self.base.clone();
        }
        if self.base.contains("{doc}") {
            return self.base.replace("{doc}", document);
        }
        format!("{}/{document}", self.base)
    }

    /// Opens a connection; nothing but a greeting has been sent.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub async fn connect(&self, document: &str) -> io::Result<Client> {
        self.connect_with(document, None).await
    }

    /// The same, with a receive buffer of so many bytes.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub async fn connect_with(&self, document: &str, buffer: Option<u32>) -> io::Result<Client> {
        let path = self.path(document);
        let opened = websocket::connect(self.address, &path, buffer);
        let (reader, mut writer) = timeout_at(Instant::now() + PATIENCE, opened).await??;
        if let Some(hello) = self.dialect.hello(document) {
            writer.queue(&hello);
        }
        Ok(Client { reader, writer })
    }

    /// Opens a connection and does the first sync.
    ///
    /// # Errors
    /// The server cannot be reached, refuses, or is not done within [`PATIENCE`].
    pub async fn join(&self, document: &str) -> io::Result<(Client, FirstSync)> {
        let mut client = self.connect(document).await?;
        let synced = client.first_sync(self.dialect, document).await?;
        Ok((client, synced))
    }

    /// Joins `documents` one after another, several at the same time; the connections are in the order of the names.
    ///
    /// # Errors
    /// One of them could not join.
    pub async fn join_all(
        &self,
        documents: impl IntoIterator<Item = String>,
    ) -> io::Result<Vec<Client>> {
        join_each(documents.into_iter().map(|document| (self, document))).await
    }
}

/// Joins each document at its server, several at the same time; the connections are in the order of the names.
///
/// # Errors
/// One of them could not join.
pub async fn join_each(
    documents: impl IntoIterator<Item = (&Target, String)>,
) -> io::Result<Vec<Client>> {
    let joining = documents.into_iter().map(|(target, document)| async move {
        let (client, _) = target.join(&document).await?;
        Ok(client)
    });
    stream::iter(joining).buffered(AT_ONCE).try_collect().await
}

impl Client {
    /// Opens one more document on this connection, where the wire has several on one.
    ///
    /// # Errors
    /// As [`Client::first_sync`].
    pub async fn open_another(
        &mut self,
        dialect: Dialect,
        document: &str,
    ) -> io::Result<FirstSync> {
        if let Some(hello) = dialect.hello(document) {
            self.writer.queue(&hello);
        }
        self.first_sync(dialect, document).await
    }

    /// Asks for everything and waits until it is here.
    ///
    /// # Errors
    /// The connection ended, or [`PATIENCE`] is over.
    pub async fn first_sync(&mut self, dialect: Dialect, document: &str) -> io::Result<FirstSync> {
        let mut synced = FirstSync {
            updates: Vec::new(),
            first: Instant::now(),
            at: Instant::now(),
        };
        if dialect == Dialect::Forward {
            return Ok(synced);
        }
        self.writer.queue(&dialect.step1(document));
        self.writer.flush().await?;
        let until = Instant::now() + PATIENCE;
        loop {
            match timeout_at(until, self.reader.next()).await?? {
                Frame::Binary(frame) => match dialect.read(&frame) {
                    Incoming::Update(update) => {
                        if synced.updates.is_empty() {
                            synced.first = Instant::now();
                        }
                        synced.updates.push(frame.slice_ref(update));
                    }
                    Incoming::Step2(update) => {
                        synced.at = Instant::now();
                        if synced.updates.is_empty() {
                            synced.first = synced.at;
                        }
                        synced.updates.push(frame.slice_ref(update));
                        return Ok(synced);
                    }
                    Incoming::Ping(answer) => {
                        self.writer.queue(answer);
                        self.writer.flush().await?;
                    }
                    Incoming::Denied => return Err(io::Error::other("access denied")),
                    Incoming::Saved(_) | Incoming::Status(_) | Incoming::Other => {}
                },
                Frame::Ping(payload) => self.writer.pong(&payload).await?,
                Frame::Close(code) => return Err(closed(code)),
                Frame::Other => {}
            }
        }
    }

    /// Closes in order and waits until the server has done so too: then it has read everything. A server that does not
    /// answer a close sees the end of the stream behind it, and is waited for five seconds at most.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn leave(mut self) -> io::Result<()> {
        self.writer.close().await?;
        self.writer.shutdown().await?;
        let until = Instant::now() + GOODBYE;
        while let Ok(Ok(frame)) = timeout_at(until, self.reader.next()).await {
            if matches!(frame, Frame::Close(_)) {
                break;
            }
        }
        Ok(())
    }
}

/// The server closed the connection with this code.
#[must_use]
pub fn closed(code: u16) -> io::Error {
    io::Error::other(format!("the server closed the connection with {code}"))
}
