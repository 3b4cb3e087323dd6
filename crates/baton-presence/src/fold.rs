//! Owns the step from a record to a state: who is here, who waits, who holds what.
//!
//! It knows **no time**: that somebody was silent or late comes in as a record. The same records give
//! the same state and the same changes, everywhere and again; so it never looks at anything else. The
//! answers to what sessions ask for are in `asks.rs`, `requests.rs` and `draining.rs`, how locks move
//! is in `passing.rs`.

use crate::grants::Grants;
use crate::passing::Step;
use crate::queue::Queue;
use crate::roster::Roster;
use crate::{
    AutoPass, Change, Event, Fence, FoldSnapshot, Grant, Mode, Peer, Scope, SessionId,
    SnapshotError, WriteRight,
};

/// What a fold starts from when there is no snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FoldSettings {
    /// Which life of the document; part of every fence.
    pub epoch: u32,
    /// Whether locks pass on by themselves, until a record says otherwise.
    pub auto_pass: AutoPass,
    /// What a lock means for writing, until a record says otherwise.
    pub mode: Mode,
}

/// The deterministic half of presence: records in, state and changes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    pub(crate) epoch: u32,
    pub(crate) auto_pass: AutoPass,
    pub(crate) mode: Mode,
    pub(crate) position: Option<u64>,
    pub(crate) roster: Roster,
    pub(crate) queue: Queue,
    pub(crate) grants: Grants,
    pub(crate) last_fence: Option<Fence>,
}

impl Fold {
    /// An empty document.
    #[must_use]
    pub fn new(settings: FoldSettings) -> Self {
        Self {
            epoch: settings.epoch,
            auto_pass: settings.auto_pass,
            mode: settings.mode,
            position: None,
            roster: Roster::default(),
            queue: Queue::default(),
            grants: Grants::default(),
            last_fence: None,
        }
    }

    /// The state that a snapshot holds.
    ///
    /// # Errors
    /// The parts of the snapshot contradict each other: it was damaged, or made by hand.
    pub fn restore(snapshot: &FoldSnapshot) -> Result<Self, SnapshotError> {
        snapshot.check()?;
        let mut fold = Self::new(FoldSettings {
            epoch: snapshot.epoch,
            auto_pass: snapshot.auto_pass,
            mode: snapshot.mode,
        });
        fold.position = snapshot.position;
        fold.last_fence = snapshot.last_fence;
        for grant in &snapshot.grants {
            fold.grants.insert(grant.clone());
        }
        for peer in &snapshot.peers {
            if let (Some(ticket), Some(wants)) = (peer.ticket, &peer.wants) {
                fold.queue.insert(ticket, peer.session, wants.clone());
            }
            fold.roster.insert(peer.clone());
        }
        Ok(fold)
    }

    /// Everything that this fold knows, as plain data.
    #[must_use]
    pub fn snapshot(&self) -> FoldSnapshot {
        FoldSnapshot {
            epoch: self.epoch,
            auto_pass: self.auto_pass,
            mode: self.mode,
            position: self.position,
            peers: self.roster.iter().cloned().collect(),
            grants: self.grants.iter().cloned().collect(),
            last_fence: self.last_fence,
        }
    }

    /// Applies the record at `position` and appends what follows from it to `changes`.
    ///
    /// Positions must grow from record to record, with gaps as they come; a record at or below the
    /// last position is ignored, with [`Change::OutOfOrder`] (a log that is replayed over a snapshot
    /// may repeat what the snapshot holds). At most one offer is made by one record, so its position
    /// names it; if more could be made, the last change is [`Change::Unsettled`].
    pub fn apply(&mut self, position: u64, event: &Event, changes: &mut Vec<Change>) {
        if let Some(last) = self.position
            && position <= last
        {
            changes.push(Change::OutOfOrder { position, last });
            return;
        }
        self.position = Some(position);
        let mut step = Step::new(changes);
        self.step(event, &mut step);
        let settled = self.settle(&mut step);
        step.close(settled);
    }

