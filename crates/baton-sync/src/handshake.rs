//! The sync handshake of one connection: what to do with each Step2 and Update that comes, when to ask
//! for more, and which of them are saved.
//!
//! Owns the order of questions and answers, what is kept aside for want of something else, and the
//! account behind `saved`. It never sends, never applies anything and holds no document: it judges by
//! the [`ReplicaIndex`] that it is shown, and whoever holds the document carries its [`Verdict`] out.
//!
//! # The story of a gap
//! A client that reconnects sends its newest edits before the answer to our Step1, so an update that
//! builds on something unknown is normal. It is kept aside, and our Step1 is sent **once**: until a
//! Step2 comes, whatever else does not fit is kept aside, too. The answer brings what was lacking, and
//! what was kept is judged again ([`Handshake::changed`], [`Handshake::retry`]).
//!
//! If the answer itself has a gap, then the client lacks something, too, and asking again would bring
//! the same. From then on the complete part of each update is admitted, and the whole kept aside until
//! what was missing comes from any connection. What is too large to keep is not taken: the client is
//! asked for it again when it may fit.
//!
//! # What is saved
//! A message is settled by its own blocks and deletions and by nothing else: all of them were admitted
//! under one position of the log, or all are known. No other message covers it, whatever that holds. A
//! message that was not taken (too large to keep aside, refused) is a hole for ever: this connection
//! hears of nothing from it on as saved, and its client connects again.
//!
//! ```
//! use baton_sync::handshake::{Handshake, HandshakeLimits, Kind, Verdict};
//! use baton_sync::replica_index::ReplicaIndex;
//! use bytes::Bytes;
//!
//! let mut state = ReplicaIndex::new();
//! let mut connection = Handshake::new(HandshakeLimits::default());
//! connection.open(); // our Step1 is on its way
//!
//! // Client 1 writes "hi" into the text "t".
//! let edit = Bytes::from_static(b"\x01\x01\x01\x00\x04\x01\x01t\x02hi\x00");
//! let Verdict::Admit(edit) = connection.incoming(edit, Kind::Update, &state) else { panic!() };
//! state.absorb(&baton_sync::scan::scan(&edit)?); // the room appends it to its log, at 7
//! connection.settled(7);
//! assert_eq!(connection.durable(6), None);
//! assert_eq!(connection.durable(7), Some(1)); // "your first message is saved"
//! # Ok::<(), baton_sync::scan::ScanError>(())
//! ```

use bytes::Bytes;

use crate::StateVector;
use crate::known_blocks::{Clash, KnownBlocks};
use crate::replica::Replica;
use crate::replica_index::{Applicability, Judgement, Refusal, ReplicaIndex, admitted_part};
use crate::scan::{OwnedScan, Scan, ScanError, ScanLimits, scan};
use crate::state_vector::{ClientId, Clock};

mod aside;
mod saved;

use aside::{Aside, Woken};
use saved::Ledger;

/// How often an answer may be found cut at another place than where the document ends by now, before
/// it is treated as one that lacks something. Each time the question is put again.
const ASTRIDE_ANSWERS: u32 = 3;

/// Answers in a row that leave kept updates incomplete until the client is taken to lack the rest as
/// well. More than one: the first may have been on its way before those updates.
const FRUITLESS_ANSWERS: u32 = 2;

/// Bounds of one connection's handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// Bytes that may be kept aside, each update counted with 96 more. An update beyond it is not
    /// taken, and asked for again when it may fit.
    pub aside_bytes: usize,
    /// Bounds of one update.
    pub update: ScanLimits,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self {
            aside_bytes: 1024 * 1024,
            update: ScanLimits::default(),
        }
    }
}

/// Which sync message an update came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The answer to a Step1: all that the client has and the document lacked.
    Step2,
    /// A new edit.
    Update,
}

