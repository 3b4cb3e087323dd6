//! One lock, as a program handles it: of the whole document, or of a part.
//!
//! Owns the public operations of a lock: each is one step of the core, or waits for one. Decides nothing.

use std::future::Future;
use std::time::Duration;

use baton_sync::channel::{Fence, GrantView, Outcome};
use baton_sync::yrs;

use crate::client::Client;
use crate::core::{Core, Guard, Operation, Reply};
use crate::error::{EditError, Ended, Unanswered};
use crate::events::{EditRight, Requested, Standing};
use crate::locks::grant::Stage;
use crate::scope::Scope;

/// The lock of a scope, as this session sees it and asks for it. Having one of these holds nothing.
///
/// The lock is held when this session has a grant of just this scope, or of one that covers it. A session has one place
/// in the queue: asking for another scope gives the place up. Nobody waits while holding: who holds a lock and asks for
/// more gets it at once, or the answer [`Outcome::WouldWait`]; several parts are asked for in one [`Scope`].
///
/// Each operation is sent by the call itself; the future only waits for the answer, and may be dropped.
#[derive(Debug)]
pub struct Lock<'a> {
    client: &'a Client,
    scope: Scope,
}

impl<'a> Lock<'a> {
    pub(crate) const fn new(client: &'a Client, scope: Scope) -> Self {
        Self { client, scope }
    }

    /// What this lock covers.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    // ---- what is known ----

