//! The edit locks as this session sees them.
//!
//! A state machine without sockets, timers or clocks: messages and moments go in, effects come out. Owns which grants
//! are ours, what we asked for and how far it got; never sends anything. [`right`] answers "may this client edit
//! there now?", [`wishes`] are what a program asks for, [`grant`] has the records.

pub(crate) mod grant;
mod right;
mod wishes;

use std::collections::BTreeMap;
use std::time::Duration;

use baton_sync::channel::{Fence, GrantState, LockView, Mode};

use crate::lease::Answers;
use crate::scope::Scope;
use crate::time::Moment;

use grant::{Ended, Grant, Heard, Offer, Stage};

/// What followed from an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// A lock is ours; `kept` when it was before the connection was lost.
    Granted {
        fence: Fence,
        scope: Scope,
        kept: bool,
    },
    /// It is ours no more.
    Lost {
        fence: Fence,
        scope: Scope,
        reason: String,
    },
    /// An offer ended before it became a grant.
    OfferEnded { fence: Fence, reason: String },
    /// We still want this, and the server does not know.
    AskAgain(Scope),
    /// The document's mode changed.
    Mode(Mode),
}

/// What a welcome says that matters here.
pub(crate) struct Welcomed<'a> {
    pub(crate) session: u64,
    pub(crate) resumed: bool,
    pub(crate) view: &'a LockView,
    pub(crate) client_stop: Duration,
}

/// Why this copy may never be edited again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bar {
    Diverged,
    Closed,
}

#[derive(Debug, Default)]
pub(crate) struct Locks {
    answers: Answers,
    stop: Duration,
    session: Option<u64>,
    view: Option<LockView>,
    grants: BTreeMap<Fence, Grant>,
    ended: Ended,
    offers: BTreeMap<Fence, Offer>,
    hello: Option<Moment>,
    /// Asked for, neither got nor given up: a session has one ticket.
    wanted: Option<Scope>,
    /// Wishes that were withdrawn or replaced by the operation with this nonce, which is not answered yet.
    superseded: BTreeMap<u64, Vec<Scope>>,
    /// Taken from somebody, and not come yet: offers of these are wanted beside the ticket.
    taken: Vec<Scope>,
    connected: bool,
    bar: Option<Bar>,
}

impl Locks {
    // ---- the connection ----

    pub(crate) fn hello_sent(&mut self, at: Moment) {
        self.hello = Some(at);
    }

    pub(crate) fn welcomed(&mut self, welcome: &Welcomed<'_>) -> Vec<Effect> {
        let view = welcome.view;
        let mut effects = Vec::new();
        effects.extend(self.mode_changes(view.mode));
        self.connected = true;
        self.session = Some(welcome.session);
        self.view = Some(view.clone());
        self.stop = welcome.client_stop;
        self.offers.clear();
        if !welcome.resumed {
            self.answers = Answers::default();
            self.taken.clear();
        }
        effects.extend(self.resume(welcome.resumed));
        self.follow_queue();
        let told_whole_queue = view.queue.len() as u64 >= u64::from(view.waiting);
        let waits = view
            .queue
            .iter()
            .any(|waiter| waiter.session == welcome.session);
        if let Some(wanted) = &self.wanted
            && !waits
            && told_whole_queue
            && self.grants.is_empty()
        {
            effects.push(Effect::AskAgain(wanted.clone()));
        }
        effects
    }

    /// What the server shows as ours goes on; the rest is lost.
    fn resume(&mut self, resumed: bool) -> Vec<Effect> {
        let mut had = std::mem::take(&mut self.grants);
        let mut effects = Vec::new();
        let shown = self.view.iter().flat_map(|view| &view.grants);
        for shown in shown.filter(|grant| resumed && Some(grant.session) == self.session) {
            if shown.state == GrantState::Offered {
                continue;
            }
            let (fence, scope) = (shown.fence, Scope::told(shown.paths.clone()));
            let mut grant = had
                .remove(&fence)
                .unwrap_or_else(|| Grant::new(scope.clone()));
            match (shown.state == GrantState::Draining, grant.stage) {
                (true, Stage::Held) => grant.stage = Stage::Draining,
                // A start of the server forgets who was to get it, and waits for no word of ours.
                (false, Stage::Draining | Stage::Drained) => grant.stage = Stage::Held,
                _ => {}
            }
            // The welcome answers our hello, so the server knew us alive after the hello was sent.
            if let Some(hello) = self.hello {
                grant.lease.renew(hello);
            }
            self.grants.insert(fence, grant);
            let kept = true;
            effects.push(Effect::Granted { fence, scope, kept });
        }
        for (fence, grant) in had {
            self.ended.add(fence);
            if grant.stage != Stage::Releasing {
                effects.push(Effect::Lost {
                    fence,
                    scope: grant.scope,
                    reason: "it passed on while this client was out of reach".to_owned(),
                });
            }
        }
        self.settle_wishes();
        effects
    }

