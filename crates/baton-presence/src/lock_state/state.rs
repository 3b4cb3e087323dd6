//! The plain state behind the lock rules: roster, queue and grants, kept consistent with each
//! other.
//!
//! The state decides nothing. The rules in the sibling modules are functions over it; they read its
//! tables, and change them only through the methods here.

use std::collections::BTreeSet;

use super::grant_table::GrantTable;
use super::roster::Roster;
use super::waiters::Waiters;
use crate::peer::MissedOffer;
use crate::{
    AutoPass, Fence, Grant, GrantState, Lateness, LockSnapshot, Mode, Peer, Presence, Rights,
    Scope, SessionId, SuccessionKind, Ticket,
};

/// Settings of a document that has no snapshot yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LockSettings {
    /// Epoch of the document; part of every fence. A document restored from a backup gets a larger
    /// one.
    pub epoch: u32,
    /// Auto-pass, until a record changes it.
    pub auto_pass: AutoPass,
    /// Meaning of a lock for writing, until a record changes it.
    pub mode: Mode,
}

/// Roster, queue and grants of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    settings: LockSettings,
    position: Option<u64>,
    last_fence: Option<Fence>,
    roster: Roster,
    /// A session's ticket stands here and in its peer; both change together.
    waiters: Waiters,
    grants: GrantTable,
}

impl State {
    pub(crate) fn new(settings: LockSettings) -> Self {
        Self {
            settings,
            position: None,
            last_fence: None,
            roster: Roster::default(),
            waiters: Waiters::default(),
            grants: GrantTable::default(),
        }
    }

    /// Builds the state of a snapshot that was checked.
    pub(crate) fn restore(snapshot: &LockSnapshot) -> Self {
        let mut state = Self::new(LockSettings {
            epoch: snapshot.epoch,
            auto_pass: snapshot.auto_pass,
            mode: snapshot.mode,
        });
        state.position = snapshot.position;
        state.last_fence = snapshot.last_fence;
        for grant in &snapshot.grants {
            state.grants.insert(grant.clone());
        }
        for peer in &snapshot.peers {
            if let (Some(ticket), Some(wants)) = (peer.ticket, &peer.wants) {
                state.waiters.insert(ticket, peer.session, wants.clone());
            }
            state.roster.insert(peer.clone());
        }
        state
    }

    pub(crate) fn snapshot(&self) -> LockSnapshot {
        LockSnapshot {
            epoch: self.settings.epoch,
            auto_pass: self.settings.auto_pass,
            mode: self.settings.mode,
            position: self.position,
            peers: self.roster.iter().cloned().collect(),
            grants: self.grants.iter().cloned().collect(),
            last_fence: self.last_fence,
        }
    }

    // The tables, to be read.

    pub(crate) const fn settings(&self) -> &LockSettings {
        &self.settings
    }

    pub(crate) const fn position(&self) -> Option<u64> {
        self.position
    }

    pub(crate) const fn last_fence(&self) -> Option<Fence> {
        self.last_fence
    }

    pub(crate) const fn roster(&self) -> &Roster {
        &self.roster
    }

    pub(crate) const fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    pub(crate) const fn grants(&self) -> &GrantTable {
        &self.grants
    }

    pub(crate) fn peer(&self, session: SessionId) -> Option<&Peer> {
        self.roster.get(session)
    }

    pub(crate) fn is_live(&self, session: SessionId) -> bool {
        self.peer(session)
            .is_some_and(|peer| peer.presence == Presence::Live)
    }

    /// Returns the scope that the session's ticket asks for.
    pub(crate) fn wants(&self, session: SessionId) -> Option<&Scope> {
        self.peer(session)?.wants.as_ref()
    }

    /// Returns true if this is an open offer to the session.
    pub(crate) fn is_offered(&self, session: SessionId, fence: Fence) -> bool {
        self.grants
            .of(session, fence)
            .is_some_and(|grant| grant.state == GrantState::Offered)
    }

    /// Returns what the session holds or is offered that makes a request for `scope` needless.
    pub(crate) fn covering(&self, session: SessionId, scope: &Scope) -> Option<&Grant> {
        self.grants
            .with(session)
            .find(|grant| grant.scope.covers(scope))
    }

    // The document.

    /// Moves on to the record at `position`.
    ///
    /// # Errors
    /// The last position, if `position` is not larger; nothing was changed.
    pub(crate) fn advance(&mut self, position: u64) -> Result<(), u64> {
        match self.position {
            Some(last) if position <= last => Err(last),
            _ => {
                self.position = Some(position);
                Ok(())
            }
        }
    }

    pub(crate) fn set_auto_pass(&mut self, auto_pass: AutoPass) {
        self.settings.auto_pass = auto_pass;
    }

    pub(crate) fn set_mode(&mut self, mode: Mode) {
        self.settings.mode = mode;
    }

    /// Position of the record that is being applied.
    fn here(&self) -> u64 {
        self.position.unwrap_or_default()
    }

    // The roster.

    pub(crate) fn add_peer(&mut self, peer: Peer) {
        self.roster.insert(peer);
    }

