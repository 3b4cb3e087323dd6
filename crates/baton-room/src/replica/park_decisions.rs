//! Decisions about parks: merged, discarded, recovered, purged.
//!
//! Owns the right to decide and the effect of each decision. As with an edit, a decision is
//! proposed as a record and checked at its position in the log. Limits are settings, which may
//! differ from one start to the next, so the intake checks them before it proposes a record.

use baton_presence::{Rights, SessionId, SessionRole, WriteRight};
use baton_sync::ApplyOutcome;
use baton_sync::control_channel::{Outcome, ParkStatus, ParkView};
use baton_sync::replica_index::ReplicaIndex;
use baton_sync::scan::OwnedScan;

use super::effect::Effect;
use super::park::{Park, ParkState};
use super::park_fit::{fit_together, fitting};
use super::park_limits::ParkFull;
use super::park_views::{shown_state, view};
use super::record::Decision;
use super::state::ReplicatedState;

/// A decision was not carried out; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecisionRefused {
    #[error(
        "there is no park {0}: it was merged, it was discarded more than 30 days ago, or there never was one; nothing changed"
    )]
    Unknown(u64),
    #[error(
        "this is for the park's author, for who holds the locks of all that it touches{0}, and for who has the right to manage; nothing changed: take the lock, or ask one of them"
    )]
    NotAllowed(String),
    #[error(
        "park {0} is discarded, and only its author and who has the right to manage see it until it is recovered; nothing changed"
    )]
    Hidden(u64),
    #[error("who only watches or reads merges nothing; nothing changed")]
    Observer,
    #[error(
        "you may not write now where it changes something{0}: somebody else has a lock there, or yours is lacking; nothing changed: take the lock, then merge"
    )]
    Locked(String),
    #[error("it is discarded; nothing changed: recover it first")]
    Discarded,
    #[error(
        "its edits build on something that the document does not have; nothing changed: a client that has it must bring it first"
    )]
    Incomplete,
    #[error(transparent)]
    Full(#[from] ParkFull),
}

impl DecisionRefused {
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Unknown(_) => Outcome::Unknown,
            Self::NotAllowed(_) | Self::Hidden(_) => Outcome::NotAllowed,
            Self::Observer => Outcome::Forbidden,
            Self::Locked(_) => Outcome::Busy,
            Self::Discarded | Self::Incomplete => Outcome::Stale,
            Self::Full(_) => Outcome::Full,
        }
    }
}

impl ReplicatedState {
    /// Carries out a decision about a park at its position.
    pub(super) fn decide_park(
        &mut self,
        id: u64,
        by: Option<SessionId>,
        decision: Decision,
        at_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        let allowed = match by {
            Some(by) => self.may_decide(id, by, decision),
            None => Ok(()),
        };
        if let Err(denied) = allowed {
            effects.push(Effect::Denied(denied.outcome(), denied.to_string()));
            return;
        }
        let before = effects.len();
        match (decision, by) {
            (Decision::Merge | Decision::OldMerge, Some(_)) => {
                self.merge_park(id, decision, effects);
            }
            (Decision::Discard, Some(by)) => {
                // Discarded again, it does not begin its 30 days anew.
                if self.parks.get(id).is_some_and(Park::is_open) {
                    self.set_park(id, ParkState::Discarded { at_ms, by }, effects);
                }
            }
            (Decision::Recover, Some(_)) => self.set_park(id, ParkState::Open, effects),
            (Decision::Purge, None) => {
                let until = self.parks.get(id).and_then(Park::recoverable_until_ms);
                // The record does not mean one that was recovered meanwhile, or discarded anew.
                if until.is_some_and(|until| until <= at_ms) {
                    self.parks.remove(id);
                }
            }
            // Unreachable: only the server purges, and the server does nothing but purge.
            (Decision::Purge, Some(_)) | (_, None) => {}
        }
        for effect in effects.iter_mut().skip(before) {
            if let Effect::Park(view) = effect
                && view.id == id
            {
                view.by = by.map(|by| by.0);
            }
        }
    }

    /// Closes the parks whose edits have entered the document.
    pub(super) fn close_parks(&mut self, effects: &mut Vec<Effect>) {
        for park in self.parks.close_merged(self.document.state()) {
            effects.push(Effect::Park(Box::new(view(&park, ParkStatus::Merged))));
        }
    }

    /// Returns true if this session or its user wrote the park.
    pub(crate) fn is_author(&self, session: SessionId, park: &Park) -> bool {
        let user = self.locks().peer(session).and_then(|peer| peer.user);
        park.session == session || (user.is_some() && user == park.user)
    }

