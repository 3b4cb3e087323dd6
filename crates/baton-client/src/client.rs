//! The handle of a client.
//!
//! Owns the public face, but for locks of parts (`handle`) and parks (`parks`): each call is one step of the core, or
//! waits for one. Decides nothing.

use std::collections::BTreeMap;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use baton_sync::channel::{Fence, LockView, Mode, Outcome, Peer, Right, TimingsMs, User};
use baton_sync::{ApplyError, Broken, ClientId, yrs};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use crate::address::address;
use crate::core::{Core, Guard, Phase};
use crate::error::{AddressError, EditError, Ended, Unanswered};
use crate::events::{EditRight, Event, Standing, Visibility};
use crate::handle::Lock;
use crate::options::{ClientOptions, Ticket};
use crate::scope::Scope;
use crate::shared::Shared;
use crate::task::{self, Clock};

/// No client was started. The caller's fault; nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The address or the document name is wrong.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The copy in the options is damaged, or no copy of a document.
    #[error("the copy of the document cannot be used: {0}")]
    Copy(#[from] ApplyError),
}

/// One session in one document, which comes again by itself when its connection is lost; see the crate's front page.
///
/// Dropping it is a lost connection: the server keeps the session, and for the grace time the lock. To leave for good,
/// [`Client::close`] it.
pub struct Client {
    pub(crate) shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
    abort: tokio::task::AbortHandle,
}

impl Client {
    /// Starts a client, which connects at once and, if that fails, again and again. Does not wait: see
    /// [`Client::synced`].
    ///
    /// # Errors
    /// See [`ConnectError`].
    ///
    /// # Panics
    /// Outside a tokio runtime with time and IO.
    pub fn connect(options: ClientOptions) -> Result<Self, ConnectError> {
        let address = address(&options.url, &options.document)?;
        let clock = Clock::start();
        let (capacity, max_message) = (options.event_capacity, options.max_message);
        // Yjs draws its client ids from 32 bits, too.
        let client = ClientId::from((random() >> 32) as u32);
        let core = Core::new(options, client, random(), clock.now())?;
        let shared = Arc::new(Shared::new(core, clock, capacity, max_message));
        shared.act(|core, now| core.connect(now));
        let task = tokio::spawn(task::run(Arc::clone(&shared), address));
        Ok(Self {
            abort: task.abort_handle(),
            task: Mutex::new(Some(task)),
            shared,
        })
    }

