//! The way of a proposal through a room: its position, its effects, and the reactions to them.

use baton_presence::{Change, Event, Time};
use baton_sync::StateVector;

use super::Room;
use crate::context::context;
use crate::intake::own_merges;
use crate::message::{ConnectionId, Ending, Outgoing, Receipts};
use crate::outbound::Released;
use crate::output::Output;
use crate::park_preview::ParkPreview;
use crate::reaction::{Answer, Origin, ProposedRecord, Reaction};
use crate::replica::{CheckedUpdate, Effect, Placing, Record};
use crate::sessions::Channel;
use crate::token::ResumeToken;

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
            self.commit(position, record, checked, &origin, now);
            journal.applied(self, position, now);
        }
        Ok(())
    }

    /// Applies a record that this room did not propose and that stands at `position` of its log.
    pub fn replay(&mut self, position: u64, record: Record, now: Time) {
        self.commit(position, record, None, &Origin::Unanswered, now);
    }

    /// Applies a record at its position. `checked` is its update, if it came from a client.
    fn commit(
        &mut self,
        position: u64,
        record: Record,
        checked: Option<CheckedUpdate>,
        origin: &Origin,
        now: Time,
    ) {
        self.now = now;
        let mut effects = std::mem::take(&mut self.effects);
        self.state.apply(position, record, checked, &mut effects);
        let changes: Vec<Change> = effects.iter().filter_map(Effect::change).cloned().collect();
        let mut locks_changed = effects.iter().any(Effect::is_about_presence);
        if locks_changed {
            self.sessions.follow(&self.state, &changes, now);
        }
        // Before the others are told, so that they are told of a session that is here.
        match origin {
            Origin::Update(connection) => {
                let inboxes = self.intake.inboxes_mut();
                locks_changed |= inboxes.settle_update(*connection, position, &effects);
            }
            Origin::Join(connection, token) => {
                self.attach(*connection, *token, &changes, now);
            }
            Origin::Resume(connection, resumption) => {
                self.attach(*connection, resumption.token, &changes, now);
                if let Some(session) = self.sessions.session_of(*connection) {
                    self.sessions.keep_unproven(session, resumption.shown);
                }
            }
            Origin::Unanswered
            | Origin::Operation(..)
            | Origin::Request(..)
            | Origin::FenceMessage(_) => {}
        }
        let updated = self.intake.inboxes_mut().wake(&effects, origin.author());
        let inboxes = self.intake.inboxes();
        self.outbound
            .notify(&effects, origin, inboxes, context!(self, now));
        for change in &changes {
            match change {
                Change::Granted { to, .. } | Change::Resumed { by: to, .. } => {
                    let merges = own_merges(&self.state, *to, self.options.unix_ms(now));
                    let merges = merges.into_iter();
                    self.proposals.extend(
                        merges.map(|record| ProposedRecord::Record(record, Origin::Unanswered)),
                    );
                }
                Change::Unsettled => self
                    .proposals
                    .push_back(ProposedRecord::event(Event::Settle)),
                _ => {}
            }
        }
        let mut out = std::mem::take(&mut self.reactions);
        let cx = context!(self, now);
        for change in &changes {
            if let Change::Rights { session, .. } = change
                && let Some(connection) = cx.sessions.connection_of(*session)
            {
                self.intake.follow_rights(connection, cx, &mut out);
            }
        }
        self.intake
            .follow_record(updated, locks_changed, cx, &mut out);
        self.carry_out(out, now);
        if !changes.is_empty() {
            self.outbound.show_locks(context!(self, now));
        }
        effects.clear();
        self.effects = effects;
    }

    /// Gives a connection the session that its record made. An older connection is superseded.
    fn attach(
        &mut self,
        connection: ConnectionId,
        token: ResumeToken,
        changes: &[Change],
        now: Time,
    ) {
        let Some(attachment) = self.sessions.attach(connection, changes, now) else {
            // Only a caller that lets time pass between check and record sees this.
            let reason = "this session is gone; connect again".to_owned();
            return self.close(connection, Ending::Unavailable, reason, now);
        };
        if let Some(older) = attachment.superseded {
            let reason = "this session went on over another connection".to_owned();
            self.close(older, Ending::Superseded, reason, now);
        }
        let Some(channel) = attachment.channel else {
            return;
        };
        if attachment.resumed {
            let until = now + self.options.timings.offline_after;
            self.intake.expect_resync(connection, until);
        }
        if channel != Channel::Closed {
            let cx = context!(self, now);
            self.outbound.welcome(connection, &attachment, token, cx);
        }
        // They may have changed while the session was on its way.
        let event = self.sessions.rights_event(connection, &self.state);
        self.proposals.extend(event.map(ProposedRecord::event));
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
                    Answer::Lacking(since) => self.send_lacking(to, &since, now),
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

    /// Answers a Step1: with our own first, if the wire wants it there.
    fn send_lacking(&mut self, to: ConnectionId, since: &StateVector, now: Time) {
        let inboxes = self.intake.inboxes_mut();
        if inboxes.receipts(to) == Receipts::EachUpdate {
            inboxes.asked(to);
            let step1 = Outgoing::Step1(self.state.document().encoded_vector());
            self.outbound.send(to, step1, now);
        }
        let (state, options) = (&mut self.state, &self.options);
        self.outbound.send_lacking(to, since, state, options, now);
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
