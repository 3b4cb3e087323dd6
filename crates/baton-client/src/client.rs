//! The handle of a client.
//!
//! Owns the public operations of a session, apart from those of parks (`client_parks`) and of locks
//! (`lock_handle`): each is one step of the core, or waits for one.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use baton_sync::control_channel::{
    FencingToken, LockView, Outcome, PeerView, Right, TimingsMs, User,
};
use baton_sync::{Broken, ClientId, yrs};
use tokio::sync::broadcast;
use tokio::task::{AbortHandle, JoinHandle};

use crate::awareness_handle::ClientAwareness;
use crate::client_state::ClientState;
use crate::core::ClientCore;
use crate::core::connection::ConnectionPhase;
use crate::core::operation::Guard;
use crate::error::{ClientEnded, ConnectError, EditError, HoldError, OperationError};
use crate::events::{ClientEvent, EditPermission, LockStatus, Visibility};
use crate::lock_handle::Lock;
use crate::options::{ClientOptions, ResumeTicket};
use crate::scope::LockScope;
use crate::socket_task;
use crate::system_clock::SystemClock;
use crate::token::ClientToken;
use crate::transport::Transport;

/// One session in one document. Reconnects by itself when its connection is lost; see the crate's
/// front page.
///
/// To drop a client is to lose its connection: the server keeps the session, and for the grace time
/// its locks. To leave for good, [`Client::close`] it.
pub struct Client {
    state: Arc<ClientState>,
    task: Mutex<Option<JoinHandle<()>>>,
    abort: AbortHandle,
}

impl Client {
    /// Starts a client, which connects at once and, if that fails, again and again. Does not wait:
    /// see [`Client::synced`].
    ///
    /// # Errors
    /// See [`ConnectError`].
    ///
    /// # Panics
    /// Outside a tokio runtime with time and IO.
    pub fn connect(options: ClientOptions) -> Result<Self, ConnectError> {
        let transport = Transport::new(&options)?;
        let tokens = options.token_source.clone();
        let clock = SystemClock::start();
        let capacity = options.event_capacity;
        let core = ClientCore::new(options, ClientId::random(), rand::random(), clock.now())?;
        let state = Arc::new(ClientState::new(core, clock, capacity));
        state.act(|core, now| core.connect(now));
        let task = tokio::spawn(socket_task::run(Arc::clone(&state), transport, tokens));
        Ok(Self {
            abort: task.abort_handle(),
            task: Mutex::new(Some(task)),
            state,
        })
    }

    pub(crate) fn state(&self) -> &ClientState {
        &self.state
    }