/// What an update is judged against.
#[derive(Debug, Clone, Copy)]
pub struct Basis<'a> {
    /// The document.
    pub document: &'a ReplicaIndex,
    /// What the sender's session has parked, laid over it.
    pub park: Option<&'a ReplicaIndex>,
    /// The blocks themselves, with which those are compared that are known by their clocks. Without
    /// it they are taken to be the same: for a caller that has clocks only.
    pub contents: Option<KnownBlocks<'a>>,
}

impl<'a> From<&'a ReplicaIndex> for Basis<'a> {
    fn from(document: &'a ReplicaIndex) -> Self {
        Self {
            document,
            park: None,
            contents: None,
        }
    }
}

impl<'a> From<&'a crate::Document> for Basis<'a> {
    fn from(document: &'a crate::Document) -> Self {
        document.replica().into()
    }
}

impl<'a> From<&'a Replica> for Basis<'a> {
    fn from(document: &'a Replica) -> Self {
        Self {
            document: document.state(),
            park: None,
            contents: Some(document.contents()),
        }
    }
}

impl<'a> Basis<'a> {
    fn settle<'u, 's>(&self, scan: &'s Scan<'u>) -> Applicability<'u, 's>
    where
        'a: 's,
    {
        match self.park {
            Some(park) => self.document.applicability_over(park, scan),
            None => self.document.applicability(scan),
        }
    }

    fn compare(&self, settled: &Applicability<'_, '_>) -> Result<(), Clash> {
        match &self.contents {
            Some(contents) => contents.compare(settled),
            None => Ok(()),
        }
    }

    /// The part of an update with a gap that can come now. Under a park nothing: a park is one piece.
    fn closed_part(&self, settled: &Applicability<'_, '_>) -> Option<Bytes> {
        let adds = self.park.is_none() && !settled.adds_nothing();
        adds.then(|| admitted_part(settled).into())
    }
}

/// Why an update can never be taken. Its sender is at fault; nothing changed. Of the first two the
/// connection is to be closed (4400): its later edits build on this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The bytes are not a sound update.
    #[error("the update was not understood: {0}")]
    Malformed(#[from] ScanError),
    /// The update breaks a rule that no later state of the document mends.
    #[error("the update cannot be applied to any document: {0}")]
    Impossible(#[from] Refusal),
    /// Two clients write under one id, and the other was first. This update is not taken, nor is any
    /// later one of this connection.
    #[error(transparent)]
    Clash(#[from] Clash),
}

/// What to do with an update.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It adds nothing. Call [`Handshake::settled`] with the newest position of the log.
    Known,
    /// Apply these bytes (all of it, or the part that is complete). Then call [`Handshake::settled`]
    /// with their position in the log, [`Handshake::overtaken`] if they did not fit there, or
    /// [`Handshake::not_taken`].
    Admit(Bytes),
    /// Send our Step1.
    Ask,
    /// Nothing to do: an answer that will bring it is on its way, or it is kept aside.
    Wait,
    /// Close the connection, or tell it of the clash.
    Refuse(HandshakeError),
}

/// Something of a connection waits that its client cannot bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incomplete {
    /// The client lacks it as well. It is kept until it comes from any connection.
    Kept,
    /// It is too large to keep, and was not taken.
    TooLarge,
}

/// What [`Handshake::settled`] settles.
#[derive(Debug, Clone, Copy)]
struct Due {
    number: u64,
    kind: Kind,
    /// It is a part of a message that is kept aside.
    part: bool,
}

/// The sync handshake of one connection.
#[derive(Debug)]
pub struct Handshake {
    update: ScanLimits,
    /// Our Step1 is out, and no Step2 has come since.
    asked: bool,
    /// Answers in a row that were cut at the wrong place.
    astride: u32,
    /// Answers in a row that did not complete what is kept.
    fruitless: u32,
    /// The client lacks what the kept updates need. While this is so, nothing is asked.
    lacks: bool,
    aside: Aside,
    /// Something needed by an update that was too large to keep has come.
    may_fit: bool,
    /// To be told to the client.
    complaint: Option<Incomplete>,
    /// Its client's id is another's.
    clash: Option<Clash>,
    ledger: Ledger,
    due: Option<Due>,
    rejudged: u64,
}

