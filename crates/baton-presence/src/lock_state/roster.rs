//! The peers of a document by session, with an index of the few that a search looks at.

use std::collections::{BTreeMap, BTreeSet};

use super::hint::Hint;
use crate::peer::MissedOffer;
use crate::{Fence, Peer, Presence, Rights, Scope, SessionId, Ticket};

/// All peers, ascending by session.
///
/// A document may have a hundred thousand readers; the search for the next holder must not look at
/// them, so the sessions that matter to it are kept in sets of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Roster {
    peers: BTreeMap<SessionId, Peer>,
    can_hold: BTreeSet<SessionId>,
    /// Writers that cannot hold a lock.
    only_write: BTreeSet<SessionId>,
    missed_offers: BTreeSet<SessionId>,
    /// Sessions that changed since [`Roster::take_touched`].
    touched: Hint<BTreeSet<SessionId>>,
}

impl Roster {
    pub(crate) fn insert(&mut self, peer: Peer) {
        self.index_rights(&peer);
        if !peer.missed_offers.is_empty() {
            self.missed_offers.insert(peer.session);
        }
        self.touched.insert(peer.session);
        self.peers.insert(peer.session, peer);
    }

    pub(crate) fn remove(&mut self, session: SessionId) -> Option<Peer> {
        self.touched.insert(session);
        self.can_hold.remove(&session);
        self.only_write.remove(&session);
        self.missed_offers.remove(&session);
        self.peers.remove(&session)
    }

    pub(crate) fn get(&self, session: SessionId) -> Option<&Peer> {
        self.peers.get(&session)
    }

    fn get_mut(&mut self, session: SessionId) -> Option<&mut Peer> {
        self.touched.insert(session);
        self.peers.get_mut(&session)
    }

    pub(crate) fn set_presence(&mut self, session: SessionId, presence: Presence) {
        if let Some(peer) = self.get_mut(session) {
            peer.presence = presence;
        }
    }

    pub(crate) fn set_rights(&mut self, session: SessionId, rights: Rights) {
        let Some(mut peer) = self.peers.remove(&session) else {
            return;
        };
        peer.rights = rights;
        self.touched.insert(session);
        self.index_rights(&peer);
        self.peers.insert(session, peer);
    }

    fn index_rights(&mut self, peer: &Peer) {
        let sets = [
            (&mut self.can_hold, peer.can_hold()),
            (&mut self.only_write, peer.only_writes()),
        ];
        for (set, belongs) in sets {
            if belongs {
                set.insert(peer.session);
            } else {
                set.remove(&peer.session);
            }
        }
    }

    pub(crate) fn set_ticket(&mut self, session: SessionId, ticket: Option<(Ticket, Scope)>) {
        if let Some(peer) = self.get_mut(session) {
            (peer.ticket, peer.wants) = ticket.unzip();
        }
    }

    /// Raises the fence that the session's edits were made under.
    pub(crate) fn saw_fence(&mut self, session: SessionId, fence: Fence) {
        if let Some(peer) = self.get_mut(session) {
            peer.fence_seen = peer.fence_seen.max(Some(fence));
        }
    }

    /// Iterates over the peers in the order in which they joined.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Peer> + '_ {
        self.peers.values()
    }

    pub(crate) fn take_touched(&mut self) -> BTreeSet<SessionId> {
        std::mem::take(&mut *self.touched)
    }

    /// Iterates over the peers that can hold a lock, in the order in which they joined.
    pub(crate) fn possible_holders(&self) -> impl Iterator<Item = &Peer> + '_ {
        self.can_hold.iter().filter_map(|id| self.peers.get(id))
    }

    /// Returns true if a live writer is here that cannot hold a lock.
    pub(crate) fn has_live_lockless_writer(&self) -> bool {
        let live = |id: &SessionId| {
            self.get(*id)
                .is_some_and(|peer| peer.presence == Presence::Live)
        };
        self.only_write.iter().any(live)
    }

    /// Counts a missed offer against the session.
    pub(crate) fn pass_over(&mut self, session: SessionId, missed: MissedOffer) {
        if let Some(peer) = self.peers.get_mut(&session) {
            peer.miss(missed);
            self.touched.insert(session);
            self.missed_offers.insert(session);
        }
    }

    /// Forgives all missed offers of a session that acted.
    pub(crate) fn acted(&mut self, session: SessionId) {
        if self.missed_offers.remove(&session)
            && let Some(peer) = self.get_mut(session)
        {
            peer.missed_offers.clear();
        }
    }

    /// Forgives the offers missed up to this one; those missed after it still count.
    pub(crate) fn forgive_up_to(&mut self, session: SessionId, fence: Fence) {
        self.forgive_if(session, |missed| missed.fence <= fence);
    }

    /// Forgives this one missed offer.
    pub(crate) fn forgive_one(&mut self, session: SessionId, fence: Fence) {
        self.forgive_if(session, |missed| missed.fence == fence);
    }

    /// Begins a new round: forgives all sessions their earlier missed offers in conflict with a
    /// lock that was granted now.
    pub(crate) fn new_round(&mut self, fence: Fence, scope: &Scope) {
        for session in self.missed_offers.clone() {
            self.forgive_if(session, |missed| {
                missed.fence < fence && missed.scope.conflicts(scope)
            });
        }
    }

    fn forgive_if(&mut self, session: SessionId, forgiven: impl Fn(&MissedOffer) -> bool) {
        if let Some(peer) = self.get_mut(session) {
            peer.missed_offers.retain(|missed| !forgiven(missed));
            if peer.missed_offers.is_empty() {
                self.missed_offers.remove(&session);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }
}
