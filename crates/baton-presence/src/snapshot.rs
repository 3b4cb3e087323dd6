//! Owns the fold as plain data: what a snapshot stores, and the checks before it is believed.
//!
//! It does not encode; the caller does, in whatever way its log asks for.

use std::error::Error;
use std::fmt;

use crate::{AutoPass, Due, Fence, Lock, LockState, Peer, Presence, SessionId};

/// Everything that a [`crate::Fold`] knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FoldSnapshot {
    /// Which life of the document.
    pub epoch: u32,
    /// Whether the lock passes on by itself.
    pub auto_pass: AutoPass,
    /// The position of the last record that is contained.
    pub position: Option<u64>,
    /// The roster and the queue, ascending by session.
    pub peers: Vec<Peer>,
    /// The lock.
    pub lock: Lock,
}

impl FoldSnapshot {
    /// The same document restored from a backup: a new life, in which none of the old sessions may
    /// resume, and in which every fence is larger than any of the old one. Positions start again.
    ///
    /// An epoch that is not larger than the snapshot's is an error of the caller.
    ///
    /// # Errors
    /// [`SnapshotError::EpochNotLarger`]; nothing was changed, the caller should choose a larger one.
    pub fn into_epoch(self, epoch: u32) -> Result<Self, SnapshotError> {
        if epoch <= self.epoch {
            return Err(SnapshotError::EpochNotLarger {
                snapshot: self.epoch,
                wanted: epoch,
            });
        }
        let mut lock = self.lock;
        lock.enter(LockState::Free);
        Ok(Self {
            epoch,
            auto_pass: self.auto_pass,
            position: None,
            peers: Vec::new(),
            lock,
        })
    }

    /// Whether the parts agree with each other.
    pub(crate) fn check(&self) -> Result<(), SnapshotError> {
        if !self
            .peers
            .is_sorted_by(|one, next| one.session < next.session)
        {
            return Err(SnapshotError::PeersOutOfOrder);
        }
        let mut tickets: Vec<_> = self.peers.iter().filter_map(|peer| peer.ticket).collect();
        tickets.sort_unstable();
        if let Some(pair) = tickets.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(SnapshotError::TicketTwice(pair[0].0));
        }
        if self.lock.due == Due::Overdue
            && !matches!(
                self.lock.state,
                LockState::Suspect { .. } | LockState::Recovering { .. }
            )
        {
            return Err(SnapshotError::NothingOverdue);
        }
        let Some((party, fence)) = self.lock.party() else {
            return Ok(());
        };
        let away = match self.peers.iter().find(|peer| peer.session == party) {
            Some(peer) if peer.can_hold() => peer.presence == Presence::Away,
            _ => return Err(SnapshotError::HolderUnknown(party)),
        };
        let waits_for_it = matches!(
            self.lock.state,
            LockState::Suspect { .. } | LockState::Recovering { .. }
        );
        if away != waits_for_it {
            return Err(SnapshotError::HolderElsewhere(party));
        }
        if self.lock.last_fence != Some(fence) {
            return Err(SnapshotError::FenceNotNewest(fence));
        }
        Ok(())
    }
}

/// A snapshot that cannot be right. Nothing was changed; the data was damaged or made by hand, and
/// the document should be rebuilt from an older snapshot and its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotError {
    /// The peers are not strictly ascending by session.
    PeersOutOfOrder,
    /// Two peers have the same ticket.
    TicketTwice(u64),
    /// The holder, or the one offered, is not in the roster or cannot hold a lock.
    HolderUnknown(SessionId),
    /// The lock waits for a holder that is here, or does not wait for one that is away.
    HolderElsewhere(SessionId),
    /// The lock's fence is not the newest one.
    FenceNotNewest(Fence),
    /// The lock is marked as overdue in a state that has no end.
    NothingOverdue,
    /// A new life must have a larger epoch (the caller's mistake).
    EpochNotLarger {
        /// The snapshot's.
        snapshot: u32,
        /// The one asked for.
        wanted: u32,
    },
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeersOutOfOrder => write!(f, "snapshot: its peers are not ascending by session"),
            Self::TicketTwice(ticket) => {
                write!(f, "snapshot: two peers have the ticket {ticket}")
            }
            Self::HolderUnknown(session) => write!(
                f,
                "snapshot: the lock is with {session}, which is not a peer that can hold it"
            ),
            Self::HolderElsewhere(session) => write!(
                f,
                "snapshot: the state of the lock contradicts where its party {session} is"
            ),
            Self::FenceNotNewest(fence) => write!(
                f,
                "snapshot: the lock has the fence {fence}, which is not its newest"
            ),
            Self::NothingOverdue => {
                write!(
                    f,
                    "snapshot: the lock is overdue in a state that has no end"
                )
            }
            Self::EpochNotLarger { snapshot, wanted } => write!(
                f,
                "epoch {wanted} is not larger than the snapshot's {snapshot}: choose a larger one"
            ),
        }
    }
}

impl Error for SnapshotError {}