impl Handshake {
    /// Of a connection on which nothing was sent yet.
    #[must_use]
    pub fn new(limits: HandshakeLimits) -> Self {
        Self {
            update: limits.update,
            asked: false,
            astride: 0,
            fruitless: 0,
            lacks: false,
            aside: Aside::new(limits.aside_bytes),
            may_fit: false,
            complaint: None,
            clash: None,
            ledger: Ledger::default(),
            due: None,
            rejudged: 0,
        }
    }

    /// Our first Step1 is on its way.
    pub fn open(&mut self) {
        self.asked = true;
    }

    /// A Step2 or an Update came: judges it, and counts it.
    pub fn incoming<'a>(
        &mut self,
        update: Bytes,
        kind: Kind,
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
        kind: Kind,
        basis: impl Into<Basis<'a>>,
    ) -> Verdict {
        let basis = basis.into();
        let number = self.arrived(kind);
        if let Some(clash) = self.clash {
            return self.refuse(number, clash.into());
        }
        let (update, scanned) = (scan.bytes(), scan.as_scan());
        let settled = basis.settle(&scanned);
        if let Err(fault) = sound(&basis, &settled) {
            return self.refuse(number, fault);
        }
        let due = Due {
            number,
            kind,
            part: false,
        };
        if let Some(verdict) = whole(update, &basis, &settled) {
            self.due = Some(due);
            if kind == Kind::Step2 {
                self.astride = 0;
                self.lacks = false;
            }
            return verdict;
        }
        self.keep(number, kind, update.clone(), &settled);
        if kind == Kind::Step2 {
            let astride = matches!(settled.judgement(), Judgement::Astride { .. });
            if astride && self.astride < ASTRIDE_ANSWERS {
                self.astride += 1;
                return self.ask();
            }
            self.find_lacking();
        } else if !self.lacks {
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

    /// Counts a message that came.
    fn arrived(&mut self, kind: Kind) -> u64 {
        self.not_taken();
        if kind == Kind::Step2 {
            self.asked = false;
        }
        self.ledger.next()
    }

    /// The blocks of this client are known up to this clock, to the document or to the session's park.
    /// Then comes [`Handshake::retry`]. Costs next to nothing unless something kept aside waits for it.
    pub fn changed(&mut self, client: ClientId, known: Clock) {
        self.aside.wake(client, known);
        self.may_fit |= self.aside.may_fit(client, known);
    }

    /// Some time has passed: large updates that wait for something may be judged again now, with
    /// [`Handshake::retry`].
    pub fn take_large(&mut self) {
        self.aside.take_large();
    }

    /// Tells whether [`Handshake::take_large`] is to be called in a moment.
    #[must_use]
    pub fn has_large(&self) -> bool {
        self.aside.has_large()
    }

    /// Says what to do now with something that was kept aside. To be called after each message, and after
    /// [`Handshake::changed`], until it says nothing; also when the last verdict is settled. `basis`
    /// says what an update is judged against.
    pub fn retry<'a, B: Into<Basis<'a>>>(
        &mut self,
        basis: impl Fn(&Bytes) -> B,
    ) -> Option<Verdict> {
        if self.due.is_some() || self.clash.is_some() {
            return None;
        }
        while let Some(woken) = self.aside.next_woken() {
            let basis = basis(&woken.update).into();
            if let Some(verdict) = self.judge_again(&woken, &basis) {
                return Some(verdict);
            }
        }
        if std::mem::take(&mut self.may_fit) {
            self.lacks = false;
            self.fruitless = 0;
            if !std::mem::replace(&mut self.asked, true) {
                return Some(Verdict::Ask);
            }
        }
        let waiting = !self.aside.is_empty() || self.aside.has_unkept();
        if !waiting || self.asked || self.lacks {
            return None;
        }
        self.fruitless += 1;
        if self.fruitless < FRUITLESS_ANSWERS {
            self.asked = true;
            return Some(Verdict::Ask);
        }
        self.find_lacking();
        None
    }

    fn judge_again(&mut self, woken: &Woken, basis: &Basis<'_>) -> Option<Verdict> {
        let Woken {
            number,
            kind,
            ref update,
            partly,
            refused,
        } = *woken;
        self.rejudged += 1;
        // It was scanned when it came.
        let Ok(scanned) = scan(update) else {
            return None;
        };
        let settled = basis.settle(&scanned);
        if let Err(fault) = sound(basis, &settled) {
            self.aside.remove(number);
            return Some(self.refuse(number, fault));
        }
        if refused && settled.judgement() != Judgement::Known {
            self.aside.wait(number, &own_ends(&scanned));
            return None;
        }
        if let Some(verdict) = whole(update, basis, &settled) {
            self.aside.remove(number);
            self.fruitless = 0;
            self.due = Some(Due {
                number,
                kind,
                part: false,
            });
            // A part that was admitted before need not be written once more.
            return Some(match verdict {
                Verdict::Admit(_) if partly => {
                    let rest = basis.closed_part(&settled);
                    Verdict::Admit(rest.unwrap_or_else(|| update.clone()))
                }
                other => other,
            });
        }
        self.aside.wait(number, &settled.obstacles());
        if kind == Kind::Update && !self.lacks {
            return None;
        }
        let closed = basis.closed_part(&settled)?;
        self.admit_part(Due {
            number,
            kind,
            part: true,
        });
        Some(Verdict::Admit(closed))
    }

    /// What the last verdict was about ([`Verdict::Known`] or [`Verdict::Admit`], of
    /// [`Handshake::incoming`] or [`Handshake::retry`]) is at this position of the log, or before it.
    /// To be called before the next update is judged: a message left behind counts as not taken.
    pub fn settled(&mut self, position: u64) {
        if let Some(due) = self.due.take()
            && !due.part
        {
            self.ledger.settle(due.number, position);
        }
    }

    /// The update that was to be applied after the last verdict did not fit at its position: other
    /// records had come before it. It is judged again with the next [`Handshake::retry`].
    pub fn overtaken(&mut self, update: Bytes) {
        let Some(due) = self.due.take() else {
            return;
        };
        if !due.part {
            let nothing = StateVector::new();
            if !self.aside.keep(due.number, due.kind, update, &nothing) {
                self.ledger.lose(due.number);
                self.complaint = Some(Incomplete::TooLarge);
                return;
            }
        }
        self.aside.wake_one(due.number);
    }

    /// The update that was to be applied after the last verdict has no place for the time being, and its
    /// client was told so. Its message counts when all of it has come in another one.
    pub fn refused(&mut self, update: Bytes) {
        let Some(due) = self.due.take() else {
            return;
        };
        let ends = scan(&update).map(|scanned| own_ends(&scanned));
        let ends = ends.unwrap_or_default();
        let kept = !due.part && self.aside.keep_refused(due.number, due.kind, update, &ends);
        if !kept {
            self.due = Some(due);
            self.not_taken();
        }
    }

    /// Gives up what the last verdict was about: its message is not taken, and never will be.
    pub fn not_taken(&mut self) {
        if let Some(due) = self.due.take() {
            self.ledger.lose(due.number);
            self.aside.remove(due.number);
        }
    }

    /// The log is durable up to a position. If that saves more of the connection's sync messages: how
    /// many are saved now, counted from its start.
    #[must_use]
    pub fn durable(&mut self, position: u64) -> Option<u64> {
        self.ledger.durable(position)
    }

    /// Tells whether some sync message has not been announced as saved.
    #[must_use]
    pub fn has_unsaved(&self) -> bool {
        self.ledger.has_unsaved()
    }

    /// Tells whether something is kept aside, or was too large for it: then the caller says what changes.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        let kept = !self.aside.is_empty() || self.aside.has_refused();
        kept || self.aside.has_unkept() || self.may_fit
    }

    /// Tells whether the client lacks something that the document lacks, too: what it says may have to wait
    /// for another connection.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.lacks && self.is_waiting()
    }

    /// Takes what the client is to be told as `incomplete`, once.
    #[must_use]
    pub fn take_complaint(&mut self) -> Option<Incomplete> {
        self.complaint.take()
    }

    /// Tells whether an answer of the client may bring messages which could not be taken: what the client
    /// sent later may build on them.
    #[must_use]
    pub fn awaits_answer(&self) -> bool {
        let possible = !self.lacks && self.clash.is_none();
        possible && (!self.aside.is_empty() || self.aside.has_unkept())
    }

    /// Bytes that are kept aside.
    #[must_use]
    pub fn aside_bytes(&self) -> usize {
        self.aside.bytes()
    }

    /// Counts how often something kept aside was judged again, since the connection began.
    #[must_use]
    pub fn rejudged(&self) -> u64 {
        self.rejudged
    }

    fn ask(&mut self) -> Verdict {
        if std::mem::replace(&mut self.asked, true) {
            Verdict::Wait
        } else {
            Verdict::Ask
        }
    }

    fn keep(&mut self, number: u64, kind: Kind, update: Bytes, settled: &Applicability<'_, '_>) {
        let kept = self.aside.keep(number, kind, update, &settled.obstacles());
        if !kept {
            self.ledger.lose(number);
            self.complaint = Some(Incomplete::TooLarge);
        }
    }

    /// A part of a message goes to the log; the message stays aside, if it could be kept.
    fn admit_part(&mut self, due: Due) {
        self.aside.admitted_part(due.number);
        self.due = Some(Due { part: true, ..due });
    }

    /// The client was asked, and its answer does not complete what it sent.
    fn find_lacking(&mut self) {
        if !self.lacks {
            self.lacks = true;
            self.complaint.get_or_insert(Incomplete::Kept);
            // The complete part of each can come now.
            self.aside.wake_all();
        }
    }

    fn refuse(&mut self, number: u64, fault: HandshakeError) -> Verdict {
        self.ledger.lose(number);
        if let HandshakeError::Clash(clash) = fault {
            self.clash = Some(clash);
        }
        Verdict::Refuse(fault)
    }
}

