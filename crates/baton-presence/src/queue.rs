//! Owns the order of those who wait: one ticket a session, with what it asks for, oldest first.
//!
//! It never judges who is live; those who are not are skipped by the fold, and stay.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use crate::places::{Conflicts, Hint, Places};
use crate::{Scope, SessionId, Ticket};

/// Tickets in order. A session's own ticket is kept with its peer, so that finding it costs no walk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Queue {
    waiting: BTreeMap<Ticket, (SessionId, Scope)>,
    by_place: Places<Ticket>,
    /// Those that may be served: something changed where they wait, and nobody has looked since. Nobody else can be, so
    /// that serving one of five hundred does not mean looking at all of them.
    unsure: Hint<BTreeSet<Ticket>>,
}

impl Queue {
    pub(crate) fn insert(&mut self, ticket: Ticket, session: SessionId, scope: Scope) {
        self.by_place.insert(&scope, ticket);
        self.unsure.insert(ticket);
        self.waiting.insert(ticket, (session, scope));
    }

    pub(crate) fn remove(&mut self, ticket: Ticket) {
        if let Some((_, scope)) = self.waiting.remove(&ticket) {
            self.by_place.remove(&scope, ticket);
            self.unsure.remove(&ticket);
            self.reconsider(&scope);
        }
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (SessionId, &Scope)> + '_ {
        self.waiting
            .values()
            .map(|(session, scope)| (*session, scope))
    }

    /// The tickets in conflict with `scope`, oldest first.
    pub(crate) fn in_conflict(&self, scope: &Scope) -> InConflict<'_> {
        match self.by_place.in_conflict(scope) {
            Conflicts::All => InConflict::All(self.waiting.iter()),
            Conflicts::These(tickets) => InConflict::These(self, tickets.into_iter()),
        }
    }

    pub(crate) fn get(&self, ticket: Ticket) -> Option<(SessionId, &Scope)> {
        let (session, scope) = self.waiting.get(&ticket)?;
        Some((*session, scope))
    }

    /// Something changed there: who waits for it may be served now.
    pub(crate) fn reconsider(&mut self, scope: &Scope) {
        match self.by_place.in_conflict(scope) {
            Conflicts::All => self.unsure.extend(self.waiting.keys()),
            Conflicts::These(tickets) => self.unsure.extend(tickets),
        }
    }

    /// The oldest of those that may be served.
    pub(crate) fn first_unsure(&self) -> Option<Ticket> {
        self.unsure.first().copied()
    }

    /// This one cannot be served, before something changes where it waits.
    pub(crate) fn cannot_be_served(&mut self, ticket: Ticket) {
        self.unsure.remove(&ticket);
    }

    /// Nor can any of those behind it.
    pub(crate) fn nobody_behind_can_be_served(&mut self, ticket: Ticket) {
        let _cannot = self.unsure.split_off(&ticket);
    }

    /// How many wait before this ticket.
    pub(crate) fn ahead_of(&self, ticket: Ticket) -> usize {
        self.waiting.range(..ticket).count()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

/// Tickets in conflict with a scope, oldest first.
pub(crate) enum InConflict<'a> {
    All(btree_map::Iter<'a, Ticket, (SessionId, Scope)>),
    These(&'a Queue, std::vec::IntoIter<Ticket>),
}

impl<'a> Iterator for InConflict<'a> {
    type Item = (Ticket, SessionId, &'a Scope);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::All(all) => {
                let (ticket, (session, scope)) = all.next()?;
                Some((*ticket, *session, scope))
            }
            Self::These(queue, tickets) => tickets.find_map(|ticket| {
                let (session, scope) = queue.get(ticket)?;
                Some((ticket, session, scope))
            }),
        }
    }
}