    fn step(&mut self, event: &Event, step: &mut Step<'_>) {
        match *event {
            Event::Joined { session, .. } => self.joined(session, event, step),
            Event::Resumed {
                session,
                ref fences,
                rights,
            } => self.resumed(session, fences, rights, step),
            Event::Disconnected { session } => self.disconnected(session, step),
            Event::Done { session } => self.done(session, step),
            Event::Lost { session } => self.lost(session, step),
            Event::Back { session } => self.back(session, step),
            Event::Forgotten { session } => self.forgotten(session, step),
            Event::Acquire { session, ref scope } => self.acquire(session, scope, step),
            Event::Try { session, ref scope } => self.try_now(session, scope, step),
            Event::Request { session, ref scope } => self.request(session, scope, step),
            Event::TakeOver { session, ref scope } => self.take_over(session, scope, step),
            Event::MoveHere { session, ref scope } => self.move_here(session, scope, step),
            Event::Cancel { session } => self.cancel(session, step),
            Event::Release { session, fence } => self.release(session, fence, step),
            Event::Claim { session, fence } => self.claim(session, fence, step),
            Event::OldDecline { session, fence } => self.old_decline(session, fence, step),
            Event::Decline {
                session,
                fence,
                later,
            } => self.decline(session, fence, later, step),
            Event::Transfer { session, fence, to } => self.transfer(session, fence, to, step),
            Event::Drained { session, fence } => self.drained(session, fence, step),
            Event::OldOfferExpired { session, fence } => {
                self.old_offer_expired(session, fence, step);
            }
            Event::OfferExpired { session, fence } => self.offer_expired(session, fence, step),
            Event::PauseOver { session, fence } => self.roster.pause_over(session, fence),
            Event::GraceOver { session, fence } => self.grace_over(session, fence),
            Event::RecoveryOver { session, fence } => self.recovery_over(session, fence),
            Event::DrainOver { session, fence } => self.drain_over(session, fence, step),
            Event::RequestOver { session, fence } => self.request_over(session, fence, step),
            Event::IdleYield { session, fence } => self.idle_yield(session, fence, step),
            Event::Settle => {}
            Event::Restarted => self.restarted(step),
            Event::AutoPassSet(auto_pass) => {
                self.auto_pass = auto_pass;
                step.say(Change::AutoPass(auto_pass));
            }
            Event::ModeSet(mode) => {
                self.mode = mode;
                step.say(Change::Mode(mode));
            }
            Event::RequestsVoid { session } => self.requests_void(session, step),
        }
    }

    /// The locks that are offered, held or on their way out, oldest first; no two of them conflict.
    pub fn grants(&self) -> impl DoubleEndedIterator<Item = &Grant> + '_ {
        self.grants.iter()
    }

    /// How many locks that are.
    #[must_use]
    pub fn locks(&self) -> usize {
        self.grants.len()
    }

    /// The lock of this fence.
    #[must_use]
    pub fn grant(&self, fence: Fence) -> Option<&Grant> {
        self.grants.get(fence)
    }

    /// What this session holds and may write under now.
    pub fn holds(&self, session: SessionId) -> impl Iterator<Item = &Grant> + '_ {
        self.grants.with(session).filter(|grant| grant.may_write())
    }

    /// Whether this session may change these root types of the document now, by the present
    /// [`Mode`]. Refused whole if one of them is refused. Who touches no root may do so.
    ///
    /// Deeper paths of one root are exclusive against those who hold nothing there, and advisory
    /// among those who do.
    #[must_use]
    pub fn may_write<'a>(
        &self,
        session: SessionId,
        roots: impl IntoIterator<Item = &'a str>,
    ) -> WriteRight {
        self.grants.may_write(session, roots, self.mode)
    }

    /// Those who wait and for what, in the order of their tickets; those being offered it still among
    /// them.
    pub fn queue(&self) -> impl DoubleEndedIterator<Item = (SessionId, &Scope)> + '_ {
        self.queue.iter()
    }

    /// How many wait before this session, for whatever; `None` when it does not wait itself.
    #[must_use]
    pub fn place(&self, session: SessionId) -> Option<usize> {
        let ticket = self.roster.get(session)?.ticket?;
        Some(self.queue.ahead_of(ticket))
    }

    /// The roster, ascending by session.
    pub fn peers(&self) -> impl DoubleEndedIterator<Item = &Peer> + '_ {
        self.roster.iter()
    }

    /// One peer of the roster.
    #[must_use]
    pub fn peer(&self, session: SessionId) -> Option<&Peer> {
        self.roster.get(session)
    }

    /// Whether locks pass on by themselves.
    #[must_use]
    pub const fn auto_pass(&self) -> AutoPass {
        self.auto_pass
    }

    /// What a lock means for writing.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The newest fence that was ever offered; every later one is larger.
    #[must_use]
    pub const fn last_fence(&self) -> Option<Fence> {
        self.last_fence
    }

    /// Which life of the document.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The position of the last record that was applied.
    #[must_use]
    pub const fn position(&self) -> Option<u64> {
        self.position
    }

    /// How many sessions are in the roster, those without a connection included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.roster.len()
    }

    /// Whether the roster is empty: then nothing is locked and nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }
}
