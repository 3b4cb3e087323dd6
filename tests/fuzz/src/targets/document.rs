//! Updates against the scanner, the state rules and yrs behind both: whatever they admit, yrs must take, and what a
//! document then says to newcomers, to its store and about itself must be as sound as what it was told.

use arbitrary::Unstructured;
use baton_sync::handshake::{Handshake, HandshakeLimits, SyncKind, Verdict};
use baton_sync::scan::BlockKind;
use baton_sync::text_diff::text_diff;
use baton_sync::yrs::ReadTxn;
use baton_sync::{
    ApplyError, ApplyOutcome, ClientId, Clock, Document, DocumentOptions, Judgement, Replica,
    ReplicaIndex, Scan, StateVector, TextDiffError, scan,
};
use bytes::Bytes;

use super::invented;
use super::script::Script;

pub(super) fn document() -> Document {
    Document::new(&DocumentOptions::new(ClientId::MAX))
}

/// Bytes alone, without a document.
pub(crate) fn scan_only(input: &[u8]) {
    let Ok(scanned) = scan(input) else {
        return;
    };
    assert_eq!(scanned.bytes(), input);
    consistent(&scanned);
    let mut state = ReplicaIndex::new();
    let judgement = state.judge(&scanned);
    let closed = state.closed_part(&scanned);
    let roots = state.touched_roots(&scanned);
    state.absorb(&scanned);
    match judgement {
        Judgement::Known => assert!(closed.is_none() && roots.is_empty()),
        Judgement::Fits => {
            assert_eq!(state.judge(&scanned), Judgement::Known);
            let closed = closed.unwrap();
            assert_eq!(
                ReplicaIndex::new().judge(&scan(&closed).unwrap()),
                Judgement::Fits
            );
        }
        Judgement::Gap { .. } | Judgement::Astride { .. } | Judgement::Refused(_) => {
            if let Some(closed) = closed {
                let closed = scan(&closed).unwrap();
                assert_eq!(ReplicaIndex::new().judge(&closed), Judgement::Fits);
                let mut other = ReplicaIndex::new();
                other.absorb(&closed);
                assert_eq!(other.vector(), state.vector());
            }
        }
    }
}

/// What a scan says of an update agrees with itself.
fn consistent(scanned: &Scan<'_>) {
    let mut before: Option<(ClientId, Clock)> = None;
    for block in scanned.blocks() {
        assert!(block.end() > block.clock && block.end() < 1 << 31);
        for other in block.references() {
            assert!(other.client != block.client || other.clock < block.clock);
        }
        if let Some((client, end)) = before {
            let next = block.client < client;
            assert!(next || (block.client == client && block.clock == end));
        }
        before = Some((block.client, block.end()));
    }
    for deleted in scanned.deletes() {
        assert!(deleted.start < deleted.end && deleted.end < 1 << 31);
    }
    assert!(scanned.inserts().all(|range| range.start < range.end));
}

/// One document under a sequence of updates, with somebody who follows it by differences.
struct Subject {
    document: Document,
    follower: Document,
    /// What somebody has parked, and what it knows beyond the document.
    parked: Vec<Vec<u8>>,
    over: ReplicaIndex,
}

/// Steps: updates as they are, invented ones, differences, parks, storing and loading.
pub(crate) fn scan_yrs(input: &[u8]) {
    let mut subject = Subject {
        document: document(),
        follower: document(),
        parked: Vec::new(),
        over: ReplicaIndex::new(),
    };
    for (step, body) in Script::new(input).take(64) {
        match step % 16 {
            0..=6 => subject.apply(body),
            7..=10 => {
                let mut u = Unstructured::new(body);
                if let Ok(update) = invented::update(&mut u, subject.document.state()) {
                    subject.apply(&update);
                }
            }
            11 => subject.follow(),
            12 => subject.somewhere(body),
            13 => subject.reload(),
            14 => subject.park(body),
            _ => subject.merge(),
        }
    }
    subject.merge();
    subject.follow();
    subject.reload();
}

