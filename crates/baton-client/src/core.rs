//! The client's core: frames and moments go in; frames, events and answers come out.
//!
//! Offers the steps that a program and a shell can take. The state is in `state`, whose parts each
//! own theirs; `lifecycle` has the steps of a connection, and `receive` handles the server's
//! frames. Reads no clock, waits for nothing and opens no socket: a shell does (`socket_task`), or
//! a test.

mod awareness_states;
pub(crate) mod connection;
mod lifecycle;
mod local_copy;
mod lock_messages;
pub(crate) mod operation;
pub(crate) mod outputs;
mod parked_edits;
mod pending_requests;
mod permission_events;
mod receive;
mod session_info;
mod state;
#[cfg(test)]
mod tests;
mod token_state;

use std::collections::BTreeMap;
use std::time::Duration;

use baton_sync::control_channel::{
    ClientMessage, FencingToken, ParkView, PeerView, Right, TimingsMs, User,
};
use baton_sync::{ApplyError, ClientId, Document, yrs};
use bytes::Bytes;
use serde_json::{Map, Value};

use crate::ack_tracker::AckTracker;
use crate::close_cause::CloseCause;
use crate::draft::Draft;
use crate::dual_clock::Moment;
use crate::error::{AwarenessStateError, ClientEnded, EditError, OperationError};
use crate::events::{EditPermission, LockRequest, Visibility};
use crate::lock_tracker::LockTracker;
use crate::options::{ClientOptions, ResumeTicket};
use crate::scope::LockScope;
use crate::token::{ClientToken, TokenSourceError};

use connection::ConnectionPhase;
use operation::{Asked, Guard, Operation};
use outputs::{SocketWrite, StepOutput};
use state::CoreState;

/// One session in one document, without input and output.
pub(crate) struct ClientCore(CoreState);

impl ClientCore {
    /// Creates a client that is not connected and wants no connection yet. `client` is the Yjs
    /// client id of its copy; `seed` is for its random numbers.
    ///
    /// # Errors
    /// The copy in the options is damaged.
    pub(crate) fn new(
        options: ClientOptions,
        client: ClientId,
        seed: u64,
        now: Moment,
    ) -> Result<Self, ApplyError> {
        Ok(Self(CoreState::new(options, client, seed, now)?))
    }

    // ---- steps of the program ----

    /// Makes an edit and sends it, now or with the next connection.
    pub(crate) fn edit<R>(
        &mut self,
        now: Moment,
        guard: &Guard,
        edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R,
    ) -> Result<R, EditError> {
        if let Guard::Lock(scope) = guard {
            let permission = self.permission(scope, now);
            if !permission.may_edit() {
                return Err(EditError::NotNow(permission));
            }
        }
        let result = self.0.copy.edit(edit, &mut self.0.out);
        let result = result.inspect_err(|broken| lifecycle::end_broken(&mut self.0, broken))?;
        self.touched(now);
        Ok(result)
    }

    /// Asks for an operation, whose answer comes in a later [`StepOutput`] unless it is known at
    /// once.
    pub(crate) fn request(&mut self, operation: Operation) -> Asked {
        let core = &mut self.0;
        if core.ended.is_some() {
            return Asked::Known(Err(OperationError::Closed));
        }
        let welcomed = core.connection.is_welcomed();
        let (nonce, message) = match core.pending.prepare(operation, &core.locks, welcomed) {
            Ok(prepared) => prepared,
            Err(answer) => return Asked::Known(answer),
        };
        pending_requests::apply_intent(nonce, &message, &mut core.locks);
        if matches!(message, ClientMessage::Release { .. }) {
            // The edits come before the release, also those that did not fit into the queue.
            lifecycle::send_unsent(core);
        }
        if welcomed {
            core.out.say(&message);
        }
        core.pending.insert(nonce, message);
        Asked::Nonce(nonce)
    }

    /// Claims an offer, unless it is over.
    pub(crate) fn claim(&mut self, now: Moment, fence: FencingToken) {
        lock_messages::claim(&mut self.0.locks, &mut self.0.out, now, fence);
    }

