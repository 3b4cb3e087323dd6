//! A WebSocket of the Hocuspocus wire: many documents on one socket, each under an address.
//!
//! Owns the reading of the socket, its liveness, and the faults for which all of it is closed. Each
//! address has a task, a session and an outbox of its own, so that a slow document, authorizer or
//! disk holds up no other address. The socket is not read while more waits for one address than
//! may wait: then the client has to wait, as on a socket of its own.

mod address_table;
mod address_task;
mod backlog;
mod load;
mod mailbox;
mod running_tasks;

use std::sync::Arc;
use std::time::Duration;

use baton_room::{Departure, Source};
use baton_sync::hocuspocus::{self, HocuspocusFrame};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use self::address_table::{AddressTable, SocketFault};
use self::address_task::Shared;
use self::load::Counted;
pub(crate) use self::load::HocuspocusLoad;
use self::mailbox::{Mailbox, NotTaken};
use crate::access::{Authorizer, Caller};
use crate::app::StopSignal;
use crate::connection::close_codes;
use crate::connection::inbound_stream::{CONTROL, Parted, broken};
use crate::connection::outbox::WriterEvent;
use crate::connection::session::ConnectionOver;
use crate::connection::socket_writer::SocketWriter;
use crate::documents::registry::Registry;
use crate::limits::inbound_memory_limit::InboundBytes;
use crate::limits::message_rate_limit::MessageRateLimit;
use crate::ops::rejection_counters::Rejection;

/// Addresses of one socket that may be with the authorizer or the disk at the same time.
const OPENING: usize = 8;

/// Shortest time between two signs of life that an address is told of.
const HEARD_EVERY: Duration = Duration::from_secs(1);

/// Silence after which the socket is sent a Ping. A provider closes a socket on which nothing came
/// for 30 s, and one without documents is sent nothing else.
const PING_AFTER: Duration = Duration::from_secs(15);

/// Reason for closing a socket that has no open document when the server stops.
const GOING_AWAY: &str = "the server is going away; reconnect after a random delay of up to 2 s";

/// Silence after which the socket is closed.
const SILENT_AFTER: Duration = Duration::from_secs(45);

/// A connection of the Hocuspocus wire, and what decides about its documents.
pub(crate) struct HocuspocusEntry {
    pub(crate) registry: Arc<Registry>,
    pub(crate) authorizer: Arc<Authorizer>,
    pub(crate) caller: Caller,
    pub(crate) source: Source,
    pub(crate) stopping: StopSignal,
}

/// See the module.
pub(crate) struct HocuspocusSocket {
    registry: Arc<Registry>,
    rate: Arc<MessageRateLimit>,
    stopping: StopSignal,
    /// True once the server stops.
    stops: bool,
    table: AddressTable,
    departure: Departure,
    opened: Instant,
    /// Time of the last sign of life.
    heard: Instant,
    /// Time at which the addresses were last told of one.
    told: Instant,
    /// Time of the last Ping.
    pinged: Instant,
    _counted: Counted,
}

impl HocuspocusSocket {
    /// Returns the socket without addresses. Its client is sent a Ping first: a provider sends what
    /// it had queued while it was offline when it hears something, and answers the Ping behind
    /// that.
    pub(crate) fn new(entry: HocuspocusEntry, writer: &Arc<SocketWriter>) -> Self {
        writer.send_encoded(&hocuspocus::ping());
        let rate = Arc::new(MessageRateLimit::new(entry.registry.settings()));
        let shared = Shared {
            registry: Arc::clone(&entry.registry),
            authorizer: entry.authorizer,
            caller: entry.caller,
            rate: Arc::clone(&rate),
            opening: Semaphore::new(OPENING),
        };
        let counted = entry.registry.hocuspocus().connection();
        let now = Instant::now();
        Self {
            registry: entry.registry,
            rate,
            stopping: entry.stopping,
            stops: false,
            table: AddressTable::new(Arc::new(shared), writer),
            departure: Departure::Dropped,
            opened: now,
            heard: now,
            told: now,
            pinged: now,
            _counted: counted,
        }
    }

    /// Reads until the connection is over.
    pub(super) async fn read<R>(
        &mut self,
        stream: &mut R,
        writer: &SocketWriter,
        part: &InboundBytes,
    ) -> Result<Parted, ConnectionOver>
    where
        R: Stream<Item = Result<Message, Error>> + Unpin,
    {
        loop {
            let due = self.due();
            tokio::select! {
                biased;
                () = self.stopping.wait(), if !self.stops => {
                    self.stops = true;
                    // A document that is open ends the socket when its own turn comes.
                    if !self.table.is_admitted() {
                        writer.end(close_codes::GOING_AWAY, GOING_AWAY);
                        return Err(ConnectionOver);
                    }
                }
                next = stream.next() => {
                    let Some(message) = next else {
                        return Ok(Parted::Closed);
                    };
                    match message {
                        Ok(message) => {
                            if let Some(parted) = self.message(message, writer, part).await? {
                                return Ok(parted);
                            }
                        }
                        Err(error) => return Ok(broken(&error, writer, &self.registry)),
                    }
                }
                news = writer.outbox().news() => match news {
                    WriterEvent::Alive => self.hear(),
                    // The socket's own queue has nothing that can be dropped.
                    WriterEvent::Behind => {}
                },
                () = self.table.task_ended() => {}
                () = sleep_until(due) => self.look(writer)?,
            }
        }
    }