    /// Subscribes to the events from now on. The queue is bounded
    /// ([`ClientOptions::event_capacity`]): a receiver that lags is told how many events it missed,
    /// and asks the client for the present state.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<ClientEvent> {
        self.state.subscribe()
    }

    /// Edits this copy and sends the edit, at once or with the next connection.
    ///
    /// `edit` must keep nothing of the transaction, and must not call this client, whose lock is
    /// held while it runs.
    ///
    /// # Errors
    /// [`EditError::NotNow`] while another session has a lock of the document or of a part of it,
    /// or before the locks are known; nothing changed. To edit a part while others hold other
    /// parts, see [`Client::lock_for`]. [`EditError::Broken`] if `edit` panicked or made an edit
    /// that others would refuse: the client has ended.
    pub fn edit<R>(
        &self,
        edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R,
    ) -> Result<R, EditError> {
        self.lock().edit(edit)
    }

    /// Edits as [`Client::edit`] does, without asking the lock. If another session holds it, the
    /// server parks the edit and this copy diverges ([`ClientEvent::Parked`]).
    ///
    /// # Errors
    /// [`EditError::Broken`], as there.
    pub fn edit_regardless<R>(
        &self,
        edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R,
    ) -> Result<R, EditError> {
        self.state
            .act(|core, now| core.edit(now, &Guard::Nothing, edit))
    }

    /// Reads from this copy. `read` must not call this client, whose lock is held while it runs.
    ///
    /// # Errors
    /// [`Broken`]: the document can no longer be read or written.
    pub fn read<R>(&self, read: impl FnOnce(&yrs::Transaction<'_>) -> R) -> Result<R, Broken> {
        self.state.peek(|core| core.document().read(read))
    }

    /// Returns the Yjs client id under which this copy is edited.
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        self.state.peek(ClientCore::client)
    }

    /// Waits until the server has welcomed this client and sent the document for the first time.
    /// Later, and also while the connection is lost, it returns at once: see [`Client::synced`].
    ///
    /// # Errors
    /// [`ClientEnded`]: that can never be, with the typed cause.
    pub async fn ready(&self) -> Result<(), ClientEnded> {
        let was_ready = |core: &ClientCore| core.was_ready().then_some(());
        self.state.until(was_ready).await
    }

    /// Waits until this copy is in step with the server, and the session and the locks are known:
    /// each time anew, after a lost connection too.
    ///
    /// # Errors
    /// [`ClientEnded`]: that can never be.
    pub async fn synced(&self) -> Result<(), ClientEnded> {
        let ready = |core: &ClientCore| core.is_ready().then_some(());
        self.state.until(ready).await
    }

    /// Waits until all edits made so far are durable, over as many connections as it takes.
    ///
    /// # Errors
    /// [`ClientEnded::Diverged`]: an edit was parked, or refused. [`ClientEnded::Closed`]: this
    /// client can no longer find out.
    pub async fn saved(&self) -> Result<(), ClientEnded> {
        let (copy, edits) = self
            .state
            .peek(|core| (core.copies_set_aside(), core.acks().edits()));
        let known = |core: &ClientCore| {
            if core.copies_set_aside() != copy {
                return Some(Err(ClientEnded::Diverged));
            }
            core.acks().is_durable(edits).then_some(Ok(()))
        };
        self.state.until(known).await?
    }

    /// Returns true if this copy has edits that are not known to be durable. Copies that were set
    /// aside do not count: see [`Client::drafts`].
    #[must_use]
    pub fn has_unsaved(&self) -> bool {
        self.state.peek(|core| !core.acks().all_durable())
    }

    /// Returns the number of this session, once there is one.
    #[must_use]
    pub fn session(&self) -> Option<u64> {
        self.state.peek(|core| core.locks().session())
    }

    /// Returns the rights of this session beside editing.
    #[must_use]
    pub fn rights(&self) -> Vec<Right> {
        self.state.peek(|core| core.rights().to_vec())
    }

    /// Notes input of a person at this client. Edits count by themselves; this is for all other
    /// input. A holder without input loses its lock after [`TimingsMs::idle_yield`] if others wait.
    pub fn touched(&self) {
        self.state.act(|core, now| core.touched(now));
    }

    /// Notes if the person at this client can see the document.
    pub fn set_visibility(&self, visibility: Visibility) {
        self.state.act(|core, _| core.set_visibility(visibility));
    }

    /// Returns all peers in the document by session, this one included, as the server last told.
    #[must_use]
    pub fn roster(&self) -> BTreeMap<u64, PeerView> {
        self.state.peek(|core| core.roster().clone())
    }

    /// Returns the server's timings, once it has told them.
    #[must_use]
    pub fn timings(&self) -> Option<TimingsMs> {
        self.state.peek(ClientCore::timings)
    }

    /// Changes the display name or colour of this session.
    pub fn set_user(&self, user: User) {
        self.state.act(|core, _| core.set_user(user));
    }

    /// Shows another token of the same user before the one of now expires. The server answers with
    /// [`ClientEvent::Rights`], or with [`ClientEvent::Error`] if it does not take it: then the
    /// token of before counts on. Connections to come are opened with the new one.
    pub fn refresh_token(&self, token: ClientToken) {
        self.state.act(|core, now| core.refresh_token(now, token));
    }

    /// Returns the ticket with which another client can resume this session. Take it when this
    /// client is about to end without [`Client::close`]: its token works once, and changes with
    /// each connection.
    #[must_use]
    pub fn ticket(&self) -> Option<ResumeTicket> {
        self.state.peek(ClientCore::ticket)
    }

    /// Returns all locks and the queue, as the server last showed them.
    #[must_use]
    pub fn locks(&self) -> Option<LockView> {
        self.state.peek(|core| core.locks().view().cloned())
    }

    /// Returns the grants of this session, with the scope of each.
    #[must_use]
    pub fn grants(&self) -> BTreeMap<FencingToken, LockScope> {
        self.state.peek(|core| {
            let grants = core.locks().grants().iter();
            grants
                .map(|(fence, grant)| (*fence, grant.scope().clone()))
                .collect()
        })
    }

    /// Returns the lock of the whole document. The methods of [`Client`] that concern a lock are
    /// shorthands for those of this one.
    #[must_use]
    pub fn lock(&self) -> Lock<'_> {
        self.lock_for(&LockScope::whole())
    }

    /// Returns the lock of a part of the document, or of several parts at once.
    #[must_use]
    pub fn lock_for(&self, scope: &LockScope) -> Lock<'_> {
        Lock::new(&self.state, scope.clone())
    }

    /// [`Lock::status`] of the whole document.
    #[must_use]
    pub fn lock_status(&self) -> LockStatus {
        self.lock().status()
    }

    /// [`Lock::fence`] of the whole document.
    #[must_use]
    pub fn grant(&self) -> Option<FencingToken> {
        self.lock().fence()
    }

    /// [`Lock::permission`] for the whole document.
    #[must_use]
    pub fn permission(&self) -> EditPermission {
        self.lock().permission()
    }

    /// [`Lock::may_edit`] for the whole document.
    #[must_use]
    pub fn may_edit(&self) -> bool {
        self.lock().may_edit()
    }

    /// [`Lock::lease_left`] of the whole document.
    #[must_use]
    pub fn lease_left(&self) -> Duration {
        self.lock().lease_left()
    }

    /// [`Lock::acquire`] for the whole document.
    ///
    /// # Errors
    /// [`OperationError::Closed`], [`OperationError::TooMany`].
    pub fn acquire(&self) -> impl Future<Output = Result<Outcome, OperationError>> + Send + use<> {
        self.lock().acquire()
    }

    /// [`Lock::try_acquire`] for the whole document.
    ///
    /// # Errors
    /// [`OperationError`].
    pub fn try_lock(&self) -> impl Future<Output = Result<Outcome, OperationError>> + Send + use<> {
        self.lock().try_acquire()
    }

    /// [`Lock::cancel`] for the whole document.
    ///
    /// # Errors
    /// [`OperationError::Closed`], [`OperationError::TooMany`].
    pub fn cancel(&self) -> impl Future<Output = Result<Outcome, OperationError>> + Send + use<> {
        self.lock().cancel()
    }

    /// [`Lock::release`] for the whole document.
    ///
    /// # Errors
    /// [`OperationError::Closed`], [`OperationError::TooMany`].
    pub fn release(&self) -> impl Future<Output = Result<Outcome, OperationError>> + Send + use<> {
        self.lock().release()
    }

    /// Acquires the lock of the whole document, and waits for it; see [`Lock::hold`].
    ///
    /// # Errors
    /// As [`Lock::hold`].
    pub async fn hold(&self) -> Result<FencingToken, HoldError> {
        self.lock().hold().await
    }

    /// [`Lock::granted`] for the whole document.
    ///
    /// # Errors
    /// [`ClientEnded`]: this client can never hold it.
    pub async fn granted(&self) -> Result<FencingToken, ClientEnded> {
        self.lock().granted().await
    }

    /// Claims an offer, under [`ClaimPolicy::Ask`](crate::ClaimPolicy::Ask). Nothing happens if it
    /// is over.
    pub fn claim(&self, fence: FencingToken) {
        self.state.act(|core, now| core.claim(now, fence));
    }

    /// Declines an offer, and leaves the queue.
    pub fn decline(&self, fence: FencingToken) {
        self.state.act(|core, _| core.decline(fence, false));
    }

    /// Declines an offer for now: this session goes on waiting, behind those that wait now, and is
    /// offered the lock again after a pause (2 s, growing to 30 s).
    pub fn decline_for_now(&self, fence: FencingToken) {
        self.state.act(|core, _| core.decline(fence, true));
    }

    /// Returns the awareness of the document: who is here, with cursors.
    #[must_use]
    pub fn awareness(&self) -> ClientAwareness<'_> {
        ClientAwareness::new(&self.state)
    }

    /// Disconnects until [`Client::reconnect`]: the server keeps the session, and for the grace
    /// time its locks.
    pub fn disconnect(&self) {
        self.state.act(|core, now| core.disconnect(now));
    }

    /// Connects again after [`Client::disconnect`].
    pub fn reconnect(&self) {
        self.state.act(|core, now| core.connect(now));
    }

    /// Leaves for good: the edits are sent first, then the locks pass to the next sessions in the
    /// queue at once. Waits for the server's answer for at most 2 s. To know that the edits are
    /// durable, await [`Client::saved`] first.
    pub async fn close(&self) {
        self.state.act(|core, now| core.close(now));
        // A second caller waits for the end, too.
        let over = |core: &ClientCore| (core.phase() == ConnectionPhase::Over).then_some(());
        let mut steps = self.state.steps();
        while self.state.peek(over).is_none() {
            let _ = steps.changed().await;
        }
        let task = self.task.lock();
        let task = task.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // The task ends by itself now, and has no result.
            let _ = task.await;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

/// Shows the session and the state of the document, not its content, so that it may be logged.
impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.state.fmt(f)
    }
}
