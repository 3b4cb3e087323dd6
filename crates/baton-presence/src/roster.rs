//! Owns who is in the document, by session, and what each of them is: here, silent or away.
//!
//! It never times anything and never decides about a lock.

use std::collections::{BTreeMap, BTreeSet};

use crate::places::Hint;
use crate::{Fence, Rights, Scope, SessionId, Standing, Ticket, UserKey, Voice};

/// Whether a session can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Presence {
    /// Has a connection, and answers.
    Live,
    /// Has a connection, and was declared lost: shown offline, skipped by the locks.
    Silent,
    /// Has no connection; may resume.
    Away,
}

/// An offer that somebody let pass or turned down.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Missed {
    /// The offer's fence.
    pub fence: Fence,
    /// What was offered.
    pub scope: Scope,
}

/// More than this many offers that one session missed are kept as one, of the whole document.
const MAX_MISSED: usize = 16;

/// One session in the roster. Plain data, and its own snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Peer {
    /// Who.
    pub session: SessionId,
    /// What its client can say.
    pub voice: Voice,
    /// Whether it may hold a lock.
    pub standing: Standing,
    /// What it may do beyond editing.
    pub rights: Rights,
    /// Whose it is, if it said so.
    pub user: Option<UserKey>,
    /// Whether it can be reached.
    pub presence: Presence,
    /// Its place in the queue; kept while it is being offered what it waits for, used up by the claim.
    pub ticket: Option<Ticket>,
    /// What the ticket is for. There is one exactly when there is a ticket.
    pub wants: Option<Scope>,
    /// The offers that it missed and has not made good since. Nothing in conflict with them is
    /// offered to it before it acts, its pause is over, or somebody was granted something in conflict
    /// with them; a waiter also before somebody who came later is.
    pub passed_over: Vec<Missed>,
    /// The fence that was last granted to it: what its edits were made under.
    pub fence_seen: Option<Fence>,
}

impl Peer {
    /// Whether a lock can be offered to such a session at all.
    #[must_use]
    pub fn can_hold(&self) -> bool {
        self.voice == Voice::Lock && self.standing == Standing::Writer
    }

    /// Whether a lock of this scope may be offered to it now. Somebody who waits for something else
    /// is not offered anything: who claimed it would wait while holding.
    pub(crate) fn can_take(&self, scope: &Scope) -> bool {
        self.fits(scope) && self.missed(scope).next().is_none()
    }

    fn fits(&self, scope: &Scope) -> bool {
        self.can_hold()
            && self.presence == Presence::Live
            && self.wants.as_ref().is_none_or(|wants| scope.covers(wants))
    }

    fn missed<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a Missed> + 'a {
        let missed = self.passed_over.iter();
        missed.filter(|missed| missed.scope.conflicts(scope))
    }

    /// The newest offer of what it waits for that it missed, if it is live and only its pause keeps it
    /// from being offered that again. Its ticket is then newer than all that it missed: records from
    /// before version 2 of the queue left the ticket where it was, and began no pause.
    pub(crate) fn pauses_since(&self) -> Option<Fence> {
        let (ticket, wants) = (self.ticket?, self.wants.as_ref()?);
        let newest = self.missed(wants).map(|missed| missed.fence).max()?;
        (self.fits(wants) && newest.position < ticket.0).then_some(newest)
    }

    fn miss(&mut self, missed: Missed) {
        if self.passed_over.len() == MAX_MISSED {
            self.passed_over.clear();
            let scope = Scope::WHOLE;
            self.passed_over.push(Missed { scope, ..missed });
        } else {
            self.passed_over.push(missed);
        }
    }
}

/// The peers, and beside them the ids of the few that are searched for: a document may have a hundred
/// thousand readers, and the search for the next holder should not look at them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Roster {
    peers: BTreeMap<SessionId, Peer>,
    can_hold: BTreeSet<SessionId>,
    stock_writers: BTreeSet<SessionId>,
    passed_over: BTreeSet<SessionId>,
    /// Who changed since this was looked at last.
    touched: Hint<BTreeSet<SessionId>>,
}

impl Roster {
    pub(crate) fn insert(&mut self, peer: Peer) {
        if peer.can_hold() {
            self.can_hold.insert(peer.session);
        } else if peer.standing == Standing::Writer {
            self.stock_writers.insert(peer.session);
        }
        if !peer.passed_over.is_empty() {
            self.passed_over.insert(peer.session);
        }
        self.touched.insert(peer.session);
        self.peers.insert(peer.session, peer);
    }

    pub(crate) fn remove(&mut self, session: SessionId) -> Option<Peer> {
        self.touched.insert(session);
        self.can_hold.remove(&session);
        self.stock_writers.remove(&session);
        self.passed_over.remove(&session);
        self.peers.remove(&session)
    }

    pub(crate) fn get(&self, session: SessionId) -> Option<&Peer> {
        self.peers.get(&session)
    }

    /// To be changed, but for what it missed.
    pub(crate) fn get_mut(&mut self, session: SessionId) -> Option<&mut Peer> {
        self.touched.insert(session);
        self.peers.get_mut(&session)
    }

    /// In the order of their coming.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Peer> + '_ {
        self.peers.values()
    }

    /// The sessions of all, to be gone through while they change.
    pub(crate) fn sessions(&self) -> Vec<SessionId> {
        self.peers.keys().copied().collect()
    }

    /// Who changed since this was asked last.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<SessionId> {
        std::mem::take(&mut *self.touched)
    }

    /// Those who can hold a lock, in the order of their coming.
    pub(crate) fn holders_to_be(&self) -> impl Iterator<Item = &Peer> + '_ {
        self.can_hold.iter().filter_map(|id| self.peers.get(id))
    }

    pub(crate) fn has_live_stock_writer(&self) -> bool {
        let live = |id: &SessionId| {
            self.get(*id)
                .is_some_and(|peer| peer.presence == Presence::Live)
        };
        self.stock_writers.iter().any(live)
    }

    /// It let an offer pass.
    pub(crate) fn pass_over(&mut self, session: SessionId, missed: Missed) {
        if let Some(peer) = self.peers.get_mut(&session) {
            peer.miss(missed);
            self.touched.insert(session);
            self.passed_over.insert(session);
        }
    }

    /// It acted: whatever it missed is made good.
    pub(crate) fn acted(&mut self, session: SessionId) {
        if self.passed_over.remove(&session)
            && let Some(peer) = self.get_mut(session)
        {
            peer.passed_over.clear();
        }
    }

    /// Its pause since this offer is over; what it missed later is not forgiven.
    pub(crate) fn pause_over(&mut self, session: SessionId, fence: Fence) {
        self.forgive_in(session, |missed| missed.fence <= fence);
    }

    /// It claimed this offer, too late.
    pub(crate) fn claimed_late(&mut self, session: SessionId, fence: Fence) {
        self.forgive_in(session, |missed| missed.fence == fence);
    }

    /// A lock was claimed: each grant begins a new round for those who missed an earlier offer that
    /// was in conflict with it.
    pub(crate) fn new_round(&mut self, fence: Fence, scope: &Scope) {
        for session in self.passed_over.clone() {
            self.forgive_in(session, |missed| {
                missed.fence < fence && missed.scope.conflicts(scope)
            });
        }
    }

    fn forgive_in(&mut self, session: SessionId, forgiven: impl Fn(&Missed) -> bool) {
        if let Some(peer) = self.get_mut(session) {
            peer.passed_over.retain(|missed| !forgiven(missed));
            if peer.passed_over.is_empty() {
                self.passed_over.remove(&session);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }
}