    /// Returns true if this session is shown a discarded park.
    pub(crate) fn sees_discarded(&self, session: SessionId, park: &Park) -> bool {
        let peer = self.locks().peer(session);
        let manages = peer.is_some_and(|peer| peer.rights.contains(Rights::MANAGE));
        manages || self.is_author(session, park)
    }

    /// Returns the parks that a session is shown when it comes.
    pub(crate) fn park_views(&self, session: SessionId) -> Vec<ParkView> {
        let parks = self.parks.iter();
        parks
            .filter(|park| park.is_open() || self.sees_discarded(session, park))
            .map(|park| view(park, shown_state(park)))
            .collect()
    }

    /// Returns true if this session holds locks of all that the park touches.
    pub(crate) fn holds_all(&self, session: SessionId, park: &Park) -> bool {
        let holds = |root: &String| {
            matches!(
                self.locks().may_write(session, [&**root]),
                WriteRight::Holder(_)
            )
        };
        !park.roots.is_empty() && park.roots.iter().all(holds)
    }

    fn may_decide(
        &self,
        id: u64,
        by: SessionId,
        decision: Decision,
    ) -> Result<(), DecisionRefused> {
        let park = self.parks.get(id).ok_or(DecisionRefused::Unknown(id))?;
        let peer = self.locks().peer(by);
        let manages = peer.is_some_and(|peer| peer.rights.contains(Rights::MANAGE));
        if !manages && !self.is_author(by, park) && !self.holds_all(by, park) {
            return Err(DecisionRefused::NotAllowed(roots(park)));
        }
        if !decision.is_merge() {
            return Ok(());
        }
        if !park.is_open() {
            return Err(DecisionRefused::Discarded);
        }
        if peer.is_none_or(|peer| peer.role == SessionRole::Observer || !peer.can_write()) {
            return Err(DecisionRefused::Observer);
        }
        let right = self
            .locks()
            .may_write(by, park.roots.iter().map(String::as_str));
        if let WriteRight::Refused { .. } = right {
            return Err(DecisionRefused::Locked(roots(park)));
        }
        if !fit_together(&self.document, park, decision) {
            return Err(DecisionRefused::Incomplete);
        }
        Ok(())
    }

    /// Applies all of a park's edits, which fit, as one step.
    fn merge_park(&mut self, id: u64, decision: Decision, effects: &mut Vec<Effect>) {
        let park = self.parks.get(id);
        let updates = park.map(|park| park.updates.clone()).unwrap_or_default();
        let nothing = ReplicaIndex::new();
        for update in updates {
            let read = OwnedScan::new(update).ok();
            let fitting = read.map(|update| {
                fitting(&update, self.document.state(), &nothing, decision).into_owned()
            });
            let applied = fitting.map(|scan| (self.document.apply_scanned(&scan.as_scan()), scan));
            match applied {
                Some((Ok(ApplyOutcome::Added), scan)) => effects.push(Effect::Applied(scan)),
                Some((Ok(ApplyOutcome::Known), _)) => {}
                // They were found to fit together when the merge was allowed.
                Some((Err(_), _)) | None => {
                    let denied = DecisionRefused::Incomplete;
                    effects.push(Effect::Denied(denied.outcome(), denied.to_string()));
                    return;
                }
            }
        }
        self.close_parks(effects);
        // Also if it holds an edit that today's scanner would not admit.
        if let Some(park) = self.parks.remove(id) {
            effects.push(Effect::Park(Box::new(view(&park, ParkStatus::Merged))));
        }
    }

    fn set_park(&mut self, id: u64, state: ParkState, effects: &mut Vec<Effect>) {
        if let Some(park) = self.parks.get_mut(id)
            && park.state != state
        {
            park.state = state;
            self.show_park(id, effects);
        }
    }

    /// Adds the view of a park as it is now.
    pub(super) fn show_park(&self, id: u64, effects: &mut Vec<Effect>) {
        if let Some(park) = self.parks.get(id) {
            effects.push(Effect::Park(Box::new(view(park, shown_state(park)))));
        }
    }
}

/// Returns the names of a park's root types for people: in parentheses, empty if it has none.
fn roots(park: &Park) -> String {
    const NAMED: usize = 5;
    let cut = |root: &String| root.chars().take(40).collect::<String>();
    let named: Vec<String> = park.roots.iter().take(NAMED).map(cut).collect();
    let named = named.join(", ");
    match park.roots.len().saturating_sub(NAMED) {
        _ if named.is_empty() => String::new(),
        0 => format!(" ({named})"),
        more => format!(" ({named} and {more} more)"),
    }
}

#[cfg(test)]
mod tests {
    use baton_presence::{ClientKind, Event, Scope, UserKey};
    use baton_sync::History;
    use bytes::Bytes;

    use super::*;
    use crate::replica::{Placing, Profile, Record};
    use crate::token::ResumeToken;