    pub(crate) fn disconnected(&mut self) {
        self.connected = false;
        self.offers.clear();
        self.superseded.clear();
        for grant in self.grants.values_mut() {
            // Whether the server heard it is not known; it will be told again.
            if grant.stage == Stage::Drained {
                grant.stage = Stage::Draining;
            }
        }
    }

    /// The answer to beat `n` was sent.
    pub(crate) fn answered(&mut self, n: u64, at: Moment) {
        self.answers.sent(n, at);
    }

    /// A beat said which of our answers came in time: it proves this session alive, and so the holder of each grant.
    pub(crate) fn confirmed(&mut self, n: u64) {
        if let Some(sent) = self.answers.confirmed(n) {
            for grant in self.grants.values_mut() {
                grant.lease.renew(sent);
            }
        }
    }

    // ---- what the server shows ----

    /// A view of the locks came. `None` when it is older than what is known.
    pub(crate) fn viewed(&mut self, view: &LockView) -> Option<Vec<Effect>> {
        if self
            .view
            .as_ref()
            .is_some_and(|known| view.version < known.version)
        {
            return None;
        }
        let mut effects = Vec::new();
        effects.extend(self.mode_changes(view.mode));
        self.view = Some(view.clone());
        let shows = |fence: &Fence| view.grants.iter().any(|grant| grant.fence == *fence);
        self.offers
            .retain(|fence, _| shows(fence) || view.version <= fence.position);
        // A view from before the grant says nothing about it.
        let passed: Vec<_> = self.grants.keys().copied().collect();
        for fence in passed {
            if !shows(&fence) && view.version >= fence.position {
                effects.extend(self.end(fence, "it passed on"));
            }
        }
        Some(effects)
    }

    fn mode_changes(&self, mode: Mode) -> Option<Effect> {
        let changed = self.view.as_ref().is_some_and(|known| known.mode != mode);
        changed.then_some(Effect::Mode(mode))
    }

    /// What the queue shows of ours is what we want.
    pub(super) fn follow_queue(&mut self) {
        let queue = self.view.iter().flat_map(|view| &view.queue);
        let mut ours = queue.filter(|waiter| Some(waiter.session) == self.session);
        if let Some(waiter) = ours.next() {
            self.wanted = Some(Scope::told(waiter.paths.clone()));
        }
    }

    // ---- offers ----

    /// Whether this offer is what we want now. One that is not comes from a wish that was replaced or withdrawn, or
    /// would make us hold one lock while we wait for another.
    pub(crate) fn offered(&mut self, fence: Fence, scope: Scope) -> bool {
        let for_ticket = match &self.wanted {
            Some(wanted) => scope.covers(wanted),
            None => !self.superseded.values().flatten().any(|old| *old == scope),
        };
        let taken = self.taken.iter().any(|taken| scope.covers(taken));
        if for_ticket || taken {
            // Told again, it is claimed again; but a grant may answer the first claim.
            let known = self.offers.get(&fence);
            let claimed = known.and_then(|offer| offer.claimed);
            self.offers.insert(fence, Offer { scope, claimed });
        }
        for_ticket || taken
    }

    pub(crate) fn is_offer(&self, fence: Fence) -> bool {
        self.offers.contains_key(&fence)
    }

    pub(crate) fn claim_sent(&mut self, fence: Fence, at: Moment) {
        if let Some(offer) = self.offers.get_mut(&fence) {
            offer.claimed.get_or_insert(at);
        }
    }

