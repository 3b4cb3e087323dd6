//! What is behind a document's gate: the room, the log, and the queues of its connections.
//!
//! Owns the order of a step: proposals get their positions, outputs go into the queues. Awaits nothing.

use std::collections::HashMap;
use std::sync::Arc;

use baton_log::{DocumentLog, Reservation, Urgency};
use baton_presence::Time;
use baton_room::{Awaited, CatchUp, ConnectionId, Outgoing, Output, ParkPreview, Record, Room};

use super::StepError;
use super::snapshots::SnapshotSchedule;
use crate::config::Settings;
use crate::connection::close_codes;
use crate::connection::pending_flushes::PendingFlushes;
use crate::connection::send_queue::{BroadcastUpdate, NeedsFlush};
use crate::connection::socket_writer::SocketWriter;
use crate::connection::wire_codec;
use crate::documents::work_cost::{DocumentSize, StepKind, WorkClass, classify};
use crate::limits::storage_quota::StorageAccount;

/// A room of a document with at most so many bytes is dropped by whichever task lets go of it.
const DROPPED_AT_ONCE: usize = 64 * 1024;

pub(super) struct DocumentState {
    pub(super) room: Room,
    pub(super) log: DocumentLog,
    pub(super) writers: HashMap<ConnectionId, Arc<SocketWriter>>,
    /// When the last connection left.
    pub(super) idle_since: Option<Time>,
    /// What the driver sleeps until.
    pub(super) driven_until: Option<Time>,
    /// Whether the driver listens to the disk.
    pub(super) disk: DurabilityNews,
    pub(super) snapshots: SnapshotSchedule,
    /// What it uses of what all documents may.
    pub(super) account: StorageAccount,
}

/// Whether the news of what is durable are waited for. Where only stock clients type nobody is told that anything is saved,
/// and waking up for every commit would cost more than the edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DurabilityNews {
    /// Somebody waits for it, or the document waits to leave memory.
    Awaited,
    /// Looked at with the next deadline only.
    Ignored,
}

/// What a step brings beside what it queued.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// What a park would change, to be worked out for the connection of this line.
    pub(super) shows: Vec<(Arc<SocketWriter>, ParkPreview)>,
}

impl DocumentState {
    /// Where a step is to be done. `leaves` when departures are to be carried out in it as well.
    pub(super) fn work(&self, asked: StepKind, leaves: bool) -> WorkClass {
        let load = self.room.load();
        let aside = load.aside_bytes;
        if asked == StepKind::Light && (aside == 0 || !leaves) {
            return WorkClass::Short;
        }
        let document = self.room.state().document();
        let size = DocumentSize {
            bytes: document.about_bytes(),
            parked: match asked {
                StepKind::Parks => self.room.state().parked_bytes(),
                _ => 0,
            },
            aside,
            encoded: document.is_encoded(),
            pieces: load.first_sync_is_encoded,
        };
        let asked = match asked {
            StepKind::Light => StepKind::Timeout,
            asked => asked,
        };
        classify(asked, &size)
    }

    /// Gives the room's proposals their positions, in order. What the reservation does not cover is overdrawn.
    pub(super) fn sequence(
        &mut self,
        mut reservation: Reservation,
        now: Time,
    ) -> Result<(), StepError> {
        let log = &mut self.log;
        self.room.settle(now, |record: &Record, awaited: Awaited| {
            let urgency = match awaited {
                _ if record.is_urgent() => Urgency::Now,
                Awaited::Yes => Urgency::Soon,
                Awaited::No => Urgency::Unawaited,
            };
            let encoded = record.encode()?;
            let paid = reservation.take(encoded.len());
            Ok(log.append(paid, encoded, urgency)?.get())
        })
    }

    /// Puts the room's outputs into the queues.
    pub(super) fn deliver(&mut self, pending: &mut PendingFlushes) -> Brought {
        let mut brought = Brought::default();
        while let Some(output) = self.room.next_output() {
            match output {
                Output::Send { to, message } => {
                    let (frame, weight) = wire_codec::encode(&message);
                    self.put(to, pending, |writer| writer.outbox().send(frame, weight));
                }
                Output::Multicast { to, message } => {
                    let (frame, weight) = wire_codec::encode(&message);
                    for to in to {
                        self.put(to, pending, |writer| {
                            writer.outbox().send(frame.clone(), weight)
                        });
                    }
                }
                Output::Broadcast { except, message } => self.broadcast(except, &message, pending),
                Output::Show { to, preview } => {
                    if let Some(writer) = self.writers.get(&to) {
                        brought.shows.push((Arc::clone(writer), preview));
                    }
                }
                Output::Ping { to } => self.put(to, pending, |writer| writer.outbox().ping()),
                Output::Probe { to, mark } => {
                    self.put(to, pending, |writer| writer.outbox().probe(mark))
                }
                Output::Close { to, why, reason } => {
                    if let Some(writer) = self.writers.get(&to) {
                        writer.outbox().end(close_codes::code(why), reason);
                        pending.push(writer);
                    }
                }
            }
        }
        brought
    }

    /// Takes the queues away of connections that ended, so that they take no place.
    pub(super) fn forget(&mut self, gone: &[ConnectionId]) {
        for connection in gone {
            self.writers.remove(connection);
        }
    }

    /// Queues for a connection that has read too slowly what it was not sent, if it has taken all that goes before that.
    pub(super) fn catch_up(&mut self, connection: ConnectionId, pending: &mut PendingFlushes) {
        let Some(writer) = self.writers.get(&connection).cloned() else {
            return;
        };
        let Some(behind) = writer.outbox().behind() else {
            return;
        };
        let CatchUp {
            difference,
            awareness,
        } = self.room.catch_up(&behind.missed);
        let awareness = awareness.filter(|_| behind.awareness);
        let frames = [
            Some(Outgoing::Update(difference)),
            awareness.map(Outgoing::Awareness),
        ];
        let frames: Vec<_> = frames
            .iter()
            .flatten()
            .map(|m| wire_codec::encode(m).0)
            .collect();
        if writer.outbox().caught_up(frames) == NeedsFlush::Yes {
            pending.push(&writer);
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
        let (frame, weight) = wire_codec::encode(message);
        let edit = matches!(message, Outgoing::Update(_));
        let frame = BroadcastUpdate::new(frame);
        let others = |id: &ConnectionId| Some(*id) != except;
        for (_, writer) in self.writers.iter().filter(|(id, _)| others(id)) {
            let waits = if edit {
                writer.outbox().edit(&frame)
            } else {
                writer.outbox().send(frame.frame.clone(), weight)
            };
            if waits == NeedsFlush::Yes {
                pending.push(writer);
            }
        }
    }

    /// Gives the log back now; what the room holds goes where no task waits for that, if it is much.
    pub(super) fn end(self) {
        let Self { room, log, .. } = self;
        drop(log);
        if room.state().document().about_bytes() > DROPPED_AT_ONCE {
            tokio::task::spawn_blocking(move || drop(room));
        }
    }

    pub(super) fn is_idle(&self, now: Time, settings: &Settings) -> bool {
        self.idle_since
            .is_some_and(|since| now >= since + settings.unload_after.0)
    }

    /// All of it is stored, and no snapshot of it is being written.
    pub(super) fn may_leave(&self) -> bool {
        self.log.durable() == self.log.last() && !self.snapshots.is_writing()
    }
}
