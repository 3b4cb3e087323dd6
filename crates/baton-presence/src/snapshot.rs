//! The lock state as plain data, with the checks before it is restored.
//!
//! Nothing here encodes; the caller does, in the format of its log.

use std::error::Error;
use std::fmt;

use crate::{AutoPass, Fence, Grant, GrantState, Lateness, Mode, Peer, Presence, SessionId};

/// Whole state of a [`LockState`](crate::LockState).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LockSnapshot {
    /// Epoch of the document.
    pub epoch: u32,
    /// Auto-pass setting.
    pub auto_pass: AutoPass,
    /// Meaning of a lock for writing.
    pub mode: Mode,
    /// Position of the last record that the snapshot contains.
    pub position: Option<u64>,
    /// Roster and queue, ascending by session.
    pub peers: Vec<Peer>,
    /// Locks, ascending by fence.
    pub grants: Vec<Grant>,
    /// Newest fence that was ever offered; every later one is larger.
    pub last_fence: Option<Fence>,
}

impl LockSnapshot {
    /// Returns the snapshot of this document restored from a backup, in a new epoch.
    ///
    /// No session of the old epoch may resume, and every new fence is larger than the old ones.
    /// Positions start again.
    ///
    /// # Errors
    /// [`LockSnapshotError::EpochNotLarger`]: the caller has to choose a larger epoch. Nothing was
    /// changed.
    pub fn into_epoch(self, epoch: u32) -> Result<Self, LockSnapshotError> {
        if epoch <= self.epoch {
            return Err(LockSnapshotError::EpochNotLarger {
                snapshot: self.epoch,
                wanted: epoch,
            });
        }
        Ok(Self {
            epoch,
            position: None,
            peers: Vec::new(),
            grants: Vec::new(),
            ..self
        })
    }

    /// Checks that the parts agree with each other.
    pub(crate) fn check(&self) -> Result<(), LockSnapshotError> {
        if !self
            .peers
            .is_sorted_by(|one, next| one.session < next.session)
        {
            return Err(LockSnapshotError::PeersOutOfOrder);
        }
        let mut tickets: Vec<_> = self.peers.iter().filter_map(|peer| peer.ticket).collect();
        tickets.sort_unstable();
        if let Some(pair) = tickets.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(LockSnapshotError::TicketTwice(pair[0].0));
        }
        let half = |peer: &&Peer| peer.ticket.is_some() != peer.wants.is_some();
        if let Some(peer) = self.peers.iter().find(half) {
            return Err(LockSnapshotError::TicketForNothing(peer.session));
        }
        if !self.grants.is_sorted_by(|one, next| one.fence < next.fence) {
            return Err(LockSnapshotError::GrantsOutOfOrder);
        }
        for (index, grant) in self.grants.iter().enumerate() {
            self.check_grant(grant)?;
            let older = &self.grants[..index];
            if let Some(other) = older.iter().find(|one| one.scope.conflicts(&grant.scope)) {
                return Err(LockSnapshotError::GrantsConflict(other.fence, grant.fence));
            }
        }
        Ok(())
    }

    fn check_grant(&self, grant: &Grant) -> Result<(), LockSnapshotError> {
        let party = grant.party;
        let waits_for_it = matches!(grant.state, GrantState::Suspect | GrantState::Recovering);
        if grant.lateness == Lateness::Overdue && !waits_for_it {
            return Err(LockSnapshotError::NothingOverdue);
        }
        let draining = matches!(grant.state, GrantState::Draining { .. });
        let ends = draining || grant.state == GrantState::Recovering;
        let away = match self.peers.iter().find(|peer| peer.session == party) {
            // A lock that has to end anyway outlives the rights of its party.
            Some(peer) if peer.can_hold() || (ends && peer.speaks_for_locks()) => {
                peer.presence == Presence::Away
            }
            _ => return Err(LockSnapshotError::HolderUnknown(party)),
        };
        if away != waits_for_it && !draining {
            return Err(LockSnapshotError::HolderElsewhere(party));
        }
        if self.last_fence.is_none_or(|last| last < grant.fence) {
            return Err(LockSnapshotError::FenceTooNew(grant.fence));
        }
        Ok(())
    }
}

/// Contradiction in a snapshot: the data was damaged, or made by hand. Nothing was changed; the
/// document should be rebuilt from an older snapshot and its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockSnapshotError {
    /// The peers are not strictly ascending by session.
    PeersOutOfOrder,
    /// The grants are not strictly ascending by fence.
    GrantsOutOfOrder,
    /// The scopes of two grants conflict.
    GrantsConflict(Fence, Fence),
    /// Two peers have the same ticket.
    TicketTwice(u64),
    /// A peer has a ticket without a scope, or a scope without a ticket.
    TicketForNothing(SessionId),
    /// The party of a lock is not in the roster, or cannot hold a lock.
    HolderUnknown(SessionId),
    /// A lock waits for a party that is connected, or does not wait for one that is away.
    HolderElsewhere(SessionId),
    /// The fence of a lock is newer than the newest fence.
    FenceTooNew(Fence),
    /// A lock is marked as overdue in a state without a time limit.
    NothingOverdue,
    /// A new epoch has to be larger than the old one. The caller is at fault.
    EpochNotLarger {
        /// Epoch of the snapshot.
        snapshot: u32,
        /// Epoch asked for.
        wanted: u32,
    },
}

impl fmt::Display for LockSnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeersOutOfOrder => write!(f, "snapshot: the peers are not in ascending order"),
            Self::GrantsOutOfOrder => write!(f, "snapshot: the locks are not in ascending order"),
            Self::GrantsConflict(one, other) => write!(
                f,
                "snapshot: the scopes of the locks {one} and {other} conflict"
            ),
            Self::TicketTwice(ticket) => {
                write!(f, "snapshot: two peers have the ticket {ticket}")
            }
            Self::TicketForNothing(session) => {
                write!(
                    f,
                    "snapshot: {session} has a ticket without a scope, or a scope without one"
                )
            }
            Self::HolderUnknown(session) => write!(
                f,
                "snapshot: a lock belongs to {session}, which is no peer that can hold it"
            ),
            Self::HolderElsewhere(session) => write!(
                f,
                "snapshot: the state of a lock contradicts the presence of its party {session}"
            ),
            Self::FenceTooNew(fence) => write!(
                f,
                "snapshot: the fence {fence} of a lock is newer than the newest fence"
            ),
            Self::NothingOverdue => {
                write!(
                    f,
                    "snapshot: a lock is overdue in a state without a time limit"
                )
            }
            Self::EpochNotLarger { snapshot, wanted } => write!(
                f,
                "epoch {wanted} is not larger than the snapshot's {snapshot}: choose a larger one"
            ),
        }
    }
}

impl Error for LockSnapshotError {}
