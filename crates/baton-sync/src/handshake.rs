//! The sync handshake of one connection: what to do with each Step2 and Update that comes, when to ask
//! for more, and which of them are saved.
//!
//! Owns the order of questions and answers, what is kept aside for want of something else, and the
//! account behind `saved`. It never sends, never applies anything and holds no document: it judges by
//! the [`State`] that it is shown, and whoever holds the document carries its [`Verdict`] out.
//!
//! # The story of a gap
//! A client that reconnects sends its newest edits before the answer to our Step1, so an update that
//! builds on something unknown is normal. It is not applied; our Step1 is sent **once**, and until a
//! Step2 comes, whatever else does not fit is waited for: the answer holds all that the client has.
//! If the answer itself has a gap, then the client lacks something, too, and asking again would bring
//! the same. Its complete part is admitted, and the whole kept aside until the document knows what was
//! missing ([`Handshake::retry`]). What is too large to keep is forgotten and asked for again at
//! that moment: nothing is lost by that, its author has it.
//!
//! ```
//! use baton_sync::handshake::{Handshake, HandshakeLimits, Kind, Verdict};
//! use baton_sync::state::State;
//! use bytes::Bytes;
//!
//! let mut state = State::new();
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
use crate::scan::{Scan, ScanError, scan};
use crate::state::{Judgement, Refusal, State};

mod saved;

use saved::Ledger;

/// What an update that is kept aside costs beyond its own bytes.
const ASIDE_OVERHEAD: usize = 64;

/// How often an answer may be found cut at another place than where the document ends by now, before
/// it is treated as one that lacks something. Each time the question is put again.
const ASTRIDE_ANSWERS: u32 = 3;

/// Bounds of one connection's handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// What may be kept aside, in bytes. An answer beyond it is asked for again when it may fit.
    pub aside_bytes: usize,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self {
            aside_bytes: 1024 * 1024,
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
    pub document: &'a State,
    /// What the sender's session has parked, laid over it.
    pub park: Option<&'a State>,
}

impl<'a> From<&'a State> for Basis<'a> {
    fn from(document: &'a State) -> Self {
        Self {
            document,
            park: None,
        }
    }
}

impl Basis<'_> {
    fn judge(&self, scan: &Scan<'_>) -> Judgement {
        match self.park {
            Some(park) => self.document.judge_over(park, scan),
            None => self.document.judge(scan),
        }
    }

    /// What of an update with a gap can come now. Under a park nothing: a park is one piece.
    fn closed_part(&self, scan: &Scan<'_>) -> Option<Bytes> {
        match self.park {
            Some(_) => None,
            None => self.document.closed_part(scan).map(Bytes::from),
        }
    }

    /// Whether some of what was missing is there.
    fn knows_some_of(&self, missing: &StateVector) -> bool {
        missing.iter().any(|(client, clock)| {
            let park = self.park.map_or(0, |park| park.vector().get(client));
            self.document.vector().get(client).max(park) >= clock
        })
    }
}

/// Why an update can never be taken. Its sender is at fault; nothing changed. The connection is to be
/// closed (4400): its later edits build on this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The bytes are not a sound update.
    #[error("the update was not understood: {0}")]
    Malformed(#[from] ScanError),
    /// The update breaks a rule that no later state of the document mends.
    #[error("the update cannot be applied to any document: {0}")]
    Impossible(#[from] Refusal),
}

/// What to do with an update.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It adds nothing. Call [`Handshake::settled`] with the newest position of the log.
    Known,
    /// Apply these bytes (all of it, or the part that is complete) and call [`Handshake::settled`]
    /// with their position in the log. If it is not called, the message counts as not taken.
    Admit(Bytes),
    /// Send our Step1.
    Ask,
    /// Nothing to do: an answer that will bring it is on its way, or it is kept aside.
    Wait,
    /// Close the connection.
    Refuse(HandshakeError),
}

