//! The way of a proposal through a room to its position, and the reactions to what came of it.

use baton_presence::Time;

use super::Room;
use super::placed_record::PlacedRecord;
use crate::context::context;
use crate::outbound::Released;
use crate::output::Output;
use crate::park_preview::ParkPreview;
use crate::reaction::{Answer, Origin, ProposedRecord, Reaction};
use crate::replica::{Placing, Record};

/// Tells whether a client waits for a record to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// Yes.
    Yes,
    /// No: no client is told when it is.
    No,
}

/// The log, as [`Room::settle`] sees it. A closure that takes a record and [`Awaited`], and returns
/// the position, is one.
pub trait Journal {
    /// The error of a failed append.
    type Error;

    /// Appends a record and returns its position. A journal may first let the room
    /// [replay](Room::replay) records that others appended, and may replace this one: a simulation
    /// plants faults so.
    ///
    /// # Errors
    /// The log takes nothing more.
    fn append(
        &mut self,
        room: &mut Room,
        record: &mut Record,
        awaited: Awaited,
        now: Time,
    ) -> Result<u64, Self::Error>;

    /// The record at `position` took effect.
    fn applied(&mut self, room: &mut Room, position: u64, now: Time) {
        let _ = (room, position, now);
    }
}

impl<E, A: FnMut(&Record, Awaited) -> Result<u64, E>> Journal for A {
    type Error = E;

    fn append(
        &mut self,
        _: &mut Room,
        record: &mut Record,
        awaited: Awaited,
        _: Time,
    ) -> Result<u64, E> {
        self(record, awaited)
    }
}

impl Room {
    /// Gives each proposed record its position, in order, and applies it. To be called after every
    /// input; then [`Room::next_output`] until it is empty. The journal is told whether a client
    /// waits for a record to be durable.
    ///
    /// # Errors
    /// The first error of the journal. The room cannot go on then: open it again from its log.
    pub fn settle<J: Journal>(&mut self, now: Time, mut journal: J) -> Result<(), J::Error> {
        while let Some(proposal) = self.proposals.pop_front() {
            let (mut record, checked, origin) = match proposal {
                ProposedRecord::Record(record, origin) => (record, None, origin),
                ProposedRecord::Update {
                    connection,
                    update,
                    at_ms,
                    is_suggestion,
                } => {
                    let Some(session) = self.sessions.session_of(connection) else {
                        continue;
                    };
                    let bytes = update.bytes().clone();
                    let record = if is_suggestion {
                        Record::Suggested {
                            session,
                            update: bytes,
                            at_ms: at_ms.unwrap_or(0),
                        }
                    } else {
                        Record::Update {
                            session,
                            update: bytes,
                            at_ms,
                            placing: Placing::ByAuthor,
                        }
                    };
                    (record, Some(update), Origin::Update(connection))
                }
            };
            let awaited = if self.awaits_durability() {
                Awaited::Yes
            } else {
                Awaited::No
            };
            let position = journal.append(self, &mut record, awaited, now)?;
            PlacedRecord {
                position,
                record,
                checked,
                origin,
            }
            .apply_to(self, now);
            journal.applied(self, position, now);
        }
        Ok(())
    }

    /// Applies a record that this room did not propose and that stands at `position` of its log.
    pub fn replay(&mut self, position: u64, record: Record, now: Time) {
        PlacedRecord {
            position,
            record,
            checked: None,
            origin: Origin::Unanswered,
        }
        .apply_to(self, now);
    }

    /// Carries out reactions, in order.
    pub(super) fn carry_out(&mut self, mut reactions: Vec<Reaction>, now: Time) {
        for reaction in reactions.drain(..) {
            match reaction {
                Reaction::Propose(proposal) => self.proposals.push_back(proposal),
                Reaction::Close(connection, why, reason) => {
                    self.close(connection, why, reason, now);
                }
                Reaction::Broadcast(message) => {
                    self.outbound.broadcast(None, message, context!(self, now));
                }
                Reaction::BeatAnswered(session, n, idle) => {
                    self.sessions.answered(session, n, idle, now);
                }
                // A reaction of before may have closed it.
                Reaction::Answer(to, _) if !self.sessions.contains(to) => {}
                Reaction::Answer(to, answer) => match answer {
                    Answer::Send(message) => self.outbound.send(to, message, now),
                    Answer::Tell(message) => {
                        self.outbound.tell(to, message, context!(self, now));
                    }
                    Answer::Lacking(since) => {
                        let inboxes = self.intake.inboxes_mut();
                        let (state, options) = (&mut self.state, &self.options);
                        self.outbound
                            .send_lacking(to, &since, inboxes, state, options, now);
                    }
                    Answer::Show { nonce, id, updates } => {
                        let preview = ParkPreview {
                            nonce,
                            id,
                            everything: self.state.everything(),
                            updates,
                        };
                        self.outbound.push(Output::Show { to, preview });
                    }
                    Answer::Probe(mark) => self.outbound.push(Output::Probe { to, mark }),
                    Answer::ParkedBefore(id) => {
                        self.outbound.tell_parked(to, id, context!(self, now));
                        // It may be durable already, and then no commit comes to tell it.
                        self.release(now);
                    }
                    Answer::Echo(update) => {
                        self.outbound.hold_echo(to, update, context!(self, now));
                        self.release(now);
                    }
                    Answer::Receipts => {
                        let inboxes = self.intake.inboxes_mut();
                        self.outbound
                            .tell_receipts(to, inboxes, context!(self, now));
                    }
                },
            }
        }
        self.reactions = reactions;
    }

    /// Tells everything that waited for the disk and is durable.
    pub(super) fn release(&mut self, now: Time) {
        while let Some(released) = self.outbound.release(context!(self, now)) {
            match released {
                Released::Welcome(to, message) => {
                    self.sessions.open_channel(to);
                    self.outbound
                        .send_channel(to, &message, context!(self, now));
                }
                Released::Close(to, why, reason) => self.close(to, why, reason, now),
            }
        }
    }
}
