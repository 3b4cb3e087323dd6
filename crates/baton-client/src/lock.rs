//! The edit lock as this session sees it, and the answer to "may this client edit now?".
//!
//! A state machine without sockets, timers or clocks: messages and moments go in, effects come out. Owns which grant is
//! ours, what we asked for and how far it got; never sends anything.

use std::time::Duration;

use baton_sync::channel::{Fence, LockState, LockView};

use crate::events::{EditRight, Standing};
use crate::lease::Lease;
use crate::time::Moment;

/// What followed from an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The lock is ours; `kept` when it was before the connection was lost.
    Granted { fence: Fence, kept: bool },
    /// It is ours no more.
    Lost { fence: Fence, reason: String },
    /// An offer ended before it became a grant.
    OfferEnded { fence: Fence, reason: String },
    /// We still want it, and the server does not know.
    AskAgain,
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
pub(crate) struct Lock {
    lease: Lease,
    stop: Duration,
    session: Option<u64>,
    view: Option<LockView>,
    grant: Option<Fence>,
    /// The newest grant that ended, so that its late news are known as such.
    ended: Option<Fence>,
    offer: Option<Fence>,
    claim: Option<(Fence, Moment)>,
    hello: Option<Moment>,
    /// Asked for, neither got nor given up.
    wanted: bool,
    releasing: bool,
    connected: bool,
    bar: Option<Bar>,
}

impl Lock {
    pub(crate) fn hello_sent(&mut self, at: Moment) {
        self.hello = Some(at);
    }

    pub(crate) fn welcomed(&mut self, welcome: &Welcomed<'_>) -> Vec<Effect> {
        let view = welcome.view;
        self.connected = true;
        self.session = Some(welcome.session);
        self.view = Some(view.clone());
        self.stop = welcome.client_stop;
        self.offer = None;
        self.claim = None;
        if !welcome.resumed {
            self.lease.reset();
        }
        let held = matches!(
            view.state,
            LockState::Held | LockState::Suspect | LockState::Recovering
        );
        let ours = welcome.resumed && held && view.session == Some(welcome.session);
        let mut effects = Vec::new();
        effects.extend(self.resume_grant(if ours { view.fence } else { None }));
        let told_whole_queue = view.queue.len() as u64 >= u64::from(view.waiting);
        if view.queue.contains(&welcome.session) {
            self.wanted = true;
        } else if self.wanted && self.grant.is_none() && told_whole_queue {
            effects.push(Effect::AskAgain);
        }
        effects
    }

    fn resume_grant(&mut self, kept: Option<Fence>) -> Option<Effect> {
        let had = self.grant.take();
        let Some(fence) = kept else {
            let releasing = std::mem::take(&mut self.releasing);
            return had.and_then(|fence| {
                self.ended = Some(fence);
                let reason = "it passed on while this client was out of reach".to_owned();
                (!releasing).then_some(Effect::Lost { fence, reason })
            });
        };
        self.grant = Some(fence);
        self.wanted = false;
        // The welcome answers our hello, so the server knew us alive after the hello was sent.
        if let Some(hello) = self.hello {
            self.lease.renew(hello);
        }
        Some(Effect::Granted { fence, kept: true })
    }

    pub(crate) fn disconnected(&mut self) {
        self.connected = false;
        self.offer = None;
        self.claim = None;
    }

    /// The answer to beat `n` was sent.
    pub(crate) fn answered(&mut self, n: u64, at: Moment) {
        self.lease.answered(n, at);
    }

    /// A beat said which of our answers came in time.
    pub(crate) fn confirmed(&mut self, n: u64) {
        self.lease.confirmed(n);
    }

    /// A view of the lock came. `None` when it is older than what is known.
    pub(crate) fn viewed(&mut self, view: &LockView) -> Option<Vec<Effect>> {
        if self
            .view
            .as_ref()
            .is_some_and(|known| view.version < known.version)
        {
            return None;
        }
        let mine = self.session.is_some() && view.session == self.session;
        self.view = Some(view.clone());
        if self
            .session
            .is_some_and(|session| view.queue.contains(&session))
            && !self.releasing
        {
            self.wanted = true;
        }
        let shows = |fence: Fence| mine && view.fence == Some(fence);
        if self
            .offer
            .is_some_and(|offer| !shows(offer) && view.version > offer.position)
        {
            self.offer = None;
        }
        // A view from before the grant says nothing about it.
        let passed = self
            .grant
            .filter(|grant| !shows(*grant) && view.version >= grant.position);
        Some(
            passed
                .and_then(|_| self.end("it passed on"))
                .into_iter()
                .collect(),
        )
    }

