//! What becomes of parks: merged, discarded, recovered, purged.
//!
//! Owns who may decide and what each decision does. As with an edit, a decision is proposed as a record and decided at its
//! position in the log: what its author might do when it was said does not count. Caps are settings, which may differ from
//! one start to the next, so they are checked before a record is proposed and never when one is applied.

use baton_presence::{Rights, SessionId, SessionRole, Time, WriteRight};
use baton_sync::channel::{Outcome, ParkState as Told};
use baton_sync::scan::scan;
use baton_sync::state::{Judgement, State as Known};

use crate::connection::Origin;
use crate::output::ConnectionId;
use crate::park::{Park, ParkReason, ParkState};
use crate::park_limits::ParkFull;
use crate::record::{Decision, Record};
use crate::room::Room;
use crate::state::{Effect, State};
use crate::viewing::view;

/// A decision was not carried out; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Undecided {
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
    #[error("who only watches merges nothing; nothing changed")]
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

impl Undecided {
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

impl State {
    /// A decision about a park got its position.
    pub(crate) fn decide_park(
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
            (Decision::Merge, Some(_)) => self.merge_park(id, effects),
            (Decision::Discard, Some(by)) => {
                // Discarded again, it does not begin its 30 days anew.
                if self.parks.get(id).is_some_and(Park::is_open) {
                    self.set_park(id, ParkState::Discarded { at_ms, by }, effects);
                }
            }
            (Decision::Recover, Some(_)) => self.set_park(id, ParkState::Open, effects),
            (Decision::Purge, None) => {
                let until = self.parks.get(id).and_then(Park::recoverable_until_ms);
                // One that was recovered meanwhile, or discarded anew, is not meant.
                if until.is_some_and(|until| until <= at_ms) {
                    self.parks.remove(id);
                }
            }
            // Never proposed: people do not purge, and nobody does nothing else.
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

    /// Closes the parks whose edits have entered the document, and tells of them.
    pub(crate) fn close_parks(&mut self, effects: &mut Vec<Effect>) {
        for park in self.parks.close_merged(self.document.state()) {
            effects.push(Effect::Park(Box::new(view(&park, Told::Merged))));
        }
    }

    /// Whether a session wrote what is parked, or its user did.
    pub(crate) fn is_author(&self, session: SessionId, park: &Park) -> bool {
        let user = self.fold.peer(session).and_then(|peer| peer.user);
        park.session == session || (user.is_some() && user == park.user)
    }

    /// Whether a session holds locks of all that a park touches.
    pub(crate) fn holds_all(&self, session: SessionId, park: &Park) -> bool {
        let holds =
            |root: &String| matches!(self.may_write(session, [&**root]), WriteRight::Holder(_));
        !park.roots.is_empty() && park.roots.iter().all(holds)
    }

    fn may_decide(&self, id: u64, by: SessionId, decision: Decision) -> Result<(), Undecided> {
        let park = self.parks.get(id).ok_or(Undecided::Unknown(id))?;
        let peer = self.fold.peer(by);
        let manages = peer.is_some_and(|peer| peer.rights.contains(Rights::MANAGE));
        if !manages && !self.is_author(by, park) && !self.holds_all(by, park) {
            return Err(Undecided::NotAllowed(roots(park)));
        }
        if decision != Decision::Merge {
            return Ok(());
        }
        if !park.is_open() {
            return Err(Undecided::Discarded);
        }
        if peer.is_none_or(|peer| peer.role == SessionRole::Observer) {
            return Err(Undecided::Observer);
        }
        let right = self.may_write(by, park.roots.iter().map(String::as_str));
        if let WriteRight::Refused { .. } = right {
            return Err(Undecided::Locked(roots(park)));
        }
        if !fit_together(self.document.state(), park) {
            return Err(Undecided::Incomplete);
        }
        Ok(())
    }

    /// Applies all of a park's edits, which fit, as one step.
    fn merge_park(&mut self, id: u64, effects: &mut Vec<Effect>) {
        let park = self.parks.get(id);
        let updates = park.map(|park| park.updates.clone()).unwrap_or_default();
        for update in updates {
            match self.document.apply(&update) {
                Ok(baton_sync::Applied::Added) => effects.push(Effect::Applied(update)),
                Ok(baton_sync::Applied::Known) => {}
                // They were found to fit together when the merge was allowed.
                Err(_) => {
                    let denied = Undecided::Incomplete;
                    effects.push(Effect::Denied(denied.outcome(), denied.to_string()));
                    return;
                }
            }
        }
        self.close_parks(effects);
        // Also if it says more than it knows: an edit that no scanner of today would admit.
        if let Some(park) = self.parks.remove(id) {
            effects.push(Effect::Park(Box::new(view(&park, Told::Merged))));
        }
    }

    fn set_park(&mut self, id: u64, state: ParkState, effects: &mut Vec<Effect>) {
        if let Some(park) = self.parks.get_mut(id)
            && park.state != state
        {
            park.state = state;
            self.tell_park(id, effects);
        }
    }

    /// Tells of a park as it is now.
    pub(crate) fn tell_park(&self, id: u64, effects: &mut Vec<Effect>) {
        if let Some(park) = self.parks.get(id) {
            effects.push(Effect::Park(Box::new(view(park, park.told()))));
        }
    }
}

impl Room {
    /// A session wants to decide about a park.
    pub(crate) fn decide_park(
        &mut self,
        connection: ConnectionId,
        session: SessionId,
        nonce: u64,
        decision: Decision,
        id: u64,
        now: Time,
    ) {
        if let Err(full) = self.room_for_decision(decision, id) {
            let denied = Undecided::from(full);
            self.answer_operation(
                connection,
                nonce,
                denied.outcome(),
                Some(denied.to_string()),
            );
            return;
        }
        let origin = Origin::Operation(connection, nonce);
        self.propose_decision(id, Some(session), decision, origin, now);
    }

