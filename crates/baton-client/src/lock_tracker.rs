//! The edit locks as this session sees them.
//!
//! A state machine without sockets, timers or clocks: messages and moments go in, effects come out.
//! Owns this session's grants and offers and the server's last view of the locks. `permission`
//! answers questions about them, `wanted_locks` has the requests, `grant` the records.

pub(crate) mod grant;
mod permission;
mod wanted_locks;

use std::collections::BTreeMap;
use std::time::Duration;

use baton_sync::control_channel::{FencingToken, GrantStatus, LockMode, LockView};

use crate::dual_clock::Moment;
use crate::lease::Answers;
use crate::scope::LockScope;

use grant::{EndedGrants, GrantStage, HeardRequest, Offer, OwnGrant};
use wanted_locks::WantedLocks;

/// A change that the program must hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LockEffect {
    /// This session has a lock; `kept` if it had it before the connection was lost.
    Granted {
        fence: FencingToken,
        scope: LockScope,
        kept: bool,
    },
    /// This session lost a lock that it was not giving back.
    Lost {
        fence: FencingToken,
        scope: LockScope,
        reason: String,
    },
    /// An offer ended before it became a grant.
    OfferEnded { fence: FencingToken, reason: String },
    /// The document's mode changed.
    Mode(LockMode),
}

/// The parts of a welcome that concern the locks.
pub(crate) struct Welcomed<'a> {
    pub(crate) session: u64,
    pub(crate) resumed: bool,
    pub(crate) view: &'a LockView,
    pub(crate) client_stop: Duration,
}

/// The consequences of a welcome.
pub(crate) struct AfterWelcome {
    pub(crate) effects: Vec<LockEffect>,
    /// A scope that this session wants and the server does not know of.
    pub(crate) ask_again: Option<LockScope>,
}

/// The reason why this copy may never be edited again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EditBlock {
    /// An edit was parked, and the client stops at that.
    Diverged,
    /// The client has ended, or is closing.
    Closed,
}

/// The locks of the document, from this session's point of view.
#[derive(Debug, Default)]
pub(crate) struct LockTracker {
    answers: Answers,
    /// Length of a lease.
    client_stop: Duration,
    session: Option<u64>,
    view: Option<LockView>,
    grants: BTreeMap<FencingToken, OwnGrant>,
    ended: EndedGrants,
    offers: BTreeMap<FencingToken, Offer>,
    wanted: WantedLocks,
    hello_sent: Option<Moment>,
    connected: bool,
    block: Option<EditBlock>,
}

impl LockTracker {
    // ---- the connection ----

    pub(crate) const fn hello_sent(&mut self, at: Moment) {
        self.hello_sent = Some(at);
    }

    pub(crate) fn welcomed(&mut self, welcome: &Welcomed<'_>) -> AfterWelcome {
        let view = welcome.view;
        let mut effects = Vec::from_iter(self.mode_change(view.mode));
        self.connected = true;
        self.session = Some(welcome.session);
        self.view = Some(view.clone());
        self.client_stop = welcome.client_stop;
        self.offers.clear();
        if !welcome.resumed {
            self.answers = Answers::default();
            self.wanted.session_started();
        }
        effects.extend(self.resume(welcome.resumed));
        self.adopt_ticket();
        let shows_whole_queue = view.queue.len() as u64 >= u64::from(view.waiting);
        let waits = view
            .queue
            .iter()
            .any(|waiter| waiter.session == welcome.session);
        let forgotten = !waits && shows_whole_queue && self.grants.is_empty();
        AfterWelcome {
            effects,
            ask_again: self.wanted.ticket().filter(|_| forgotten).cloned(),
        }
    }

    /// Keeps the grants that the server shows as this session's; the others are lost.
    fn resume(&mut self, resumed: bool) -> Vec<LockEffect> {
        let mut had = std::mem::take(&mut self.grants);
        let mut effects = Vec::new();
        let shown = self.view.iter().flat_map(|view| &view.grants);
        for shown in shown.filter(|grant| resumed && Some(grant.session) == self.session) {
            if shown.state == GrantStatus::Offered {
                continue;
            }
            let (fence, scope) = (shown.fence, LockScope::from_wire(shown.paths.clone()));
            let mut grant = had
                .remove(&fence)
                .unwrap_or_else(|| OwnGrant::new(scope.clone()));
            match (shown.state == GrantStatus::Draining, grant.stage()) {
                (true, GrantStage::Held) => grant.set_stage(GrantStage::Draining),
                // A server that restarted has forgotten the next holder, and waits for no drain.
                (false, GrantStage::Draining | GrantStage::Drained) => {
                    grant.set_stage(GrantStage::Held);
                }
                _ => {}
            }
            // The welcome answers the hello, so this session was alive after the hello was sent.
            if let Some(sent) = self.hello_sent {
                grant.renew_lease(sent);
            }
            self.grants.insert(fence, grant);
            let kept = true;
            effects.push(LockEffect::Granted { fence, scope, kept });
        }
        for (fence, grant) in had {
            self.ended.add(fence);
            if grant.stage() != GrantStage::Releasing {
                effects.push(LockEffect::Lost {
                    fence,
                    scope: grant.into_scope(),
                    reason: "the lock passed on while this client was disconnected".to_owned(),
                });
            }
        }
        self.drop_wanted_if_held();
        effects
    }

