//! What is behind a document's gate: the room, the log, and the queues of its connections.
//!
//! Owns the order of a step: proposals get their positions, outputs go into the queues. Awaits nothing.

use std::collections::HashMap;
use std::sync::Arc;

use baton_log::{DocumentLog, Reservation, Urgency};
use baton_presence::Time;
use baton_room::{Awaited, CatchUp, ConnectionId, Outgoing, Output, ParkPreview, Record, Room};

use super::StepError;
use super::snapshots::Snapshots;
use crate::config::Settings;
use crate::connection::close_codes as close;
use crate::connection::pending_flushes::PendingFlushes as Due;
use crate::connection::send_queue::{BroadcastUpdate as Edit, Waits};
use crate::connection::socket_writer::SocketWriter as Line;
use crate::connection::wire_codec as wire;
use crate::documents::work_cost::{Asked, Size, Work, work};
use crate::limits::storage_quota::Account;

/// A room of a document with at most so many bytes is dropped by whichever task lets go of it.
const DROPPED_AT_ONCE: usize = 64 * 1024;

pub(super) struct Inner {
    pub(super) room: Room,
    pub(super) log: DocumentLog,
    pub(super) lines: HashMap<ConnectionId, Arc<Line>>,
    /// When the last connection left.
    pub(super) idle_since: Option<Time>,
    /// What the driver sleeps until.
    pub(super) driven_until: Option<Time>,
    /// Whether the driver listens to the disk.
    pub(super) disk: Disk,
    pub(super) snapshots: Snapshots,
    /// What it uses of what all documents may.
    pub(super) account: Account,
}

/// Whether the news of what is durable are waited for. Where only stock clients type nobody is told that anything is saved,
/// and waking up for every commit would cost more than the edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    /// Somebody waits for it, or the document waits to leave memory.
    Awaited,
    /// Looked at with the next deadline only.
    Ignored,
}

/// What a step brings beside what it queued.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// What a park would change, to be worked out for the connection of this line.
    pub(super) shows: Vec<(Arc<Line>, ParkPreview)>,
}

impl Inner {
    /// Where a step is to be done. `leaves` when departures are to be carried out in it as well.
    pub(super) fn work(&self, asked: Asked, leaves: bool) -> Work {
        let load = self.room.load();
        let aside = load.aside_bytes;
        if asked == Asked::Little && (aside == 0 || !leaves) {
            return Work::Short;
        }
        let document = self.room.state().document();
        let size = Size {
            bytes: document.about_bytes(),
            parked: match asked {
                Asked::Parks => self.room.state().parked_bytes(),
                _ => 0,
            },
            aside,
            encoded: document.is_encoded(),
            pieces: load.first_sync_is_encoded,
        };
        let asked = match asked {
            Asked::Little => Asked::Timeout,
            asked => asked,
        };
        work(asked, &size)
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
    pub(super) fn deliver(&mut self, due: &mut Due) -> Brought {
        let mut brought = Brought::default();
        while let Some(output) = self.room.next_output() {
            match output {
                Output::Send { to, message } => {
                    let (frame, weight) = wire::encode(&message);
                    self.put(to, due, |line| line.outbox().send(frame, weight));
                }
                Output::Multicast { to, message } => {
                    let (frame, weight) = wire::encode(&message);
                    for to in to {
                        self.put(to, due, |line| line.outbox().send(frame.clone(), weight));
                    }
                }
                Output::Broadcast { except, message } => self.broadcast(except, &message, due),
                Output::Show { to, preview } => {
                    if let Some(line) = self.lines.get(&to) {
                        brought.shows.push((Arc::clone(line), preview));
                    }
                }
                Output::Ping { to } => self.put(to, due, |line| line.outbox().ping()),
                Output::Probe { to, mark } => self.put(to, due, |line| line.outbox().probe(mark)),
                Output::Close { to, why, reason } => {
                    if let Some(line) = self.lines.get(&to) {
                        line.outbox().end(close::code(why), reason);
                        due.push(line);
                    }
                }
            }
        }
        brought
    }

    /// Takes the queues away of connections that ended, so that they take no place.
    pub(super) fn forget(&mut self, gone: &[ConnectionId]) {
        for connection in gone {
            self.lines.remove(connection);
        }
    }

    /// Queues for a connection that has read too slowly what it was not sent, if it has taken all that goes before that.
    pub(super) fn catch_up(&mut self, connection: ConnectionId, due: &mut Due) {
        let Some(line) = self.lines.get(&connection).cloned() else {
            return;
        };
        let Some(behind) = line.outbox().behind() else {
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
        let frames: Vec<_> = frames.iter().flatten().map(|m| wire::encode(m).0).collect();
        if line.outbox().caught_up(frames) == Waits::Newly {
            due.push(&line);
        }
    }

    fn put(&self, to: ConnectionId, due: &mut Due, queue: impl FnOnce(&Arc<Line>) -> Waits) {
        if let Some(line) = self.lines.get(&to)
            && queue(line) == Waits::Newly
        {
            due.push(line);
        }
    }

    fn broadcast(&self, except: Option<ConnectionId>, message: &Outgoing, due: &mut Due) {
        let (frame, weight) = wire::encode(message);
        let edit = matches!(message, Outgoing::Update(_));
        let frame = Edit::new(frame);
        let others = |id: &ConnectionId| Some(*id) != except;
        for (_, line) in self.lines.iter().filter(|(id, _)| others(id)) {
            let waits = if edit {
                line.outbox().edit(&frame)
            } else {
                line.outbox().send(frame.frame.clone(), weight)
            };
            if waits == Waits::Newly {
                due.push(line);
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