/// What [`Handshake::settled`] settles.
#[derive(Debug, Clone, Copy)]
enum Due {
    /// This message.
    One(u64),
    /// This message and all before it: it holds all that the client had.
    Whole(u64),
}

#[derive(Debug)]
struct Aside {
    number: u64,
    kind: Kind,
    update: Bytes,
}

/// The sync handshake of one connection.
#[derive(Debug)]
pub struct Handshake {
    limits: HandshakeLimits,
    /// Our Step1 is out, and no Step2 has come since.
    asked: bool,
    /// Answers in a row that were cut at the wrong place.
    astride: u32,
    /// What the client lacks as well, as far as it is known. While this is there, nothing is asked.
    missing: Option<StateVector>,
    aside: Vec<Aside>,
    aside_bytes: usize,
    ledger: Ledger,
    due: Option<Due>,
}

impl Handshake {
    /// Of a connection on which nothing was sent yet.
    #[must_use]
    pub fn new(limits: HandshakeLimits) -> Self {
        Self {
            limits,
            asked: false,
            astride: 0,
            missing: None,
            aside: Vec::new(),
            aside_bytes: 0,
            ledger: Ledger::default(),
            due: None,
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
        let basis = basis.into();
        let number = self.ledger.next();
        self.due = None;
        if kind == Kind::Step2 {
            self.asked = false;
        }
        let scanned = match scan(&update) {
            Ok(scanned) => scanned,
            Err(error) => return Verdict::Refuse(error.into()),
        };
        let judgement = basis.judge(&scanned);
        if let Judgement::Refused(refusal) = judgement {
            return Verdict::Refuse(refusal.into());
        }
        let Some(missing) = obstacle(&judgement, &basis) else {
            let verdict = whole(&update, &scanned, &judgement, &basis);
            self.take_whole(number, kind);
            return verdict;
        };
        let astride = matches!(judgement, Judgement::Astride { .. });
        match kind {
            Kind::Update if self.missing.is_none() => self.ask(),
            Kind::Update => {
                self.lack(&missing);
                self.keep(number, kind, update);
                Verdict::Wait
            }
            Kind::Step2 if astride && self.astride < ASTRIDE_ANSWERS => {
                self.astride += 1;
                self.ask()
            }
            Kind::Step2 => {
                let closed = basis.closed_part(&scanned);
                // It holds whatever was kept aside before it.
                self.clear_aside();
                self.missing = Some(missing);
                self.keep(number, kind, update);
                closed.map_or(Verdict::Wait, Verdict::Admit)
            }
        }
    }

    /// The document changed: what to do now with something that was kept aside. To be called until it
    /// says nothing. Costs next to nothing while what was missing is still missing.
    pub fn retry<'a>(&mut self, basis: impl Into<Basis<'a>>) -> Option<Verdict> {
        let basis = basis.into();
        if !basis.knows_some_of(self.missing.as_ref()?) {
            return None;
        }
        let mut still_missing = StateVector::new();
        for index in 0..self.aside.len() {
            let Aside {
                number,
                kind,
                ref update,
            } = self.aside[index];
            let update = update.clone();
            // It was scanned when it came.
            let Ok(scanned) = scan(&update) else { continue };
            let judgement = basis.judge(&scanned);
            if let Judgement::Refused(refusal) = judgement {
                self.clear_aside();
                return Some(Verdict::Refuse(refusal.into()));
            }
            let Some(missing) = obstacle(&judgement, &basis) else {
                let verdict = whole(&update, &scanned, &judgement, &basis);
                self.aside_bytes -= cost(&update);
                self.aside.remove(index);
                self.due = Some(due(number, kind));
                return Some(verdict);
            };
            if let Some(closed) = basis.closed_part(&scanned) {
                self.due = None;
                return Some(Verdict::Admit(closed));
            }
            for (client, clock) in missing.iter() {
                still_missing.raise(client, clock);
            }
        }
        if !self.aside.is_empty() {
            self.missing = Some(still_missing);
            return None;
        }
        self.missing = None;
        if self.ledger.has_holes() {
            return Some(self.ask());
        }
        None
    }

