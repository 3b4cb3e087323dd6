//! Owns the step from a record to a state: who is here, who waits, who holds the lock.
//!
//! It knows **no time**: that somebody was silent or late comes in as a record. The same records give
//! the same state and the same changes, everywhere and again; so it never looks at anything else. The
//! answers to what sessions ask for are in `asks.rs`, how the lock moves is in `passing.rs`.

use crate::queue::Queue;
use crate::roster::Roster;
use crate::{
    AutoPass, Change, Due, Event, FoldSnapshot, Lock, LockState, OfferEnd, Passing, Peer,
    SessionId, SnapshotError, WriteRight,
};

/// What a fold starts from when there is no snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FoldSettings {
    /// Which life of the document; part of every fence.
    pub epoch: u32,
    /// Whether the lock passes on by itself, until a record says otherwise.
    pub auto_pass: AutoPass,
}

/// The deterministic half of presence: records in, state and changes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    pub(crate) epoch: u32,
    pub(crate) auto_pass: AutoPass,
    pub(crate) position: Option<u64>,
    pub(crate) roster: Roster,
    pub(crate) queue: Queue,
    pub(crate) lock: Lock,
}

impl Fold {
    /// An empty document.
    #[must_use]
    pub fn new(settings: FoldSettings) -> Self {
        Self {
            epoch: settings.epoch,
            auto_pass: settings.auto_pass,
            position: None,
            roster: Roster::default(),
            queue: Queue::default(),
            lock: Lock::new(),
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
        });
        fold.position = snapshot.position;
        fold.lock = snapshot.lock;
        for peer in &snapshot.peers {
            if let Some(ticket) = peer.ticket {
                fold.queue.insert(ticket, peer.session);
            }
            fold.roster.insert(*peer);
        }
        Ok(fold)
    }

    /// Everything that this fold knows, as plain data.
    #[must_use]
    pub fn snapshot(&self) -> FoldSnapshot {
        FoldSnapshot {
            epoch: self.epoch,
            auto_pass: self.auto_pass,
            position: self.position,
            peers: self.roster.iter().copied().collect(),
            lock: self.lock,
        }
    }

    /// Applies the record at `position` and appends what follows from it to `changes`.
    ///
    /// Positions must grow from record to record, with gaps as they come; a record at or below the
    /// last position is ignored, with [`Change::OutOfOrder`] (a log that is replayed over a snapshot
    /// may repeat what the snapshot holds). At most one offer is made by one record, so its position
    /// names it.
    pub fn apply(&mut self, position: u64, event: &Event, changes: &mut Vec<Change>) {
        if let Some(last) = self.position
            && position <= last
        {
            changes.push(Change::OutOfOrder { position, last });
            return;
        }
        self.position = Some(position);
        self.step(event, changes);
        self.settle(changes);
    }

    fn step(&mut self, event: &Event, changes: &mut Vec<Change>) {
        match *event {
            Event::Joined {
                session,
                voice,
                standing,
            } => self.joined(session, voice, standing, changes),
            Event::Resumed { session, fence } => self.resumed(session, fence, changes),
            Event::Disconnected { session } => self.disconnected(session, changes),
            Event::Done { session } => self.done(session, changes),
            Event::Lost { session } => self.lost(session, changes),
            Event::Back { session } => self.back(session, changes),
            Event::Forgotten { session } => self.forgotten(session, changes),
            Event::Acquire { session } => self.acquire(session, changes),
            Event::Try { session } => self.try_now(session, changes),
            Event::Cancel { session } => self.cancel(session, changes),
            Event::Release { session, fence } => self.release(session, fence, changes),
            Event::Claim { session, fence } => self.claim(session, fence, changes),
            Event::Decline { session, fence } => self.decline(session, fence, changes),
            Event::OfferExpired { session, fence } => {
                if self.lock.offered() == Some((session, fence)) {
                    self.end_offer(OfferEnd::Expired, changes);
                }
            }
            Event::GraceOver { session, fence } => {
                let suspect = LockState::Suspect { by: session, fence };
                if self.lock.state == suspect {
                    self.lock.due = Due::Overdue;
                }
            }
            Event::RecoveryOver { session, fence } => {
                let recovering = LockState::Recovering { by: session, fence };
                if self.lock.state == recovering {
                    self.lock.due = Due::Overdue;
                }
            }
            Event::Restarted => self.restarted(changes),
            Event::AutoPassSet(auto_pass) => {
                self.auto_pass = auto_pass;
                changes.push(Change::AutoPass(auto_pass));
            }
        }
    }

    /// The lock.
    #[must_use]
    pub const fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Whether this session may change the document now, in the mode `exclusive-when-held`. In the
    /// mode `required` the caller refuses [`WriteRight::Free`] too; in `open` it does not ask.
    #[must_use]
    pub fn may_write(&self, session: SessionId) -> WriteRight {
        self.lock.may_write(session)
    }

    /// Those who wait, in the order of their tickets; the one that is being offered the lock still
    /// among them.
    pub fn queue(&self) -> impl DoubleEndedIterator<Item = SessionId> + '_ {
        self.queue.iter().map(|(_, session)| session)
    }

    /// How many wait before this session; `None` when it does not wait itself.
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

    /// Who would be offered the lock if its holder, or the one offered, went offline now.
    #[must_use]
    pub fn next_in_line(&self) -> Option<SessionId> {
        let party = self.lock.party().map(|(session, _)| session);
        self.next_but(party, Passing::Offline)
    }

    /// Whether the lock passes on by itself.
    #[must_use]
    pub const fn auto_pass(&self) -> AutoPass {
        self.auto_pass
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

    /// Whether the roster is empty: then the lock is free and nobody waits.
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
