//! The updates and operations of one connection that are not records yet.

use std::collections::VecDeque;

use baton_presence::Time;
use baton_sync::control_channel::{ClientMessage, ErrorCode};
use baton_sync::handshake::{Handshake, HandshakeLimits, Incomplete, SyncKind};
use bytes::Bytes;

use super::barriers::Barriers;
use super::update_stream::UpdateStream;
use crate::message::Receipts;
use crate::reaction::Answer;

/// Bytes that an early message costs beyond its own.
const OVERHEAD: usize = 64;

const KEPT: &str = "an edit builds on other edits that neither you nor the document has; it is kept aside until they come, and is not saved yet";

const TOO_LARGE: &str = "an edit builds on other edits that the document does not have yet, and is too large to be kept aside until they come (max_aside): it was not taken, and nothing from it on is called saved on this connection. It is asked for again when it can come; connect again to have it called saved";

/// Everything that one connection has on its way in.
pub(super) struct Inbox {
    pub(super) handshake: Handshake,
    pub(super) receipts: Receipts,
    barriers: Barriers,
    /// The client sends barriers: it wants to know of each update.
    sends_barriers: bool,
    /// Sync messages that came too early to be judged.
    pub(super) early: EarlyMessages,
    pub(super) resync: ResyncState,
    /// Operations that give a lock away, and wait for edits which the client sent before and was
    /// asked for again.
    pub(super) deferred: Vec<ClientMessage>,
    /// Proposed updates that have no position yet.
    pub(super) proposed: u32,
    /// The updates that were proposed before they were judged.
    pub(super) stream: UpdateStream,
    pub(super) read_only: ReadOnlyNotices,
    /// The connection is being closed: nothing more of it is taken.
    pub(super) closing: bool,
}

impl Inbox {
    pub(super) fn open(limits: HandshakeLimits, receipts: Receipts) -> Self {
        let mut handshake = Handshake::new(limits);
        match receipts {
            Receipts::EachUpdate => handshake.give_statuses(),
            Receipts::None | Receipts::Echo => handshake.open(),
        }
        Self {
            handshake,
            receipts,
            barriers: Barriers::default(),
            sends_barriers: false,
            early: EarlyMessages::default(),
            resync: ResyncState::Done,
            deferred: Vec::new(),
            proposed: 0,
            stream: UpdateStream::default(),
            read_only: ReadOnlyNotices::default(),
            closing: false,
        }
    }

    /// Takes the answer that tells the client of an incomplete edit, if it was not told yet.
    pub(super) fn take_complaint(&mut self) -> Option<Answer> {
        let message = match self.handshake.take_complaint()? {
            Incomplete::Kept => KEPT,
            Incomplete::TooLarge => TOO_LARGE,
        };
        let code = ErrorCode::Incomplete;
        Some(Answer::complaint(code, message.to_owned(), true))
    }

    /// Returns true if a stock client is told of its updates as well.
    pub(super) fn wants_receipts(&self) -> bool {
        self.sends_barriers || self.receipts != Receipts::None
    }

    /// Returns true if the client has to be told of something that is not durable or not decided.
    pub(super) fn has_unsaved(&mut self) -> bool {
        !self.barriers.is_empty() || self.handshake.ledger().has_unsaved()
    }

    /// Returns true if a further message of this kind can be taken now, on a host of a cluster.
    /// Else it has to come again when the updates in flight have their positions.
    pub(super) fn takes(&self, kind: SyncKind) -> bool {
        let is_idle = self.proposed == 0 && self.stream.is_empty();
        is_idle || (kind == SyncKind::Update && self.early.is_empty() && self.stream.is_open())
    }

    /// Takes a barrier behind all messages that came.
    pub(super) fn barrier(&mut self, version: &[u8]) {
        self.sends_barriers = true;
        let early = self.early.messages.len() as u64;
        let mark = self.handshake.ledger().mark(early);
        self.barriers.push(mark, version);
    }

    /// Returns the next barrier to answer.
    pub(super) fn next_barrier(&mut self) -> Option<Bytes> {
        self.barriers.next(self.handshake.ledger())
    }

    /// Returns true if edits that the client sent before are still being asked for, or wait.
    pub(super) fn owes_edits(&self) -> bool {
        self.handshake.awaits_answer() || !self.early.is_empty()
    }
}

/// The things that one connection was told of its missing right to write.
#[derive(Debug, Default)]
pub(super) struct ReadOnlyNotices {
    pub(super) told_at: Option<Time>,
    /// An edit of it is not in the document, so that its copy has something else.
    pub(super) withheld: bool,
}

/// Progress of a session that came back with sending its edits again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResyncState {
    /// Nothing more is expected.
    Done,
    /// The answer to our Step1 is on its way. It is not waited for any longer than this.
    Awaited(Time),
    /// It came, and its record is being appended.
    Appending,
}

/// Sync messages of one connection that are not judged yet, in their order.
#[derive(Debug, Default)]
pub(super) struct EarlyMessages {
    messages: VecDeque<(SyncKind, Bytes)>,
    bytes: usize,
    /// More came than may be kept: all of it is judged now.
    overfull: bool,
}

impl EarlyMessages {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Bytes that are kept.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn is_overfull(&self) -> bool {
        self.overfull
    }

    /// Bytes that a further update would take.
    pub(super) const fn cost(update: &Bytes) -> usize {
        update.len() + OVERHEAD
    }

    pub(super) fn front(&self) -> Option<&(SyncKind, Bytes)> {
        self.messages.front()
    }

    pub(super) fn push(&mut self, kind: SyncKind, update: Bytes, fits: bool) {
        self.bytes += Self::cost(&update);
        self.messages.push_back((kind, update));
        self.overfull |= !fits;
    }

    pub(super) fn pop(&mut self) -> Option<(SyncKind, Bytes)> {
        let (kind, update) = self.messages.pop_front()?;
        self.bytes -= Self::cost(&update);
        self.overfull &= !self.messages.is_empty();
        Some((kind, update))
    }
}
