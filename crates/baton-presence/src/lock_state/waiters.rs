//! The queue: one ticket for each waiting session, oldest first.
//!
//! The queue does not judge who is live. Waiters that are not live stay, and the search skips them.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use super::hint::Hint;
use super::scope_index::{Conflicts, ScopeIndex};
use crate::{Scope, SessionId, Ticket};

/// All tickets in order, each with its session and the scope that it asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Waiters {
    by_ticket: BTreeMap<Ticket, (SessionId, Scope)>,
    by_scope: ScopeIndex<Ticket>,
    /// Tickets that may be served: something changed in their scope since they were looked at. No
    /// other ticket can be served, so serving one of five hundred does not look at all of them.
    candidates: Hint<BTreeSet<Ticket>>,
}

impl Waiters {
    pub(crate) fn insert(&mut self, ticket: Ticket, session: SessionId, scope: Scope) {
        self.by_scope.insert(&scope, ticket);
        self.candidates.insert(ticket);
        self.by_ticket.insert(ticket, (session, scope));
    }

    pub(crate) fn remove(&mut self, ticket: Ticket) {
        if let Some((_, scope)) = self.by_ticket.remove(&ticket) {
            self.by_scope.remove(&scope, ticket);
            self.candidates.remove(&ticket);
            self.reconsider(&scope);
        }
    }

    /// Iterates over the waiters, oldest ticket first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (SessionId, &Scope)> + '_ {
        self.by_ticket
            .values()
            .map(|(session, scope)| (*session, scope))
    }

    /// Iterates over the waiters whose scope conflicts with `scope`, oldest ticket first.
    pub(crate) fn in_conflict(&self, scope: &Scope) -> WaitersInConflict<'_> {
        match self.by_scope.in_conflict(scope) {
            Conflicts::All => WaitersInConflict::All(self.by_ticket.iter()),
            Conflicts::These(tickets) => WaitersInConflict::These(self, tickets.into_iter()),
        }
    }

    pub(crate) fn get(&self, ticket: Ticket) -> Option<(SessionId, &Scope)> {
        let (session, scope) = self.by_ticket.get(&ticket)?;
        Some((*session, scope))
    }

    /// Makes candidates of the waiters in conflict with `scope`, because something changed there.
    pub(crate) fn reconsider(&mut self, scope: &Scope) {
        match self.by_scope.in_conflict(scope) {
            Conflicts::All => self.candidates.extend(self.by_ticket.keys()),
            Conflicts::These(tickets) => self.candidates.extend(tickets),
        }
    }

    pub(crate) fn first_candidate(&self) -> Option<Ticket> {
        self.candidates.first().copied()
    }

    /// Takes a ticket out of the candidates until something changes in its scope.
    pub(crate) fn rule_out(&mut self, ticket: Ticket) {
        self.candidates.remove(&ticket);
    }

    /// Takes a ticket and all later ones out of the candidates.
    pub(crate) fn rule_out_from(&mut self, ticket: Ticket) {
        let _ruled_out = self.candidates.split_off(&ticket);
    }

    /// Counts the waiters before this ticket.
    pub(crate) fn ahead_of(&self, ticket: Ticket) -> usize {
        self.by_ticket.range(..ticket).count()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_ticket.len()
    }
}

/// Waiters in conflict with a scope, oldest ticket first.
pub(crate) enum WaitersInConflict<'a> {
    All(btree_map::Iter<'a, Ticket, (SessionId, Scope)>),
    These(&'a Waiters, std::vec::IntoIter<Ticket>),
}

impl<'a> Iterator for WaitersInConflict<'a> {
    type Item = (Ticket, SessionId, &'a Scope);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::All(all) => {
                let (ticket, (session, scope)) = all.next()?;
                Some((*ticket, *session, scope))
            }
            Self::These(waiters, tickets) => tickets.find_map(|ticket| {
                let (session, scope) = waiters.get(ticket)?;
                Some((ticket, session, scope))
            }),
        }
    }
}
