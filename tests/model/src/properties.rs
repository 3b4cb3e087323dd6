//! What the checker asks of each state of the model with a network: the invariants, and beside them a few
//! things that must be *possible*. A model in which nothing happens proves nothing.

use baton_presence::{Fence, GrantState, Lateness, Presence, SessionId};
use stateright::Property;

use crate::Rule;
use crate::client::Client;
use crate::machine::LockModel;
use crate::messages::{Message, Up};
use crate::rules::{self, Holders};
use crate::state::State;

pub(crate) fn all() -> Vec<Property<LockModel>> {
    type P = Property<LockModel>;
    vec![
        P::always("S1", |_, state| state.broken != Some(Rule::S1)),
        P::always("S2", |_, state| state.broken != Some(Rule::S2)),
        P::always("S3", |_, state| state.broken != Some(Rule::S3)),
        P::always("S5", |_, state| one_believes(state)),
        P::always("S6", |_, state| state.broken != Some(Rule::S6)),
        P::always("S7", |_, state| state.broken != Some(Rule::S7)),
        P::always("S8", |_, state| state.broken != Some(Rule::S8)),
        P::always("S9", |_, state| state.broken != Some(Rule::S9)),
        P::always("S10", |_, state| {
            rules::nobody_waits_while_holding(&state.now.fold)
        }),
        P::always("S11", |_, state| state.broken != Some(Rule::S11)),
        P::always("L1", |model, state| {
            state.broken != Some(Rule::L1) && served(model, state, Holders::Keep)
        }),
        P::always("L2", |model, state| served(model, state, Holders::GiveBack)),
        P::always("L3", |_, state| rules::timed_states_end(&state.now.fold)),
        P::always("L5", |model, state| {
            rules::free_locks_are_offered(&state.now.fold, model.0.flaw)
        }),
        P::always("L6", holders_are_confirmed),
        P::always("Told", |_, state| state.broken != Some(Rule::Told)),
        P::sometimes("the younger one edits under the lock", |_, state| {
            let last = state.clients.last();
            last.is_some_and(|client| client.believes().next().is_some())
        }),
        P::sometimes("two edit side by side", |_, state| {
            let edit = |client: &&Client| client.believes().next().is_some();
            state.clients.iter().filter(edit).count() >= 2
        }),
        P::sometimes("an offer missed", |_, state| {
            let mut peers = state.now.fold.peers.iter();
            peers.any(|peer| !peer.missed_offers.is_empty())
        }),
        P::sometimes("a silent holder that nobody replaces", |_, state| {
            has(state, |grant| {
                grant.state == GrantState::Held && state.presence(grant.party) == Presence::Silent
            })
        }),
        P::sometimes("a holder without a connection, overdue", |_, state| {
            has(state, |grant| {
                grant.state == GrantState::Suspect && grant.lateness == Lateness::Overdue
            })
        }),
        P::sometimes("a holder of before, overdue", |_, state| {
            has(state, |grant| {
                grant.state == GrantState::Recovering && grant.lateness == Lateness::Overdue
            })
        }),
        P::sometimes("a holder that was asked", |_, state| {
            has(state, |grant| grant.requested_by.is_some())
        }),
        P::sometimes("a lock that drains with an edit under way", |_, state| {
            let edit = |fence: Fence| {
                let typed = |message: &Message| matches!(message, Message::Up(_, Up::Edit(_, Some(f))) if *f == fence);
                state.net.iter().any(typed)
            };
            has(state, |grant| {
                matches!(grant.state, GrantState::Draining { .. }) && edit(grant.fence)
            })
        }),
        P::sometimes("a client that lost a lock and was not told", |_, state| {
            let grants = &state.now.fold.grants;
            let over = |hold: &crate::Hold| grants.iter().all(|grant| grant.fence != hold.fence);
            state
                .clients
                .iter()
                .flat_map(|client| &client.holds)
                .any(over)
        }),
    ]
}

fn has(state: &State, what: impl Fn(&baton_presence::Grant) -> bool) -> bool {
    state.now.fold.grants.iter().any(what)
}

/// S5; but for what was taken from those who were away.
fn one_believes(state: &State) -> bool {
    let excused = &state.now.book.excused;
    let believers = |number: usize| {
        let client = state.clients[number].believes();
        client.filter(|hold| !excused.contains(&hold.fence))
    };
    let all = state.clients.len();
    (0..all).all(|one| {
        believers(one).all(|mine| {
            (one + 1..all).all(|two| believers(two).all(|other| !mine.place.conflicts(other.place)))
        })
    })
}

/// L6: once all is durable, nothing holds back the confirmation of any holder's answers.
fn holders_are_confirmed(model: &LockModel, state: &State) -> bool {
    if state.unsaid.is_empty() {
        return true;
    }
    let mut after = state.clone();
    after.make_durable(&model.0);
    let unconfirmed = |grant: &baton_presence::Grant| {
        grant.state == GrantState::Held && !after.may_confirm(grant.party)
    };
    !after.now.fold.grants.iter().any(unconfirmed)
}

fn served(model: &LockModel, state: &State, holders: Holders) -> bool {
    let runs = |session: SessionId| {
        state.client_of(session).is_some() && state.presence(session) == Presence::Live
    };
    rules::waiters_are_served(&state.now.fold, &runs, holders, model.0.flaw)
}