    /// Tells all addresses that the socket has ended.
    pub(crate) fn leave(&mut self) {
        self.table.leave(self.departure);
    }

    /// Waits until everything that had come is handled.
    pub(crate) async fn finish(mut self: Box<Self>) {
        self.table.finish().await;
    }

    async fn message(
        &mut self,
        message: Message,
        writer: &SocketWriter,
        part: &InboundBytes,
    ) -> Result<Option<Parted>, ConnectionOver> {
        self.hear();
        match message {
            Message::Binary(frame) => {
                let full = self.frame(&frame, writer).await?;
                part.taken();
                if let Some(mailbox) = full {
                    self.wait_for(&mailbox).await;
                }
            }
            Message::Ping(payload) => {
                self.rate.take(payload.len()).await;
                part.taken_of(payload.len() + CONTROL);
            }
            Message::Pong(payload) => {
                self.rate.take(payload.len()).await;
                self.table.pong(&payload);
                part.taken_of(payload.len() + CONTROL);
            }
            Message::Close(frame) => {
                let code = frame.map(|frame| frame.code);
                if code == Some(CloseCode::Normal) {
                    self.departure = Departure::Done;
                }
                // The echo of it: the library's own would come after the line's task has gone.
                writer.end(code.unwrap_or(CloseCode::Normal).into(), "");
                return Ok(Some(Parted::Closed));
            }
            Message::Text(_) | Message::Frame(_) => {
                writer.end(
                    close_codes::PROTOCOL,
                    "this wire has binary messages only; fix the client",
                );
                return Err(ConnectionOver);
            }
        }
        Ok(None)
    }

    async fn frame(
        &mut self,
        frame: &Bytes,
        writer: &SocketWriter,
    ) -> Result<Option<Arc<Mailbox>>, ConnectionOver> {
        let envelope = match hocuspocus::decode(frame) {
            Ok(HocuspocusFrame::Message(envelope)) => envelope,
            Ok(HocuspocusFrame::Ping) => {
                self.rate.take(frame.len()).await;
                writer.send_encoded(&hocuspocus::pong());
                return Ok(None);
            }
            Ok(HocuspocusFrame::Pong) => {
                self.rate.take(frame.len()).await;
                self.table.queue_was_sent();
                return Ok(None);
            }
            Err(error) => {
                writer.end(close_codes::PROTOCOL, error.to_string());
                return Err(ConnectionOver);
            }
        };
        self.table.receive(envelope, frame).map_err(|fault| {
            self.close(&fault, writer);
            ConnectionOver
        })
    }

    fn close(&self, fault: &SocketFault, writer: &SocketWriter) {
        let (refusal, code) = match fault {
            SocketFault::NotTaken(NotTaken::Memory(_)) => {
                (Rejection::Receiving, close_codes::OVERLOADED)
            }
            SocketFault::NotTaken(NotTaken::Backlog(_)) => (Rejection::Backlog, close_codes::RESET),
            SocketFault::Addresses(_) => (Rejection::DocumentsOfConnection, close_codes::RESET),
            SocketFault::LongAddress => (Rejection::Frame, close_codes::PROTOCOL),
        };
        self.registry.refusals().note(refusal, fault);
        writer.end(code, fault.to_string());
    }

    /// Waits until there is room for one address. The client is not silent meanwhile: it is the
    /// server that does not read.
    async fn wait_for(&mut self, mailbox: &Mailbox) {
        loop {
            tokio::select! {
                biased;
                () = mailbox.room() => return,
                () = self.table.task_ended() => {}
                () = tokio::time::sleep(HEARD_EVERY) => self.hear(),
            }
        }
    }

    /// The client gave a sign of life.
    fn hear(&mut self) {
        let now = Instant::now();
        self.heard = now;
        if now >= self.told + HEARD_EVERY {
            self.told = now;
            self.table.hear();
        }
    }

    /// Returns the next time to [`HocuspocusSocket::look`] at what is due.
    fn due(&self) -> Instant {
        let quiet = self.heard.max(self.pinged) + PING_AFTER;
        let unannounced = (!self.table.is_announced()).then(|| self.greeting_due());
        let dues = [Some(quiet), unannounced, self.table.due()];
        dues.into_iter().flatten().min().unwrap_or(quiet)
    }

    fn greeting_due(&self) -> Instant {
        self.opened + self.registry.settings().handshake_timeout.0
    }

    fn look(&mut self, writer: &SocketWriter) -> Result<(), ConnectionOver> {
        let now = Instant::now();
        if !self.table.is_announced() && now >= self.greeting_due() {
            let what = "no token came for any document within the time for a handshake (handshake_timeout); reconnect";
            self.registry
                .refusals()
                .note(Rejection::HandshakeTime, what);
            writer.end(close_codes::TIMEOUT, what);
            return Err(ConnectionOver);
        }
        self.table.give_up(now);
        if now >= self.heard + SILENT_AFTER {
            let what = format!("nothing came from this connection for {SILENT_AFTER:?}; reconnect");
            writer.end(close_codes::TIMEOUT, what);
            return Err(ConnectionOver);
        }
        if now >= self.heard.max(self.pinged) + PING_AFTER {
            self.pinged = now;
            writer.send_encoded(&hocuspocus::ping());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
