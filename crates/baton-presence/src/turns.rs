//! Owns whose turn it is among those who wait: who may be served, who is behind whom, and who is in a
//! pause.
//!
//! It changes nothing but hints; what follows is `passing.rs`.

use std::collections::BTreeSet;

use crate::{Fence, Fold, Scope, SessionId, Ticket};

impl Fold {
    /// The oldest live ticket with nothing in its way: no grant, but such as are overdue; no older
    /// live ticket; nobody who is to get something in conflict with it; no pause, unless somebody who
    /// came later could be served instead.
    pub(crate) fn next_by_ticket(&mut self) -> Option<(SessionId, Scope)> {
        let mut next = None;
        while let Some(ticket) = self.queue.first_unsure() {
            let Some((session, scope)) = self.queue.get(ticket) else {
                self.queue.cannot_be_served(ticket);
                continue;
            };
            let waits = self.waits(session, scope);
            if waits
                && self.is_awake(ticket, session, scope)
                && !self.overtakes(ticket, scope)
                && self.way_is_free(scope, Some(session))
            {
                next = Some((session, scope.clone()));
                break;
            }
            if waits && scope.is_whole() {
                self.queue.nobody_behind_can_be_served(ticket);
            } else {
                self.queue.cannot_be_served(ticket);
            }
        }
        debug_assert_eq!(
            next.as_ref().map(|(session, scope)| (*session, scope)),
            self.next_of_all_tickets(),
            "who was not looked at cannot be served"
        );
        next
    }

    /// The same, looking at all.
    fn next_of_all_tickets(&self) -> Option<(SessionId, &Scope)> {
        let mut ahead: Vec<&Scope> = Vec::new();
        for (session, scope) in self.queue.iter() {
            let ticket = self.roster.get(session)?.ticket?;
            if !self.waits(session, scope) {
                continue;
            }
            let overtakes = ahead.iter().any(|older| older.conflicts(scope));
            if !overtakes
                && self.is_awake(ticket, session, scope)
                && self.way_is_free(scope, Some(session))
            {
                return Some((session, scope));
            }
            ahead.push(scope);
        }
        None
    }

    /// Returns true if a pause does not keep this waiter from an offer: it is in none, or a waiter who
    /// came later and is in none stands behind it. That may be by way of others in a pause: a waiter
    /// for `b` stands behind one for the whole document, and so behind one for `a`.
    fn is_awake(&self, ticket: Ticket, session: SessionId, scope: &Scope) -> bool {
        if self.can_take(session, scope) {
            return true;
        }
        let mut seen = BTreeSet::new();
        let mut open = vec![(ticket, scope)];
        while let Some((ticket, scope)) = open.pop() {
            let later = |(other, ..): &(Ticket, SessionId, &Scope)| *other > ticket;
            for (other, waiter, wants) in self.queue.in_conflict(scope).filter(later) {
                if self.can_take(waiter, wants) {
                    return true;
                }
                if self.waits(waiter, wants) && seen.insert(other) {
                    open.push((other, wants));
                }
            }
        }
        false
    }

    /// Something changed where a waiter wants this scope: the waiters there may be served now, and so
    /// may those in a pause who stand before them.
    pub(crate) fn reconsider(&mut self, scope: &Scope) {
        self.queue.reconsider(scope);
        let mut seen = BTreeSet::new();
        let mut open = vec![scope.clone()];
        while let Some(scope) = open.pop() {
            let paused: Vec<(Ticket, Scope)> = self
                .queue
                .in_conflict(&scope)
                .filter(|(_, session, _)| self.pauses_since(*session).is_some())
                .map(|(ticket, _, wants)| (ticket, wants.clone()))
                .collect();
            for (ticket, wants) in paused {
                if seen.insert(ticket) {
                    self.queue.reconsider(&wants);
                    open.push(wants);
                }
            }
        }
    }

    /// Whether this session waits for this and is live, be it in a pause.
    fn waits(&self, session: SessionId, scope: &Scope) -> bool {
        let peer = self.roster.get(session);
        peer.is_some_and(|peer| peer.can_take(scope) || peer.pauses_since().is_some())
    }

    /// The newest offer that this waiter missed, if only its pause keeps it from being offered again
    /// what it waits for.
    pub(crate) fn pauses_since(&self, session: SessionId) -> Option<Fence> {
        self.roster.get(session)?.pauses_since()
    }

    /// Whether nothing is in the way of what this session waits for. Then everybody else who waits for
    /// it has had a turn.
    pub(crate) fn others_had_their_turn(&self, session: SessionId) -> bool {
        self.wants(session)
            .is_some_and(|wants| self.way_is_free(wants, Some(session)))
    }

    pub(crate) fn can_take(&self, session: SessionId, scope: &Scope) -> bool {
        let peer = self.roster.get(session);
        peer.is_some_and(|peer| peer.can_take(scope))
    }

    /// Whether an older live ticket is in conflict with this scope.
    fn overtakes(&self, ticket: Ticket, scope: &Scope) -> bool {
        self.queue
            .in_conflict(scope)
            .take_while(|(older, ..)| *older < ticket)
            .any(|(_, session, wants)| self.waits(session, wants))
    }

    /// A live ticket in conflict with this scope, but one of `but`'s.
    pub(crate) fn waiter(&self, scope: &Scope, but: Option<SessionId>) -> Option<SessionId> {
        self.queue
            .in_conflict(scope)
            .find(|(_, session, wants)| Some(*session) != but && self.waits(*session, wants))
            .map(|(_, session, _)| session)
    }

    pub(crate) fn is_wanted(&self, scope: &Scope, but: Option<SessionId>) -> bool {
        self.waiter(scope, but).is_some()
    }

    /// Whether somebody live waits for this lock: then a request or an idle holder makes it drain.
    #[must_use]
    pub fn is_waited_for(&self, fence: Fence) -> bool {
        self.grants
            .get(fence)
            .is_some_and(|grant| self.is_wanted(&grant.scope, Some(grant.party)))
    }
}