    /// Declines an offer, unless it is over. With `later`, this session goes on waiting.
    pub(crate) fn decline(&mut self, fence: FencingToken, later: bool) {
        lock_messages::decline(&mut self.0.locks, &mut self.0.out, fence, later);
    }

    pub(crate) fn set_user(&mut self, user: User) {
        self.0.options.user = user.clone();
        if self.0.connection.is_welcomed() {
            self.0.out.say(&ClientMessage::Profile { user });
        }
    }

    /// Takes another token: for this connection, and for those to come.
    pub(crate) fn refresh_token(&mut self, now: Moment, token: ClientToken) {
        lifecycle::token_given(&mut self.0, now, token);
    }

    /// Returns the token for the next connection.
    pub(crate) const fn token(&self) -> Option<&ClientToken> {
        self.0.tokens.current()
    }

    /// Returns the number of the question for a token that waits for an answer.
    pub(crate) fn token_question(&self) -> Option<u64> {
        self.0.tokens.question()
    }

    /// Takes the answer of the program's token source.
    pub(crate) fn answer_token(
        &mut self,
        now: Moment,
        question: u64,
        answer: Result<ClientToken, TokenSourceError>,
    ) {
        if self.0.tokens.answered(question) {
            match answer {
                Ok(token) => lifecycle::token_given(&mut self.0, now, token),
                Err(error) => lifecycle::no_token(&mut self.0, now, error),
            }
        }
    }

    /// Notes input of a person, also where nothing was edited.
    pub(crate) const fn touched(&mut self, now: Moment) {
        self.0.last_input = now;
    }

    pub(crate) const fn set_visibility(&mut self, visibility: Visibility) {
        self.0.visibility = visibility;
    }

    pub(crate) fn drop_draft(&mut self, client: ClientId) {
        self.0.parked.drop_draft(client);
    }

    /// Sets this client's state of awareness, or removes it.
    pub(crate) fn set_awareness(
        &mut self,
        now: Moment,
        state: Option<Map<String, Value>>,
    ) -> Result<(), AwarenessStateError> {
        self.0.awareness.set_own(now.monotonic, state)
    }

    // ---- steps of the connection ----

    /// Connects, unless there is a connection or an attempt at one.
    pub(crate) fn connect(&mut self, now: Moment) {
        lifecycle::connect(&mut self.0, now);
    }

    /// Leaves, and may return: the server keeps the session, and for the grace time its locks.
    pub(crate) fn disconnect(&mut self, now: Moment) {
        lifecycle::disconnect(&mut self.0, now);
    }

    /// Leaves for good: the locks pass on at once.
    pub(crate) fn close(&mut self, now: Moment) {
        lifecycle::close(&mut self.0, now);
    }

    /// Notes that the socket of this attempt is open.
    pub(crate) fn opened(&mut self, now: Moment) {
        lifecycle::opened(&mut self.0, now);
    }

    /// Handles a binary message of the server.
    pub(crate) fn frame(&mut self, now: Moment, frame: &[u8]) {
        receive::frame(&mut self.0, now, frame);
    }

    /// Notes that something came from the server, whatever it is.
    pub(crate) const fn heard(&mut self, now: Moment) {
        self.0.connection.heard(now);
    }

    /// Notes that the connection, or the attempt at one, is over.
    pub(crate) fn lost(&mut self, now: Moment, cause: CloseCause) {
        lifecycle::lost(&mut self.0, now, cause);
    }

    /// Returns the time from now until [`ClientCore::timeout`] is due, or `None` if only a frame or
    /// the program can change anything.
    pub(crate) fn next_timeout(&self, now: Moment) -> Option<Duration> {
        let connection = self.0.connection.next_deadline(now);
        let lease = self.0.locks.next_expiry(now);
        let is_open = self.0.connection.is_open();
        let awareness = self.0.awareness.next_deadline(now.monotonic, is_open);
        [connection, lease, awareness].into_iter().flatten().min()
    }

    /// Acts on a deadline that has passed. The end of a lease shows in the next
    /// [`ClientCore::take_output`].
    pub(crate) fn timeout(&mut self, now: Moment) {
        lifecycle::timeout(&mut self.0, now);
    }

