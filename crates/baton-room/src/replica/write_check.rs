//! The write check: an update may enter the document, or has to be set aside in a park.
//!
//! Owns the one rule, which holds when an update is judged as it comes and again at its position in
//! the log: an update touches some root types, and is refused as a whole if its session may not
//! write in one of them. Changes nothing.

use std::collections::BTreeSet;

use baton_presence::{Fence, Grant, LockState, Mode, SessionId, WriteRight};
use baton_sync::replica_index::{Judgement, ReplicaIndex};
use baton_sync::scan::{Scan, scan};
use bytes::Bytes;

use super::author::Author;
use super::park::ParkReason;
use super::parks::Parks;

/// The destination of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    /// The document, if it fits there.
    Document,
    /// The park of its author.
    Park {
        /// The grant that blocks the update; `None` if its session lacks a grant of its own.
        now: Option<Fence>,
    },
    /// Nowhere, or the park of suggestions of its author, who has no right to write.
    Suggestion,
}

/// The result of a write check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Admission {
    pub(crate) destination: Destination,
    /// The park on which the update builds, if it goes to a park because of that.
    pub(super) over: Option<u64>,
}

/// The lock that blocks an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// None: the session may write the update.
    None,
    /// One of the grants that were named.
    Named,
    /// Another lock, or a lock that the session lacks.
    Other,
}

const ADMITTED: Admission = Admission {
    destination: Destination::Document,
    over: None,
};

/// The parts of a replicated state by which writes are checked.
#[derive(Clone, Copy)]
pub(crate) struct WriteCheck<'s> {
    /// The last record that these parts hold.
    pub(super) position: u64,
    pub(super) locks: &'s LockState,
    pub(super) document: &'s ReplicaIndex,
    pub(super) parks: &'s Parks,
}

