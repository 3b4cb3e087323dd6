//! The locks that the program wants and does not hold: one ticket in the queue, and take-overs.
//!
//! Owns what was asked for, from the asking on, without waiting for the server's answer.

use std::collections::BTreeMap;

use crate::scope::LockScope;

/// Most take-overs remembered while their offers have not come; the oldest are forgotten.
const MAX_TAKE_OVERS: usize = 16;

/// The ticket and the take-overs of this session.
#[derive(Debug, Default)]
pub(super) struct WantedLocks {
    /// The scope of this session's ticket: asked for, neither granted nor given up.
    ticket: Option<LockScope>,
    /// Scopes that were withdrawn or replaced by the operation with this nonce, as long as that is
    /// not answered: the server may still offer them.
    superseded: BTreeMap<u64, Vec<LockScope>>,
    /// Scopes that are being taken from other sessions: their offers are wanted beside the ticket.
    take_overs: Vec<LockScope>,
}

impl WantedLocks {
    pub(super) const fn ticket(&self) -> Option<&LockScope> {
        self.ticket.as_ref()
    }

    /// Returns true if this session wants an offer of this scope. An offer that it does not want
    /// answers a request that was replaced or withdrawn, or would make it hold one lock while it
    /// waits for another.
    pub(super) fn wants(&self, offered: &LockScope) -> bool {
        let for_ticket = match &self.ticket {
            Some(ticket) => offered.covers(ticket),
            None => !self.superseded.values().flatten().any(|old| old == offered),
        };
        for_ticket || self.take_overs.iter().any(|taken| offered.covers(taken))
    }

    /// Replaces the ticket by one for this scope.
    pub(super) fn ask(&mut self, nonce: u64, scope: &LockScope) {
        let before = self.ticket.replace(scope.clone());
        if let Some(before) = before.filter(|before| before != scope) {
            self.superseded.insert(nonce, vec![before]);
        }
    }

    /// Withdraws the ticket and all take-overs. Returns their scopes.
    pub(super) fn withdraw(&mut self, nonce: u64) -> Vec<LockScope> {
        let mut withdrawn = std::mem::take(&mut self.take_overs);
        withdrawn.extend(self.ticket.take());
        self.superseded.insert(nonce, withdrawn.clone());
        withdrawn
    }

    /// Notes that the server answered the operation with this nonce: its later offers know of it.
    pub(super) fn answered(&mut self, nonce: u64) {
        self.superseded.remove(&nonce);
    }

    /// Drops the ticket if it is for this scope. Returns true if it was.
    pub(super) fn refuse(&mut self, scope: &LockScope) -> bool {
        self.ticket.take_if(|ticket| ticket == scope).is_some()
    }

    /// Adopts the ticket that the server's queue shows.
    pub(super) fn adopt_ticket(&mut self, scope: LockScope) {
        self.ticket = Some(scope);
    }

    /// Drops the ticket if the declined offer would have answered it.
    pub(super) fn decline(&mut self, offered: &LockScope) {
        self.ticket.take_if(|ticket| offered.covers(ticket));
    }

    /// Drops the ticket, which a grant has used up whatever it was for: a session that holds a lock
    /// waits for none.
    pub(super) fn ticket_used(&mut self) {
        self.ticket = None;
    }

    pub(super) fn take_over(&mut self, scope: &LockScope) {
        self.forget_take_over(scope);
        self.take_overs.push(scope.clone());
        if self.take_overs.len() > MAX_TAKE_OVERS {
            self.take_overs.remove(0);
        }
    }

    pub(super) fn forget_take_over(&mut self, scope: &LockScope) {
        self.take_overs.retain(|taken| taken != scope);
    }

    /// Forgets everything that this session wants.
    pub(super) fn forget_all(&mut self) {
        self.ticket = None;
        self.take_overs.clear();
    }

    /// Forgets the take-overs of an earlier session.
    pub(super) fn session_started(&mut self) {
        self.take_overs.clear();
    }

    pub(super) fn connection_over(&mut self) {
        self.superseded.clear();
    }

    /// Drops everything that this session holds by now.
    pub(super) fn drop_held(&mut self, held: impl Fn(&LockScope) -> bool) {
        self.ticket.take_if(|ticket| held(ticket));
        self.take_overs.retain(|scope| !held(scope));
    }
}