impl Subject {
    fn apply(&mut self, update: &[u8]) {
        let scanned = scan(update);
        let judged = scanned.as_ref().ok().map(|scanned| {
            let state = self.document.state();
            let closed = state.closed_part(scanned);
            (state.judge(scanned), closed, state.touched_roots(scanned))
        });
        let before = self.document.state().clone();
        match self.document.apply(update) {
            Ok(ApplyOutcome::Added) => {
                let (judgement, closed, _) = judged.unwrap();
                assert_eq!(judgement, Judgement::Fits);
                assert!(closed.is_some());
                same_as_yrs(&self.document);
                let again = self.document.state().judge(&scanned.unwrap());
                assert_eq!(again, Judgement::Known);
                assert!(self.document.state().covers(&before));
            }
            Ok(ApplyOutcome::Known) => {
                let (judgement, closed, roots) = judged.unwrap();
                assert_eq!(judgement, Judgement::Known);
                assert!(closed.is_none() && roots.is_empty());
                self.unchanged(&before);
            }
            Err(ApplyError::Unsound(_)) => {
                assert!(scanned.is_err());
                self.unchanged(&before);
            }
            Err(ApplyError::NotAdmitted(judgement)) => {
                let (expected, closed, _) = judged.unwrap();
                assert_eq!(judgement, expected);
                self.unchanged(&before);
                if let Some(part) = closed {
                    assert_eq!(
                        self.document.apply(&part),
                        Ok(ApplyOutcome::Added),
                        "{update:?}"
                    );
                    same_as_yrs(&self.document);
                }
            }
            Err(error) => panic!("{error}: {update:?}"),
        }
    }

    fn unchanged(&self, before: &ReplicaIndex) {
        assert!(before.covers(self.document.state()) && self.document.state().covers(before));
    }

    /// Somebody who has an older state takes the difference, and has all.
    fn follow(&mut self) {
        let difference = self.document.diff(&self.follower.state().vector()).unwrap();
        let outcome = self.follower.apply(&difference);
        assert!(outcome.is_ok(), "{outcome:?}: {difference:?}");
        same_as_yrs(&self.follower);
        let (all, followed) = (self.document.state(), self.follower.state());
        assert_eq!(all.vector(), followed.vector());
        assert!(followed.covers(all));
    }

    /// A difference from any place, also from the middle of a block, is sound.
    fn somewhere(&self, body: &[u8]) {
        let clocks = self.document.state().clocks();
        let cut = clocks.enumerate().map(|(index, (client, clock))| {
            let byte = body.get(index).copied().unwrap_or(0);
            (client, u32::from(byte) % (clock + 1))
        });
        let since: StateVector = cut.collect();
        let difference = self.document.diff(&since).unwrap();
        scan(&difference).unwrap();
        if let Ok(vector) = StateVector::decode(body) {
            scan(&self.document.diff(&vector).unwrap()).unwrap();
        }
    }

    /// What is stored is loaded again, and is the same.
    fn reload(&mut self) {
        let stored = self.document.snapshot().unwrap();
        let options = DocumentOptions::new(ClientId::MAX);
        let load = |stored: &[u8]| Document::load(stored, &options).unwrap();
        let loaded = load(&stored);
        same_as_yrs(&loaded);
        assert_eq!(loaded.state().vector(), self.document.state().vector());
        assert!(loaded.state().covers(self.document.state()));
        let again = loaded.snapshot().unwrap();
        let again = load(&again);
        assert!(again.state().covers(loaded.state()) && loaded.state().covers(again.state()));
        self.document = loaded;
    }

    /// Somebody may not write now; what they send is judged over what they had parked, and shown.
    fn park(&mut self, update: &[u8]) {
        let Ok(scanned) = scan(update) else {
            return;
        };
        let state = self.document.state();
        let judgement = state.judge_over(&self.over, &scanned);
        let _ = state.gain_over(&self.over, &scanned);
        let roots = state.touched_roots_over(&self.over, &scanned);
        match judgement {
            Judgement::Fits => {
                self.over.absorb_over(state, &scanned);
                self.parked.push(update.to_vec());
            }
            Judgement::Known => assert!(roots.is_empty()),
            Judgement::Gap { .. } | Judgement::Astride { .. } | Judgement::Refused(_) => {}
        }
        match text_diff(&self.document, &self.parked) {
            // Overtaken by the document in the meantime.
            Ok(_) | Err(TextDiffError::Unfit(ApplyError::NotAdmitted(_))) => {}
            Err(error) => panic!("{error}: {:?}", self.parked),
        }
    }

    /// What was parked comes into the document.
    fn merge(&mut self) {
        self.over = ReplicaIndex::new();
        for update in std::mem::take(&mut self.parked) {
            self.apply(&update);
        }
    }
}

/// What a replica says is sound, and brings a newcomer to the same.
pub(super) fn sound(replica: &Replica) {
    let everything = replica.difference(&StateVector::new());
    let newcomer = Replica::load(everything).unwrap();
    assert_eq!(newcomer.state().vector(), replica.state().vector());
    assert_eq!(newcomer.state().deletes(), replica.state().deletes());
}