    pub(crate) fn disconnected(&mut self) {
        self.connected = false;
        self.offers.clear();
        self.wanted.connection_over();
        for grant in self.grants.values_mut() {
            // It is not known if the server heard of the drain; the next connection tells it again.
            if grant.stage() == GrantStage::Drained {
                grant.set_stage(GrantStage::Draining);
            }
        }
    }

    /// Notes that the answer to beat `n` was sent.
    pub(crate) fn answered(&mut self, n: u64, at: Moment) {
        self.answers.sent(n, at);
    }

    /// Renews all leases by the answer to beat `n`, which the server has confirmed: it proves this
    /// session alive.
    pub(crate) fn confirmed(&mut self, n: u64) {
        if let Some(sent) = self.answers.confirmed(n) {
            for grant in self.grants.values_mut() {
                grant.renew_lease(sent);
            }
        }
    }

    // ---- the server's view ----

    /// Takes over a view of the locks. Returns `None` if it is older than the one that is known.
    pub(crate) fn viewed(&mut self, view: &LockView) -> Option<Vec<LockEffect>> {
        let known = self.view.as_ref();
        if known.is_some_and(|known| view.version < known.version) {
            return None;
        }
        let mut effects = Vec::from_iter(self.mode_change(view.mode));
        self.view = Some(view.clone());
        let shows = |fence: &FencingToken| view.grants.iter().any(|grant| grant.fence == *fence);
        self.offers
            .retain(|fence, _| shows(fence) || view.version <= fence.position);
        // A view from before a grant says nothing about that grant.
        let gone = |fence: &FencingToken| !shows(fence) && view.version >= fence.position;
        let passed: Vec<_> = self.grants.keys().copied().filter(gone).collect();
        for fence in passed {
            effects.extend(self.end(fence, "the lock passed on"));
        }
        Some(effects)
    }

    fn mode_change(&self, mode: LockMode) -> Option<LockEffect> {
        let changed = self.view.as_ref().is_some_and(|known| known.mode != mode);
        changed.then_some(LockEffect::Mode(mode))
    }

    /// Adopts the ticket that the server's queue shows as this session's.
    fn adopt_ticket(&mut self) {
        let queue = self.view.iter().flat_map(|view| &view.queue);
        let mut own = queue.filter(|waiter| Some(waiter.session) == self.session);
        if let Some(waiter) = own.next() {
            self.wanted
                .adopt_ticket(LockScope::from_wire(waiter.paths.clone()));
        }
    }

    // ---- the program's requests ----

    /// Notes that a ticket for this scope was asked for, which replaces the one before.
    pub(crate) fn asked(&mut self, nonce: u64, scope: &LockScope) {
        self.wanted.ask(nonce, scope);
    }

    /// Notes that the ticket was withdrawn, and with it all take-overs.
    pub(crate) fn cancelled(&mut self, nonce: u64) {
        let withdrawn = self.wanted.withdraw(nonce);
        self.offers
            .retain(|_, offer| !withdrawn.contains(&offer.scope));
    }

    /// Notes that a take-over of this scope was asked for.
    pub(crate) fn taking_over(&mut self, scope: &LockScope) {
        self.wanted.take_over(scope);
    }

    pub(crate) fn take_over_refused(&mut self, scope: &LockScope) {
        self.wanted.forget_take_over(scope);
    }

    /// Notes that the server refused a ticket for this scope. One from before may stand.
    pub(crate) fn refused(&mut self, scope: &LockScope) {
        if self.wanted.refuse(scope) {
            self.adopt_ticket();
        }
    }

    /// Notes that this session may hold no lock: the server has forgotten what it waits for.
    pub(crate) fn right_lost(&mut self) {
        self.wanted.forget_all();
    }

    /// Notes that the server answered the operation with this nonce.
    pub(crate) fn request_answered(&mut self, nonce: u64) {
        self.wanted.answered(nonce);
    }

    pub(crate) fn release_sent(&mut self, fence: FencingToken) {
        if let Some(grant) = self.grants.get_mut(&fence) {
            grant.set_stage(GrantStage::Releasing);
        }
    }

    /// Ends a grant that the server took back, or does not know.
    pub(crate) fn released(&mut self, fence: FencingToken) {
        self.end(fence, "the lock was given back");
    }

