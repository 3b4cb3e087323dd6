//! The invariants, as properties of a state; those of a step are in `book.rs`.
//!
//! Beside them a few things that must be *possible*: a model in which nothing happens proves nothing.

use baton_presence::{Due, Event, Fold, LockState, Presence, SessionId};
use stateright::Property;

use crate::book::party;
use crate::machine::LockModel;
use crate::state::State;

/// The invariants of the design that this model checks; its own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A lock never has two holders.
    S1,
    /// Fences strictly grow, over crashes too.
    S2,
    /// An applied locked write carried the current fence of its session.
    S3,
    /// No two clients believe that they may edit.
    S5,
    /// An orderly handoff parks nothing.
    S6,
    /// A resume does not change the fence.
    S8,
    /// Live waiters are served in ticket order.
    S9,
    /// A holder is not replaced by nobody.
    S11,
    /// From wherever it is, the lock comes to a live waiter within two steps for each peer, and is
    /// never granted to a process that does not run and did not ask.
    L1,
    /// Every timed state leaves by its timer.
    L3,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::S1,
        Self::S2,
        Self::S3,
        Self::S5,
        Self::S6,
        Self::S8,
        Self::S9,
        Self::S11,
        Self::L1,
        Self::L3,
    ];

    /// As the checker calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::S1 => "S1",
            Self::S2 => "S2",
            Self::S3 => "S3",
            Self::S5 => "S5",
            Self::S6 => "S6",
            Self::S8 => "S8",
            Self::S9 => "S9",
            Self::S11 => "S11",
            Self::L1 => "L1",
            Self::L3 => "L3",
        }
    }
}

pub(crate) fn properties() -> Vec<Property<LockModel>> {
    type P = Property<LockModel>;
    vec![
        P::always("S1", |_, state| state.broken != Some(Rule::S1)),
        P::always("S2", |_, state| state.broken != Some(Rule::S2)),
        P::always("S3", |_, state| state.broken != Some(Rule::S3)),
        P::always("S5", |_, state| believers(state) <= 1),
        P::always("S6", |_, state| state.broken != Some(Rule::S6)),
        P::always("S8", |_, state| state.broken != Some(Rule::S8)),
        P::always("S9", |_, state| state.broken != Some(Rule::S9)),
        P::always("S11", |_, state| state.broken != Some(Rule::S11)),
        P::always("L1", |_, state| {
            state.broken != Some(Rule::L1) && waiters_are_served(state)
        }),
        P::always("L3", |_, state| timed_states_end(state)),
        P::sometimes("the younger one edits under the lock", |_, state| {
            state.clients.last().is_some_and(|client| client.believes())
        }),
        P::sometimes("an offer missed", |_, state| {
            state
                .now
                .fold
                .peers
                .iter()
                .any(|peer| peer.passed_over.is_some())
        }),
        P::sometimes("a silent holder that nobody replaces", |_, state| {
            matches!(state.now.fold.lock.state, LockState::Held { by, .. }
                if state.presence(by) == Presence::Silent)
        }),
        P::sometimes("a holder without a connection, overdue", |_, state| {
            let lock = &state.now.fold.lock;
            matches!(lock.state, LockState::Suspect { .. }) && lock.due == Due::Overdue
        }),
        P::sometimes("a holder of before, overdue", |_, state| {
            let lock = &state.now.fold.lock;
            matches!(lock.state, LockState::Recovering { .. }) && lock.due == Due::Overdue
        }),
        P::sometimes(
            "a client that lost the lock and was not told",
            |_, state| {
                let held = party(state.now.fold.lock.state).map(|(_, fence)| fence);
                let old = |client: &crate::Client| client.fence.is_some() && client.fence < held;
                state.clients.iter().any(old)
            },
        ),
    ]
}

fn believers(state: &State) -> usize {
    let believes = state.clients.iter().map(crate::Client::believes);
    believes.filter(|believes| *believes).count()
}

/// L3: the timer of each timed state, when it fires, ends that state.
fn timed_states_end(state: &State) -> bool {
    let lock = &state.now.fold.lock;
    let event = match lock.state {
        LockState::Offered { to, fence } => Event::OfferExpired { session: to, fence },
        LockState::Suspect { by, fence } => Event::GraceOver { session: by, fence },
        LockState::Recovering { by, fence } => Event::RecoveryOver { session: by, fence },
        LockState::Free | LockState::Held { .. } => return true,
    };
    let Some(after) = apply(state, &[event]) else {
        return false;
    };
    let after_lock = after.lock();
    match lock.state {
        LockState::Offered { .. } => after_lock.state != lock.state,
        // S11: it stays, marked, while nobody could take it.
        _ => {
            after_lock.state != lock.state
                || (after_lock.due == Due::Overdue && after.next_in_line().is_none())
        }
    }
}

/// L1: a live client waits, and the lock is with nobody who is well. The timers fire, offers to those
/// who run are claimed, offers to the others run out; soon somebody who runs holds the lock.
fn waiters_are_served(state: &State) -> bool {
    let runs = |session: SessionId| {
        state.client_of(session).is_some() && state.presence(session) == Presence::Live
    };
    let waits = state
        .now
        .fold
        .peers
        .iter()
        .any(|peer| peer.ticket.is_some() && peer.passed_over.is_none() && runs(peer.session));
    if !waits {
        return true;
    }
    let Ok(mut fold) = Fold::restore(&state.now.fold) else {
        return false;
    };
    for _ in 0..2 * state.now.fold.peers.len() + 1 {
        let event = match fold.lock().state() {
            LockState::Free => return false,
            LockState::Held { by, .. } if runs(by) => return true,
            LockState::Held { by, .. } => Event::Lost { session: by },
            LockState::Offered { to, fence } if runs(to) => Event::Claim { session: to, fence },
            LockState::Offered { to, fence } => Event::OfferExpired { session: to, fence },
            LockState::Suspect { by, fence } => Event::GraceOver { session: by, fence },
            LockState::Recovering { by, fence } => Event::RecoveryOver { session: by, fence },
        };
        let position = fold.position().map_or(1, |last| last + 1);
        fold.apply(position, &event, &mut Vec::new());
    }
    false
}

fn apply(state: &State, events: &[Event]) -> Option<Fold> {
    let mut fold = Fold::restore(&state.now.fold).ok()?;
    for event in events {
        let position = fold.position().map_or(1, |last| last + 1);
        fold.apply(position, event, &mut Vec::new());
    }
    Some(fold)
}
