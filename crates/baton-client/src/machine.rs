//! The client without IO, for whoever brings transport and clocks of their own: another runtime, a simulation.
//!
//! Owns the public names of the core's inputs and outputs, and nothing else: each method is one step of the core.
//!
//! The duty of the caller, after every call that is given a moment: what [`Machine::outgoing`] gives goes to the
//! transport in that order, [`Machine::turn`] is emptied, [`Machine::timeout`] is called when
//! [`Machine::next_timeout`] has passed, and when [`Machine::phase`] says [`Phase::Connecting`] under a new
//! [`Machine::attempt`] a connection is attempted. [`Client`](crate::Client) does the same over a WebSocket.
//!
//! ```
//! use baton_client::ClientOptions;
//! use baton_client::baton_sync::ClientId;
//! use baton_client::machine::{Machine, Moment, Phase};
//!
//! let now = Moment::default();
//! let options = ClientOptions::new("ws://nowhere/ws", "letter");
//! let mut machine = Machine::new(options, ClientId::from(1_u32), 7, now)?;
//! machine.connect(now);
//! assert_eq!(machine.phase(), Phase::Connecting);
//!
//! // The transport of your own has connected: the machine says hello and asks for the document.
//! machine.opened(now);
//! assert_eq!(machine.outgoing(usize::MAX).len(), 2);
//! # Ok::<(), baton_client::baton_sync::ApplyError>(())
//! ```

use std::time::Duration;

use baton_sync::channel::{Fence, LockView, ParkView};
use baton_sync::{ApplyError, ClientId, Document, yrs};
use bytes::Bytes;

use crate::core::{Asked, Core, Guard, Outgoing as Out, Phase as CorePhase};
use crate::error::{EditError, Ended, Unanswered};
use crate::events::{EditRight, Event, Standing};
use crate::options::{ClientOptions, Ticket};
use crate::scope::Scope;
use crate::time::Moment as CoreMoment;

pub use crate::core::{Content, Decision, Operation, Reply};

/// One moment on both clocks of a machine. The monotonic one may stand still during sleep, the wall clock may jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// Since some fixed moment of this process.
    pub monotonic: Duration,
    /// Since the Unix epoch.
    pub wall: Duration,
}

impl From<Moment> for CoreMoment {
    fn from(Moment { monotonic, wall }: Moment) -> Self {
        Self { monotonic, wall }
    }
}

/// Where the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// None is wanted.
    Idle,
    /// Until the next attempt.
    Waiting,
    /// An attempt is wanted.
    Connecting,
    /// It is open.
    Open,
    /// It is open, and serves a copy that was set aside.
    Retiring,
    /// The last frames and the close frame are on their way.
    Leaving,
    /// For good.
    Over,
}

/// What is to be given to the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// A binary message.
    Frame(Bytes),
    /// A close frame with this code; nothing comes after it.
    Close(u16),
}

/// What has come out since the last time.
#[derive(Debug, Default)]
pub struct Turn {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What became of lock operations, by the nonce that [`Machine::ask`] returned.
    pub answers: Vec<(u64, Result<Reply, Unanswered>)>,
}

/// A client as a machine; see the module.
pub struct Machine(Core);

impl Machine {
    /// A client that is not connected and wants no connection yet. `client` is the Yjs client id of its copy, which
    /// no other copy that is alive may have; `seed` spreads its delays.
    ///
    /// # Errors
    /// The copy in the options is damaged.
    pub fn new(
        options: ClientOptions,
        client: ClientId,
        seed: u64,
        now: Moment,
    ) -> Result<Self, ApplyError> {
        Ok(Self(Core::new(options, client, seed, now.into())?))
    }

    /// A connection is wanted.
    pub fn connect(&mut self, now: Moment) {
        self.0.connect(now.into());
    }

    /// None is wanted for now; the session and, for the grace time, the lock are kept.
    pub fn disconnect(&mut self, now: Moment) {
        self.0.disconnect(now.into());
    }

    /// None is wanted any more: the lock passes on at once.
    pub fn close(&mut self, now: Moment) {
        self.0.close(now.into());
    }

    /// The connection of this attempt is open.
    pub fn opened(&mut self, now: Moment) {
        self.0.opened(now.into());
    }

    /// A binary message came.
    pub fn frame(&mut self, now: Moment, frame: &[u8]) {
        self.0.frame(now.into(), frame);
    }

    /// Something else came: a ping, a pong.
    pub fn heard(&mut self, now: Moment) {
        self.0.heard(now.into());
    }

    /// The connection, or the attempt, is over; `code` if there was a close frame.
    pub fn lost(&mut self, now: Moment, code: Option<u16>, reason: String) {
        self.0.lost(now.into(), code, reason);
    }

    /// Time has passed. Early calls are harmless.
    pub fn timeout(&mut self, now: Moment) {
        self.0.timeout(now.into());
    }

    /// How long from now until [`Machine::timeout`] is due, if it ever is.
    #[must_use]
    pub fn next_timeout(&self, now: Moment) -> Option<Duration> {
        self.0.next_timeout(now.into())
    }

    /// Takes what is to be sent now, of about so many bytes.
    pub fn outgoing(&mut self, most: usize) -> Vec<Outgoing> {
        let taken = self.0.outgoing(most).into_iter();
        let public = taken.map(|out| match out {
            Out::Frame(frame) => Outgoing::Frame(frame),
            Out::Close(code) => Outgoing::Close(code),
        });
        public.collect()
    }

