//! Incomplete updates: kept aside until any connection brings the missing units, at a bounded cost,
//! and not announced as saved before. Each story is told in frames, without a client in between.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use baton_sync::document::{Document, DocumentOptions};
use baton_sync::handshake::{Handshake, HandshakeLimits, Incomplete, SyncKind, Verdict};
use baton_sync::scan::scan;
use baton_sync::yrs::{self, GetString, ReadTxn, Text, TransactionMut, WriteTxn};
use baton_sync::{ClientId, StateVector};
use bytes::Bytes;

const EMPTY: Bytes = Bytes::from_static(&[0, 0]);

fn document(id: u32) -> Document {
    Document::new(&DocumentOptions::new(ClientId::from(id)))
}

fn edit(document: &mut Document, edit: impl FnOnce(&mut TransactionMut<'_>)) -> Bytes {
    document.transact(edit).unwrap().1.unwrap()
}

fn types(document: &mut Document, text: &str) -> Bytes {
    edit(document, |txn| txn.get_or_insert_text("t").push(txn, text))
}

fn deletes(document: &mut Document, from: u32, len: u32) -> Bytes {
    edit(document, |txn| {
        txn.get_or_insert_text("t").remove_range(txn, from, len);
    })
}

fn text(document: &Document) -> String {
    let read = document.read(|txn| txn.get_text("t").map(|text| text.get_string(txn)));
    read.unwrap().unwrap_or_default()
}

/// A document whose log is durable at once, and some connections.
struct Table {
    document: Document,
    position: u64,
    connections: Vec<Handshake>,
    saved: Vec<u64>,
    /// Number of Step1 that each was sent after the first.
    asked: Vec<usize>,
}

impl Table {
    fn new(connections: usize) -> Self {
        Self::with(connections, HandshakeLimits::default())
    }

    fn with(connections: usize, limits: HandshakeLimits) -> Self {
        let mut all: Vec<_> = (0..connections).map(|_| Handshake::new(limits)).collect();
        all.iter_mut().for_each(Handshake::open);
        Self {
            document: document(1_000_000),
            position: 0,
            connections: all,
            saved: vec![0; connections],
            asked: vec![0; connections],
        }
    }

    fn comes(&mut self, from: usize, kind: SyncKind, update: &Bytes) {
        let verdict = self.connections[from].incoming(update.clone(), kind, &self.document);
        self.carry_out(from, verdict);
        self.retry();
        for (connection, saved) in self.connections.iter_mut().zip(&mut self.saved) {
            *saved = connection.ledger().durable(self.position).unwrap_or(*saved);
        }
    }

    fn update(&mut self, from: usize, update: &Bytes) {
        self.comes(from, SyncKind::Update, update);
    }

    fn step2(&mut self, from: usize, update: &Bytes) {
        self.comes(from, SyncKind::Step2, update);
    }

    fn carry_out(&mut self, from: usize, verdict: Verdict) {
        match verdict {
            Verdict::Known(_) => self.connections[from].settled(self.position),
            Verdict::Admit(update) => {
                self.document.apply(&update).unwrap();
                self.position += 1;
                self.connections[from].settled(self.position);
                for range in scan(&update).unwrap().inserts() {
                    for connection in &mut self.connections {
                        connection.changed(range.client, range.end);
                    }
                }
            }
            Verdict::Ask => self.asked[from] += 1,
            Verdict::Wait => {}
            Verdict::Refuse(error) => panic!("{error}"),
        }
    }

    fn retry(&mut self) {
        loop {
            let mut moved = false;
            for index in 0..self.connections.len() {
                let document = &self.document;
                if let Some(verdict) = self.connections[index].retry(|_| document) {
                    self.carry_out(index, verdict);
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn rejudged(&self) -> u64 {
        self.connections.iter().map(Handshake::rejudged).sum()
    }
}

#[test]
fn an_answer_from_before_an_update_does_not_cover_it() {
    let mut table = Table::new(1);
    let mut ada = document(1);
    types(&mut ada, "lost ");
    let before = types(&mut document(2), "from before");
    let gap = types(&mut ada, "gap ");
    table.update(0, &gap);
    // The answer was made before the update, and brings other units.
    table.step2(0, &before);
    assert_eq!(table.saved[0], 0, "the first message is nowhere");
    assert_eq!(table.asked[0], 1, "it is asked for");
    // The answer with all units of the client: now both are there.
    let all = ada.diff(&StateVector::new()).unwrap();
    table.step2(0, &all);
    assert_eq!(table.saved[0], 3);
    assert_eq!(text(&table.document).len(), 9 + 11);
    assert_eq!(table.connections[0].aside_bytes(), 0);
}

#[test]
fn an_empty_answer_covers_nothing() {
    let mut table = Table::new(1);
    let mut ada = document(1);
    types(&mut ada, "lost ");
    let gap = types(&mut ada, "gap ");
    table.update(0, &gap);
    for _ in 0..10 {
        table.step2(0, &EMPTY);
    }
    assert_eq!(table.saved[0], 0);
    assert_eq!(table.asked[0], 1, "no loop");
    let complaint = table.connections[0].take_complaint();
    assert_eq!(complaint, Some(Incomplete::Kept));
    assert_eq!(text(&table.document), "");
}

#[test]
fn deletions_count_as_much_as_blocks() {
    let mut table = Table::new(2);
    let mut ada = document(1);
    let first = types(&mut ada, "ab");
    let second = types(&mut ada, "cd");
    let deletion = deletes(&mut ada, 2, 2);
    table.update(0, &first);
    // It deletes units that the document does not have.
    table.update(0, &deletion);
    table.step2(0, &EMPTY);
    assert_eq!(table.saved[0], 1);
    table.update(1, &second);
    assert_eq!(table.saved[0], 3);
    assert_eq!(text(&table.document), "ab");
}

#[test]
fn what_one_has_beyond_a_gap_comes_when_another_closes_it() {
    // One client has `ab..ef`, another `cd`.
    let mut table = Table::new(3);
    let mut ada = document(1);
    let ab = types(&mut ada, "ab");
    let cd = types(&mut ada, "cd");
    let mut ef = types(&mut ada, "ef");
    table.update(0, &ab);
    table.update(0, &ef);
    assert_eq!(text(&table.document), "ab");
    table.update(1, &cd);
    assert_eq!(text(&table.document), "abcdef");

    // The same update, which also deletes above its own first gap.
    let mut table = Table::new(3);
    let mut gone = types(&mut ada, "ghij");
    let deletion = deletes(&mut ada, 6, 2);
    for update in [&mut ef, &mut gone] {
        let merged = yrs::merge_updates_v1([update.as_ref(), deletion.as_ref()]);
        *update = merged.unwrap().into();
    }
    let behind = yrs::merge_updates_v1([&ef, &gone]).unwrap().into();
    table.step2(0, &ab);
    table.step2(0, &behind);
    assert_eq!(text(&table.document), "ab");
    table.update(1, &cd);
    assert_eq!(text(&table.document), "abcdefij");
    assert_eq!(table.saved, [2, 1, 0]);
}

#[test]
fn a_kept_deletion_alone_comes_too() {
    let mut table = Table::new(2);
    let mut ada = document(1);
    let all = types(&mut ada, "abcd");
    let deletion = deletes(&mut ada, 1, 2);
    table.step2(0, &deletion);
    assert_eq!(table.saved[0], 0);
    table.update(1, &all);
    assert_eq!(text(&table.document), "ad");
    assert_eq!(table.saved[0], 1);
}

#[test]
fn freeing_thousands_costs_one_look_at_each() {
    const COUNT: usize = 8000;
    let mut table = Table::new(2);
    let mut ada = document(1);
    let updates: Vec<Bytes> = (0..COUNT).map(|_| types(&mut ada, "x")).collect();
    for update in updates[1..].iter().rev() {
        table.update(0, update);
    }
    assert_eq!(table.rejudged(), 0);
    table.update(1, &updates[0]);
    assert_eq!(text(&table.document).len(), COUNT);
    assert_eq!(table.saved[0], COUNT as u64 - 1);
    let looks = table.rejudged();
    assert!(looks <= COUNT as u64, "{looks} looks");
    // A change that completes no update costs nothing either.
    let other = types(&mut document(2), "other");
    table.update(0, updates.last().unwrap());
    table.update(1, &other);
    assert_eq!(table.rejudged(), looks);
}

#[test]
fn beyond_its_bound_an_update_is_not_taken_and_nothing_after_it_is_saved() {
    let limits = HandshakeLimits {
        aside_bytes: 200,
        ..HandshakeLimits::default()
    };
    let mut table = Table::with(2, limits);
    let mut ada = document(1);
    let first = types(&mut ada, "first ");
    let long = types(&mut ada, &"long ".repeat(60));
    table.update(0, &long);
    let complaint = table.connections[0].take_complaint();
    assert_eq!(complaint, Some(Incomplete::TooLarge));
    assert_eq!(table.connections[0].aside_bytes(), 0);
    table.step2(0, &EMPTY);
    // Another connection brings the missing units: the sender is asked for its update.
    let asked = table.asked[0];
    table.step2(0, &EMPTY);
    table.update(1, &first);
    assert_eq!(table.asked[0], asked + 1);
    table.step2(0, &long);
    assert_eq!(text(&table.document).len(), 306);
    assert_eq!(table.saved, [0, 1]);
}

#[test]
fn a_large_update_is_looked_through_when_its_caller_says_so() {
    let mut table = Table::new(2);
    let mut ada = document(1);
    let first = types(&mut ada, "first ");
    let long = types(&mut ada, &"long ".repeat(5000));
    table.update(0, &long);
    table.update(1, &first);
    assert_eq!(text(&table.document), "first ");
    assert!(table.connections[0].has_large());
    table.connections[0].take_large();
    table.retry();
    assert_eq!(text(&table.document).len(), 25_006);
}

#[test]
fn what_was_overtaken_on_its_way_to_the_log_is_judged_again() {
    let mut table = Table::new(1);
    let mut ada = document(1);
    let first = types(&mut ada, "ab");
    let second = types(&mut ada, "cd");
    let both = ada.diff(&StateVector::new()).unwrap();
    let verdict = table.connections[0].incoming(both.clone(), SyncKind::Step2, &table.document);
    assert_eq!(verdict, Verdict::Admit(both.clone()));
    // The record of another connection comes before it, with one half of its block.
    table.document.apply(&first).unwrap();
    assert!(table.document.apply(&both).is_err());
    table.connections[0].overtaken(both);
    table.position = 2;
    table.retry();
    assert_eq!(table.connections[0].ledger().durable(u64::MAX), None);
    table.update(0, &second);
    assert_eq!(table.saved[0], 2);
}
