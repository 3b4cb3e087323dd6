//! Whether an update may enter the document, or has to be set aside.
//!
//! Owns the one rule of it, which holds when an update is judged as it comes and again at its position in the log: it
//! touches some root types, and is refused whole if its session may not write in one of them. Changes nothing.

use std::collections::BTreeSet;

use baton_presence::{ClientKind, Fence, Mode, SessionId, WriteRight};
use baton_sync::scan::scan;
use baton_sync::state::Judgement;

use crate::parks::{Author, ParkBasis};
use crate::record::Placing;
use crate::state::State;

/// Where an update goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Into the document, if it fits there.
    Document,
    /// Into its session's park.
    Park {
        /// The grant that stands in the way; none if one of its own is lacking.
        now: Option<Fence>,
    },
}

/// What an update is to the locks.
pub(crate) struct Admission<'s> {
    pub(crate) way: Way,
    /// What its session has parked, if the update builds on that and goes there, too.
    pub(crate) over: Option<ParkBasis<'s>>,
}

const ADMITTED: Admission<'static> = Admission {
    way: Way::Document,
    over: None,
};

impl State {
    /// Whether a session may write in all of these root types now.
    pub(crate) fn may_write<'a>(
        &self,
        session: SessionId,
        roots: impl IntoIterator<Item = &'a str>,
    ) -> WriteRight {
        self.fold.may_write(session, roots)
    }

    /// Whose a session's edits are, as far as parks are concerned.
    pub(crate) fn author(&self, session: SessionId, placing: Placing) -> Author {
        let peer = self.fold.peer(session);
        let key = peer.and_then(|peer| peer.user);
        let is_stock = peer.is_some_and(|peer| peer.client_kind == ClientKind::Stock);
        match placing {
            Placing::BySession => Author {
                session,
                user: None,
                is_stock: false,
                source: None,
            },
            Placing::ByAuthor => Author {
                session,
                user: key.filter(|_| !is_stock),
                is_stock,
                source: key.filter(|_| is_stock),
            },
        }
    }

    /// Where an update of this session goes now.
    pub(crate) fn way(&self, author: Author, update: &[u8]) -> Way {
        self.admission(author, update).way
    }

    /// Where an update of this session goes now, and what it is to be judged by.
    pub(crate) fn admission(&self, author: Author, update: &[u8]) -> Admission<'_> {
        let session = author.session;
        if !self.locks_matter() {
            return ADMITTED;
        }
        // What is no update is refused by whoever applies it.
        let Ok(scanned) = scan(update) else {
            return ADMITTED;
        };
        let document = self.document.state();
        match document.judge(&scanned) {
            Judgement::Known | Judgement::Refused(_) => ADMITTED,
            Judgement::Fits => Admission {
                way: self.way_of(session, &document.touched_roots(&scanned)),
                over: None,
            },
            Judgement::Gap { .. } | Judgement::Astride { .. } => {
                let Some(park) = self.parks.basis(author, document, update) else {
                    return ADMITTED;
                };
                if !matches!(
                    document.judge_over(park.known, &scanned),
                    Judgement::Known | Judgement::Fits
                ) {
                    return ADMITTED;
                }
                let mut roots = document.touched_roots_over(park.known, &scanned);
                roots.extend(park.roots.iter().cloned());
                match self.way_of(session, &roots) {
                    // Its author is asked, and brings what is parked with it.
                    Way::Document => ADMITTED,
                    way @ Way::Park { .. } => Admission {
                        way,
                        over: Some(park),
                    },
                }
            }
        }
    }

    /// The root types that an update of this session touches, if it can be taken now.
    pub(crate) fn roots_of(&self, author: Author, update: &[u8]) -> BTreeSet<String> {
        let document = self.document.state();
        let Ok(scanned) = scan(update) else {
            return BTreeSet::new();
        };
        if document.judge(&scanned) == Judgement::Fits {
            return document.touched_roots(&scanned);
        }
        let Some(park) = self.parks.basis(author, document, update) else {
            return BTreeSet::new();
        };
        let mut roots = document.touched_roots_over(park.known, &scanned);
        roots.extend(park.roots.iter().cloned());
        roots
    }

    fn way_of(&self, session: SessionId, roots: &BTreeSet<String>) -> Way {
        let right = if roots.is_empty() {
            self.may_write_nowhere(session)
        } else {
            self.may_write(session, roots.iter().map(String::as_str))
        };
        match right {
            WriteRight::Refused { fence_now } => Way::Park { now: fence_now },
            WriteRight::Free | WriteRight::Holder(_) => Way::Document,
        }
    }

    /// Of an update that is in no root type: what it inserts is inside of something that is gone.
    fn may_write_nowhere(&self, session: SessionId) -> WriteRight {
        let mut others = None;
        for grant in self.fold.grants() {
            if grant.party == session && grant.may_write() {
                return WriteRight::Holder(grant.fence);
            }
            if grant.scope.is_whole() {
                others = Some(grant.fence);
            }
        }
        if others.is_some() || self.fold.mode() == Mode::Required {
            return WriteRight::Refused { fence_now: others };
        }
        WriteRight::Free
    }

    /// Why edits of this session stand in that park, as far as it is so now: the park may have begun for another reason,
    /// or be older than the lock.
    pub(crate) fn why_parked(&self, session: SessionId, id: u64) -> &'static str {
        let Some(park) = self.parks.get(id) else {
            return "you might not write there when this edit came";
        };
        if !park.is_open() {
            return "this edit stands in a park that was discarded";
        }
        let right = self.may_write(session, park.roots.iter().map(String::as_str));
        let in_the_way = match right {
            WriteRight::Refused { fence_now } => fence_now,
            WriteRight::Free | WriteRight::Holder(_) => {
                return "you might not write there when this edit came";
            }
        };
        match in_the_way.map(|fence| self.fold.grant(fence)) {
            None => "only who holds an edit lock may write here (mode required)",
            Some(Some(grant)) if grant.party == session => {
                "the edit lock is offered to you, and you have not claimed it"
            }
            Some(_) => "somebody else holds the edit lock, or is being offered it",
        }
    }

    /// Whether anything can be refused to anybody: if not, no update has to be looked into.
    fn locks_matter(&self) -> bool {
        match self.fold.mode() {
            Mode::Open => false,
            Mode::ExclusiveWhenHeld => self.fold.grants().next().is_some(),
            Mode::Required => true,
        }
    }
}