    /// The offer is turned down; unless it is wanted `later`, the wish that it would fulfil goes with it.
    pub(crate) fn declined(&mut self, fence: Fence, later: bool) {
        let offer = self.offers.remove(&fence);
        if let Some(offer) = offer.filter(|_| !later) {
            self.wanted.take_if(|wanted| offer.scope.covers(wanted));
        }
    }

    // ---- grants ----

    pub(crate) fn granted(&mut self, fence: Fence, scope: Scope) -> Option<Effect> {
        if self.ended.has(fence) {
            return None;
        }
        let offer = self.offers.remove(&fence);
        let known = self.grants.contains_key(&fence);
        let grant = self
            .grants
            .entry(fence)
            .or_insert_with(|| Grant::new(scope.clone()));
        // The grant answers our claim: the server knew us alive after the claim was sent.
        if let Some(claimed) = offer.and_then(|offer| offer.claimed) {
            grant.lease.renew(claimed);
        }
        // Nobody waits while holding: the ticket went with the claim, whatever it was for.
        self.wanted.take_if(|_| !known);
        self.settle_wishes();
        let kept = false;
        (!known).then_some(Effect::Granted { fence, scope, kept })
    }

    /// What is held is not wanted any more.
    fn settle_wishes(&mut self) {
        let grants = &self.grants;
        let held = |scope: &Scope| grants.values().any(|grant| grant.scope.covers(scope));
        self.wanted.take_if(|wanted| held(wanted));
        self.taken.retain(|scope| !held(scope));
    }

    pub(crate) fn lost(&mut self, fence: Fence, reason: String) -> Option<Effect> {
        if self.grants.contains_key(&fence) {
            return self.end(fence, &reason);
        }
        self.ended.add(fence);
        let offer = self.offers.remove(&fence);
        offer.map(|_| Effect::OfferEnded { fence, reason })
    }

    /// The grant is over. Nothing is lost by who was giving it back.
    pub(super) fn end(&mut self, fence: Fence, reason: &str) -> Option<Effect> {
        let grant = self.grants.remove(&fence)?;
        self.ended.add(fence);
        (grant.stage != Stage::Releasing).then(|| Effect::Lost {
            fence,
            scope: grant.scope,
            reason: reason.to_owned(),
        })
    }

    /// The grant passes on. Returns its scope, if it is ours.
    pub(crate) fn drain(&mut self, fence: Fence) -> Option<Scope> {
        let grant = self.grants.get_mut(&fence)?;
        if grant.stage == Stage::Held {
            grant.stage = Stage::Draining;
        }
        Some(grant.scope.clone())
    }

    /// The grants of which the server waits to hear that they are drained.
    pub(crate) fn undrained(&self) -> Vec<Fence> {
        let draining = |(_, grant): &(&Fence, &Grant)| grant.stage == Stage::Draining;
        let fences = self.grants.iter().filter(draining);
        fences.map(|(fence, _)| *fence).collect()
    }

    pub(crate) fn drained(&mut self, fence: Fence) {
        if let Some(grant) = self.grants.get_mut(&fence) {
            grant.stage = Stage::Drained;
        }
    }

    /// Somebody wants a grant of ours. Returns its scope, if it is.
    pub(crate) fn requested(&mut self, fence: Fence, heard: Heard) -> Option<Scope> {
        let grant = self.grants.get_mut(&fence)?;
        grant.request = Some(heard);
        Some(grant.scope.clone())
    }

    /// Nobody wants it any more. Returns whether somebody did.
    pub(crate) fn request_over(&mut self, fence: Fence) -> bool {
        let grant = self.grants.get_mut(&fence);
        grant.and_then(|grant| grant.request.take()).is_some()
    }

    // ---- the end ----

    /// This copy can never be merged as it is, or the client is at its end.
    pub(crate) fn bar(&mut self, why: Bar) {
        self.bar.get_or_insert(why);
    }

    // ---- what is known ----

    pub(crate) const fn session(&self) -> Option<u64> {
        self.session
    }

    pub(crate) const fn view(&self) -> Option<&LockView> {
        self.view.as_ref()
    }

    pub(crate) const fn grants(&self) -> &BTreeMap<Fence, Grant> {
        &self.grants
    }

    pub(crate) fn offers(&self) -> impl Iterator<Item = Fence> + '_ {
        self.offers.keys().copied()
    }

    pub(crate) const fn wanted(&self) -> Option<&Scope> {
        self.wanted.as_ref()
    }
}
