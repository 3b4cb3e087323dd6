//! Owns the fold as plain data: what a snapshot stores, and the checks before it is believed.
//!
//! It does not encode; the caller does, in whatever way its log asks for.

use std::error::Error;
use std::fmt;

use crate::{AutoPass, Due, Fence, Grant, GrantState, Mode, Peer, Presence, SessionId};

/// Everything that a [`crate::Fold`] knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FoldSnapshot {
    /// Which life of the document.
    pub epoch: u32,
    /// Whether locks pass on by themselves.
    pub auto_pass: AutoPass,
    /// What a lock means for writing.
    pub mode: Mode,
    /// The position of the last record that is contained.
    pub position: Option<u64>,
    /// The roster and the queue, ascending by session.
    pub peers: Vec<Peer>,
    /// The locks, ascending by fence.
    pub grants: Vec<Grant>,
    /// The newest fence that was ever offered; every later one is larger.
    pub last_fence: Option<Fence>,
}

impl FoldSnapshot {
    /// The same document restored from a backup: a new life, in which none of the old sessions may
    /// resume, and in which every fence is larger than any of the old one. Positions start again.
    ///
    /// An epoch that is not larger than the snapshot's is an error of the caller.
    ///
    /// # Errors
    /// [`SnapshotError::EpochNotLarger`]; nothing was changed, the caller should choose a larger
    /// one.
    pub fn into_epoch(self, epoch: u32) -> Result<Self, SnapshotError> {
        if epoch <= self.epoch {
            return Err(SnapshotError::EpochNotLarger {
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
        let half = |peer: &&Peer| peer.ticket.is_some() != peer.wants.is_some();
        if let Some(peer) = self.peers.iter().find(half) {
            return Err(SnapshotError::TicketForNothing(peer.session));
        }
        if !self.grants.is_sorted_by(|one, next| one.fence < next.fence) {
            return Err(SnapshotError::GrantsOutOfOrder);
        }
        for (index, grant) in self.grants.iter().enumerate() {
            self.check_grant(grant)?;
            let older = &self.grants[..index];
            if let Some(other) = older.iter().find(|one| one.scope.conflicts(&grant.scope)) {
                return Err(SnapshotError::GrantsConflict(other.fence, grant.fence));
            }
        }
        Ok(())
    }

    fn check_grant(&self, grant: &Grant) -> Result<(), SnapshotError> {
        let party = grant.party;
        let waits_for_it = matches!(grant.state, GrantState::Suspect | GrantState::Recovering);
        if grant.due == Due::Overdue && !waits_for_it {
            return Err(SnapshotError::NothingOverdue);
        }
        let away = match self.peers.iter().find(|peer| peer.session == party) {
            Some(peer) if peer.can_hold() => peer.presence == Presence::Away,
            _ => return Err(SnapshotError::HolderUnknown(party)),
        };
        let draining = matches!(grant.state, GrantState::Draining { .. });
        if away != waits_for_it && !draining {
            return Err(SnapshotError::HolderElsewhere(party));
        }
        if self.last_fence.is_none_or(|last| last < grant.fence) {
            return Err(SnapshotError::FenceTooNew(grant.fence));
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
    /// The grants are not strictly ascending by fence.
    GrantsOutOfOrder,
    /// Two grants cover the same place.
    GrantsConflict(Fence, Fence),
    /// Two peers have the same ticket.
    TicketTwice(u64),
    /// A peer has a ticket for nothing, or wants something without a ticket.
    TicketForNothing(SessionId),
    /// The holder, or the one offered, is not in the roster or cannot hold a lock.
    HolderUnknown(SessionId),
    /// A lock waits for a holder that is here, or does not wait for one that is away.
    HolderElsewhere(SessionId),
    /// A lock's fence is newer than the newest one.
    FenceTooNew(Fence),
    /// A lock is marked as overdue in a state that has no end.
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
            Self::GrantsOutOfOrder => write!(f, "snapshot: its locks are not ascending by fence"),
            Self::GrantsConflict(one, other) => write!(
                f,
                "snapshot: the locks {one} and {other} cover the same place"
            ),
            Self::TicketTwice(ticket) => {
                write!(f, "snapshot: two peers have the ticket {ticket}")
            }
            Self::TicketForNothing(session) => {
                write!(
                    f,
                    "snapshot: {session} waits for nothing, or without a ticket"
                )
            }
            Self::HolderUnknown(session) => write!(
                f,
                "snapshot: a lock is with {session}, which is not a peer that can hold it"
            ),
            Self::HolderElsewhere(session) => write!(
                f,
                "snapshot: the state of a lock contradicts where its party {session} is"
            ),
            Self::FenceTooNew(fence) => write!(
                f,
                "snapshot: a lock has the fence {fence}, which is newer than the newest"
            ),
            Self::NothingOverdue => {
                write!(f, "snapshot: a lock is overdue in a state that has no end")
            }
            Self::EpochNotLarger { snapshot, wanted } => write!(
                f,
                "epoch {wanted} is not larger than the snapshot's {snapshot}: choose a larger one"
            ),
        }
    }
}

impl Error for SnapshotError {}