    /// What the lock is to this session.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.peek(|core| core.locks().standing(&self.scope))
    }

    /// The place of this session in the queue for it, from 1; `None` if it does not wait, or too far behind to be
    /// shown.
    #[must_use]
    pub fn place(&self) -> Option<usize> {
        self.peek(|core| core.locks().place(&self.scope))
    }

    /// The fence of the grant under which this session holds it.
    #[must_use]
    pub fn fence(&self) -> Option<Fence> {
        self.peek(|core| core.locks().grant(&self.scope).map(|(fence, _)| fence))
    }

    /// The grants that stand in the way of this lock: those of others that conflict with it.
    #[must_use]
    pub fn holders(&self) -> Vec<GrantView> {
        self.peek(|core| {
            let view = core.locks().view();
            let grants = view.iter().flat_map(|view| &view.grants);
            grants
                .filter(|grant| Some(grant.session) != core.locks().session())
                .filter(|grant| Scope::told(grant.paths.clone()).conflicts(&self.scope))
                .cloned()
                .collect()
        })
    }

    /// Who asks this session for it, if anybody does.
    #[must_use]
    pub fn requested(&self) -> Option<Requested> {
        self.client.shared.peek_now(|core, now| {
            let (fence, _) = core.locks().grant(&self.scope)?;
            core.request_of(fence, now)
        })
    }

    /// Whether this client may edit there at this very moment, and why.
    #[must_use]
    pub fn right(&self) -> EditRight {
        let right = |core: &Core, now| core.right(&self.scope, now);
        self.client.shared.peek_now(right)
    }

    /// Whether this client may edit there at this very moment.
    #[must_use]
    pub fn may_edit(&self) -> bool {
        self.right().may_edit()
    }

    /// How long the holder may go on editing without news of the server; zero for anybody else.
    #[must_use]
    pub fn lease_left(&self) -> Duration {
        let left = |core: &Core, now| core.locks().lease_left(&self.scope, now);
        self.client.shared.peek_now(left)
    }

    // ---- editing ----

    /// Edits this copy and sends the edit, now or when there is a connection again. Only what this lock covers may be
    /// edited: what else is touched may be parked, and all of the edit with it.
    ///
    /// `edit` keeps nothing of the transaction, and must not call the client: it runs under its lock.
    ///
    /// # Errors
    /// [`EditError::NotNow`] unless [`Lock::may_edit`]; nothing changed. [`EditError::Broken`] if `edit` panicked or
    /// made what others would refuse: the client is at its end.
    pub fn edit<R>(
        &self,
        edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R,
    ) -> Result<R, EditError> {
        let guard = Guard::Lock(self.scope.clone());
        self.client
            .shared
            .act(|core, now| core.edit(now, &guard, edit))
    }

    // ---- operations ----

    /// Wants the lock, and waits for it in the queue. The wish survives lost connections, until [`Lock::cancel`].
    /// The outcome is `Done` (an offer follows, or it is held already), `Queued`, `WouldWait`, `Full` or `Forbidden`;
    /// to wait for the lock itself, see [`Lock::granted`].
    ///
    /// # Errors
    /// [`Unanswered::Closed`], [`Unanswered::TooMany`].
    pub fn acquire(&self) -> impl Future<Output = Result<Outcome, Unanswered>> + Send + use<> {
        self.operate(Operation::Acquire(self.scope.clone()))
    }

    /// Wants the lock if it can be had now; `Busy` if not.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub fn try_acquire(&self) -> impl Future<Output = Result<Outcome, Unanswered>> + Send + use<> {
        self.operate(Operation::Try(self.scope.clone()))
    }

    /// Leaves the queue, and declines an offer. `Done` at once if this session waits for another scope.
    ///
    /// # Errors
    /// [`Unanswered::Closed`], [`Unanswered::TooMany`].
    pub fn cancel(&self) -> impl Future<Output = Result<Outcome, Unanswered>> + Send + use<> {
        self.operate(Operation::Cancel(self.scope.clone()))
    }

    /// Gives the lock back, after the edits made before; this client stops editing there at once. `Stale` when there
    /// was nothing to give back. A grant that covers more than this scope is given back whole.
    ///
    /// # Errors
    /// [`Unanswered::Closed`], [`Unanswered::TooMany`].
    pub fn release(&self) -> impl Future<Output = Result<Outcome, Unanswered>> + Send + use<> {
        self.operate(Operation::Release(self.scope.clone()))
    }

    /// Hands the lock to another session, which need not have asked: it drains
    /// ([`Event::Draining`](crate::Event::Draining)) and is offered there. `Unknown` if that session is not here or
    /// cannot hold a lock, `Stale` if this one does not.
    ///
    /// # Errors
    /// [`Unanswered::Closed`], [`Unanswered::TooMany`].
    pub fn transfer(
        &self,
        to: u64,
    ) -> impl Future<Output = Result<Outcome, Unanswered>> + Send + use<> {
        self.operate(Operation::Transfer(self.scope.clone(), to))
    }

    /// [`Lock::acquire`], and asks whoever holds it for it, with a note of up to 512 bytes (a longer one is cut). They
    /// have [`TimingsMs::request`](crate::TimingsMs::request) to give it up; then it drains.
    ///
    /// # Errors
    /// [`Unanswered::Closed`], [`Unanswered::TooMany`].
    pub fn request(
        &self,
        note: &str,
    ) -> impl Future<Output = Result<Outcome, Unanswered>> + Send + use<> {
        self.operate(Operation::Request(self.scope.clone(), note.to_owned()))
    }

    /// Takes the lock from whoever holds it, once that one has drained. Needs [`Right::TakeOver`](crate::Right)
    /// (`NotAllowed`); not soon after another take-over (`Cooldown`).
    ///
    /// # Errors
    /// [`Unanswered`].
    pub fn take_over(&self) -> impl Future<Output = Result<Outcome, Unanswered>> + Send + use<> {
        self.operate(Operation::TakeOver(self.scope.clone()))
    }

    /// Takes the lock from another session of the same user
    /// ([`ClientOptions::user_key`](crate::ClientOptions::user_key)), once that one has drained; `NotAllowed` if the
    /// holder is somebody else.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub fn move_here(&self) -> impl Future<Output = Result<Outcome, Unanswered>> + Send + use<> {
        self.operate(Operation::MoveHere(self.scope.clone()))
    }

    /// Waits until this session holds the lock.
    ///
    /// # Errors
    /// [`Ended`]: it never will.
    pub async fn granted(&self) -> Result<Fence, Ended> {
        let held = |core: &Core| {
            let (fence, grant) = core.locks().grant(&self.scope)?;
            (grant.stage == Stage::Held).then_some(fence)
        };
        self.client.shared.until(held).await
    }

    fn operate(
        &self,
        operation: Operation,
    ) -> impl Future<Output = Result<Outcome, Unanswered>> + Send + use<> {
        self.client.operate(operation)
    }

    fn peek<R>(&self, look: impl FnOnce(&Core) -> R) -> R {
        self.client.shared.peek(look)
    }
}

impl Client {
    /// The operation is sent by the call itself; the future only waits for the answer.
    pub(crate) fn operate(
        &self,
        operation: Operation,
    ) -> impl Future<Output = Result<Outcome, Unanswered>> + Send + use<> {
        let answer = self.answer(operation);
        async move {
            Ok(match answer.await? {
                Reply::Outcome(outcome) => outcome,
                Reply::Content(_) => Outcome::Done,
            })
        }
    }

    pub(crate) fn answer(
        &self,
        operation: Operation,
    ) -> impl Future<Output = Result<Reply, Unanswered>> + Send + use<> {
        let asked = self.shared.ask(|core| core.request(operation));
        async move {
            match asked {
                Ok(answer) => answer.await.unwrap_or(Err(Unanswered::Closed)),
                Err(answer) => answer,
            }
        }
    }
}
