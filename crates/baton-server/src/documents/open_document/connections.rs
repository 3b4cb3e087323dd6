//! The connections of one open document, and the way from the room's outputs into their send
//! queues.

use std::collections::HashMap;
use std::sync::Arc;

use baton_room::{CatchUp, ConnectionId, Outgoing, Output, ParkPreview, Room};

use super::awareness_relay::AwarenessRelay;
use crate::connection::close_codes;
use crate::connection::pending_flushes::PendingFlushes;
use crate::connection::send_queue::NeedsFlush;
use crate::connection::shared_message::SharedMessage;
use crate::connection::socket_writer::SocketWriter;
use crate::connection::wire_codec;
use crate::documents::compression_savings::CompressionSavings;

/// A preview of a park that a client asked for, and the connection that the answer goes to.
pub(crate) type RequestedPreview = (Arc<SocketWriter>, ParkPreview);

/// The connections of a document, each with its writer.
#[derive(Debug)]
pub(super) struct Connections {
    writers: HashMap<ConnectionId, Arc<SocketWriter>>,
    /// Counts for all documents.
    compression: Arc<CompressionSavings>,
}

impl Connections {
    /// Returns those of a document that has none yet.
    pub(super) fn new(compression: Arc<CompressionSavings>) -> Self {
        let writers = HashMap::new();
        Self {
            writers,
            compression,
        }
    }

    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        self.writers.len()
    }

    /// Returns true if there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.writers.is_empty()
    }

    /// Adds a connection.
    pub(super) fn add(&mut self, connection: ConnectionId, writer: &Arc<SocketWriter>) {
        self.writers.insert(connection, Arc::clone(writer));
    }

    /// Removes a connection; does nothing if it is not there.
    pub(super) fn remove(&mut self, connection: ConnectionId) {
        self.writers.remove(&connection);
    }

    /// Puts the room's outputs into the send queues, and those for other nodes into `relay`.
    /// Returns the previews that clients asked for.
    pub(super) fn deliver(
        &self,
        room: &mut Room,
        mut relay: Option<&mut AwarenessRelay>,
        pending: &mut PendingFlushes,
    ) -> Vec<RequestedPreview> {
        let mut previews = Vec::new();
        while let Some(output) = room.next_output() {
            match output {
                Output::Send { to, message } => {
                    self.compression.note(&message);
                    self.put(to, pending, |writer| writer.send(&message));
                }
                Output::Multicast { to, message } => {
                    let shared = SharedMessage::to_some(&message);
                    for to in to {
                        self.put(to, pending, |writer| shared.queue(writer));
                    }
                }
                Output::Broadcast { except, message } => self.broadcast(except, &message, pending),
                Output::Show { to, preview } => {
                    if let Some(writer) = self.writers.get(&to) {
                        previews.push((Arc::clone(writer), preview));
                    }
                }
                Output::Ping { to } => self.put(to, pending, |writer| writer.outbox().ping()),
                Output::Probe { to, mark } => {
                    self.put(to, pending, |writer| writer.outbox().probe(mark));
                }
                Output::Relay(payload) => {
                    if let Some(relay) = &mut relay {
                        relay.add(&payload);
                    }
                }
                Output::Close { to, why, reason } => {
                    if let Some(writer) = self.writers.get(&to) {
                        writer.outbox().end(close_codes::code(why), reason);
                        pending.push(writer);
                    }
                }
            }
        }
        previews
    }

    /// Queues what the room has to send to a connection that has fallen behind, if the connection
    /// has taken everything that goes before that.
    pub(super) fn catch_up(
        &self,
        room: &Room,
        connection: ConnectionId,
        pending: &mut PendingFlushes,
    ) {
        let Some(writer) = self.writers.get(&connection) else {
            return;
        };
        let Some(behind) = writer.outbox().behind() else {
            return;
        };
        let CatchUp {
            difference,
            awareness,
        } = room.catch_up(&behind.missed);
        let awareness = awareness.filter(|_| behind.awareness);
        let messages = [
            Some(Outgoing::Update(difference)),
            awareness.map(Outgoing::Awareness),
        ];
        let messages = messages.iter().flatten();
        let encoded = messages.filter_map(|message| wire_codec::encode(writer.wire(), message));
        let frames: Vec<_> = encoded.map(|(frame, _)| frame).collect();
        if writer.outbox().caught_up(frames) == NeedsFlush::Yes {
            pending.push(writer);
        }
    }

    fn put(
        &self,
        to: ConnectionId,
        pending: &mut PendingFlushes,
        queue: impl FnOnce(&Arc<SocketWriter>) -> NeedsFlush,
    ) {
        if let Some(writer) = self.writers.get(&to)
            && queue(writer) == NeedsFlush::Yes
        {
            pending.push(writer);
        }
    }

    fn broadcast(
        &self,
        except: Option<ConnectionId>,
        message: &Outgoing,
        pending: &mut PendingFlushes,
    ) {
        let shared = SharedMessage::to_all(message);
        let receivers = self.writers.iter().filter(|(id, _)| Some(**id) != except);
        for (_, writer) in receivers {
            if shared.queue(writer) == NeedsFlush::Yes {
                pending.push(writer);
            }
        }
    }
}
