//! The client without IO, for programs with a transport and clocks of their own: another runtime, a
//! simulation.
//!
//! Each method is one step of the core. After every call that takes a moment, the caller
//! 1. sends the frames of [`SansIoClient::outgoing`], in that order,
//! 2. takes the events and answers of [`SansIoClient::take_output`],
//! 3. connects, if [`SansIoClient::phase`] is [`ConnectionPhase::Connecting`] under a new
//!    [`SansIoClient::attempt`],
//! 4. asks [`ClientOptions::token_source`], if [`SansIoClient::token_question`] has a new number,
//! 5. calls [`SansIoClient::timeout`] once [`SansIoClient::next_timeout`] has passed.
//!
//! [`Client`](crate::Client) does the same over a WebSocket.
//!
//! ```
//! use baton_client::ClientOptions;
//! use baton_client::baton_sync::ClientId;
//! use baton_client::sans_io::{ConnectionPhase, Moment, SansIoClient};
//!
//! let now = Moment::default();
//! let options = ClientOptions::new("ws://nowhere/ws", "letter");
//! let mut client = SansIoClient::new(options, ClientId::from(1_u32), 7, now)?;
//! client.connect(now);
//! assert_eq!(client.phase(), ConnectionPhase::Connecting);
//!
//! // Your transport has connected: the client says hello and asks for the document.
//! client.opened(now);
//! assert_eq!(client.outgoing(usize::MAX).len(), 2);
//! # Ok::<(), baton_client::baton_sync::ApplyError>(())
//! ```

use std::time::Duration;

use baton_sync::control_channel::{FencingToken, LockView, ParkView};
use baton_sync::{ApplyError, ClientId, Document, yrs};

use crate::close_cause::CloseCause;
use crate::core::ClientCore;
use crate::core::operation::{Asked, Guard};
use crate::error::{ClientEnded, EditError, OperationError};
use crate::events::{EditPermission, LockStatus};
use crate::options::{ClientOptions, ResumeTicket};
use crate::scope::LockScope;
use crate::token::{ClientToken, TokenSourceError};

pub use crate::core::connection::ConnectionPhase;
pub use crate::core::operation::{Operation, ParkContent, ParkDecision, Reply};
pub use crate::core::outputs::{SocketWrite, StepOutput};
pub use crate::dual_clock::Moment;

/// One session in one document, without IO; see the module.
pub struct SansIoClient(ClientCore);

impl SansIoClient {
    /// Creates a client that is not connected and wants no connection yet. `client` is the Yjs
    /// client id of its copy, which no other live copy may have; `seed` is for its random delays.
    ///
    /// # Errors
    /// The copy in the options is damaged.
    pub fn new(
        options: ClientOptions,
        client: ClientId,
        seed: u64,
        now: Moment,
    ) -> Result<Self, ApplyError> {
        Ok(Self(ClientCore::new(options, client, seed, now)?))
    }

    /// Asks for a connection.
    pub fn connect(&mut self, now: Moment) {
        self.0.connect(now);
    }

    /// Leaves for now: the server keeps the session, and for the grace time its locks.
    pub fn disconnect(&mut self, now: Moment) {
        self.0.disconnect(now);
    }

    /// Leaves for good: the locks pass on at once.
    pub fn close(&mut self, now: Moment) {
        self.0.close(now);
    }

    /// Notes that the connection of this attempt is open.
    pub fn opened(&mut self, now: Moment) {
        self.0.opened(now);
    }

    /// Handles a binary message of the server.
    pub fn frame(&mut self, now: Moment, frame: &[u8]) {
        self.0.frame(now, frame);
    }

    /// Notes that something else came from the server, such as a ping or a pong.
    pub fn heard(&mut self, now: Moment) {
        self.0.heard(now);
    }

    /// Notes that the connection, or the attempt at one, is over.
    pub fn lost(&mut self, now: Moment, cause: CloseCause) {
        self.0.lost(now, cause);
    }

    /// Acts on the time that has passed. Early calls are harmless.
    pub fn timeout(&mut self, now: Moment) {
        self.0.timeout(now);
    }

    /// Returns the time from now until [`SansIoClient::timeout`] is due, if it ever is.
    #[must_use]
    pub fn next_timeout(&self, now: Moment) -> Option<Duration> {
        self.0.next_timeout(now)
    }

    /// Takes frames to send now, until they have `bytes` bytes; the last one may exceed that.
    pub fn outgoing(&mut self, bytes: usize) -> Vec<SocketWrite> {
        self.0.outgoing(bytes)
    }

    /// Takes the events and answers since the last time.
    pub fn take_output(&mut self, now: Moment) -> StepOutput {
        self.0.take_output(now)
    }

    /// Edits this copy if the lock of the scope allows it. The edit must keep to the scope.
    ///
    /// # Errors
    /// Those of [`Client::edit`](crate::Client::edit).
    pub fn edit<R>(
        &mut self,
        now: Moment,
        scope: &LockScope,
        edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R,
    ) -> Result<R, EditError> {
        self.0.edit(now, &Guard::Lock(scope.clone()), edit)
    }

    /// Edits this copy without asking the lock.
    ///
    /// # Errors
    /// Those of [`Client::edit_regardless`](crate::Client::edit_regardless).
    pub fn edit_regardless<R>(
        &mut self,
        now: Moment,
        edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R,
    ) -> Result<R, EditError> {
        self.0.edit(now, &Guard::Nothing, edit)
    }

