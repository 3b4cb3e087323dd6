//! The fold under every order of records, whatever network, clocks and clients may have led to it.
//!
//! No messages, no time, no belief: each step is one record, anything that any session or timer can say
//! in that state, also what is stale, mistaken or not allowed. So whatever is found here of S1, S2, S7 to
//! S11 and L1 to L3 holds for every surrounding; S3, S5 and S6 need the network of `machine.rs`.

use baton_presence::{
    AutoPass, Change, ClientKind, DrainReason, Event, Fence, GrantState, Lateness, LockSettings,
    LockSnapshot, LockState, Presence, Rights, SessionId,
};
use stateright::{Model, Property};

use crate::book::{Around, Book};
use crate::places::Place;
use crate::rules::{self, Holders};
use crate::state::{joined, rights_of};
use crate::{Flaw, Rule, flaws, names};

/// The size of a model of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordSettings {
    /// How many sessions.
    pub sessions: u64,
    /// What they want.
    pub places: &'static [Place],
    /// What they do with it.
    pub wishes: Wishes,
    /// What happens to them.
    pub comings: Comings,
    /// What the client of the youngest session can say; the others speak the lock protocol.
    pub last: ClientKind,
    /// Whether locks pass on by themselves.
    pub auto_pass: AutoPass,
    /// Whether the right to lock comes and goes.
    pub revokes: bool,
    /// What is wrong.
    pub flaw: Flaw,
}

/// What sessions ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wishes {
    /// To acquire, to claim and to release.
    Plain,
    /// Also to try, to decline and to cancel.
    Choosy,
    /// Also to transfer, to request, to take over, to move; and holders lose patience or interest.
    Handoffs,
}

/// What happens to sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comings {
    /// Nothing.
    None,
    /// They fall silent and return.
    Silence,
    /// They lose their connection too, resume, leave, and the server restarts.
    All,
}

/// The records so far, as far as they matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordState {
    pub(crate) fold: LockSnapshot,
    pub(crate) book: Book,
    /// The last record asked for another.
    pub(crate) unsettled: bool,
    pub(crate) broken: Option<Rule>,
}

/// Every order of records.
#[derive(Debug, Clone)]
pub struct RecordModel(pub RecordSettings);

impl Model for RecordModel {
    type State = RecordState;
    type Action = Event;

    fn init_states(&self) -> Vec<RecordState> {
        let fold = LockState::new(LockSettings {
            auto_pass: self.0.auto_pass,
            ..LockSettings::default()
        });
        let mut state = RecordState {
            fold: fold.snapshot(),
            book: Book::default(),
            unsettled: false,
            broken: None,
        };
        for number in 1..=self.0.sessions {
            state = self.apply(&state, &self.joined(SessionId(number)));
        }
        vec![state]
    }

    fn actions(&self, state: &RecordState, actions: &mut Vec<Event>) {
        if state.broken.is_some() {
            return;
        }
        if state.unsettled {
            actions.push(Event::Settle);
        }
        for number in 1..=self.0.sessions {
            let session = SessionId(number);
            let peer = state.fold.peers.iter().find(|peer| peer.session == session);
            let Some(peer) = peer else {
                actions.push(self.joined(session));
                continue;
            };
            self.coming(state, session, peer.presence, actions);
            if self.0.revokes {
                let all = rights_of(session, self.0.flaw);
                let rights = [all, Rights::WRITE];
                actions.extend(rights.map(|rights| Event::RightsSet { session, rights }));
            }
            if peer.presence != Presence::Away {
                self.wishes(session, actions);
            }
        }
        self.about_grants(state, actions);
        if self.0.comings == Comings::All {
            actions.push(Event::Restarted);
        }
    }

    fn next_state(&self, before: &RecordState, event: Event) -> Option<RecordState> {
        let after = self.apply(before, &event);
        (after != *before).then_some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties()
    }
}

impl RecordModel {
    fn joined(&self, session: SessionId) -> Event {
        let client_kind = if session.0 == self.0.sessions {
            self.0.last
        } else {
            ClientKind::LockAware
        };
        joined(session, client_kind, self.0.flaw)
    }