    /// A session was granted something: what its author could not write before, and can now, enters the document.
    pub(crate) fn merge_own_parks(&mut self, session: SessionId, now: Time) {
        let state = &self.state;
        let is_due = |park: &&Park| {
            park.is_open()
                && park.reason == ParkReason::Locked
                && state.is_author(session, park)
                && state.holds_all(session, park)
        };
        let due: Vec<u64> = state
            .parks
            .iter()
            .filter(is_due)
            .map(|park| park.id)
            .collect();
        for id in due {
            self.propose_decision(id, Some(session), Decision::Merge, Origin::Nobody, now);
        }
    }

    /// Lets go of what was discarded 30 days ago. To be called when [`Room::parks_due`] says so, which is at once after a
    /// start if the time passed meanwhile.
    pub(crate) fn purge_parks(&mut self, now: Time) {
        let unix = self.unix_ms(now);
        let is_over = |park: &&Park| {
            park.recoverable_until_ms()
                .is_some_and(|until| until <= unix)
        };
        let over = self.state.parks.iter().filter(is_over);
        let over: Vec<u64> = over.map(|park| park.id).collect();
        for id in over {
            self.propose_decision(id, None, Decision::Purge, Origin::Nobody, now);
        }
    }

    /// When the first discarded park is over.
    pub(crate) fn parks_due(&self) -> Option<Time> {
        let until = self
            .state
            .parks
            .iter()
            .filter_map(Park::recoverable_until_ms);
        let since = until.min()?.saturating_sub(self.options.unix_at_zero_ms);
        Some(Time::from_millis(since))
    }

    fn room_for_decision(&self, decision: Decision, id: u64) -> Result<(), ParkFull> {
        let parks = &self.state.parks;
        let is_open = parks.get(id).map(Park::is_open);
        match (decision, is_open) {
            (Decision::Discard, Some(true)) => parks.room_for_discarded(id, &self.options.parks),
            (Decision::Recover, Some(false)) => parks.room_for_recovered(id, &self.options.parks),
            _ => Ok(()),
        }
    }

