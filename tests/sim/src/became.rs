//! What became of a record: of an edit, of a decision about a park, of the locks.
//!
//! Owns how that is told from the document and the parks before and after, and the notes of it. Judges nothing.

use std::collections::BTreeSet;

use baton_presence::{Change, DrainReason, Event, LossReason};
use baton_room::{Decision, Park, Record, Room};
use baton_sync::replica_index::Judgement;
use baton_sync::scan::scan;

use crate::book::Locks;
use crate::content::Contents;
use crate::seen::UpdateFate;
use crate::world::World;

impl World {
    /// What stood in the document before a record that may change it, where that is anybody's business.
    pub(crate) fn stood(
        &mut self,
        room: &Room,
        record: &Record,
        locks: &Locks,
    ) -> Option<Contents> {
        if !matches!(record, Record::Update { .. } | Record::ParkDecided { .. }) {
            return None;
        }
        let stood = self.contents.take();
        if locks.is_open() {
            return None;
        }
        Some(stood.unwrap_or_else(|| Contents::stored(room.state().document())))
    }

    /// The root types in which the record changed what stands there; of an update that was parked: in which it would.
    pub(crate) fn touched(
        &mut self,
        room: &Room,
        record: &Record,
        stood: Option<Contents>,
        fate: Option<UpdateFate>,
    ) -> BTreeSet<String> {
        let Some(stood) = stood else {
            return BTreeSet::new();
        };
        match fate {
            Some(UpdateFate::Nothing) => {
                self.contents = Some(stood);
                BTreeSet::new()
            }
            Some(UpdateFate::Parked) => {
                self.contents = Some(stood);
                would_touch(room, record)
            }
            Some(UpdateFate::Applied) | None => {
                let stands = Contents::stored(room.state().document());
                let touched = stands.differs(&stood);
                self.contents = Some(stands);
                touched
            }
        }
    }

    /// A simulation in which something never happens proves nothing about it.
    pub(crate) fn note_changes(&mut self, record: &Record, changes: &[Change], decided: bool) {
        if let Record::ParkDecided { decision, id, .. } = record
            && decided
        {
            let what = match decision {
                Decision::Merge | Decision::OldMerge => "park merged",
                Decision::Discard => "park discarded",
                Decision::Recover => "park recovered",
                Decision::Purge => "park purged",
            };
            self.note(what, 0, *id);
        }
        let offered_again = matches!(record, Record::Presence(Event::PauseOver { .. }));
        for change in changes {
            let (what, fence) = match change {
                Change::Offered { fence, .. } if offered_again => ("offered again", fence),
                Change::Draining { why, fence, .. } => (drain(*why), fence),
                Change::LockLost { why, fence, .. } => (loss(*why), fence),
                Change::Mode(_) => {
                    self.note("mode set", 0, 0);
                    continue;
                }
                _ => continue,
            };
            self.note(what, 0, fence.position);
        }
    }

    pub(crate) fn note_fate(&mut self, fate: Option<UpdateFate>, position: u64) {
        match fate {
            Some(UpdateFate::Applied) => self.note("applied", 0, position),
            Some(UpdateFate::Parked) => self.note("set aside", 0, position),
            Some(UpdateFate::Nothing) | None => {}
        }
    }
}

/// What became of an update that the document had before, or had not.
pub(crate) fn fate(room: &Room, record: &Record, was_known: bool) -> UpdateFate {
    if was_known {
        UpdateFate::Nothing
    } else if known(room, record) == Some(true) {
        UpdateFate::Applied
    } else if parked_in(room, record).is_some() {
        UpdateFate::Parked
    } else {
        UpdateFate::Nothing
    }
}

/// The park that a decision is about.
pub(crate) fn to_decide<'a>(room: &'a Room, record: &Record) -> Option<&'a Park> {
    let Record::ParkDecided { id, .. } = record else {
        return None;
    };
    room.state().parks().find(|park| park.id == *id)
}

/// Of an update: the park that it went to, as its newest.
fn parked_in<'a>(room: &'a Room, record: &Record) -> Option<&'a Park> {
    let Record::Update { update, .. } = record else {
        return None;
    };
    room.state()
        .parks()
        .find(|park| park.updates.last() == Some(update))
}

/// Of an update that was parked: the root types that it would touch, with those of the park that it builds on.
fn would_touch(room: &Room, record: &Record) -> BTreeSet<String> {
    let Record::Update { update, .. } = record else {
        return BTreeSet::new();
    };
    let state = room.state().document().state();
    match scan(update) {
        Ok(scanned) if state.judge(&scanned) == Judgement::Fits => state.touched_roots(&scanned),
        _ => parked_in(room, record)
            .map(|park| park.roots.clone())
            .unwrap_or_default(),
    }
}

const fn drain(why: DrainReason) -> &'static str {
    match why {
        DrainReason::Transfer => "drain: transfer",
        DrainReason::TakenOver => "drain: take-over",
        DrainReason::Moved => "drain: moved",
        DrainReason::Requested => "drain: request",
        DrainReason::Idle => "drain: idle",
        DrainReason::Revoked => "drain: revoked",
    }
}

const fn loss(why: LossReason) -> &'static str {
    match why {
        LossReason::Silent => "loss: silent",
        LossReason::GraceOver => "loss: grace",
        LossReason::RecoveryOver => "loss: recovery",
        LossReason::OtherFence => "loss: other fence",
        LossReason::DrainOver => "loss: drain over",
        LossReason::TakenOver => "loss: taken over",
        LossReason::Revoked => "loss: revoked",
    }
}

/// Of an update: whether the document has all of it.
pub(crate) fn known(room: &Room, record: &Record) -> Option<bool> {
    let Record::Update { update, .. } = record else {
        return None;
    };
    let scanned = scan(update).ok()?;
    Some(room.state().document().state().judge(&scanned) == Judgement::Known)
}