    fn joined() -> Record {
        Record::Joined {
            client_kind: ClientKind::LockAware,
            role: SessionRole::Writer,
            rights: Rights::EDIT,
            user: Some(UserKey([1; 16])),
            token: ResumeToken::new([0; 16]).hash(),
            profile: Profile::default(),
            client: None,
            at_ms: 5,
        }
    }

    /// Session 1 holds everything, session 2 wrote "hi" into the text t.
    fn parked() -> ReplicatedState {
        let mut state = ReplicatedState::load(None, &[], History::Drop).unwrap();
        let (holder, author) = (SessionId(1), SessionId(2));
        let acquire = Event::Acquire {
            session: holder,
            scope: Scope::WHOLE,
        };
        let update = Record::Update {
            session: author,
            update: Bytes::from_static(b"\x01\x01\x01\x00\x04\x01\x01t\x02hi\x00"),
            at_ms: None,
            placing: Placing::ByAuthor,
        };
        let records = [joined(), joined(), Record::Presence(acquire)];
        for (position, record) in (1..).zip(records) {
            state.apply(position, record, None, &mut Vec::new());
        }
        let fence = state.locks().grants().next().unwrap().fence;
        let claim = Event::Claim {
            session: holder,
            fence,
        };
        for (position, record) in (4..).zip([Record::Presence(claim), update]) {
            state.apply(position, record, None, &mut Vec::new());
        }
        state
    }

    fn decide(state: &mut ReplicatedState, position: u64, decision: Decision) -> Vec<Effect> {
        let mut effects = Vec::new();
        let by = Some(SessionId(1));
        let record = Record::ParkDecided {
            id: 5,
            by,
            decision,
            at_ms: 7,
        };
        state.apply(position, record, None, &mut effects);
        effects
    }

    #[test]
    fn a_park_without_a_time_has_the_newest_that_the_log_has_seen() {
        let mut state = parked();
        assert_eq!(state.parks.get(5).map(|park| park.at_ms), Some(5));
        let stored = (5, state.draft().write().unwrap().bytes);
        let loaded = ReplicatedState::load(Some(&stored), &[], History::Drop).unwrap();
        assert_eq!(loaded.last_at, 5);
    }

    #[test]
    fn a_purge_that_was_overtaken_changes_nothing() {
        let mut state = parked();
        let purge = |state: &mut ReplicatedState, position, at_ms| {
            let record = Record::ParkDecided {
                id: 5,
                by: None,
                decision: Decision::Purge,
                at_ms,
            };
            state.apply(position, record, None, &mut Vec::new());
            state.parks.iter().count()
        };
        assert_eq!(purge(&mut state, 6, u64::MAX), 1);
        decide(&mut state, 7, Decision::Discard);
        let until = state.parks.get(5).unwrap().recoverable_until_ms().unwrap();
        assert_eq!(purge(&mut state, 8, until - 1), 1);
        assert_eq!(purge(&mut state, 9, until), 0);
    }

    #[test]
    fn a_park_of_which_the_document_has_a_part_is_merged_by_the_rule_of_the_record() {
        let mut state = parked();
        let first = b"\x01\x01\x01\x00\x04\x01\x01t\x01h\x00";
        state.document.apply(first).unwrap();
        let effects = decide(&mut state, 6, Decision::OldMerge);
        assert!(matches!(effects[..], [Effect::Denied(Outcome::Stale, _)]));
        assert_eq!(state.parks.iter().count(), 1);
        let effects = decide(&mut state, 7, Decision::Merge);
        assert!(matches!(effects[..], [Effect::Applied(_), Effect::Park(_)]));
        assert_eq!(state.parks.iter().count(), 0);
    }

    #[test]
    fn a_park_of_which_the_document_has_other_units_is_not_merged() {
        let mut state = parked();
        let other = b"\x01\x01\x01\x00\x04\x01\x01t\x01x\x00";
        state.document.apply(other).unwrap();
        let effects = decide(&mut state, 6, Decision::Merge);
        assert!(matches!(effects[..], [Effect::Denied(Outcome::Stale, _)]));
        assert_eq!(state.parks.iter().count(), 1);
    }

    #[test]
    fn a_park_whose_edits_lack_something_is_not_merged_in_part() {
        let mut state = parked();
        let lacking = Bytes::from_static(b"\x01\x01\x01\x07\x84\x01\x06\x01!\x00");
        state.parks.get_mut(5).unwrap().updates.push(lacking);
        let effects = decide(&mut state, 6, Decision::Merge);
        assert!(matches!(effects[..], [Effect::Denied(Outcome::Stale, _)]));
        assert!(state.document.state().vector().is_empty());
        assert_eq!(state.parks.iter().count(), 1);
    }
}