    pub(crate) fn offered(&mut self, fence: Fence) {
        self.offer = Some(fence);
    }

    pub(crate) fn claim_sent(&mut self, fence: Fence, at: Moment) {
        self.claim = Some((fence, at));
    }

    pub(crate) fn declined(&mut self, fence: Fence) {
        self.offer.take_if(|offer| *offer == fence);
    }

    pub(crate) fn granted(&mut self, fence: Fence) -> Option<Effect> {
        if self.ended.is_some_and(|ended| fence <= ended) {
            return None;
        }
        // The grant answers our claim: the server knew us alive after the claim was sent.
        if let Some((_, at)) = self.claim.take_if(|(claimed, _)| *claimed == fence) {
            self.lease.renew(at);
        }
        let known = self.grant == Some(fence);
        self.grant = Some(fence);
        self.offer = None;
        self.wanted = false;
        self.releasing &= known;
        (!known).then_some(Effect::Granted { fence, kept: false })
    }

    pub(crate) fn lost(&mut self, fence: Fence, reason: String) -> Option<Effect> {
        let offer = self.offer.take_if(|offer| fence >= *offer);
        if self.grant.is_some_and(|grant| fence >= grant) {
            return self.end(&reason);
        }
        (offer == Some(fence)).then_some(Effect::OfferEnded { fence, reason })
    }

    /// The grant is over. Nothing is lost by who was giving it back.
    fn end(&mut self, reason: &str) -> Option<Effect> {
        let releasing = std::mem::take(&mut self.releasing);
        self.ended = self.grant.take();
        let fence = self.ended.filter(|_| !releasing)?;
        let reason = reason.to_owned();
        Some(Effect::Lost { fence, reason })
    }

    pub(crate) fn asked(&mut self) {
        self.wanted = true;
    }

    /// The wish is withdrawn, or the server refused it.
    pub(crate) fn gave_up(&mut self) {
        self.wanted = false;
        self.offer = None;
    }

    pub(crate) fn release_sent(&mut self) {
        self.releasing = true;
    }

    /// The server took the release, or does not know the grant that we gave back.
    pub(crate) fn released(&mut self) {
        if self.releasing {
            self.end("given back");
        }
    }

    /// This copy can never be merged as it is, or the client is at its end.
    pub(crate) fn bar(&mut self, why: Bar) {
        self.bar.get_or_insert(why);
    }

    pub(crate) const fn session(&self) -> Option<u64> {
        self.session
    }

    pub(crate) const fn view(&self) -> Option<&LockView> {
        self.view.as_ref()
    }

    pub(crate) const fn grant(&self) -> Option<Fence> {
        self.grant
    }

    pub(crate) const fn offer(&self) -> Option<Fence> {
        self.offer
    }

    pub(crate) fn standing(&self) -> Standing {
        let Some(view) = &self.view else {
            return Standing::Unknown;
        };
        if self.grant.is_some() {
            return if self.releasing {
                Standing::Releasing
            } else {
                Standing::Mine
            };
        }
        let ours = view.session.is_some() && view.session == self.session;
        if self.offer.is_some() || (view.state == LockState::Offered && ours) {
            Standing::Offered
        } else if self.wanted {
            Standing::Waiting
        } else if view.state == LockState::Free {
            Standing::Free
        } else {
            Standing::Theirs
        }
    }

    pub(crate) fn right(&self, now: Moment) -> EditRight {
        match self.bar {
            Some(Bar::Diverged) => return EditRight::Diverged,
            Some(Bar::Closed) => return EditRight::Closed,
            None => {}
        }
        let free = self
            .view
            .as_ref()
            .is_some_and(|view| view.state == LockState::Free);
        match self.standing() {
            Standing::Unknown => EditRight::Connecting,
            Standing::Mine if self.lease_left(now).is_zero() => EditRight::Unconfirmed,
            Standing::Mine => EditRight::Holder,
            Standing::Releasing => EditRight::Releasing,
            Standing::Offered => EditRight::Offered,
            _ if !free => EditRight::Theirs,
            _ if self.connected => EditRight::Free,
            _ => EditRight::FreeOffline,
        }
    }

    /// How long a holder may go on without news; zero for anybody else.
    pub(crate) fn lease_left(&self, now: Moment) -> Duration {
        if self.grant.is_none() {
            return Duration::ZERO;
        }
        self.lease.left(now, self.stop)
    }
}
