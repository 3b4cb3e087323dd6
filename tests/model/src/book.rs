//! The checker's own idea of the lock, from the changes alone: it trusts no state of the machine.
//!
//! It says which rule a step broke; rules that can be read off one state are in `rules.rs`.

use baton_presence::{
    Change, Event, Fence, FoldSnapshot, LockState, Loss, Presence, SessionId, WriteRight,
};

use crate::Rule;

/// What the records say so far.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Book {
    pub(crate) state: LockState,
    /// The newest fence of an offer.
    pub(crate) newest: Option<Fence>,
    /// The fence that was last given back in order, while an edit typed under it may be under way.
    pub(crate) released: Option<Fence>,
    /// The claim that is being applied and was really said by a client; nothing between steps.
    pub(crate) heard: Option<Fence>,
}

impl Book {
    pub(crate) const fn new() -> Self {
        Self {
            state: LockState::Free,
            newest: None,
            released: None,
            heard: None,
        }
    }

    /// A record and what followed from it. `announced` is the newest fence that any client was told;
    /// `runs` says whether a session's client still does.
    pub(crate) fn presence(
        &mut self,
        changes: &[Change],
        after: &FoldSnapshot,
        announced: Option<Fence>,
        runs: impl Fn(SessionId) -> bool,
    ) -> Result<(), Rule> {
        for (index, change) in changes.iter().enumerate() {
            match *change {
                Change::Offered { to, fence }
                    if self.state != (LockState::Offered { to, fence }) =>
                {
                    self.offered(to, fence, after, announced)?;
                }
                Change::Granted { to, fence } => {
                    let mine = [
                        LockState::Offered { to, fence },
                        LockState::Held { by: to, fence },
                    ];
                    if !mine.contains(&self.state) {
                        return Err(Rule::S1);
                    }
                    if self.state == mine[0] && self.heard != Some(fence) && !runs(to) {
                        return Err(Rule::L1);
                    }
                    self.state = LockState::Held { by: to, fence };
                }
                Change::Resumed { by, fence } => {
                    if party(self.state) != Some((by, fence)) {
                        return Err(Rule::S8);
                    }
                    self.state = LockState::Held { by, fence };
                }
                Change::Suspected { by, fence } | Change::Recovering { by, fence } => {
                    if party(self.state) != Some((by, fence)) {
                        return Err(Rule::S1);
                    }
                    self.state = LockState::Suspect { by, fence };
                }
                Change::LockLost { by, fence, why } => {
                    if party(self.state) != Some((by, fence)) {
                        return Err(Rule::S1);
                    }
                    let rest = &changes[index + 1..];
                    let passed = rest.iter().any(|c| matches!(c, Change::Offered { .. }));
                    if !passed && why != Loss::OtherFence {
                        return Err(Rule::S11);
                    }
                    self.state = LockState::Free;
                }
                Change::Released { fence, .. } => {
                    self.released = Some(fence);
                    self.state = LockState::Free;
                }
                Change::OfferEnded { .. } | Change::Freed => self.state = LockState::Free,
                _ => {}
            }
        }
        Ok(())
    }

    /// S1: it is nobody's. S2: the fence is new. S9: nobody who waits longer could take it.
    fn offered(
        &mut self,
        to: SessionId,
        fence: Fence,
        after: &FoldSnapshot,
        announced: Option<Fence>,
    ) -> Result<(), Rule> {
        if self.state != LockState::Free {
            return Err(Rule::S1);
        }
        if self.newest.max(announced) >= Some(fence) {
            return Err(Rule::S2);
        }
        let ticket = |session| {
            let peer = after.peers.iter().find(|peer| peer.session == session);
            peer.and_then(|peer| peer.ticket)
        };
        let mine = ticket(to);
        let earlier = after.peers.iter().any(|peer| {
            peer.session != to
                && peer.presence == Presence::Live
                && peer.passed_over.is_none()
                && peer
                    .ticket
                    .is_some_and(|t| mine.is_none_or(|mine| t < mine))
        });
        if earlier {
            return Err(Rule::S9);
        }
        self.newest = Some(fence);
        self.state = LockState::Offered { to, fence };
        Ok(())
    }

    /// An edit came, with what it carried and what the fold said of its session. S3 for one that is
    /// applied; S6 for one that is parked.
    pub(crate) fn edit(
        &self,
        session: SessionId,
        carried: Option<Fence>,
        applied: Applied,
    ) -> Result<(), Rule> {
        match (applied, self.state) {
            (Applied::Yes, LockState::Free) => Ok(()),
            (Applied::Yes, LockState::Held { by, fence })
                if by == session && carried == Some(fence) =>
            {
                Ok(())
            }
            (Applied::Yes, _) => Err(Rule::S3),
            (Applied::Parked, _) if carried.is_some() && carried == self.released => Err(Rule::S6),
            (Applied::Parked, _) => Ok(()),
        }
    }
}

/// What became of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    Yes,
    Parked,
}

/// The check of the server at the write.
pub(crate) fn verdict(right: WriteRight, carried: Option<Fence>) -> Applied {
    match right {
        WriteRight::Free => Applied::Yes,
        WriteRight::Holder(fence) if carried == Some(fence) => Applied::Yes,
        WriteRight::Holder(_) | WriteRight::Refused { .. } => Applied::Parked,
    }
}

/// Whom the lock concerns, and under which fence.
pub(crate) const fn party(state: LockState) -> Option<(SessionId, Fence)> {
    match state {
        LockState::Free => None,
        LockState::Offered { to, fence } => Some((to, fence)),
        LockState::Held { by, fence }
        | LockState::Suspect { by, fence }
        | LockState::Recovering { by, fence } => Some((by, fence)),
    }
}

/// What a record's changes say, and to whom; the welcome is the caller's.
pub(crate) fn told(event: &Event, changes: &[Change]) -> Vec<(SessionId, crate::messages::Down)> {
    use crate::messages::Down;
    let resumes = matches!(event, Event::Resumed { .. });
    let says = |change: &Change| match *change {
        Change::Offered { to, fence } => Some((to, Down::Offered(fence))),
        Change::Granted { to, fence } => Some((to, Down::Yours(fence))),
        Change::Resumed { by, fence } => Some((by, Down::Yours(fence))),
        Change::LockLost { by, fence, .. } => Some((by, Down::Lost(fence))),
        Change::Refused {
            session,
            why: baton_presence::Refusal::StaleFence { .. },
        } if resumes => Some((session, Down::ResumeRefused)),
        _ => None,
    };
    changes.iter().filter_map(says).collect()
}
