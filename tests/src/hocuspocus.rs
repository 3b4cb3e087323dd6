//! One document over the Hocuspocus wire, as its provider would open it.
//!
//! Owns the socket, and reads it while a story waits. Knows one address; the wire's own stories are those of the
//! published provider (`tests/node`).

use std::net::SocketAddr;

use baton_sync::hocuspocus::{
    self, AccessScope, HocuspocusFrame, HocuspocusMessage, SyncStep, decode,
};
use baton_sync::state_vector::StateVector;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::client::append;
use crate::inbox::{TEXT, awareness_payload};
use crate::{Memory, within};

/// A provider with one document; see the module.
pub struct HocuspocusClient {
    socket: WebSocketStream<TcpStream>,
    address: String,
    memory: Memory,
    /// What the server said of its access last.
    pub scope: Option<AccessScope>,
    /// How often it said so.
    pub authenticated: usize,
    /// The reason of a denial.
    pub denied: Option<String>,
    /// A Step2 has come.
    pub synced: bool,
    /// Which of its updates the server has safe.
    pub statuses: Vec<bool>,
    /// How often it was asked for its token again.
    pub token_requests: usize,
}

impl HocuspocusClient {
    /// Opens a document with this token, and says hello as the provider does, without waiting.
    ///
    /// # Panics
    /// When there is no such server.
    pub async fn open(server: SocketAddr, document: &str, token: &str) -> Self {
        let stream = TcpStream::connect(server).await.expect("a server");
        let url = format!("ws://{server}/hocuspocus");
        let (socket, _) = within("a WebSocket", client_async(url, stream))
            .await
            .expect("the server speaks Hocuspocus");
        let mut client = Self {
            socket,
            address: document.to_owned(),
            memory: Memory::fresh(),
            scope: None,
            authenticated: 0,
            denied: None,
            synced: false,
            statuses: Vec::new(),
            token_requests: 0,
        };
        client.shows(token).await;
        client
            .send(hocuspocus::step1(document, &StateVector::new()))
            .await;
        client.states("{}").await;
        client
    }

    async fn send(&mut self, frame: Bytes) {
        // A connection that broke says so to the reader.
        let _broken = self.socket.send(Message::Binary(frame)).await;
    }

    /// Shows a token, the first one or another.
    pub async fn shows(&mut self, token: &str) {
        let frame = hocuspocus::token(&self.address, token, Some("4.8.0"));
        self.send(frame).await;
    }

    /// Says its awareness state, as JSON. Returns the client id that it is of.
    pub async fn states(&mut self, state: &str) -> u64 {
        self.memory.clock += 1;
        let client = self.memory.client.get();
        let own = (client, self.memory.clock, Some(state.to_owned()));
        let frame = hocuspocus::awareness(&self.address, &awareness_payload(&[own]));
        self.send(frame).await;
        client
    }

    /// Appends to the text, and sends the edit.
    ///
    /// # Panics
    /// When its document is broken.
    pub async fn types(&mut self, text: &str) {
        let done = self.memory.document.transact(|txn| append(txn, text));
        let (_, update) = done.expect("the document is whole");
        let update = update.expect("the edit changes something");
        let frame = hocuspocus::update(&self.address, &update);
        self.send(frame).await;
    }

    /// The text that it has.
    ///
    /// # Panics
    /// When its document is broken.
    #[must_use]
    pub fn text(&self) -> String {
        use baton_sync::document::yrs::{GetString, ReadTxn};
        let read = self.memory.document.read(|txn| {
            txn.get_text(TEXT)
                .map_or_else(String::new, |text| text.get_string(txn))
        });
        read.expect("a sound server breaks no document")
    }

    /// Reads until `look` finds something.
    ///
    /// # Panics
    /// When the time is over, or the socket ends before.
    pub async fn until<T>(&mut self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = look(self) {
                    return found;
                }
                match self.socket.next().await {
                    Some(Ok(Message::Binary(frame))) => self.take(&frame).await,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => panic!("the socket ended before {what}: {other:?}"),
                }
            }
        };
        within(what, search).await
    }

    async fn take(&mut self, frame: &[u8]) {
        let frame = decode(frame).expect("a sound server speaks the wire");
        let HocuspocusFrame::Message(envelope) = frame else {
            return;
        };
        match envelope.message {
            HocuspocusMessage::Sync(SyncStep::Step1(vector)) => {
                let vector = StateVector::decode(vector).expect("a state vector");
                let lacking = self.memory.document.diff(&vector).expect("it is whole");
                let answer = hocuspocus::step2(&self.address, &lacking);
                self.send(answer).await;
            }
            HocuspocusMessage::Sync(SyncStep::Step2(update) | SyncStep::Update(update))
            | HocuspocusMessage::SyncReply(SyncStep::Step2(update) | SyncStep::Update(update)) => {
                let applied = self.memory.document.apply(update);
                applied.expect("a sound server leaves no gap");
                self.synced = true;
            }
            HocuspocusMessage::Authenticated(scope) => {
                self.scope = Some(scope);
                self.authenticated += 1;
            }
            HocuspocusMessage::PermissionDenied(reason) => self.denied = Some(reason.to_owned()),
            HocuspocusMessage::SyncStatus(saved) => self.statuses.push(saved),
            HocuspocusMessage::TokenRequest => self.token_requests += 1,
            _ => {}
        }
    }
}