/// For each client of which it has blocks, the clock behind the last.
fn own_ends(scan: &Scan<'_>) -> StateVector {
    let inserts = scan.inserts();
    inserts.map(|range| (range.client, range.end)).collect()
}

/// Tells whether an update may be taken, now or later.
fn sound(basis: &Basis<'_>, settled: &Applicability<'_, '_>) -> Result<(), HandshakeError> {
    if let Judgement::Refused(refusal) = settled.judgement() {
        return Err(refusal.into());
    }
    Ok(basis.compare(settled)?)
}

/// The verdict on an update of which all can be taken now.
fn whole(update: &Bytes, basis: &Basis<'_>, settled: &Applicability<'_, '_>) -> Option<Verdict> {
    match settled.judgement() {
        Judgement::Known => Some(Verdict::Known),
        Judgement::Fits => Some(Verdict::Admit(update.clone())),
        // A Skip over what is known hides nothing: the rest is the whole. Under a park it cannot be
        // cut out, and waits.
        Judgement::Gap { missing } if missing.is_empty() && basis.park.is_none() => {
            let closed = basis.closed_part(settled);
            Some(closed.map_or(Verdict::Known, Verdict::Admit))
        }
        Judgement::Gap { .. } | Judgement::Astride { .. } | Judgement::Refused(_) => None,
    }
}
