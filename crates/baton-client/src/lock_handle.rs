//! The handle of one lock: of the whole document, or of a part.
//!
//! Owns the public operations of a lock: each is one step of the core, or waits for one.

use std::future::Future;
use std::time::Duration;

use baton_sync::control_channel::{FencingToken, GrantView, Outcome};
use baton_sync::yrs;

use crate::client_state::ClientState;
use crate::core::ClientCore;
use crate::core::operation::{Guard, Operation};
use crate::error::{ClientEnded, EditError, HoldError, OperationError};
use crate::events::{EditPermission, LockRequest, LockStatus};
use crate::lock_tracker::grant::GrantStage;
use crate::scope::LockScope;

/// The lock of a scope, as this session sees it and asks for it. To have a `Lock` is not to hold
/// it.
///
/// This session holds the lock if it has a grant of just this scope, or of one that covers it. A
/// session has one place in the queue: asking for another scope gives that place up. A session that
/// holds a lock does not wait: it gets a further lock at once, or the answer
/// [`Outcome::WouldWait`]. Ask for several parts in one [`LockScope`].
///
/// Each operation is sent by the call itself; the future only waits for the answer, and may be
/// dropped.
#[derive(Debug)]
pub struct Lock<'a> {
    state: &'a ClientState,
    scope: LockScope,
}

impl<'a> Lock<'a> {
    pub(crate) const fn new(state: &'a ClientState, scope: LockScope) -> Self {
        Self { state, scope }
    }

    /// Returns the scope that this lock covers.
    #[must_use]
    pub const fn scope(&self) -> &LockScope {
        &self.scope
    }

    // ---- facts ----

    /// Returns the relation of this session to the lock.
    #[must_use]
    pub fn status(&self) -> LockStatus {
        self.state
            .peek(|core| core.locks().lock_status(&self.scope))
    }

    /// Returns the place of this session in the queue for the lock, from 1. `None` if it does not
    /// wait, or waits too far behind to be shown.
    #[must_use]
    pub fn place(&self) -> Option<usize> {
        self.state.peek(|core| core.locks().place(&self.scope))
    }

    /// Returns the fence of the grant under which this session holds the lock.
    #[must_use]
    pub fn fence(&self) -> Option<FencingToken> {
        self.state
            .peek(|core| core.locks().grant(&self.scope).map(|(fence, _)| fence))
    }

    /// Returns the grants of other sessions that conflict with this lock.
    #[must_use]
    pub fn holders(&self) -> Vec<GrantView> {
        self.state.peek(|core| {
            let view = core.locks().view();
            let grants = view.iter().flat_map(|view| &view.grants);
            grants
                .filter(|grant| Some(grant.session) != core.locks().session())
                .filter(|grant| LockScope::from_wire(grant.paths.clone()).conflicts(&self.scope))
                .cloned()
                .collect()
        })
    }

    /// Returns the request that another session made for this lock, if there is one.
    #[must_use]
    pub fn requested(&self) -> Option<LockRequest> {
        self.state.peek_now(|core, now| {
            let (fence, _) = core.locks().grant(&self.scope)?;
            core.request_for(fence, now)
        })
    }

    /// Returns the permission to edit there at this moment, with the reason.
    #[must_use]
    pub fn permission(&self) -> EditPermission {
        let permission = |core: &ClientCore, now| core.permission(&self.scope, now);
        self.state.peek_now(permission)
    }

    /// Returns true if this client may edit there at this moment.
    #[must_use]
    pub fn may_edit(&self) -> bool {
        self.permission().may_edit()
    }

    /// Returns the time for which the holder may go on editing without news from the server; zero
    /// for other sessions.
    #[must_use]
    pub fn lease_left(&self) -> Duration {
        let left = |core: &ClientCore, now| core.locks().lease_left(&self.scope, now);
        self.state.peek_now(left)
    }

    // ---- editing ----

    /// Edits this copy and sends the edit, at once or with the next connection. Edit only what this
    /// lock covers: an edit that touches more may be parked as a whole.
    ///
    /// `edit` must keep nothing of the transaction, and must not call the client, whose lock is
    /// held while it runs.
    ///
    /// # Errors
    /// [`EditError::NotNow`] unless [`Lock::may_edit`]; nothing changed. [`EditError::Broken`] if
    /// `edit` panicked or made an edit that others would refuse: the client has ended.
    pub fn edit<R>(
        &self,
        edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R,
    ) -> Result<R, EditError> {
        let guard = Guard::Lock(self.scope.clone());
        self.state.act(|core, now| core.edit(now, &guard, edit))
    }

    // ---- operations ----

