//! What a client's handles and its task share: the core behind its lock, and the ways to wake each other.
//!
//! Owns the one lock. It is held for a step of the core and while its events are handed out, so that they keep their
//! order; never over an await.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast, oneshot, watch};

use crate::core::{Answer, Asked, Core, Outgoing};
use crate::error::Ended;
use crate::events::Event;
use crate::task::Clock;
use crate::time::Moment;

struct Inner {
    core: Core,
    /// Who waits for the results of lock operations.
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
}

pub(crate) struct Shared {
    inner: Mutex<Inner>,
    clock: Clock,
    events: broadcast::Sender<Event>,
    /// Counts the steps, for whoever waits for something.
    steps: watch::Sender<u64>,
    /// Something other than the socket changed what the task has to do.
    pub(crate) kick: Notify,
    /// There is something to be written.
    pub(crate) to_write: Notify,
    pub(crate) max_message: usize,
}

impl Shared {
    pub(crate) fn new(core: Core, clock: Clock, event_capacity: usize, max_message: usize) -> Self {
        let (events, _) = broadcast::channel(event_capacity.max(1));
        let (steps, _) = watch::channel(0);
        let waiting = HashMap::new();
        Self {
            inner: Mutex::new(Inner { core, waiting }),
            clock,
            events,
            steps,
            kick: Notify::new(),
            to_write: Notify::new(),
            max_message,
        }
    }

    /// Looks at the core.
    pub(crate) fn peek<R>(&self, look: impl FnOnce(&Core) -> R) -> R {
        look(&self.inner.lock().core)
    }

    /// Looks at the core at this moment.
    pub(crate) fn peek_now<R>(&self, look: impl FnOnce(&Core, Moment) -> R) -> R {
        let inner = self.inner.lock();
        look(&inner.core, self.clock.now())
    }

    /// Takes a step of the core, and hands out what it brings.
    pub(crate) fn act<R>(&self, step: impl FnOnce(&mut Core, Moment) -> R) -> R {
        let mut inner = self.inner.lock();
        self.step(&mut inner, step)
    }

    fn step<R>(&self, inner: &mut Inner, step: impl FnOnce(&mut Core, Moment) -> R) -> R {
        let now = self.clock.now();
        let before = (inner.core.phase(), inner.core.next_timeout(now));
        let result = step(&mut inner.core, now);
        let turn = inner.core.turn(now);
        for (nonce, answer) in turn.answers {
            if let Some(waiting) = inner.waiting.remove(&nonce) {
                // Who does not wait any more does not mind.
                let _ = waiting.send(answer);
            }
        }
        for event in turn.events {
            tracing::trace!(?event, "baton client");
            // Nobody may be listening.
            let _ = self.events.send(event);
        }
        if inner.core.has_outgoing() {
            self.to_write.notify_one();
        }
        // A deadline that only moved later is found when the old one comes.
        let after = (inner.core.phase(), inner.core.next_timeout(now));
        if before.0 != after.0 || sooner(after.1, before.1) {
            self.kick.notify_one();
        }
        self.steps.send_modify(|count| *count += 1);
        result
    }

    /// Asks for a lock operation. Its answer comes through the channel, if it is not known already.
    pub(crate) fn ask(
        &self,
        ask: impl FnOnce(&mut Core) -> Asked,
    ) -> Result<oneshot::Receiver<Answer>, Answer> {
        let mut inner = self.inner.lock();
        match self.step(&mut inner, |core, _| ask(core)) {
            Asked::Known(answer) => Err(answer),
            Asked::Nonce(nonce) => {
                let (sender, receiver) = oneshot::channel();
                inner.waiting.insert(nonce, sender);
                Ok(receiver)
            }
        }
    }

    pub(crate) fn outgoing(&self, most: usize) -> Vec<Outgoing> {
        self.inner.lock().core.outgoing(most)
    }

    pub(crate) fn until_timeout(&self) -> Option<Duration> {
        self.peek_now(|core, now| core.next_timeout(now))
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    pub(crate) fn steps(&self) -> watch::Receiver<u64> {
        self.steps.subscribe()
    }

    /// Waits until `look` finds something; in vain once the client has ended, or its copy has diverged.
    pub(crate) async fn until<T>(
        &self,
        mut look: impl FnMut(&Core) -> Option<T>,
    ) -> Result<T, Ended> {
        let mut steps = self.steps();
        loop {
            let found = self.peek(|core| match look(core) {
                Some(found) => Some(Ok(found)),
                None => core.ended().map(Err),
            });
            if let Some(found) = found {
                return found;
            }
            // The sender lives as long as `self`.
            let _ = steps.changed().await;
        }
    }
}

fn sooner(after: Option<Duration>, before: Option<Duration>) -> bool {
    match (after, before) {
        (Some(after), Some(before)) => after < before,
        (Some(_), None) => true,
        (None, _) => false,
    }
}