    /// Removes a peer that has no ticket any more.
    pub(crate) fn remove_peer(&mut self, session: SessionId) -> Option<Peer> {
        self.roster.remove(session)
    }

    pub(crate) fn set_presence(&mut self, session: SessionId, presence: Presence) {
        self.roster.set_presence(session, presence);
    }

    pub(crate) fn set_rights(&mut self, session: SessionId, rights: Rights) {
        self.roster.set_rights(session, rights);
    }

    /// Forgives all missed offers of a session that acted.
    pub(crate) fn acted(&mut self, session: SessionId) {
        self.roster.acted(session);
    }

    /// Counts a missed offer against the session.
    pub(crate) fn pass_over(&mut self, session: SessionId, missed: MissedOffer) {
        self.roster.pass_over(session, missed);
    }

    /// Forgives the offers that the session missed up to this one.
    pub(crate) fn forgive_up_to(&mut self, session: SessionId, fence: Fence) {
        self.roster.forgive_up_to(session, fence);
    }

    /// Forgives the session this one missed offer.
    pub(crate) fn forgive_one(&mut self, session: SessionId, fence: Fence) {
        self.roster.forgive_one(session, fence);
    }

    // The queue.

    /// Gives the session a ticket of the present record.
    pub(crate) fn add_ticket(&mut self, session: SessionId, scope: Scope) {
        let ticket = Ticket(self.here());
        if self.peer(session).is_some() {
            self.roster
                .set_ticket(session, Some((ticket, scope.clone())));
            self.waiters.insert(ticket, session, scope);
        }
    }

    /// Takes the session's ticket away. Returns the scope that it asked for.
    pub(crate) fn remove_ticket(&mut self, session: SessionId) -> Option<Scope> {
        let peer = self.peer(session)?;
        let (ticket, wanted) = (peer.ticket?, peer.wants.clone());
        self.roster.set_ticket(session, None);
        self.waiters.remove(ticket);
        wanted
    }

    /// Moves the session's ticket behind all others.
    pub(crate) fn move_ticket_back(&mut self, session: SessionId) {
        if let Some(wants) = self.remove_ticket(session) {
            self.add_ticket(session, wants);
        }
    }

    // The grants.

    /// Offers `scope` to a session. Its fence is the position of the present record, and so larger
    /// than all fences before (S2).
    pub(crate) fn add_offer(
        &mut self,
        to: SessionId,
        scope: Scope,
        succession: SuccessionKind,
    ) -> Fence {
        let fence = Fence {
            epoch: self.settings.epoch,
            position: self.here(),
        };
        self.last_fence = Some(fence);
        self.grants.insert(Grant {
            scope,
            party: to,
            fence,
            state: GrantState::Offered,
            lateness: Lateness::InTime,
            succession,
            requested_by: None,
            successor_wants: None,
        });
        fence
    }

    /// Lets the party hold the lock, which begins a new round of offers. Returns party and scope.
    pub(crate) fn set_held(&mut self, fence: Fence) -> Option<(SessionId, Scope)> {
        let (party, scope) = self.grants.change(fence, |grant| {
            grant.enter(GrantState::Held);
            (grant.party, grant.scope.clone())
        })?;
        self.roster.acted(party);
        self.roster.saw_fence(party, fence);
        self.roster.new_round(fence, &scope);
        Some((party, scope))
    }

    /// Changes a grant. `change` must leave its scope, party and fence alone: they are indexed.
    pub(crate) fn change_grant(&mut self, fence: Fence, change: impl FnOnce(&mut Grant)) {
        self.grants.change(fence, change);
    }

    pub(crate) fn remove_grant(&mut self, fence: Fence) -> Option<Grant> {
        self.grants.remove(fence)
    }

    pub(crate) fn set_requested_by(&mut self, fence: Fence, session: Option<SessionId>) {
        self.grants.set_requested_by(fence, session);
    }

    // The hints of the searches.

    /// Takes the sessions that changed, and touches their grants.
    pub(crate) fn take_touched_sessions(&mut self) -> BTreeSet<SessionId> {
        let touched = self.roster.take_touched();
        for session in &touched {
            self.grants.touch_with(*session);
        }
        touched
    }

    /// Takes the scopes whose grants changed.
    pub(crate) fn take_touched_scopes(&mut self) -> Vec<Scope> {
        self.grants.take_touched()
    }

    /// Notes that a grant is in time until it, or its party, changes.
    pub(crate) fn is_in_time(&mut self, fence: Fence) {
        self.grants.is_in_time(fence);
    }

    /// Makes candidates of the waiters in conflict with `scope`.
    pub(crate) fn reconsider(&mut self, scope: &Scope) {
        self.waiters.reconsider(scope);
    }

    /// Takes a ticket out of the candidates until something changes in its scope.
    pub(crate) fn rule_out(&mut self, ticket: Ticket) {
        self.waiters.rule_out(ticket);
    }

    /// Takes a ticket and all later ones out of the candidates.
    pub(crate) fn rule_out_from(&mut self, ticket: Ticket) {
        self.waiters.rule_out_from(ticket);
    }
}