    /// Acquires the lock, waiting for it in the queue. The request survives lost connections, until
    /// [`Lock::cancel`]. The outcome is `Done` (an offer follows, or the lock is held already),
    /// `Queued`, `WouldWait`, `Full` or `Forbidden`. [`Lock::granted`] waits for the lock itself.
    ///
    /// # Errors
    /// [`OperationError::Closed`], [`OperationError::TooMany`].
    pub fn acquire(&self) -> impl Future<Output = Result<Outcome, OperationError>> + Send + use<> {
        self.state.operate(Operation::Acquire(self.scope.clone()))
    }

    /// Acquires the lock if it is free now; `Busy` if not.
    ///
    /// # Errors
    /// [`OperationError`].
    pub fn try_acquire(
        &self,
    ) -> impl Future<Output = Result<Outcome, OperationError>> + Send + use<> {
        self.state.operate(Operation::Try(self.scope.clone()))
    }

    /// Leaves the queue, and declines an offer. `Done` at once if this session waits for another
    /// scope.
    ///
    /// # Errors
    /// [`OperationError::Closed`], [`OperationError::TooMany`].
    pub fn cancel(&self) -> impl Future<Output = Result<Outcome, OperationError>> + Send + use<> {
        self.state.operate(Operation::Cancel(self.scope.clone()))
    }

    /// Releases the lock, after the edits made before; this client stops editing there at once.
    /// `Stale` if this session did not hold it. A grant that covers more than this scope is
    /// released as a whole.
    ///
    /// # Errors
    /// [`OperationError::Closed`], [`OperationError::TooMany`].
    pub fn release(&self) -> impl Future<Output = Result<Outcome, OperationError>> + Send + use<> {
        self.state.operate(Operation::Release(self.scope.clone()))
    }

    /// Hands the lock to another session, which need not have asked: the lock drains
    /// ([`ClientEvent::Draining`](crate::ClientEvent::Draining)) and is offered there. `Unknown` if
    /// that session is not here or cannot hold a lock, `Stale` if this session does not hold it.
    ///
    /// # Errors
    /// [`OperationError::Closed`], [`OperationError::TooMany`].
    pub fn transfer(
        &self,
        to: u64,
    ) -> impl Future<Output = Result<Outcome, OperationError>> + Send + use<> {
        let scope = self.scope.clone();
        self.state.operate(Operation::Transfer(scope, to))
    }

    /// Acquires the lock as [`Lock::acquire`] does, and asks its holder to give it up, with a note
    /// of up to 512 bytes (a longer one is cut). After
    /// [`TimingsMs::request`](crate::TimingsMs::request) the lock drains all the same.
    ///
    /// # Errors
    /// [`OperationError::Closed`], [`OperationError::TooMany`].
    pub fn request(
        &self,
        note: &str,
    ) -> impl Future<Output = Result<Outcome, OperationError>> + Send + use<> {
        let scope = self.scope.clone();
        self.state
            .operate(Operation::Request(scope, note.to_owned()))
    }

    /// Takes the lock from its holder, once that session has drained. Needs
    /// [`Right::TakeOver`](crate::Right) (`NotAllowed`); not soon after another take-over
    /// (`Cooldown`).
    ///
    /// # Errors
    /// [`OperationError`].
    pub fn take_over(
        &self,
    ) -> impl Future<Output = Result<Outcome, OperationError>> + Send + use<> {
        self.state.operate(Operation::TakeOver(self.scope.clone()))
    }

    /// Takes the lock from another session of the same user
    /// ([`ClientOptions::user_key`](crate::ClientOptions::user_key)), once that session has
    /// drained; `NotAllowed` if the holder is another user.
    ///
    /// # Errors
    /// [`OperationError`].
    pub fn move_here(
        &self,
    ) -> impl Future<Output = Result<Outcome, OperationError>> + Send + use<> {
        self.state.operate(Operation::MoveHere(self.scope.clone()))
    }

    /// Acquires the lock, and waits until this session holds it. A call that is dropped leaves the
    /// session in the queue, until [`Lock::cancel`].
    ///
    /// # Errors
    /// [`HoldError`]: this session does not hold the lock, and does not wait for it.
    pub async fn hold(&self) -> Result<FencingToken, HoldError> {
        match self.acquire().await? {
            Outcome::Done | Outcome::Queued => Ok(self.granted().await?),
            refused => Err(HoldError::Refused(refused)),
        }
    }

    /// Waits until this session holds the lock: for ever, if it has not asked for it, or was
    /// refused.
    ///
    /// # Errors
    /// [`ClientEnded`]: this client can never hold it.
    pub async fn granted(&self) -> Result<FencingToken, ClientEnded> {
        let held = |core: &ClientCore| {
            let (fence, grant) = core.locks().grant(&self.scope)?;
            (grant.stage() == GrantStage::Held).then_some(fence)
        };
        self.state.until(held).await
    }
}