    /// Takes what has come out since the last time.
    pub fn turn(&mut self, now: Moment) -> Turn {
        let turn = self.0.turn(now.into());
        Turn {
            events: turn.events,
            answers: turn.answers,
        }
    }

    /// Edits this copy if the lock of that scope allows it; the edit must keep to the scope.
    ///
    /// # Errors
    /// As [`Client::edit`](crate::Client::edit).
    pub fn edit<R>(
        &mut self,
        now: Moment,
        scope: &Scope,
        edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R,
    ) -> Result<R, EditError> {
        self.0.edit(now.into(), &Guard::Lock(scope.clone()), edit)
    }

    /// Edits this copy whatever the lock is.
    ///
    /// # Errors
    /// As [`Client::edit_regardless`](crate::Client::edit_regardless).
    pub fn edit_regardless<R>(
        &mut self,
        now: Moment,
        edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R,
    ) -> Result<R, EditError> {
        self.0.edit(now.into(), &Guard::Nothing, edit)
    }

    /// Asks for an operation; the answer comes in a [`Turn`] under this nonce.
    ///
    /// # Errors
    /// It cannot be asked now.
    pub fn ask(&mut self, operation: Operation) -> Result<Option<u64>, Unanswered> {
        match self.0.request(operation) {
            Asked::Nonce(nonce) => Ok(Some(nonce)),
            Asked::Known(answer) => answer.map(|_| None),
        }
    }

    /// Accepts an offer.
    pub fn claim(&mut self, now: Moment, fence: Fence) {
        self.0.claim(now.into(), fence);
    }

    /// Declines an offer, and leaves the queue.
    pub fn decline(&mut self, fence: Fence) {
        self.0.decline(fence, false);
    }

    /// Declines an offer for now: goes on waiting, behind those who wait now, and is offered the lock
    /// again after a pause.
    pub fn decline_for_now(&mut self, fence: Fence) {
        self.0.decline(fence, true);
    }

    /// Where the connection is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.0.phase() {
            CorePhase::Idle => Phase::Idle,
            CorePhase::Waiting => Phase::Waiting,
            CorePhase::Connecting => Phase::Connecting,
            CorePhase::Open => Phase::Open,
            CorePhase::Retiring => Phase::Retiring,
            CorePhase::Leaving => Phase::Leaving,
            CorePhase::Over => Phase::Over,
        }
    }

    /// Counts the attempts: a connection of an earlier one is of no more use.
    #[must_use]
    pub fn attempt(&self) -> u64 {
        self.0.attempt()
    }

    /// In step with the server, and told how the lock is.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    /// Why nothing more will come, once that is so.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.0.ended()
    }

    /// Whether this copy may be edited there at this moment, and why.
    #[must_use]
    pub fn right(&self, scope: &Scope, now: Moment) -> EditRight {
        self.0.right(scope, now.into())
    }

    /// What the lock of that scope is to this session.
    #[must_use]
    pub fn standing(&self, scope: &Scope) -> Standing {
        self.0.locks().standing(scope)
    }

    /// The grant under which this session holds that scope.
    #[must_use]
    pub fn grant(&self, scope: &Scope) -> Option<Fence> {
        self.0.locks().grant(scope).map(|(fence, _)| fence)
    }

    /// Every grant of this session, by age.
    pub fn grants(&self) -> impl Iterator<Item = (Fence, &Scope)> {
        let grants = self.0.locks().grants().iter();
        grants.map(|(fence, grant)| (*fence, &grant.scope))
    }

    /// The offers that are open to this session.
    pub fn offers(&self) -> impl Iterator<Item = Fence> {
        self.0.locks().offers()
    }

    /// The locks, as the server last showed them.
    #[must_use]
    pub fn locks(&self) -> Option<&LockView> {
        self.0.locks().view()
    }

    /// What is parked in the document, as far as the server told.
    pub fn parks(&self) -> impl Iterator<Item = &ParkView> {
        self.0.parks().values()
    }

    /// This session's number, once there is one.
    #[must_use]
    pub fn session(&self) -> Option<u64> {
        self.0.locks().session()
    }

    /// What lets another client go on with this session.
    #[must_use]
    pub fn ticket(&self) -> Option<Ticket> {
        self.0.ticket()
    }

    /// The epoch that this copy belongs to, once the server has told it.
    #[must_use]
    pub fn epoch(&self) -> Option<u32> {
        self.0.epoch()
    }

    /// The Yjs client id of this copy; another one after [`Event::Diverged`].
    #[must_use]
    pub const fn client(&self) -> ClientId {
        self.0.client()
    }

    /// This copy.
    #[must_use]
    pub fn document(&self) -> &Document {
        self.0.document()
    }

    /// How many edits this copy has had.
    #[must_use]
    pub fn edits(&self) -> u64 {
        self.0.saves().edits()
    }

    /// Whether the first so many edits are known to be durable.
    #[must_use]
    pub fn is_durable(&self, edits: u64) -> bool {
        self.0.saves().is_durable(edits)
    }
}

/// The session, not the content: this may be logged.
impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine")
            .field("session", &self.session())
            .field("phase", &self.phase())
            .field("standing", &self.standing(&Scope::whole()))
            .finish_non_exhaustive()
    }
}