    /// What happens from now on. Bounded ([`ClientOptions::event_capacity`]): a receiver that lags is told how many it
    /// missed, and finds the present state by asking the client.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.subscribe()
    }

    // ---- the document ----

    /// Edits this copy and sends the edit, now or when there is a connection again.
    ///
    /// `edit` keeps nothing of the transaction, and must not call this client: it runs under its lock.
    ///
    /// # Errors
    /// [`EditError::NotNow`] while somebody else has a lock of the document or of a part of it, or before anything is
    /// known of it; nothing changed. To edit a part while others hold other parts, see [`Client::lock_for`].
    /// [`EditError::Broken`] if `edit` panicked or made what others would refuse: the client is at its end.
    pub fn edit<R>(
        &self,
        edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R,
    ) -> Result<R, EditError> {
        self.lock().edit(edit)
    }

    /// [`Client::edit`] without asking the lock. Under somebody else's lock the edit is parked by the server, and
    /// this copy diverges ([`Event::Parked`]).
    ///
    /// # Errors
    /// [`EditError::Broken`], as there.
    pub fn edit_regardless<R>(
        &self,
        edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R,
    ) -> Result<R, EditError> {
        self.shared
            .act(|core, now| core.edit(now, &Guard::Nothing, edit))
    }

    /// Reads from this copy. `read` must not call this client: it runs under its lock.
    ///
    /// # Errors
    /// [`Broken`]: the document can be neither read nor written any more.
    pub fn read<R>(&self, read: impl FnOnce(&yrs::Transaction<'_>) -> R) -> Result<R, Broken> {
        self.shared.peek(|core| core.document().read(read))
    }

    /// All of this copy, for [`ClientOptions::copy`] of a later client, with [`Client::epoch`].
    ///
    /// # Errors
    /// [`Broken`], as [`Client::read`].
    pub fn snapshot(&self) -> Result<Bytes, Broken> {
        self.shared.peek(|core| core.document().snapshot())
    }

    /// The Yjs client id under which this copy is edited.
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        self.shared.peek(Core::client)
    }

    /// The epoch of the document that this copy belongs to, once the server has told it.
    #[must_use]
    pub fn epoch(&self) -> Option<u32> {
        self.shared.peek(Core::epoch)
    }

    /// Waits until this copy has all that the server has and keeps in step, and the session and the lock are known. At
    /// once, if that is so already.
    ///
    /// # Errors
    /// [`Ended`]: it never will.
    pub async fn synced(&self) -> Result<(), Ended> {
        let ready = |core: &Core| core.is_ready().then_some(());
        self.shared.until(ready).await
    }

    /// Waits until everything edited so far is durable, over as many connections as it takes.
    ///
    /// # Errors
    /// [`Ended::Diverged`]: an edit was parked; the server has it set aside. [`Ended::Closed`]: this client cannot find
    /// out any more.
    pub async fn saved(&self) -> Result<(), Ended> {
        let (copy, edits) = self
            .shared
            .peek(|core| (core.copies(), core.saves().edits()));
        let known = |core: &Core| {
            if core.copies() != copy {
                return Some(Err(Ended::Diverged));
            }
            core.saves().is_durable(edits).then_some(Ok(()))
        };
        self.shared.until(known).await?
    }

    /// Whether this copy has edits that are not known to be durable. (For those of copies that were set aside, see
    /// [`Client::drafts`].)
    #[must_use]
    pub fn has_unsaved(&self) -> bool {
        self.shared.peek(|core| !core.saves().all_durable())
    }

    // ---- who is here ----

    /// This session's number, once there is one.
    #[must_use]
    pub fn session(&self) -> Option<u64> {
        self.shared.peek(|core| core.locks().session())
    }

    /// What this session may do beside editing.
    #[must_use]
    pub fn rights(&self) -> Vec<Right> {
        self.shared.peek(|core| core.rights().to_vec())
    }

    /// Somebody is at work at this client. Edits say so by themselves; this is for all other input. Who holds a lock
    /// without any, while others wait for it, loses it after [`TimingsMs::idle_yield`].
    pub fn touched(&self) {
        self.shared.act(|core, now| core.touched(now));
    }

    /// Whether the person at this client can see the document.
    pub fn set_visibility(&self, visibility: Visibility) {
        self.shared.act(|core, _| core.set_visibility(visibility));
    }

    /// Everybody in the document by session, this one included, as the server last told.
    #[must_use]
    pub fn roster(&self) -> BTreeMap<u64, Peer> {
        self.shared.peek(|core| core.roster().clone())
    }

    /// The server's clocks, once it has told them.
    #[must_use]
    pub fn timings(&self) -> Option<TimingsMs> {
        self.shared.peek(Core::timings)
    }

    /// Tells another display name or colour.
    pub fn set_user(&self, user: User) {
        self.shared.act(|core, _| core.set_user(user));
    }

    /// What lets another client go on with this session. Take it when this client is about to end without
    /// [`Client::close`]: the token works once, and changes with each connection.
    #[must_use]
    pub fn ticket(&self) -> Option<Ticket> {
        self.shared.peek(Core::ticket)
    }

    // ---- the lock ----

    /// All locks and the queue, as the server last showed them.
    #[must_use]
    pub fn locks(&self) -> Option<LockView> {
        self.shared.peek(|core| core.locks().view().cloned())
    }

    /// The grants of this session, with what each covers.
    #[must_use]
    pub fn grants(&self) -> BTreeMap<Fence, Scope> {
        self.shared.peek(|core| {
            let grants = core.locks().grants().iter();
            grants
                .map(|(fence, grant)| (*fence, grant.scope.clone()))
                .collect()
        })
    }

    /// What locks mean in this document, once the server has told.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        self.shared.peek(|core| core.locks().mode())
    }

    /// The lock of the whole document. What follows here for it alone is short for its methods.
    #[must_use]
    pub fn lock(&self) -> Lock<'_> {
        self.lock_for(&Scope::whole())
    }

    /// The lock of a part of the document, or of several parts at once.
    #[must_use]
    pub fn lock_for(&self, scope: &Scope) -> Lock<'_> {
        Lock::new(self, scope.clone())
    }

    /// [`Lock::standing`] of the whole document.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.lock().standing()
    }

    /// [`Lock::fence`] of the whole document.
    #[must_use]
    pub fn grant(&self) -> Option<Fence> {
        self.lock().fence()
    }

    /// [`Lock::right`] for the whole document.
    #[must_use]
    pub fn right(&self) -> EditRight {
        self.lock().right()
    }

    /// Whether this client may edit the whole document at this very moment.
    #[must_use]
    pub fn may_edit(&self) -> bool {
        self.right().may_edit()
    }

    /// [`Lock::lease_left`] of the whole document.
    #[must_use]
    pub fn lease_left(&self) -> Duration {
        self.lock().lease_left()
    }

    /// [`Lock::acquire`] for the whole document.
    ///
    /// # Errors
    /// [`Unanswered::Closed`], [`Unanswered::TooMany`].
    pub fn acquire(&self) -> impl Future<Output = Result<Outcome, Unanswered>> + Send + use<> {
        self.lock().acquire()
    }

    /// [`Lock::try_acquire`] for the whole document.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub fn try_lock(&self) -> impl Future<Output = Result<Outcome, Unanswered>> + Send + use<> {
        self.lock().try_acquire()
    }

    /// [`Lock::cancel`] for the whole document.
    ///
    /// # Errors
    /// [`Unanswered::Closed`], [`Unanswered::TooMany`].
    pub fn cancel(&self) -> impl Future<Output = Result<Outcome, Unanswered>> + Send + use<> {
        self.lock().cancel()
    }

    /// [`Lock::release`] for the whole document.
    ///
    /// # Errors
    /// [`Unanswered::Closed`], [`Unanswered::TooMany`].
    pub fn release(&self) -> impl Future<Output = Result<Outcome, Unanswered>> + Send + use<> {
        self.lock().release()
    }

    /// [`Lock::granted`] for the whole document.
    ///
    /// # Errors
    /// [`Ended`]: it never will be.
    pub async fn granted(&self) -> Result<Fence, Ended> {
        self.lock().granted().await
    }

    /// Accepts an offer, under [`Claim::Ask`](crate::Claim::Ask). One that is over is not an error: nothing happens.
    pub fn claim(&self, fence: Fence) {
        self.shared.act(|core, now| core.claim(now, fence));
    }

    /// Declines an offer, and leaves the queue.
    pub fn decline(&self, fence: Fence) {
        self.shared.act(|core, _| core.decline(fence, false));
    }

    /// Declines an offer for now: goes on waiting, behind those who wait now, and is offered the lock
    /// again after a pause (2 s, growing to 30 s).
    pub fn decline_for_now(&self, fence: Fence) {
        self.shared.act(|core, _| core.decline(fence, true));
    }

    // ---- coming and going ----

    /// Leaves, and may come back: the server keeps the session, and for the grace time the lock.
    pub fn disconnect(&self) {
        self.shared.act(|core, now| core.disconnect(now));
    }

    /// Comes back after [`Client::disconnect`].
    pub fn reconnect(&self) {
        self.shared.act(|core, now| core.connect(now));
    }

    /// Leaves for good: what was edited is sent first, then the lock passes to the next in the queue at once. Waits
    /// for the server's answer at most 2 s. For what was edited to be known as durable, [`Client::saved`] comes first.
    pub async fn close(&self) {
        self.shared.act(|core, now| core.close(now));
        // Also when somebody else closes it at the same time: until the end.
        let over = |core: &Core| (core.phase() == Phase::Over).then_some(());
        let mut steps = self.shared.steps();
        while self.shared.peek(over).is_none() {
            let _ = steps.changed().await;
        }
        let task = self.task.lock().take();
        if let Some(task) = task {
            // It ends by itself now, and has no result.
            let _ = task.await;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

/// The session and the document's state, not the content: this may be logged.
impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.shared.peek(|core| {
            f.debug_struct("Client")
                .field("session", &core.locks().session())
                .field("phase", &core.phase())
                .field("standing", &core.locks().standing(&Scope::whole()))
                .field("document", core.document())
                .finish_non_exhaustive()
        })
    }
}

/// A number that differs from process to process and from call to call; the keys of each hasher do.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
