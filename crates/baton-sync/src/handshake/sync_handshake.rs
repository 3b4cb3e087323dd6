//! Steps of the sync handshake of one connection.
//!
//! Owns the message that awaits its position in the log, and the order in which messages, kept
//! updates and questions follow one another.

use bytes::Bytes;

use super::basis::Basis;
use super::kept_updates::{KeptUpdates, own_ends};
use super::limits::HandshakeLimits;
use super::questions::Questions;
use super::saved_ledger::SavedLedger;
use super::verdict::{HandshakeError, Incomplete, SyncKind, Verdict};
use crate::StateVector;
use crate::known_blocks::Clash;
use crate::replica_index::Judgement;
use crate::scan::{OwnedScan, ScanLimits, scan};

/// A message that awaits its position in the log; see [`Handshake::settled`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub(super) number: u64,
    pub(super) kind: SyncKind,
    /// True for a part of a message that stays aside.
    pub(super) part: bool,
}

/// The sync handshake of one connection.
#[derive(Debug)]
pub struct Handshake {
    update: ScanLimits,
    pub(super) questions: Questions,
    pub(super) kept: KeptUpdates,
    ledger: SavedLedger,
    pub(super) due: Option<Due>,
    /// Report that the client is to get.
    complaint: Option<Incomplete>,
    /// The client's id is that of another client.
    pub(super) clash: Option<Clash>,
    pub(super) rejudged: u64,
}

impl Handshake {
    /// Starts the handshake of a connection on which nothing was sent yet.
    #[must_use]
    pub fn new(limits: HandshakeLimits) -> Self {
        Self {
            update: limits.update,
            questions: Questions::default(),
            kept: KeptUpdates::new(limits.aside_bytes),
            ledger: SavedLedger::default(),
            due: None,
            complaint: None,
            clash: None,
            rejudged: 0,
        }
    }

    /// From now on each message gets a status ([`SavedLedger::next_status`]), for a wire that
    /// answers each. To be called before the first message.
    pub fn give_statuses(&mut self) {
        self.ledger.give_statuses();
    }

    /// Notes that our Step1 is on its way, without a verdict: as the first message, or because the
    /// wire wants it before the answer to a client's Step1.
    pub fn open(&mut self) {
        self.questions.ask();
        self.ledger.asked(true);
    }