    /// What the last verdict was about ([`Verdict::Known`] or [`Verdict::Admit`], of
    /// [`Handshake::incoming`] or [`Handshake::retry`]) is at this position of the log, or before it.
    /// To be called before the next update is judged: a message left behind counts as not taken.
    pub fn settled(&mut self, position: u64) {
        match self.due.take() {
            Some(Due::One(number)) => self.ledger.settle(number, position),
            Some(Due::Whole(number)) => self.ledger.cover(number, position),
            None => {}
        }
    }

    /// The log is durable up to a position. If that saves more of the connection's sync messages: how
    /// many are saved now, counted from its start.
    #[must_use]
    pub fn durable(&mut self, position: u64) -> Option<u64> {
        self.ledger.durable(position)
    }

    /// Whether some sync message has not been announced as saved.
    #[must_use]
    pub fn has_unsaved(&self) -> bool {
        self.ledger.has_unsaved()
    }

    /// Whether the client lacks something that the document lacks, too: what it says next may have to
    /// wait for somebody else. Worth an `incomplete` error when it turns true.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.missing.is_some()
    }

    /// Whether an answer of the client is on its way that brings messages which could not be taken:
    /// what the client sent later may build on them.
    #[must_use]
    pub fn awaits_answer(&self) -> bool {
        self.asked && self.missing.is_none() && self.ledger.has_holes()
    }

    /// Bytes that are kept aside.
    #[must_use]
    pub fn aside_bytes(&self) -> usize {
        self.aside_bytes
    }

    fn ask(&mut self) -> Verdict {
        if std::mem::replace(&mut self.asked, true) {
            Verdict::Wait
        } else {
            Verdict::Ask
        }
    }

    /// All of a message can be taken now.
    fn take_whole(&mut self, number: u64, kind: Kind) {
        self.due = Some(due(number, kind));
        if kind == Kind::Step2 {
            self.astride = 0;
            self.missing = None;
            self.clear_aside();
        }
    }

    fn lack(&mut self, missing: &StateVector) {
        let known = self.missing.get_or_insert_default();
        for (client, clock) in missing.iter() {
            known.raise(client, clock);
        }
    }

    fn keep(&mut self, number: u64, kind: Kind, update: Bytes) {
        if self.aside_bytes + cost(&update) <= self.limits.aside_bytes {
            self.aside_bytes += cost(&update);
            self.aside.push(Aside {
                number,
                kind,
                update,
            });
        }
    }

    fn clear_aside(&mut self) {
        self.aside.clear();
        self.aside_bytes = 0;
    }
}

fn due(number: u64, kind: Kind) -> Due {
    match kind {
        Kind::Step2 => Due::Whole(number),
        Kind::Update => Due::One(number),
    }
}

fn cost(update: &Bytes) -> usize {
    update.len() + ASIDE_OVERHEAD
}

/// What must come first, unless all of the update can be taken now.
fn obstacle(judgement: &Judgement, basis: &Basis<'_>) -> Option<StateVector> {
    match judgement {
        // A Skip over what is known hides nothing: the rest is the whole. Under a park it cannot be
        // cut out, and waits.
        Judgement::Gap { missing } => {
            (!missing.is_empty() || basis.park.is_some()).then(|| missing.clone())
        }
        Judgement::Astride { at } => Some([(at.client, at.clock + 1)].into_iter().collect()),
        Judgement::Known | Judgement::Fits | Judgement::Refused(_) => None,
    }
}

/// The verdict on an update of which all can be taken now.
fn whole(update: &Bytes, scan: &Scan<'_>, judgement: &Judgement, basis: &Basis<'_>) -> Verdict {
    match judgement {
        Judgement::Fits => Verdict::Admit(update.clone()),
        Judgement::Gap { .. } => basis
            .closed_part(scan)
            .map_or(Verdict::Known, Verdict::Admit),
        _ => Verdict::Known,
    }
}
