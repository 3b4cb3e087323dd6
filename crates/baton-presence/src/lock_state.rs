//! The deterministic half of presence: records in, state and changes out.
//!
//! [`LockState`] knows no time: silence and lateness arrive as records. The same records give the
//! same state and the same changes on every replay, so it looks at nothing else.
//!
//! The rules are functions over one private [`State`]: `membership`, `lock_requests`,
//! `handover_requests`, `handoff` and `revocation` apply events; `succession` passes locks on;
//! `turns` finds the next waiter.

mod answers;
mod dispatch;
mod grant_table;
mod handoff;
mod handover_requests;
mod hint;
mod lock_requests;
mod membership;
mod revocation;
mod roster;
mod scope_index;
mod state;
mod step;
mod succession;
mod tickets;
mod turns;
mod waiters;

use dispatch::dispatch;
pub use state::LockSettings;
use state::State;
use step::Step;

use crate::{
    AutoPass, Change, Event, Fence, Grant, LockSnapshot, LockSnapshotError, Mode, Peer, Scope,
    SessionId, WriteRight,
};

/// Roster, queue and locks of one document, as the records so far made them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockState {
    state: State,
}

impl LockState {
    /// Creates the state of an empty document.
    #[must_use]
    pub fn new(settings: LockSettings) -> Self {
        Self {
            state: State::new(settings),
        }
    }

    /// Restores the state from a snapshot.
    ///
    /// # Errors
    /// The parts of the snapshot contradict each other: it was damaged, or made by hand.
    pub fn restore(snapshot: &LockSnapshot) -> Result<Self, LockSnapshotError> {
        snapshot.check()?;
        Ok(Self {
            state: State::restore(snapshot),
        })
    }

    /// Returns the whole state as plain data.
    #[must_use]
    pub fn snapshot(&self) -> LockSnapshot {
        self.state.snapshot()
    }

    /// Applies the record at `position` and appends its consequences to `changes`.
    ///
    /// Positions must grow from record to record, and may have gaps. A record at or below the last
    /// position is ignored, with [`Change::OutOfOrder`]: a log replayed over a snapshot may repeat
    /// records that the snapshot contains. One record makes at most one offer, so that its position
    /// names the offer; if more could be made, the last change is [`Change::Unsettled`].
    pub fn apply(&mut self, position: u64, event: &Event, changes: &mut Vec<Change>) {
        if let Err(last) = self.state.advance(position) {
            changes.push(Change::OutOfOrder { position, last });
            return;
        }
        let mut step = Step::new(changes);
        dispatch(&mut self.state, event, &mut step);
        let settled = succession::settle(&mut self.state, &mut step);
        step.close(settled);
    }

    /// Iterates over the locks that are offered, held or draining, oldest first. No two conflict.
    pub fn grants(&self) -> impl DoubleEndedIterator<Item = &Grant> + '_ {
        self.state.grants().iter()
    }

    /// Returns the number of [`LockState::grants`].
    #[must_use]
    pub fn lock_count(&self) -> usize {
        self.state.grants().len()
    }

    /// Returns the lock of this fence.
    #[must_use]
    pub fn grant(&self, fence: Fence) -> Option<&Grant> {
        self.state.grants().get(fence)
    }

    /// Iterates over the locks that this session holds and may write under now.
    pub fn held_by(&self, session: SessionId) -> impl Iterator<Item = &Grant> + '_ {
        let grants = self.state.grants().with(session);
        grants.filter(|grant| grant.may_write())
    }

    /// Judges if this session may change these roots of the document now, by the present
    /// [`Mode`].
    ///
    /// A write is refused whole if one of its roots is refused. A write that touches no root is
    /// allowed. Locks of deeper paths exclude the sessions that hold nothing in the root; among
    /// sessions that do they are advisory.
    #[must_use]
    pub fn may_write<'a>(
        &self,
        session: SessionId,
        roots: impl IntoIterator<Item = &'a str>,
    ) -> WriteRight {
        if !self.can_write(session) {
            return WriteRight::ReadOnly;
        }
        self.state.grants().may_write(session, roots, self.mode())
    }

    /// Returns false for a session without the right to write. A session that is not in the roster
    /// has no rights to look at, and is not refused here.
    #[must_use]
    pub fn can_write(&self, session: SessionId) -> bool {
        self.peer(session).is_none_or(Peer::can_write)
    }

    /// Iterates over the waiters and their scopes in the order of their tickets. A waiter that is
    /// being offered the lock is still among them.
    pub fn waiters(&self) -> impl DoubleEndedIterator<Item = (SessionId, &Scope)> + '_ {
        self.state.waiters().iter()
    }

    /// Returns the number of waiters before this session, whatever they wait for; `None` if the
    /// session does not wait.
    #[must_use]
    pub fn queue_position(&self, session: SessionId) -> Option<usize> {
        let ticket = self.peer(session)?.ticket?;
        Some(self.state.waiters().ahead_of(ticket))
    }

    /// Iterates over the roster, ascending by session.
    pub fn peers(&self) -> impl DoubleEndedIterator<Item = &Peer> + '_ {
        self.state.roster().iter()
    }

    /// Returns one peer of the roster.
    #[must_use]
    pub fn peer(&self, session: SessionId) -> Option<&Peer> {
        self.state.peer(session)
    }

    /// Returns the present auto-pass setting.
    #[must_use]
    pub const fn auto_pass(&self) -> AutoPass {
        self.state.settings().auto_pass
    }

    /// Returns the present meaning of a lock for writing.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.state.settings().mode
    }

    /// Returns the newest fence that was ever offered; every later one is larger.
    #[must_use]
    pub const fn last_fence(&self) -> Option<Fence> {
        self.state.last_fence()
    }

    /// Returns the epoch of the document.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.state.settings().epoch
    }

    /// Returns the position of the last record that was applied.
    #[must_use]
    pub const fn position(&self) -> Option<u64> {
        self.state.position()
    }

    /// Returns the number of sessions in the roster, with or without a connection.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state.roster().len()
    }

    /// Returns true if the roster is empty: then nothing is locked and no session waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of waiters.
    #[must_use]
    pub fn waiter_count(&self) -> usize {
        self.state.waiters().len()
    }

    /// Returns the session that would be offered something in place of this lock if its party went
    /// offline now.
    #[must_use]
    pub fn next_in_line(&self, fence: Fence) -> Option<SessionId> {
        succession::next_in_line(&self.state, fence)
    }

    /// Returns true if a live session waits for this lock. Then a request or an idle holder makes
    /// it drain.
    #[must_use]
    pub fn is_waited_for(&self, fence: Fence) -> bool {
        turns::is_waited_for(&self.state, fence)
    }

    /// Returns the newest offer that this waiter missed, if only its pause keeps it from another.
    pub(crate) fn pauses_since(&self, session: SessionId) -> Option<Fence> {
        turns::pauses_since(&self.state, session)
    }

    /// Returns true if nothing is in the way of what this session waits for, so that all other
    /// waiters for it have had their turn.
    pub(crate) fn others_had_their_turn(&self, session: SessionId) -> bool {
        turns::others_had_their_turn(&self.state, session)
    }
}