    /// Judges a Step2 or an Update that came, and counts it.
    pub fn incoming<'a>(
        &mut self,
        update: Bytes,
        kind: SyncKind,
        basis: impl Into<Basis<'a>>,
    ) -> Verdict {
        match OwnedScan::within(update, &self.update) {
            Ok(scan) => self.incoming_scanned(&scan, kind, basis),
            Err(error) => {
                let number = self.arrived(kind);
                self.refuse(number, error.into())
            }
        }
    }

    /// [`Handshake::incoming`] for a caller that has scanned the update, within
    /// [`HandshakeLimits::update`].
    pub fn incoming_scanned<'a>(
        &mut self,
        scan: &OwnedScan,
        kind: SyncKind,
        basis: impl Into<Basis<'a>>,
    ) -> Verdict {
        let number = self.count(scan, kind);
        self.counted(number, scan, kind, basis)
    }

    /// Counts a message that is judged later, by [`Handshake::counted`]. Returns its number.
    pub fn count(&mut self, scan: &OwnedScan, kind: SyncKind) -> u64 {
        let number = self.ledger.next(kind);
        self.ledger.came(number, kind, &scan.as_scan());
        number
    }

    /// Judges a message that was counted.
    pub fn counted<'a>(
        &mut self,
        number: u64,
        scan: &OwnedScan,
        kind: SyncKind,
        basis: impl Into<Basis<'a>>,
    ) -> Verdict {
        let basis = basis.into();
        self.judging(kind);
        let (update, scanned) = (scan.bytes(), scan.as_scan());
        if let Some(clash) = self.clash {
            return self.refuse(number, clash.into());
        }
        let settled = basis.settle(&scanned);
        if let Err(fault) = basis.check(&settled) {
            return self.refuse(number, fault);
        }
        let due = Due {
            number,
            kind,
            part: false,
        };
        if let Some(verdict) = basis.whole(update, &settled) {
            self.due = Some(due);
            if kind == SyncKind::Step2 {
                self.questions.answer_was_whole();
            }
            return verdict;
        }
        self.keep(number, kind, update.clone(), &settled.obstacles());
        if kind == SyncKind::Step2 {
            let astride = matches!(settled.judgement(), Judgement::Astride { .. });
            if astride && self.questions.answer_was_astride() {
                return self.ask();
            }
            self.find_lacking();
        } else if !self.questions.client_lacks() {
            return self.ask();
        }
        match basis.closed_part(&settled) {
            Some(closed) => {
                self.admit_part(due);
                Verdict::Admit(closed)
            }
            None => Verdict::Wait,
        }
    }

    /// Returns true if the update of the last verdict has no position yet.
    #[must_use]
    pub const fn awaits_position(&self) -> bool {
        self.due.is_some()
    }

    /// Notes that the message of this number is never taken.
    pub fn lost(&mut self, number: u64) {
        self.ledger.lose(number);
    }

    /// Counts a Step2 or an Update that the caller does not take, whatever is in it.
    pub fn dropped(&mut self, kind: SyncKind) {
        let number = self.arrived(kind);
        self.ledger.lose(number);
    }

    /// Asks the client for everything that the document lacks, since some of its messages were not
    /// taken. Returns true if our Step1 is to be sent: a question is not out already.
    pub fn ask_for_all(&mut self) -> bool {
        self.ask() == Verdict::Ask
    }

    /// Notes that the update of the last verdict ([`Verdict::Known`] or [`Verdict::Admit`], of
    /// [`Handshake::incoming`] or [`Handshake::retry`]) is at this position of the log, or before
    /// it. To be called before the next update is judged: a message without a position counts as
    /// not taken.
    pub fn settled(&mut self, position: u64) {
        if let Some(due) = self.due.take()
            && !due.part
        {
            self.ledger.settle(due.number, position);
        }
    }

    /// [`Handshake::settled`] for an update that is in a park, not in the document.
    pub fn parked(&mut self, position: u64) {
        if let Some(due) = self.due {
            self.ledger.fail(due.number);
        }
        self.settled(position);
    }

    /// Notes that the update of the last verdict did not fit at its position, because other records
    /// had come before it. The next [`Handshake::retry`] judges it again.
    pub fn overtaken(&mut self, update: Bytes) {
        let Some(due) = self.due.take() else {
            return;
        };
        if due.part || self.keep(due.number, due.kind, update, &StateVector::new()) {
            self.kept.wake_one(due.number);
        }
    }

    /// Notes that the update of the last verdict has no place for the time being, and that its
    /// client was told so. Its message counts once another message has brought all of it.
    pub fn refused(&mut self, update: Bytes) {
        let Some(due) = self.due.take() else {
            return;
        };
        self.ledger.fail(due.number);
        let ends = scan(&update).map(|scanned| own_ends(&scanned));
        let ends = ends.unwrap_or_default();
        let kept = !due.part && self.kept.keep_refused(due.number, due.kind, update, &ends);
        if !kept {
            self.due = Some(due);
            self.not_taken();
        }
    }

    /// Gives up the update of the last verdict: its message is never taken.
    pub fn not_taken(&mut self) {
        if let Some(due) = self.due.take() {
            self.ledger.lose(due.number);
            self.kept.remove(due.number);
        }
    }

    /// Returns the ledger of the connection's messages, for that which its client is told.
    pub const fn ledger(&mut self) -> &mut SavedLedger {
        &mut self.ledger
    }

    /// Returns true if the caller is to report changes: an update is kept aside, or was too large
    /// for that.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.kept.is_waiting()
    }

    /// Returns true if the client lacks units that the document lacks, too: its edits may have to
    /// wait for another connection.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.questions.client_lacks() && self.is_waiting()
    }

    /// Takes the report that the client is to get as `incomplete`, once.
    #[must_use]
    pub const fn take_complaint(&mut self) -> Option<Incomplete> {
        self.complaint.take()
    }

    /// Returns true if an answer of the client may bring messages that could not be taken. Its
    /// later messages may build on them.
    #[must_use]
    pub fn awaits_answer(&self) -> bool {
        let possible = !self.questions.client_lacks() && self.clash.is_none();
        possible && self.kept.awaits_units()
    }

    /// Returns the bytes that are kept aside.
    #[must_use]
    pub const fn aside_bytes(&self) -> usize {
        self.kept.bytes()
    }

    /// Returns the number of times at which a kept update was judged again, since the connection
    /// began.
    #[must_use]
    pub const fn rejudged(&self) -> u64 {
        self.rejudged
    }

    /// Counts a message that came and is judged now.
    fn arrived(&mut self, kind: SyncKind) -> u64 {
        self.judging(kind);
        self.ledger.next(kind)
    }

    /// Begins to judge a message: that of the last verdict counts as not taken if it has no
    /// position.
    fn judging(&mut self, kind: SyncKind) {
        self.not_taken();
        if kind == SyncKind::Step2 {
            self.questions.answered();
        }
    }

    pub(super) fn ask(&mut self) -> Verdict {
        if self.questions.ask() {
            self.ledger.asked(false);
            Verdict::Ask
        } else {
            Verdict::Wait
        }
    }

    /// Keeps an update aside until these units have come. Returns false if it is too large, and
    /// not taken.
    fn keep(&mut self, number: u64, kind: SyncKind, update: Bytes, waits: &StateVector) -> bool {
        let kept = self.kept.keep(number, kind, update, waits);
        if !kept {
            self.ledger.lose(number);
            self.complaint = Some(Incomplete::TooLarge);
        }
        kept
    }

    /// Admits a part of a message; the message stays aside, if it could be kept.
    pub(super) fn admit_part(&mut self, due: Due) {
        self.kept.admitted_part(due.number);
        self.due = Some(Due { part: true, ..due });
    }

    /// Notes that the client's answer does not complete its own updates.
    pub(super) fn find_lacking(&mut self) {
        if self.questions.find_lacking() {
            self.complaint.get_or_insert(Incomplete::Kept);
            // The complete part of each update can be admitted now.
            self.kept.wake_all();
        }
    }

    pub(super) fn refuse(&mut self, number: u64, fault: HandshakeError) -> Verdict {
        self.ledger.lose(number);
        if let HandshakeError::Clash(clash) = fault {
            self.clash = Some(clash);
        }
        Verdict::Refuse(fault)
    }
}