impl WriteCheck<'_> {
    /// Returns the destination of an update of this author.
    pub(crate) fn admission(&self, author: Author, update: &Scan<'_>) -> Admission {
        if !author.writes {
            return self.suggestion(author, update);
        }
        if !self.locks_matter() {
            return ADMITTED;
        }
        let session = author.session;
        let (judgement, roots) = self.document.judge_roots(update);
        match judgement {
            // The applying step refuses what is no sound update.
            Judgement::Known | Judgement::Refused(_) => ADMITTED,
            Judgement::Fits => Admission {
                destination: self.destination(session, &roots),
                over: None,
            },
            Judgement::Gap { .. } | Judgement::Astride { .. } => {
                let Some(park) = self.parks.basis(author, self.document, update) else {
                    return ADMITTED;
                };
                if !matches!(
                    self.document.judge_over(park.known, update),
                    Judgement::Known | Judgement::Fits
                ) {
                    return ADMITTED;
                }
                let mut roots = self.document.touched_roots_over(park.known, update);
                roots.extend(park.roots.iter().cloned());
                match self.destination(session, &roots) {
                    // Its author is asked, and brings the parked edits with it.
                    Destination::Document => ADMITTED,
                    destination => Admission {
                        destination,
                        over: Some(park.id),
                    },
                }
            }
        }
    }

    /// Returns the destination of an update of an author without the right to write.
    fn suggestion(&self, author: Author, update: &Scan<'_>) -> Admission {
        let over = match self.document.judge(update) {
            Judgement::Known | Judgement::Refused(_) => return ADMITTED,
            Judgement::Fits => None,
            Judgement::Gap { .. } | Judgement::Astride { .. } => {
                let park = self.parks.basis(author, self.document, update);
                park.map(|park| park.id)
            }
        };
        Admission {
            destination: Destination::Suggestion,
            over,
        }
    }

    /// [`WriteCheck::admission`] of an update that was kept aside as bytes.
    pub(crate) fn admission_of_bytes(&self, author: Author, update: &Bytes) -> Admission {
        if author.writes && !self.locks_matter() {
            return ADMITTED;
        }
        scan(update).map_or(ADMITTED, |scanned| self.admission(author, &scanned))
    }

    /// Returns the kind of lock that blocks an update of this author; `named` are the grants that
    /// the caller asks about.
    pub(crate) fn obstacle(&self, author: Author, update: &Scan<'_>, named: &[&Grant]) -> Obstacle {
        let closed = match self.document.judge(update) {
            // The part of an update with a gap that could come at once.
            Judgement::Gap { .. } => self.document.closed_part(update),
            _ => None,
        };
        let closed = closed.as_deref().map(scan);
        match &closed {
            Some(Ok(closed)) => self.obstacle_of(author, closed, named),
            Some(Err(_)) | None => self.obstacle_of(author, update, named),
        }
    }

    fn obstacle_of(&self, author: Author, update: &Scan<'_>, named: &[&Grant]) -> Obstacle {
        match self.admission(author, update).destination {
            Destination::Document => return Obstacle::None,
            Destination::Suggestion => return Obstacle::Other,
            Destination::Park { .. } => {}
        }
        let roots = self.roots_of(author, update);
        let refused = |root: &&String| {
            let right = self.locks.may_write(author.session, [root.as_str()]);
            matches!(right, WriteRight::Refused { .. })
        };
        let refused: Vec<&String> = roots.iter().filter(refused).collect();
        let blocks = |grant: &&Grant| {
            grant.scope.is_whole() || refused.iter().any(|root| grant.scope.reaches(root))
        };
        if named.iter().any(blocks) {
            Obstacle::Named
        } else {
            Obstacle::Other
        }
    }

    /// Returns the root types that an update of this author touches, if it can be taken now.
    fn roots_of(&self, author: Author, update: &Scan<'_>) -> BTreeSet<String> {
        let (judgement, roots) = self.document.judge_roots(update);
        if judgement == Judgement::Fits {
            return roots;
        }
        let Some(park) = self.parks.basis(author, self.document, update) else {
            return BTreeSet::new();
        };
        let mut roots = self.document.touched_roots_over(park.known, update);
        roots.extend(park.roots.iter().cloned());
        roots
    }

    fn destination(&self, session: SessionId, roots: &BTreeSet<String>) -> Destination {
        let right = if roots.is_empty() {
            self.may_write_nowhere(session)
        } else {
            let roots = roots.iter().map(String::as_str);
            self.locks.may_write(session, roots)
        };
        match right {
            WriteRight::Refused { fence_now } => Destination::Park { now: fence_now },
            WriteRight::Free | WriteRight::Holder(_) => Destination::Document,
            WriteRight::ReadOnly => Destination::Suggestion,
        }
    }

    /// Returns the right for an update that is in no root type: its insertions are inside of types
    /// that are deleted.
    fn may_write_nowhere(&self, session: SessionId) -> WriteRight {
        let mut others = None;
        for grant in self.locks.grants() {
            if grant.party == session && grant.may_write() {
                return WriteRight::Holder(grant.fence);
            }
            if grant.scope.is_whole() {
                others = Some(grant.fence);
            }
        }
        if others.is_some() || self.locks.mode() == Mode::Required {
            return WriteRight::Refused { fence_now: others };
        }
        WriteRight::Free
    }

    /// Returns the reason, for people, why edits of this session are in that park, as far as it
    /// still holds: the park may have begun for another reason, or be older than the lock.
    pub(crate) fn why_parked(&self, session: SessionId, id: u64) -> &'static str {
        let Some(park) = self.parks.get(id) else {
            return "you might not write there when this edit came";
        };
        if !park.is_open() {
            return "this edit stands in a park that was discarded";
        }
        if park.reason == ParkReason::Suggestion {
            return "you may only read here: this edit is kept as a suggestion";
        }
        let roots = park.roots.iter().map(String::as_str);
        let blocking = match self.locks.may_write(session, roots) {
            WriteRight::Refused { fence_now } => fence_now,
            WriteRight::Free | WriteRight::Holder(_) | WriteRight::ReadOnly => {
                return "you might not write there when this edit came";
            }
        };
        match blocking.map(|fence| self.locks.grant(fence)) {
            None => "only who holds an edit lock may write here (mode required)",
            Some(Some(grant)) if grant.party == session => {
                "the edit lock is offered to you, and you have not claimed it"
            }
            Some(_) => "somebody else holds the edit lock, or is being offered it",
        }
    }

    /// Returns true if anything can be refused to any session. If not, no update has to be looked
    /// into.
    fn locks_matter(&self) -> bool {
        match self.locks.mode() {
            Mode::Open => false,
            Mode::ExclusiveWhenHeld => self.locks.grants().next().is_some(),
            Mode::Required => true,
        }
    }
}