    /// Asks for an operation. The answer comes in a [`StepOutput`] under the nonce that this
    /// returns; `None` if the operation is done already.
    ///
    /// # Errors
    /// [`OperationError`]: it cannot be asked now.
    pub fn ask(&mut self, operation: Operation) -> Result<Option<u64>, OperationError> {
        match self.0.request(operation) {
            Asked::Nonce(nonce) => Ok(Some(nonce)),
            Asked::Known(answer) => answer.map(|_| None),
        }
    }

    /// Returns the token to open the next connection with.
    #[must_use]
    pub const fn token(&self) -> Option<&ClientToken> {
        self.0.token()
    }

    /// Returns the number of the question for a token that waits for
    /// [`SansIoClient::answer_token`].
    #[must_use]
    pub fn token_question(&self) -> Option<u64> {
        self.0.token_question()
    }

    /// Answers the question for a token. An answer to an earlier question is ignored.
    pub fn answer_token(
        &mut self,
        now: Moment,
        question: u64,
        answer: Result<ClientToken, TokenSourceError>,
    ) {
        self.0.answer_token(now, question, answer);
    }

    /// Claims an offer. Nothing happens if it is over.
    pub fn claim(&mut self, now: Moment, fence: FencingToken) {
        self.0.claim(now, fence);
    }

    /// Declines an offer, and leaves the queue.
    pub fn decline(&mut self, fence: FencingToken) {
        self.0.decline(fence, false);
    }

    /// Declines an offer for now: this session goes on waiting, behind those that wait now, and is
    /// offered the lock again after a pause.
    pub fn decline_for_now(&mut self, fence: FencingToken) {
        self.0.decline(fence, true);
    }

    /// Returns the phase of the connection.
    #[must_use]
    pub fn phase(&self) -> ConnectionPhase {
        self.0.phase()
    }

    /// Returns the number of attempts so far. A connection of an earlier attempt is of no more use.
    #[must_use]
    pub fn attempt(&self) -> u64 {
        self.0.attempt()
    }

    /// Returns true if the copy is in step with the server and the locks are known.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    /// Returns the reason why nothing more will come, once that is so.
    #[must_use]
    pub fn ended(&self) -> Option<ClientEnded> {
        self.0.ended()
    }

    /// Returns the permission to edit the scope at this moment, with the reason.
    #[must_use]
    pub fn permission(&self, scope: &LockScope, now: Moment) -> EditPermission {
        self.0.permission(scope, now)
    }

    /// Returns the relation of this session to the lock of the scope.
    #[must_use]
    pub fn lock_status(&self, scope: &LockScope) -> LockStatus {
        self.0.locks().lock_status(scope)
    }

    /// Returns the grant under which this session holds the scope.
    #[must_use]
    pub fn grant(&self, scope: &LockScope) -> Option<FencingToken> {
        self.0.locks().grant(scope).map(|(fence, _)| fence)
    }

    /// Returns the grants of this session, oldest first.
    pub fn grants(&self) -> impl Iterator<Item = (FencingToken, &LockScope)> {
        let grants = self.0.locks().grants().iter();
        grants.map(|(fence, grant)| (*fence, grant.scope()))
    }

    /// Returns the offers that this session may claim.
    pub fn offers(&self) -> impl Iterator<Item = FencingToken> {
        self.0.locks().offers()
    }

    /// Returns the locks as the server last showed them.
    #[must_use]
    pub fn locks(&self) -> Option<&LockView> {
        self.0.locks().view()
    }

    /// Returns the parks of the document as the server last showed them.
    pub fn parks(&self) -> impl Iterator<Item = &ParkView> {
        self.0.parks().values()
    }

    /// Returns the number of this session, once there is one.
    #[must_use]
    pub fn session(&self) -> Option<u64> {
        self.0.locks().session()
    }

    /// Returns the ticket with which another client can resume this session.
    #[must_use]
    pub fn ticket(&self) -> Option<ResumeTicket> {
        self.0.ticket()
    }

    /// Returns the epoch that this copy belongs to, once the server has told it.
    #[must_use]
    pub fn epoch(&self) -> Option<u32> {
        self.0.epoch()
    }

    /// Returns the Yjs client id of this copy, which changes with
    /// [`ClientEvent::Diverged`](crate::ClientEvent::Diverged).
    #[must_use]
    pub const fn client(&self) -> ClientId {
        self.0.client()
    }

    /// Returns this copy.
    #[must_use]
    pub fn document(&self) -> &Document {
        self.0.document()
    }

    /// Returns the number of edits of this copy.
    #[must_use]
    pub fn edits(&self) -> u64 {
        self.0.acks().edits()
    }

    /// Returns true if the first `edits` edits are known to be durable.
    #[must_use]
    pub fn is_durable(&self, edits: u64) -> bool {
        self.0.acks().is_durable(edits)
    }
}

/// Leaves out the content, so that the output may be logged.
impl std::fmt::Debug for SansIoClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SansIoClient")
            .field("session", &self.session())
            .field("phase", &self.phase())
            .field("lock", &self.lock_status(&LockScope::whole()))
            .finish_non_exhaustive()
    }
}
