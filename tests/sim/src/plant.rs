//! Planted bugs that are made of records: what the room proposes is falsified on its way to the log.
//!
//! Owns those of [`Flaw`] that need it; the others are where they bite.

use std::collections::VecDeque;

use baton_presence::{Change, Event, Rights, SessionId};
use baton_room::{Decision, Placing, RECOVERABLE, Record, Room, RoomOptions};
use baton_sync::scan::scan;
use baton_testkit::Random;
use bytes::Bytes;

use crate::content::Place;
use crate::flaw::Flaw;
use crate::world::World;

impl World {
    /// Returns the records that are written down in the place of a proposed one.
    pub(crate) fn falsify(&self, room: &Room, mut record: Record) -> VecDeque<Record> {
        match (self.options.flaw, &mut record) {
            (
                Flaw::SkipFenceCheck,
                Record::Update {
                    session, update, ..
                },
            ) => {
                if let Some(by) = self.holder_in_the_way(room, update) {
                    *session = by;
                }
            }
            (
                Flaw::NamedRootsOnly,
                Record::Update {
                    session, update, ..
                },
            ) if !self.names_what_is_locked(update) => {
                if let Some(by) = self.holder_in_the_way(room, update) {
                    *session = by;
                }
            }
            (Flaw::NeverOfferedAgain, Record::Presence(event)) => {
                if matches!(event, Event::PauseOver { .. }) {
                    *event = Event::Settle;
                }
            }
            (Flaw::LoseTicket, Record::Presence(event)) => {
                if let Event::OfferExpired { session, fence } = *event {
                    *event = Event::Decline {
                        session,
                        fence,
                        later: false,
                    };
                }
            }
            (Flaw::MergeLosesLast, Record::ParkDecided { .. }) => {
                return without_last(room, record);
            }
            _ => {}
        }
        VecDeque::from([record])
    }

    /// Takes the changes out that a flaw keeps back. Planted: [`Flaw::LoseTicket`].
    pub(crate) fn keep_back(&self, proposed: &Record, changes: &mut Vec<Change>) {
        let expired = matches!(proposed, Record::Presence(Event::OfferExpired { .. }));
        if self.options.flaw == Flaw::LoseTicket && expired {
            changes.retain(|change| !matches!(change, Change::Dequeued { .. }));
        }
    }

    /// Who holds a root type that this update touches.
    fn holder_in_the_way(&self, room: &Room, update: &Bytes) -> Option<SessionId> {
        let scanned = scan(update).ok()?;
        let touched = room.state().document().state().touched_roots(&scanned);
        let locks = self.book.locks();
        touched.iter().find_map(|root| locks.holder_of(root))
    }

    /// Whether a root type that somebody holds is named in the update. What is put beside something that stands there
    /// already names no root type.
    fn names_what_is_locked(&self, update: &Bytes) -> bool {
        let locks = self.book.locks();
        let held = Place::ALL.map(Place::root).into_iter();
        held.filter(|root| locks.holder_of(root).is_some())
            .any(|root| update.windows(root.len()).any(|at| at == root.as_bytes()))
    }

    /// What a connection is allowed. Planted: [`Flaw::EverybodyMay`].
    pub(crate) fn rights_of(&self, person: usize) -> Rights {
        match self.options.flaw {
            Flaw::EverybodyMay => Rights::ALL,
            _ => self.people[person].rights,
        }
    }

    /// What a room is opened with. Planted: [`Flaw::DrainCutShort`].
    pub(crate) fn room_options(&self) -> RoomOptions {
        let mut options = self.room_options.clone();
        // With each start the wall clock shows something else, by days: it decides nothing.
        let mut clock = Random::from_seed(self.seed ^ self.started.0.as_micros() as u64);
        options.unix_at_zero_ms = 1_800_000_000_000 + clock.below(20 * 24 * 60 * 60 * 1000);
        if self.options.flaw == Flaw::DrainCutShort {
            options.timings.drain = std::time::Duration::from_millis(1);
        }
        options
    }
}

/// A merge of all but the newest edit, after which the park is gone.
fn without_last(room: &Room, merge: Record) -> VecDeque<Record> {
    let parts = |merge: &Record| {
        let Record::ParkDecided {
            id,
            by: Some(by),
            decision: Decision::Merge,
            at_ms,
        } = *merge
        else {
            return None;
        };
        let park = room
            .state()
            .parks()
            .find(|park| park.id == id && park.is_open())?;
        let (_, merged) = park.updates.split_last()?;
        let updates = merged.iter().map(|update| Record::Update {
            session: by,
            update: update.clone(),
            at_ms: None,
            placing: Placing::ByAuthor,
        });
        let decided = |by, decision, at_ms| Record::ParkDecided {
            id,
            by,
            decision,
            at_ms,
        };
        let over = at_ms.saturating_add(RECOVERABLE.as_millis() as u64);
        let gone = [
            decided(Some(by), Decision::Discard, at_ms),
            decided(None, Decision::Purge, over),
        ];
        Some(updates.chain(gone).collect())
    };
    parts(&merge).unwrap_or_else(|| VecDeque::from([merge]))
}