    // ---- offers ----

    /// Notes an offer. Returns false if this session does not want it.
    pub(crate) fn offered(&mut self, fence: FencingToken, scope: LockScope) -> bool {
        let wanted = self.wanted.wants(&scope);
        if wanted {
            // A repeated offer is claimed again, but a grant may answer the first claim.
            let known = self.offers.get(&fence);
            let claimed = known.and_then(|offer| offer.claimed);
            self.offers.insert(fence, Offer { scope, claimed });
        }
        wanted
    }

    pub(crate) fn is_offer(&self, fence: FencingToken) -> bool {
        self.offers.contains_key(&fence)
    }

    pub(crate) fn claim_sent(&mut self, fence: FencingToken, at: Moment) {
        if let Some(offer) = self.offers.get_mut(&fence) {
            offer.claimed.get_or_insert(at);
        }
    }

    /// Drops an offer. Unless the lock is wanted `later`, the ticket that it answers goes with it.
    pub(crate) fn declined(&mut self, fence: FencingToken, later: bool) {
        let offer = self.offers.remove(&fence);
        if let Some(offer) = offer.filter(|_| !later) {
            self.wanted.decline(&offer.scope);
        }
    }

    // ---- grants ----

    pub(crate) fn granted(&mut self, fence: FencingToken, scope: LockScope) -> Option<LockEffect> {
        if self.ended.has(fence) {
            return None;
        }
        let offer = self.offers.remove(&fence);
        let known = self.grants.contains_key(&fence);
        let grant = self
            .grants
            .entry(fence)
            .or_insert_with(|| OwnGrant::new(scope.clone()));
        // The grant answers the claim, so this session was alive after the claim was sent.
        if let Some(claimed) = offer.and_then(|offer| offer.claimed) {
            grant.renew_lease(claimed);
        }
        if !known {
            self.wanted.ticket_used();
        }
        self.drop_wanted_if_held();
        let kept = false;
        (!known).then_some(LockEffect::Granted { fence, scope, kept })
    }

    fn drop_wanted_if_held(&mut self) {
        let grants = &self.grants;
        let held = |scope: &LockScope| grants.values().any(|grant| grant.scope().covers(scope));
        self.wanted.drop_held(held);
    }

    pub(crate) fn lost(&mut self, fence: FencingToken, reason: String) -> Option<LockEffect> {
        if self.grants.contains_key(&fence) {
            return self.end(fence, &reason);
        }
        self.ended.add(fence);
        let offer = self.offers.remove(&fence);
        offer.map(|_| LockEffect::OfferEnded { fence, reason })
    }

    /// Ends a grant. A session that was giving it back has lost nothing.
    fn end(&mut self, fence: FencingToken, reason: &str) -> Option<LockEffect> {
        let grant = self.grants.remove(&fence)?;
        self.ended.add(fence);
        (grant.stage() != GrantStage::Releasing).then(|| LockEffect::Lost {
            fence,
            scope: grant.into_scope(),
            reason: reason.to_owned(),
        })
    }

    /// Begins to drain a grant. Returns its scope, or `None` if it is not this session's.
    pub(crate) fn drain(&mut self, fence: FencingToken) -> Option<LockScope> {
        let grant = self.grants.get_mut(&fence)?;
        if grant.stage() == GrantStage::Held {
            grant.set_stage(GrantStage::Draining);
        }
        Some(grant.scope().clone())
    }

    /// Returns the grants of which the server waits to hear that they are drained.
    pub(crate) fn undrained(&self) -> Vec<FencingToken> {
        let draining =
            |(_, grant): &(&FencingToken, &OwnGrant)| grant.stage() == GrantStage::Draining;
        let fences = self.grants.iter().filter(draining);
        fences.map(|(fence, _)| *fence).collect()
    }

    pub(crate) fn drained(&mut self, fence: FencingToken) {
        if let Some(grant) = self.grants.get_mut(&fence) {
            grant.set_stage(GrantStage::Drained);
        }
    }

    /// Notes another session's request for a grant. Returns false if it is not this session's.
    pub(crate) fn requested(&mut self, fence: FencingToken, request: HeardRequest) -> bool {
        let grant = self.grants.get_mut(&fence);
        grant.map(|grant| grant.set_request(request)).is_some()
    }

    /// Forgets the request for a grant. Returns true if there was one.
    pub(crate) fn request_over(&mut self, fence: FencingToken) -> bool {
        self.grants
            .get_mut(&fence)
            .is_some_and(OwnGrant::clear_request)
    }

    /// Forbids all edits from now on. The first reason stays.
    pub(crate) fn block_edits(&mut self, why: EditBlock) {
        self.block.get_or_insert(why);
    }
}
