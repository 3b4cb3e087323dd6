//! State shared by a client's handles and its socket task: the core behind a lock, and wake-ups.
//!
//! Owns the lock. It is held for one step of the core and while its events are sent, so that events
//! keep their order; never over an await.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use baton_sync::control_channel::Outcome;
use tokio::sync::{Notify, broadcast, oneshot, watch};

use crate::core::ClientCore;
use crate::core::operation::{Answer, Asked, Operation, Reply};
use crate::core::outputs::SocketWrite;
use crate::dual_clock::Moment;
use crate::error::{ClientEnded, OperationError};
use crate::events::ClientEvent;
use crate::scope::LockScope;
use crate::system_clock::SystemClock;

struct Locked {
    core: ClientCore,
    /// Callers that wait for the answer to an operation, by nonce.
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
}

/// The core of one client, and the channels that wake its users.
pub(crate) struct ClientState {
    locked: Mutex<Locked>,
    clock: SystemClock,
    events: broadcast::Sender<ClientEvent>,
    /// Counts the steps of the core, so that a caller can wait for the next one.
    steps: watch::Sender<u64>,
    task_wake: Notify,
    writer_wake: Notify,
}

impl ClientState {
    pub(crate) fn new(core: ClientCore, clock: SystemClock, event_capacity: usize) -> Self {
        let (events, _) = broadcast::channel(event_capacity.max(1));
        let (steps, _) = watch::channel(0);
        let waiting = HashMap::new();
        Self {
            locked: Mutex::new(Locked { core, waiting }),
            clock,
            events,
            steps,
            task_wake: Notify::new(),
            writer_wake: Notify::new(),
        }
    }

    /// Locks the core. A panic of a reading closure leaves the core as it was, and one of an edit
    /// is an error of the document: the lock goes on after both.
    fn locked(&self) -> MutexGuard<'_, Locked> {
        self.locked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the core.
    pub(crate) fn peek<R>(&self, look: impl FnOnce(&ClientCore) -> R) -> R {
        look(&self.locked().core)
    }

    /// Reads the core at this moment.
    pub(crate) fn peek_now<R>(&self, look: impl FnOnce(&ClientCore, Moment) -> R) -> R {
        let locked = self.locked();
        look(&locked.core, self.clock.now())
    }

    /// Takes a step of the core, then sends its events and answers.
    pub(crate) fn act<R>(&self, step: impl FnOnce(&mut ClientCore, Moment) -> R) -> R {
        let mut locked = self.locked();
        self.step(&mut locked, step)
    }

    fn step<R>(&self, locked: &mut Locked, step: impl FnOnce(&mut ClientCore, Moment) -> R) -> R {
        let now = self.clock.now();
        let before = (locked.core.phase(), locked.core.next_timeout(now));
        let result = step(&mut locked.core, now);
        let output = locked.core.take_output(now);
        for (nonce, answer) in output.answers {
            if let Some(waiting) = locked.waiting.remove(&nonce) {
                // The caller may have dropped its future.
                let _ = waiting.send(answer);
            }
        }
        for event in output.events {
            tracing::trace!(?event, "baton client");
            // There may be no receiver.
            let _ = self.events.send(event);
        }
        if locked.core.has_outgoing() {
            self.writer_wake.notify_one();
        }
        // A deadline that moved to a later time is noticed at its old time.
        let after = (locked.core.phase(), locked.core.next_timeout(now));
        if before.0 != after.0 || is_sooner(after.1, before.1) {
            self.task_wake.notify_one();
        }
        self.steps.send_modify(|count| *count += 1);
        result
    }

    /// Asks for an operation. It is sent by the call itself; the future only waits for the answer.
    pub(crate) fn ask(
        &self,
        operation: Operation,
    ) -> impl Future<Output = Result<Reply, OperationError>> + Send + use<> {
        let mut locked = self.locked();
        let asked = match self.step(&mut locked, |core, _| core.request(operation)) {
            Asked::Known(answer) => Err(answer),
            Asked::Nonce(nonce) => {
                let (sender, receiver) = oneshot::channel();
                locked.waiting.insert(nonce, sender);
                Ok(receiver)
            }
        };
        async move {
            match asked {
                Ok(answer) => answer.await.unwrap_or(Err(OperationError::Closed)),
                Err(answer) => answer,
            }
        }
    }

    /// Asks for an operation whose answer is an outcome.
    pub(crate) fn operate(
        &self,
        operation: Operation,
    ) -> impl Future<Output = Result<Outcome, OperationError>> + Send + use<> {
        let answer = self.ask(operation);
        async move {
            Ok(match answer.await? {
                Reply::Outcome(outcome) => outcome,
                Reply::Content(_) => Outcome::Done,
            })
        }
    }

    /// Takes frames to write, until they have `bytes` bytes.
    pub(crate) fn outgoing(&self, bytes: usize) -> Vec<SocketWrite> {
        self.locked().core.outgoing(bytes)
    }

    /// Waits until there may be frames to write.
    pub(crate) async fn writer_woken(&self) {
        self.writer_wake.notified().await;
    }

    /// Waits until a step other than a frame has changed the task's work.
    pub(crate) async fn task_woken(&self) {
        self.task_wake.notified().await;
    }

    pub(crate) fn until_timeout(&self) -> Option<Duration> {
        self.peek_now(|core, now| core.next_timeout(now))
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<ClientEvent> {
        self.events.subscribe()
    }

    pub(crate) fn steps(&self) -> watch::Receiver<u64> {
        self.steps.subscribe()
    }

    /// Waits until `look` finds something, or fails once the client has ended or its copy has
    /// diverged.
    pub(crate) async fn until<T>(
        &self,
        mut look: impl FnMut(&ClientCore) -> Option<T>,
    ) -> Result<T, ClientEnded> {
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

/// Shows the session and the state of the document, not its content, so that it may be logged.
impl std::fmt::Debug for ClientState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.peek(|core| {
            f.debug_struct("Client")
                .field("session", &core.locks().session())
                .field("phase", &core.phase())
                .field("lock", &core.locks().lock_status(&LockScope::whole()))
                .field("document", core.document())
                .finish_non_exhaustive()
        })
    }
}

fn is_sooner(after: Option<Duration>, before: Option<Duration>) -> bool {
    match (after, before) {
        (Some(after), Some(before)) => after < before,
        (Some(_), None) => true,
        (None, _) => false,
    }
}