    // ---- outputs ----

    /// Takes the events and answers since the last time.
    pub(crate) fn take_output(&mut self, now: Moment) -> StepOutput {
        self.0.report_permissions(now);
        self.0.out.take_output()
    }

    /// Takes frames to write now, until they have `bytes` bytes.
    pub(crate) fn outgoing(&mut self, bytes: usize) -> Vec<SocketWrite> {
        if !self.0.out.has_frames() {
            lifecycle::send_unsent(&mut self.0);
            lifecycle::send_awareness(&mut self.0);
        }
        self.0.out.take_frames(bytes)
    }

    pub(crate) fn has_outgoing(&self) -> bool {
        self.0.out.has_frames() || self.0.copy.has_unsent() || lifecycle::owes_awareness(&self.0)
    }

    // ---- facts ----

    pub(crate) const fn phase(&self) -> ConnectionPhase {
        self.0.connection.phase()
    }

    /// Returns the number of attempts so far. A socket of an earlier attempt is of no more use.
    pub(crate) const fn attempt(&self) -> u64 {
        self.0.connection.attempt()
    }

    /// Returns true if the copy is in step with the server and the locks are known.
    pub(crate) const fn is_ready(&self) -> bool {
        self.0.copy.is_synced() && self.0.connection.is_welcomed()
    }

    /// Returns true if the copy was in step, in a session, at any time.
    pub(crate) const fn was_ready(&self) -> bool {
        self.0.was_ready
    }

    /// Returns the reason why nothing more will come, once that is so.
    pub(crate) fn ended(&self) -> Option<ClientEnded> {
        self.0.ended()
    }

    /// Returns the permission to edit the scope at this moment.
    pub(crate) fn permission(&self, scope: &LockScope, now: Moment) -> EditPermission {
        self.0.permission(scope, now)
    }

    pub(crate) const fn document(&self) -> &Document {
        self.0.copy.document()
    }

    /// Returns the Yjs client id of the copy.
    pub(crate) const fn client(&self) -> ClientId {
        self.0.copy.client()
    }

    pub(crate) const fn acks(&self) -> &AckTracker {
        self.0.copy.acks()
    }

    /// Returns the number of copies that were set aside before this one.
    pub(crate) const fn copies_set_aside(&self) -> u64 {
        self.0.copy.predecessors()
    }

    pub(crate) const fn locks(&self) -> &LockTracker {
        &self.0.locks
    }

    /// Returns the request for this grant that another session made, if there is one.
    pub(crate) fn request_for(&self, fence: FencingToken, now: Moment) -> Option<LockRequest> {
        lock_messages::request_for(&self.0.locks, fence, now)
    }

    pub(crate) const fn parks(&self) -> &BTreeMap<u64, ParkView> {
        self.0.parked.parks()
    }

    pub(crate) fn drafts(&self) -> &[Draft] {
        self.0.parked.drafts()
    }

    pub(crate) const fn roster(&self) -> &BTreeMap<u64, PeerView> {
        self.0.session.roster()
    }

    pub(crate) fn rights(&self) -> &[Right] {
        self.0.session.rights()
    }

    pub(crate) const fn epoch(&self) -> Option<u32> {
        self.0.session.epoch()
    }

    pub(crate) const fn user(&self) -> &User {
        &self.0.options.user
    }

    /// Returns this client's state of awareness.
    pub(crate) fn own_awareness(&self) -> Option<&Map<String, Value>> {
        self.0.awareness.own()
    }

    pub(crate) fn awareness_of(&self, client: ClientId) -> Option<&Value> {
        self.0.awareness.of(client)
    }

    pub(crate) fn awareness_of_others(&self) -> impl Iterator<Item = (ClientId, &Value)> {
        self.0.awareness.others()
    }

    pub(crate) fn encode_awareness(&self) -> Bytes {
        self.0.awareness.encode(self.client())
    }

    pub(crate) const fn timings(&self) -> Option<TimingsMs> {
        self.0.session.timings()
    }

    pub(crate) fn ticket(&self) -> Option<ResumeTicket> {
        self.0.ticket()
    }
}