    fn apply(&self, before: &RecordState, event: &Event) -> RecordState {
        let mut state = before.clone();
        let Ok(mut fold) = LockState::restore(&before.fold) else {
            state.broken = Some(Rule::S1);
            return state;
        };
        let position = fold.position().map_or(1, |last| last + 1);
        let mut changes = Vec::new();
        fold.apply(position, event, &mut changes);
        state.fold = fold.snapshot();
        state.unsettled = changes.contains(&Change::Unsettled);
        let around = Around {
            position,
            event,
            changes: &changes,
            after: &state.fold,
            announced: None,
            runs: &|_| true,
            flaw: self.0.flaw,
        };
        let judged = state.book.record(&around);
        state.broken = judged.err();
        let flaw = self.0.flaw;
        if state.broken.is_none() && flaw == Flaw::None && !state.book.agrees(&state.fold) {
            state.broken = Some(Rule::Told);
        }
        flaws::after(&mut state.fold, &before.fold, event, &changes, flaw);
        // No edit and no belief: nobody asks what these were.
        state.book.released.clear();
        state.book.excused.clear();
        state.book.locks.forget_ended();
        names::forget(&mut state.fold, &state.book);
        names::rename(|visit| {
            names::of_fold(&mut state.fold, visit);
            names::of_book(&mut state.book, visit);
        });
        state
    }

    fn coming(
        &self,
        state: &RecordState,
        session: SessionId,
        presence: Presence,
        actions: &mut Vec<Event>,
    ) {
        if self.0.comings == Comings::None {
            return;
        }
        match presence {
            Presence::Live => actions.push(Event::Lost { session }),
            Presence::Silent => actions.push(Event::Back { session }),
            Presence::Away => {}
        }
        if self.0.comings == Comings::Silence {
            return;
        }
        if presence == Presence::Away {
            actions.push(Event::Forgotten { session });
        } else {
            actions.push(Event::Disconnected { session });
            actions.push(Event::Done { session });
        }
        let rights = rights_of(session, self.0.flaw);
        let own = state.fold.grants.iter().filter(|g| g.party == session);
        let own = own.map(|grant| grant.fence);
        // It names nothing, all that it has, the newest of it, or what it has not.
        let other = state.fold.grants.iter().find(|g| g.party != session);
        let mut named: Vec<Vec<Fence>> = vec![Vec::new(), own.clone().collect()];
        named.push(own.max().into_iter().collect());
        named.push(other.map(|grant| grant.fence).into_iter().collect());
        named.sort_unstable();
        named.dedup();
        if self.0.revokes {
            let (fences, rights) = (Vec::new(), Rights::WRITE);
            actions.push(Event::Resumed {
                session,
                fences,
                rights,
            });
        }
        let resumed = |fences| Event::Resumed {
            session,
            fences,
            rights,
        };
        actions.extend(named.into_iter().map(resumed));
    }

    fn wishes(&self, session: SessionId, actions: &mut Vec<Event>) {
        let wishes = self.0.wishes;
        for place in self.0.places {
            let scope = || place.scope(self.0.flaw);
            actions.push(Event::Acquire {
                session,
                scope: scope(),
            });
            if wishes != Wishes::Plain {
                actions.push(Event::Try {
                    session,
                    scope: scope(),
                });
            }
            if wishes == Wishes::Handoffs {
                let scope = scope();
                actions.extend([
                    Event::Request {
                        session,
                        scope: scope.clone(),
                    },
                    Event::TakeOver {
                        session,
                        scope: scope.clone(),
                    },
                    Event::MoveHere { session, scope },
                ]);
            }
        }
        if wishes != Wishes::Plain {
            actions.push(Event::Cancel { session });
        }
    }

    /// What is said about the locks that there are, by their parties and by timers that are late.
    fn about_grants(&self, state: &RecordState, actions: &mut Vec<Event>) {
        let wishes = self.0.wishes;
        for grant in &state.fold.grants {
            let (session, fence) = (grant.party, grant.fence);
            if grant.lateness == Lateness::InTime {
                actions.extend(rules::timer(grant));
            }
            if grant.state == GrantState::Offered {
                actions.push(Event::Claim { session, fence });
                if wishes != Wishes::Plain {
                    actions.extend([false, true].map(|later| Event::Decline {
                        session,
                        fence,
                        later,
                    }));
                }
                continue;
            }
            actions.push(Event::Release { session, fence });
            if wishes != Wishes::Handoffs {
                continue;
            }
            actions.push(Event::Drained { session, fence });
            actions.push(Event::IdleYield { session, fence });
            if self.0.flaw != Flaw::RequestForEver {
                actions.push(Event::RequestOver { session, fence });
            }
            for number in 1..=self.0.sessions {
                let to = SessionId(number);
                actions.push(Event::Transfer { session, fence, to });
            }
        }
        if self.0.flaw != Flaw::NeverAgain {
            let pauses = state.fold.peers.iter();
            actions.extend(pauses.filter_map(|peer| rules::pause(&state.fold, peer)));
        }
        // Claims that come too late.
        for peer in &state.fold.peers {
            let session = peer.session;
            let late = peer.missed_offers.iter().map(|missed| Event::Claim {
                session,
                fence: missed.fence,
            });
            actions.extend(late);
        }
    }
}