/// What the index keeps of a document is what yrs keeps of it. Beside garbage the two may differ: Yjs makes
/// garbage of what stands there, as the index does, and yrs may not.
pub(super) fn same_as_yrs(document: &Document) {
    sound(document.replica());
    let everything = document.snapshot().unwrap();
    let scanned = scan(&everything).unwrap();
    if scanned.blocks().any(|block| block.kind == BlockKind::Gc) {
        return;
    }
    let snapshot = document.read(|txn| txn.snapshot()).unwrap();
    let state = document.state();
    assert_eq!(state.vector().len(), snapshot.state_map.len());
    for (client, clock) in snapshot.state_map.iter() {
        let ours = state.vector().get(ClientId::new(client.get()).unwrap());
        assert_eq!(ours, *clock);
    }
    let theirs: Vec<(u64, Clock, Clock)> = snapshot
        .delete_set
        .iter()
        .flat_map(|(client, ranges)| {
            let ranges = ranges.iter();
            ranges.map(move |range| (client.get(), range.start, range.end))
        })
        .collect();
    let ours = state.deletes().iter();
    let ours: Vec<_> = ours
        .map(|range| (range.client.get(), range.start, range.end))
        .collect();
    assert_eq!(ours, theirs);
}

/// One connection's handshake over a document that it and another one write. Whatever is called saved is known.
pub(crate) fn handshake(input: &[u8]) {
    let limits = HandshakeLimits {
        aside_bytes: 512,
        ..HandshakeLimits::default()
    };
    let mut subject = Connection::new(limits);
    let mut document = Replica::new();
    for (step, body) in Script::new(input).take(64) {
        let kind = if step & 8 == 0 {
            SyncKind::Update
        } else {
            SyncKind::Step2
        };
        match step % 8 {
            0..=3 => subject.comes(&mut document, kind, Bytes::copy_from_slice(body)),
            4 => {
                let mut u = Unstructured::new(body);
                if let Ok(update) = invented::update(&mut u, document.state()) {
                    subject.comes(&mut document, kind, update.into());
                }
            }
            // Somebody else's edit.
            5 => {
                if document.apply(body) == Ok(ApplyOutcome::Added) {
                    subject.position += 1;
                    subject.changed(body);
                }
            }
            6 => subject.handshake.take_large(),
            _ => subject.told(&document),
        }
        subject.retry(&mut document);
        assert!(subject.handshake.aside_bytes() <= limits.aside_bytes);
    }
    sound(&document);
    subject.told(&document);
}

struct Connection {
    limits: HandshakeLimits,
    handshake: Handshake,
    position: u64,
    messages: Vec<Bytes>,
    saved: u64,
}

impl Connection {
    fn new(limits: HandshakeLimits) -> Self {
        let mut handshake = Handshake::new(limits);
        handshake.open();
        Self {
            limits,
            handshake,
            position: 0,
            messages: Vec::new(),
            saved: 0,
        }
    }

    fn comes(&mut self, document: &mut Replica, kind: SyncKind, update: Bytes) {
        self.messages.push(update.clone());
        let verdict = self.handshake.incoming(update, kind, &*document);
        self.carry_out(document, verdict);
    }

    fn changed(&mut self, update: &[u8]) {
        for range in scan(update).unwrap().inserts() {
            self.handshake.changed(range.client, range.end);
        }
    }

    fn carry_out(&mut self, document: &mut Replica, verdict: Verdict) {
        match verdict {
            Verdict::Ask | Verdict::Wait => {}
            Verdict::Known(_) => self.handshake.settled(self.position),
            Verdict::Admit(update) => {
                assert_eq!(document.apply(&update), Ok(ApplyOutcome::Added));
                self.position += 1;
                self.handshake.settled(self.position);
                self.changed(&update);
            }
            // The connection is closed; what it had kept goes with it.
            Verdict::Refuse(_) => {
                *self = Self {
                    position: self.position,
                    ..Self::new(self.limits)
                }
            }
        }
    }

    fn retry(&mut self, document: &mut Replica) {
        for _ in 0..1000 {
            let known: &Replica = document;
            match self.handshake.retry(|_| known) {
                Some(verdict) => self.carry_out(document, verdict),
                None => return,
            }
        }
        panic!("it never comes to rest");
    }

    /// Each message that is called saved has all its blocks and deletions in the document, and the same ones.
    fn told(&mut self, document: &Replica) {
        let durable = self.handshake.ledger().durable(self.position);
        self.saved = durable.unwrap_or(self.saved).max(self.saved);
        let saved = self.messages.get(..self.saved as usize);
        for update in saved.unwrap() {
            let known = match document.state().judge(&scan(update).unwrap()) {
                Judgement::Known => true,
                // A Skip over what is known hides nothing.
                Judgement::Gap { missing } => missing.is_empty(),
                _ => false,
            };
            assert!(known, "{update:?} was called saved");
        }
    }
}
