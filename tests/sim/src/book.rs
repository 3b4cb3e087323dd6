//! Who is here, who waits and who holds the lock, told from the records alone: the harness's own fold beside the room's.
//!
//! Owns that fold and the time since which the lock is as it is. Judges nothing.

use baton_presence::{Change, Event, Fence, Fold, FoldSettings, LockState, SessionId, Time};
use baton_room::Record;
use bytes::Bytes;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    pub(crate) fold: Fold,
    /// Since when the lock is in its state; as the server counts, a start begins it anew.
    pub(crate) since: Time,
}

impl Book {
    pub(crate) fn new(settings: FoldSettings) -> Self {
        Self {
            fold: Fold::new(settings),
            since: Time::ZERO,
        }
    }

    /// Reads a log from its first record.
    pub(crate) fn read(settings: FoldSettings, log: &[(u64, Bytes)], now: Time) -> Self {
        let mut book = Self::new(settings);
        for (position, bytes) in log {
            if let Ok(record) = Record::decode(bytes) {
                book.apply(*position, &record, now);
            }
        }
        book.since = now;
        book
    }

    /// What follows from a record.
    pub(crate) fn apply(&mut self, position: u64, record: &Record, now: Time) -> Vec<Change> {
        let mut changes = Vec::new();
        let before = self.lock();
        if let Some(event) = event(position, record) {
            self.fold.apply(position, &event, &mut changes);
        }
        if self.lock() != before {
            self.since = now;
        }
        changes
    }

    pub(crate) const fn lock(&self) -> LockState {
        self.fold.lock().state()
    }
}

/// Who has the lock, or is offered it.
pub(crate) const fn party(state: LockState) -> Option<(SessionId, Fence)> {
    match state {
        LockState::Free => None,
        LockState::Offered { to, fence } => Some((to, fence)),
        LockState::Held { by, fence }
        | LockState::Suspect { by, fence }
        | LockState::Recovering { by, fence } => Some((by, fence)),
    }
}

/// What a record says of presence.
fn event(position: u64, record: &Record) -> Option<Event> {
    match record {
        Record::Joined {
            voice, standing, ..
        } => Some(Event::Joined {
            session: SessionId(position),
            voice: *voice,
            standing: *standing,
        }),
        Record::Resumed { session, fence, .. } => Some(Event::Resumed {
            session: *session,
            fence: *fence,
        }),
        Record::Presence(event) => Some(*event),
        Record::Renamed { .. } | Record::Update { .. } | Record::Epoch(_) => None,
    }
}
