//! One session of the roster as plain data, and the conditions under which it may be offered a
//! lock.

use crate::{ClientKind, Fence, Rights, Scope, SessionId, SessionRole, Ticket, UserKey};

/// Reachability of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Presence {
    /// The session has a connection, and answers.
    Live,
    /// The session has a connection, but was declared lost: it is shown offline and gets no lock.
    Silent,
    /// The session has no connection; it may resume.
    Away,
}

/// An offer that its session declined or did not claim in time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MissedOffer {
    /// The fence of the offer.
    pub fence: Fence,
    /// The scope that was offered.
    pub scope: Scope,
}

/// Missed offers remembered for one session. One more merges them all into a single missed offer of
/// the whole document.
const MAX_MISSED_OFFERS: usize = 16;

/// One session in the roster. Plain data, and its own snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Peer {
    /// Id of the session.
    pub session: SessionId,
    /// Capabilities of its client.
    pub client_kind: ClientKind,
    /// Role that the session joined with.
    pub role: SessionRole,
    /// Its rights.
    pub rights: Rights,
    /// The user that the session belongs to, if the client named one.
    pub user: Option<UserKey>,
    /// Reachability of the session.
    pub presence: Presence,
    /// Its position in the queue. The ticket stays while the session is being offered the lock, and
    /// is used up by the claim.
    pub ticket: Option<Ticket>,
    /// The scope that the ticket asks for. Set exactly when `ticket` is set.
    pub wants: Option<Scope>,
    /// The offers that the session missed and that still count against it. It is offered nothing in
    /// conflict with them until it acts, its pause is over, or a conflicting lock is granted. A
    /// waiter is also offered the lock before a waiter that came later.
    pub missed_offers: Vec<MissedOffer>,
    /// The newest fence granted to the session: its edits were made under this one.
    pub fence_seen: Option<Fence>,
}

impl Peer {
    /// Returns true if a lock can be offered to such a session at all.
    #[must_use]
    pub fn can_hold(&self) -> bool {
        self.speaks_for_locks() && self.rights.contains(Rights::EDIT)
    }

    /// Returns true if only its rights can keep the session from holding a lock.
    pub(crate) fn speaks_for_locks(&self) -> bool {
        self.client_kind == ClientKind::LockAware && self.role == SessionRole::Writer
    }

    /// Returns true if the session may edit the document, as far as its rights go.
    #[must_use]
    pub const fn can_write(&self) -> bool {
        self.rights.contains(Rights::WRITE)
    }

    /// Returns true for a writer that cannot hold a lock, such as one without the lock protocol.
    pub(crate) fn only_writes(&self) -> bool {
        self.role == SessionRole::Writer && self.can_write() && !self.can_hold()
    }

    /// Returns true if a lock of this scope may be offered to the session now.
    ///
    /// A session that waits for something else is offered nothing: a claim would make it a holder
    /// that waits.
    pub(crate) fn can_take(&self, scope: &Scope) -> bool {
        self.is_eligible(scope) && self.missed(scope).next().is_none()
    }

    fn is_eligible(&self, scope: &Scope) -> bool {
        self.can_hold()
            && self.presence == Presence::Live
            && self.wants.as_ref().is_none_or(|wants| scope.covers(wants))
    }

    fn missed<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a MissedOffer> + 'a {
        let missed = self.missed_offers.iter();
        missed.filter(|missed| missed.scope.conflicts(scope))
    }

    /// Returns the newest missed offer of the scope that this waiter wants, if only its pause keeps
    /// the waiter from another offer.
    ///
    /// The ticket is then newer than every missed offer. Records from before version 2 of the queue
    /// left the ticket where it was, and began no pause.
    pub(crate) fn pauses_since(&self) -> Option<Fence> {
        let (ticket, wants) = (self.ticket?, self.wants.as_ref()?);
        let newest = self.missed(wants).map(|missed| missed.fence).max()?;
        (self.is_eligible(wants) && newest.position < ticket.0).then_some(newest)
    }

    /// Remembers a missed offer, within [`MAX_MISSED_OFFERS`].
    pub(crate) fn miss(&mut self, missed: MissedOffer) {
        if self.missed_offers.len() == MAX_MISSED_OFFERS {
            self.missed_offers.clear();
            let scope = Scope::WHOLE;
            self.missed_offers.push(MissedOffer { scope, ..missed });
        } else {
            self.missed_offers.push(missed);
        }
    }
}
