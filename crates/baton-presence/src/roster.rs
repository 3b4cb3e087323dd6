//! Owns who is in the document, by session, and what each of them is: here, silent or away.
//!
//! It never times anything and never decides about the lock.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Fence, SessionId, Standing, Ticket, Voice};

/// Whether a session can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Presence {
    /// Has a connection, and answers.
    Live,
    /// Has a connection, and was declared lost: shown offline, skipped by the lock.
    Silent,
    /// Has no connection; may resume.
    Away,
}

/// One session in the roster. Plain data, and its own snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Peer {
    /// Who.
    pub session: SessionId,
    /// What its client can say.
    pub voice: Voice,
    /// Whether it may hold a lock.
    pub standing: Standing,
    /// Whether it can be reached.
    pub presence: Presence,
    /// Its place in the queue; kept while the lock is offered to it, used up by the claim.
    pub ticket: Option<Ticket>,
    /// The last offer that it let pass or turned down and has not made good since. It is not offered
    /// the lock again before it acts, or before somebody else was granted it.
    pub passed_over: Option<Fence>,
    /// The fence that was last granted to it: what its edits were made under.
    pub fence_seen: Option<Fence>,
}

impl Peer {
    /// Whether a lock can be offered to such a session at all.
    pub(crate) fn can_hold(&self) -> bool {
        self.voice == Voice::Lock && self.standing == Standing::Writer
    }
}

/// The peers, and beside them the ids of those who can hold a lock: a document may have a hundred
/// thousand readers, and the search for the next holder should not look at them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Roster {
    peers: BTreeMap<SessionId, Peer>,
    can_hold: BTreeSet<SessionId>,
}

impl Roster {
    pub(crate) fn insert(&mut self, peer: Peer) {
        if peer.can_hold() {
            self.can_hold.insert(peer.session);
        }
        self.peers.insert(peer.session, peer);
    }

    pub(crate) fn remove(&mut self, session: SessionId) -> Option<Peer> {
        self.can_hold.remove(&session);
        self.peers.remove(&session)
    }

    pub(crate) fn get(&self, session: SessionId) -> Option<&Peer> {
        self.peers.get(&session)
    }

    pub(crate) fn get_mut(&mut self, session: SessionId) -> Option<&mut Peer> {
        self.peers.get_mut(&session)
    }

    /// In the order of their coming.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Peer> + '_ {
        self.peers.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> + '_ {
        self.peers.values_mut()
    }

    /// Those who can hold a lock, in the order of their coming.
    pub(crate) fn holders_to_be(&self) -> impl Iterator<Item = &Peer> + '_ {
        self.can_hold.iter().filter_map(|id| self.peers.get(id))
    }

    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }
}