fn properties() -> Vec<Property<RecordModel>> {
    type P = Property<RecordModel>;
    vec![
        P::always("S1", |_, state| state.broken != Some(Rule::S1)),
        P::always("S2", |_, state| state.broken != Some(Rule::S2)),
        P::always("S6", |_, state| state.broken != Some(Rule::S6)),
        P::always("S7", |_, state| {
            state.broken != Some(Rule::S7) && rules::only_the_entitled_hold(&state.fold)
        }),
        P::always("S8", |_, state| state.broken != Some(Rule::S8)),
        P::always("S9", |_, state| state.broken != Some(Rule::S9)),
        P::always("S10", |model, state| match model.0.flaw {
            // The harm that the rule prevents.
            Flaw::WaitWhileHolding => rules::nobody_waits_for_himself(&state.fold),
            _ => {
                rules::nobody_waits_while_holding(&state.fold)
                    && rules::nobody_waits_for_himself(&state.fold)
            }
        }),
        P::always("S11", |_, state| state.broken != Some(Rule::S11)),
        P::always("L1", |model, state| {
            served(model, state, Holders::Keep) && served_alone(model, state)
        }),
        P::always("L2", |model, state| served(model, state, Holders::GiveBack)),
        P::always("L3", |_, state| rules::timed_states_end(&state.fold)),
        P::always("L5", |model, state| {
            rules::free_locks_are_offered(&state.fold, model.0.flaw)
        }),
        P::always("Told", |_, state| state.broken != Some(Rule::Told)),
        P::sometimes("two hold side by side", |_, state| {
            let held = |grant: &&baton_presence::Grant| grant.state == GrantState::Held;
            let mut held = state.fold.grants.iter().filter(held);
            let first = held.next();
            held.any(|grant| first.is_some_and(|first| first.party != grant.party))
        }),
        P::sometimes("more than one offer to make", |_, state| state.unsettled),
        P::sometimes("two locks drain to one", |_, state| {
            let to = |grant: &baton_presence::Grant| match grant.state {
                GrantState::Draining { to, .. } => to,
                _ => None,
            };
            let mut heirs = state.fold.grants.iter().filter_map(to);
            let first = heirs.next();
            first.is_some() && heirs.next() == first
        }),
        P::sometimes("a lock drains for want of the right", |_, state| {
            let revoked = |grant: &baton_presence::Grant| {
                let why = DrainReason::Revoked;
                matches!(grant.state, GrantState::Draining { why: of, .. } if of == why)
            };
            state.fold.grants.iter().any(revoked)
        }),
        P::sometimes("a waiter behind one who waits for more", |_, state| {
            state.book.locks.waits().len() > 1
        }),
    ]
}

/// With everybody well, who is here.
fn served(model: &RecordModel, state: &RecordState, holders: Holders) -> bool {
    let live = |session: SessionId| {
        let mut peers = state.fold.peers.iter();
        peers.any(|peer| peer.session == session && peer.presence == Presence::Live)
    };
    rules::waiters_are_served(&state.fold, &live, holders, model.0.flaw)
}

/// With each waiter the only one who is well.
fn served_alone(model: &RecordModel, state: &RecordState) -> bool {
    let waits = state
        .fold
        .peers
        .iter()
        .filter(|peer| peer.ticket.is_some() && peer.presence == Presence::Live);
    waits.map(|peer| peer.session).all(|alone| {
        let runs = |session| session == alone;
        rules::waiters_are_served(&state.fold, &runs, Holders::Keep, model.0.flaw)
    })
}

impl RecordSettings {
    /// So many sessions and these places, with everything that may be asked for and may happen.
    #[must_use]
    pub const fn of(sessions: u64, places: &'static [Place], flaw: Flaw) -> Self {
        Self {
            sessions,
            places,
            wishes: Wishes::Handoffs,
            comings: Comings::All,
            last: ClientKind::LockAware,
            auto_pass: AutoPass::On,
            revokes: false,
            flaw,
        }
    }
}
