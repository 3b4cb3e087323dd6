//! Owns the order of those who wait for the lock: one ticket a session, served oldest first.
//!
//! It never judges who is live; those who are not are skipped by the fold, and stay.

use std::collections::BTreeMap;

use crate::{SessionId, Ticket};

/// Tickets in order. A session's own ticket is kept with its peer, so that finding it costs no walk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Queue {
    waiting: BTreeMap<Ticket, SessionId>,
}

impl Queue {
    pub(crate) fn insert(&mut self, ticket: Ticket, session: SessionId) {
        self.waiting.insert(ticket, session);
    }

    pub(crate) fn remove(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (Ticket, SessionId)> + '_ {
        self.waiting
            .iter()
            .map(|(ticket, session)| (*ticket, *session))
    }

    /// How many wait before this ticket.
    pub(crate) fn ahead_of(&self, ticket: Ticket) -> usize {
        self.waiting.range(..ticket).count()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}