    fn propose_decision(
        &mut self,
        id: u64,
        by: Option<SessionId>,
        decision: Decision,
        origin: Origin,
        now: Time,
    ) {
        let record = Record::ParkDecided {
            id,
            by,
            decision,
            at_ms: self.unix_ms(now),
        };
        self.propose(record, origin);
    }
}

/// Whether the edits can be applied one after the other.
fn fit_together(document: &Known, park: &Park) -> bool {
    let mut over = Known::new();
    park.updates.iter().all(|update| {
        let Ok(scanned) = scan(update) else {
            return false;
        };
        let judgement = document.judge_over(&over, &scanned);
        over.absorb_over(document, &scanned);
        matches!(judgement, Judgement::Fits | Judgement::Known)
    })
}

/// The names of a park's root types, for people: in parentheses, nothing if it has none.
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
    use crate::record::Profile;
    use crate::token::ResumeToken;

    fn joined() -> Record {
        Record::Joined {
            client_kind: ClientKind::LockAware,
            role: SessionRole::Writer,
            rights: Rights::NONE,
            user: Some(UserKey([1; 16])),
            token: ResumeToken::new([0; 16]).hash(),
            profile: Profile::default(),
            client: None,
            at_ms: 5,
        }
    }

    /// Session 1 holds everything, session 2 wrote "hi" into the text t.
    fn parked() -> State {
        let mut state = State::load(None, &[]).unwrap();
        let (holder, author) = (SessionId(1), SessionId(2));
        let acquire = Event::Acquire {
            session: holder,
            scope: Scope::WHOLE,
        };
        let update = Record::Update {
            session: author,
            update: Bytes::from_static(b"\x01\x01\x01\x00\x04\x01\x01t\x02hi\x00"),
            at_ms: None,
            placing: crate::record::Placing::ByAuthor,
        };
        let records = [joined(), joined(), Record::Presence(acquire)];
        for (position, record) in (1..).zip(records) {
            state.apply(position, record, &mut Vec::new());
        }
        let fence = state.fold.grants().next().unwrap().fence;
        let claim = Event::Claim {
            session: holder,
            fence,
        };
        for (position, record) in (4..).zip([Record::Presence(claim), update]) {
            state.apply(position, record, &mut Vec::new());
        }
        state
    }

    fn decide(state: &mut State, position: u64, decision: Decision) -> Vec<Effect> {
        let mut effects = Vec::new();
        let by = Some(SessionId(1));
        let record = Record::ParkDecided {
            id: 5,
            by,
            decision,
            at_ms: 7,
        };
        state.apply(position, record, &mut effects);
        effects
    }

    #[test]
    fn a_park_without_a_time_has_the_newest_that_the_log_has_seen() {
        let mut state = parked();
        assert_eq!(state.parks.get(5).map(|park| park.at_ms), Some(5));
        let stored = (5, state.draft(History::Drop).write().unwrap().bytes);
        let loaded = State::load(Some(&stored), &[]).unwrap();
        assert_eq!(loaded.last_at, 5);
    }

    #[test]
    fn a_purge_that_was_overtaken_changes_nothing() {
        let mut state = parked();
        let purge = |state: &mut State, position, at_ms| {
            let record = Record::ParkDecided {
                id: 5,
                by: None,
                decision: Decision::Purge,
                at_ms,
            };
            state.apply(position, record, &mut Vec::new());
            state.parks.iter().count()
        };
        assert_eq!(purge(&mut state, 6, u64::MAX), 1);
        decide(&mut state, 7, Decision::Discard);
        let until = state.parks.get(5).unwrap().recoverable_until_ms().unwrap();
        assert_eq!(purge(&mut state, 8, until - 1), 1);
        assert_eq!(purge(&mut state, 9, until), 0);
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
