//! Owns the order of those who wait: one ticket a session, with what it asks for, oldest first.
//!
//! It never judges who is live; those who are not are skipped by the fold, and stay.

use std::collections::BTreeMap;

use crate::{Scope, SessionId, Ticket};

/// Tickets in order. A session's own ticket is kept with its peer, so that finding it costs no walk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Queue {
    waiting: BTreeMap<Ticket, (SessionId, Scope)>,
}

impl Queue {
    pub(crate) fn insert(&mut self, ticket: Ticket, session: SessionId, scope: Scope) {
        self.waiting.insert(ticket, (session, scope));
    }

    pub(crate) fn remove(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (SessionId, &Scope)> + '_ {
        self.waiting
            .values()
            .map(|(session, scope)| (*session, scope))
    }

    /// How many wait before this ticket.
    pub(crate) fn ahead_of(&self, ticket: Ticket) -> usize {
        self.waiting.range(..ticket).count()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}
