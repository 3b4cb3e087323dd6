//! What the server says of locks, and what this client says to it: claims, drained, answers to beats.
//!
//! Owns the order of things at a drain: no more edits, then all that was edited, then the word that it is drained.
//! What the messages mean for the locks is [`crate::locks`]'s.

use std::time::Duration;

use baton_sync::channel::{ClientMessage, DrainReason, Fence, LockView, Paths};

use super::Core;
use crate::events::{Event, Requested, Visibility};
use crate::locks::Effect;
use crate::locks::grant::Heard;
use crate::options::Claim;
use crate::scope::Scope;
use crate::time::Moment;

/// A drain, as it was said.
pub(super) struct Drain {
    pub(super) fence: Fence,
    pub(super) reason: DrainReason,
    pub(super) to: Option<u64>,
    pub(super) expires: Duration,
}

impl Core {
    pub(super) fn follow(&mut self, effects: impl IntoIterator<Item = Effect>) {
        for effect in effects {
            match effect {
                Effect::Granted { fence, scope, kept } => {
                    self.tell(Event::Granted { fence, scope, kept });
                }
                Effect::Lost {
                    fence,
                    scope,
                    reason,
                } => self.tell(Event::Lost {
                    fence,
                    scope,
                    reason,
                }),
                Effect::OfferEnded { fence, reason } => {
                    self.tell(Event::OfferEnded { fence, reason });
                }
                Effect::AskAgain(scope) => self.ask_anew(scope),
                Effect::Mode(mode) => self.tell(Event::Mode(mode)),
            }
        }
    }

    /// Where a part of the document is held, or was a moment ago: whether it may be edited changes with time, too.
    pub(super) fn tell_rights_there(&mut self, now: Moment) {
        let grants = self.locks.grants().iter();
        let parts = grants.filter(|(_, grant)| !grant.scope.is_whole());
        let held: Vec<_> = parts
            .map(|(fence, grant)| (*fence, grant.scope.clone()))
            .collect();
        let mut before = std::mem::take(&mut self.rights_there);
        for (fence, scope) in held {
            let right = self.right(&scope, now);
            let told = before.remove(&fence).map(|(_, right)| right);
            if told != Some(right) {
                let scope = scope.clone();
                self.tell(Event::MayEditThere { scope, right });
            }
            self.rights_there.insert(fence, (scope, right));
        }
        for (scope, told) in before.into_values() {
            let right = self.right(&scope, now);
            if told != right {
                self.tell(Event::MayEditThere { scope, right });
            }
        }
    }

    // ---- beats ----

    pub(super) fn beat(&mut self, now: Moment, n: u64, confirmed: u64) {
        let idle = now.since(&self.last_input);
        let idle_ms = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        self.say(&ClientMessage::Answer {
            n,
            visible: self.visibility == Visibility::Visible,
            idle_ms,
        });
        self.locks.answered(n, now);
        self.locks.confirmed(confirmed);
    }

    // ---- offers ----

    pub(super) fn view(&mut self, view: LockView) {
        if let Some(effects) = self.locks.viewed(&view) {
            self.tell(Event::Lock(view));
            self.follow(effects);
        }
    }

    pub(super) fn offer(&mut self, now: Moment, fence: Fence, paths: Paths, expires: Duration) {
        let scope = Scope::told(paths);
        if !self.locks.offered(fence, scope.clone()) {
            let later = false;
            self.say(&ClientMessage::Decline { fence, later });
            return;
        }
        self.tell(Event::Offer {
            fence,
            scope,
            expires,
        });
        if self.options.claim == Claim::Auto {
            self.claim(now, fence);
        }
    }

    pub(crate) fn claim(&mut self, now: Moment, fence: Fence) {
        if self.locks.is_offer(fence) {
            self.say(&ClientMessage::Claim { fence });
            self.locks.claim_sent(fence, now);
        }
    }

    pub(crate) fn decline(&mut self, fence: Fence, later: bool) {
        if self.locks.is_offer(fence) {
            self.say(&ClientMessage::Decline { fence, later });
            self.locks.declined(fence, later);
        }
    }

    pub(super) fn granted(&mut self, fence: Fence, paths: Paths) {
        let effect = self.locks.granted(fence, Scope::told(paths));
        self.follow(effect);
    }

    // ---- drains and requests ----

    pub(super) fn drain(&mut self, drain: &Drain) {
        let Some(scope) = self.locks.drain(drain.fence) else {
            return;
        };
        self.tell(Event::Draining {
            fence: drain.fence,
            scope,
            reason: drain.reason,
            to: drain.to,
            expires: drain.expires,
        });
        self.say_drained();
    }

    /// Tells of every grant that drains that it is drained, as soon as all that was edited is on its way.
    pub(super) fn say_drained(&mut self) {
        // Before the server has asked for the document, what was edited offline is not on its way; the copy that was
        // set aside has said all it had.
        let all_sent = self.link.is_asked() || self.link.is_retiring();
        if !all_sent || !self.link.is_welcomed() {
            return;
        }
        let due = self.locks.undrained();
        if !due.is_empty() {
            self.catch_up();
        }
        for fence in due {
            self.say(&ClientMessage::Drained { fence });
            self.locks.drained(fence);
        }
    }

    pub(super) fn requested(&mut self, now: Moment, fence: Fence, heard: Heard) {
        if self.locks.requested(fence, heard).is_none() {
            return;
        }
        if let Some(requested) = self.request_of(fence, now) {
            self.tell(Event::Requested(requested));
        }
    }

    pub(super) fn request_over(&mut self, fence: Fence) {
        if self.locks.request_over(fence) {
            self.tell(Event::RequestOver { fence });
        }
    }

    pub(super) fn idle_warning(&mut self, fence: Fence, left: Duration) {
        if self.locks.grants().contains_key(&fence) {
            self.tell(Event::IdleWarning { fence, left });
        }
    }

    /// Who asks for this grant, if anybody does.
    pub(crate) fn request_of(&self, fence: Fence, now: Moment) -> Option<Requested> {
        let grant = self.locks.grants().get(&fence)?;
        let heard = grant.request.as_ref()?;
        Some(Requested {
            fence,
            scope: grant.scope.clone(),
            by: heard.by,
            note: heard.note.clone(),
            left: heard.expires.saturating_sub(now.since(&heard.at)),
        })
    }
}
