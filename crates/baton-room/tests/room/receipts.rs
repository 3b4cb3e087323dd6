//! What a stock client is told of its edits: a status for each, its own edits back, or the answer to a barrier.

use baton_room::{ConnectionId, Growth, Receipts, StorageLimit};
use baton_sync::document::yrs::{Text, WriteTxn};

use super::*;
use crate::table::edit;

/// A client that speaks nothing of Baton's own.
pub(crate) struct Stock {
    pub(crate) id: ConnectionId,
    pub(crate) document: Document,
}

impl Stock {
    /// Comes, asks for the document, and has it.
    pub(crate) fn come(table: &mut Table, receipts: Receipts, client: u64) -> Self {
        table.receipts = receipts;
        let id = table.connect();
        table.receipts = Receipts::None;
        let document = document(client);
        let stock = Self { id, document };
        table.receive(id, Incoming::Step1(&[0]));
        stock
    }

    /// Comes, and has answered the server's Step1 with all that it has.
    fn synced(table: &mut Table, receipts: Receipts, client: u64) -> Self {
        let stock = Self::come(table, receipts, client);
        stock.answers(table);
        table.look(stock.id);
        stock
    }

    fn answers(&self, table: &mut Table) {
        let all = self.document.diff(&StateVector::new()).unwrap();
        self.sends(table, SyncKind::Step2, all);
    }

    pub(crate) fn sends(&self, table: &mut Table, kind: SyncKind, update: Bytes) {
        table.receive(self.id, Incoming::Sync(kind, update));
    }

    fn types(&mut self, table: &mut Table, what: &str) -> Bytes {
        let update = insert(&mut self.document, what);
        self.sends(table, SyncKind::Update, update.clone());
        update
    }

    fn asks(&self, table: &mut Table, version: u8) {
        table.receive(self.id, Incoming::Barrier(&[version]));
    }

    /// The statuses since it last looked.
    fn statuses(&self, table: &mut Table) -> Vec<bool> {
        let seen = table.look(self.id).into_iter();
        let statuses = seen.filter_map(|seen| match seen {
            Seen::Message(Outgoing::SyncStatus(saved)) => Some(saved),
            _ => None,
        });
        statuses.collect()
    }

    /// The barriers that were answered since it last looked.
    fn answered(&self, table: &mut Table) -> Vec<u8> {
        let seen = table.look(self.id).into_iter();
        let answers = seen.filter_map(|seen| match seen {
            Seen::Message(Outgoing::Barrier(version)) => Some(version[0]),
            _ => None,
        });
        answers.collect()
    }

    /// Its own edits that it was sent back since it last looked.
    fn echoed(&self, table: &mut Table) -> Vec<Bytes> {
        let seen = table.look(self.id).into_iter();
        let echoes = seen.filter_map(|seen| match seen {
            Seen::Message(Outgoing::Echo(update)) => Some(update),
            _ => None,
        });
        echoes.collect()
    }
}

/// Takes out the first letter.
fn remove_first(document: &mut Document) -> Bytes {
    edit(document, |txn| {
        let text = txn.get_or_insert_text("t");
        text.remove_range(txn, 0, 1);
    })
}

fn kinds(seen: &[Seen]) -> Vec<&'static str> {
    let kinds = seen.iter().map(|seen| match seen {
        Seen::Message(Outgoing::Step1(_)) => "Step1",
        Seen::Message(Outgoing::Step2(_)) => "Step2",
        Seen::Message(Outgoing::SyncStatus(true)) => "saved",
        Seen::Message(Outgoing::SyncStatus(false)) => "not saved",
        Seen::Message(Outgoing::Denied(_)) => "denied",
        Seen::Closed(_) => "closed",
        _ => "other",
    });
    kinds.collect()
}

const NONE: [bool; 0] = [];

const SILENCE: [u8; 0] = [];

#[test]
fn each_step1_of_a_client_that_counts_statuses_is_answered_with_a_step1_before_the_step2() {
    let mut table = Table::new();
    table.receipts = Receipts::EachUpdate;
    let id = table.connect();
    assert_eq!(table.look(id), [], "it asks first");
    table.receive(id, Incoming::Step1(&[0]));
    assert_eq!(kinds(&table.look(id)), ["Step1", "Step2"]);
    // It asks again from time to time, and counts on one status from there on.
    table.receive(id, Incoming::Step1(&[0]));
    assert_eq!(kinds(&table.look(id)), ["Step1", "Step2"]);
    for expected in ["not saved", "saved"] {
        let nothing = Bytes::from_static(&[0, 0]);
        table.receive(id, Incoming::Sync(SyncKind::Step2, nothing));
        assert_eq!(kinds(&table.look(id)), [expected]);
    }
}

/// A provider sets its count to one when it connects, and sends then what it had queued while it was
/// offline. A true status for each of these would be counted for later edits.
#[test]
fn an_edit_that_was_written_before_the_step1_has_a_false_status() {
    let mut table = Table::new();
    table.receipts = Receipts::EachUpdate;
    let id = table.connect();
    let mut ada = Stock {
        id,
        document: document(1),
    };
    let mut queued = ["a", "b"]
        .map(|what| insert(&mut ada.document, what))
        .to_vec();
    queued.push(remove_first(&mut ada.document));
    // The queue may also come before the Step1, when the token took its time.
    ada.sends(&mut table, SyncKind::Update, queued[0].clone());
    let vector = ada.document.state().vector().encode();
    table.receive(id, Incoming::Step1(&vector));
    for update in &queued {
        ada.sends(&mut table, SyncKind::Update, update.clone());
    }
    ada.types(&mut table, "c");
    table.receive(id, Incoming::QueueSent);
    let last = remove_first(&mut ada.document);
    ada.sends(&mut table, SyncKind::Update, last);
    ada.answers(&mut table);
    let queued = [false; 4];
    // For "c", for the last deletion, and for the answer.
    let counted = [true; 3];
    let expected = [&queued[..], &counted].concat();
    assert_eq!(ada.statuses(&mut table), expected);
    assert_eq!(table.text(), "c");
}

#[test]
fn each_edit_has_one_status_and_not_before_it_is_durable() {
    let mut table = Table::new();
    let mut ada = Stock::synced(&mut table, Receipts::EachUpdate, 1);
    table.disk(Disk::Stalled);
    ada.types(&mut table, "a");
    ada.types(&mut table, "b");
    // What adds nothing is no more durable than what it repeats.
    ada.answers(&mut table);
    assert_eq!(ada.statuses(&mut table), NONE);
    assert!(table.room.awaits_durability());
    table.disk(Disk::Quick);
    assert_eq!(ada.statuses(&mut table), [true, true, true]);
    assert!(!table.room.awaits_durability());
    // Now no commit comes to tell it.
    ada.answers(&mut table);
    assert_eq!(ada.statuses(&mut table), [true]);
    table.compact();
    ada.types(&mut table, "c");
    assert_eq!(ada.statuses(&mut table), [true]);
    assert_eq!(table.text(), "abc");
}

#[test]
fn a_client_of_another_wire_has_no_status() {
    let mut table = Table::new();
    let mut ada = Stock::synced(&mut table, Receipts::None, 1);
    ada.types(&mut table, "a");
    assert_eq!(table.look(ada.id), []);
    table.disk(Disk::Stalled);
    ada.types(&mut table, "b");
    assert!(!table.room.awaits_durability(), "no client is told");
}

#[test]
fn an_edit_that_is_parked_is_not_saved_and_its_client_hears_that_before_it_is_closed() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    ada.takes_the_lock(&mut table);
    let mut bob = Stock::synced(&mut table, Receipts::EachUpdate, 2);
    table.disk(Disk::Stalled);
    let update = bob.types(&mut table, "late");
    assert_eq!(table.room.state().parks().count(), 1);
    assert_eq!(bob.statuses(&mut table), NONE);
    table.disk(Disk::Quick);
    assert_eq!(
        kinds(&table.look(bob.id)),
        ["not saved", "denied", "closed"]
    );

    // It comes again with the same, which is in its park already.
    let again = Stock::synced(&mut table, Receipts::EachUpdate, 3);
    again.sends(&mut table, SyncKind::Update, update);
    assert_eq!(
        kinds(&table.look(again.id)),
        ["not saved", "denied", "closed"]
    );
}

#[test]
fn an_edit_for_which_there_is_no_room_is_not_saved_and_those_before_it_are() {
    let mut table = Table::new();
    let mut ada = Stock::synced(&mut table, Receipts::EachUpdate, 1);
    ada.types(&mut table, "kept");
    assert_eq!(ada.statuses(&mut table), [true]);
    table.room.budget().allow_growth(Growth {
        left: 0,
        limit: StorageLimit::Document(1000),
    });
    ada.types(&mut table, "refused");
    assert_eq!(
        kinds(&table.look(ada.id)),
        ["not saved", "denied", "closed"]
    );
}

#[test]
fn an_edit_that_is_kept_aside_holds_the_statuses_back_until_it_is_decided() {
    let mut table = Table::new();
    let ada = Stock::synced(&mut table, Receipts::EachUpdate, 1);
    let mut other = document(7);
    let first = insert(&mut other, "first ");
    let second = insert(&mut other, "second");
    ada.sends(&mut table, SyncKind::Update, second);
    let own = insert(&mut document(1), "own ");
    ada.sends(&mut table, SyncKind::Update, own);
    let seen = table.look(ada.id);
    assert_eq!(kinds(&seen), ["Step1"], "it is asked for what is missing");
    // The answer does not bring it. A client does not count on a status for this answer: a true
    // one would stand for one of its edits.
    ada.sends(&mut table, SyncKind::Step2, Bytes::from_static(&[0, 0]));
    assert!(!kinds(&table.look(ada.id)).contains(&"saved"));
    table.disk(Disk::Stalled);
    let bob = Stock::synced(&mut table, Receipts::None, 2);
    bob.sends(&mut table, SyncKind::Update, first);
    assert!(table.text().contains("first second"));
    assert_eq!(ada.statuses(&mut table), NONE);
    table.disk(Disk::Quick);
    assert_eq!(ada.statuses(&mut table), [true, true, false]);
}

#[test]
fn an_edit_that_is_too_large_to_keep_aside_is_not_saved_and_those_behind_it_are() {
    let mut options = RoomOptions::default();
    options.handshake.aside_bytes = 50;
    let mut table = Table::with(options);
    let mut ada = Stock::synced(&mut table, Receipts::EachUpdate, 1);
    let mut other = document(7);
    let first = insert(&mut other, "first ");
    let here = other.state().vector();
    let second = insert(&mut other, "second");
    ada.sends(&mut table, SyncKind::Update, second);
    ada.types(&mut table, "own");
    assert_eq!(ada.statuses(&mut table), [false, true]);
    // It is asked for it again, and does not count on a status for that answer.
    ada.sends(&mut table, SyncKind::Update, first);
    let rest = other.diff(&here).unwrap();
    ada.sends(&mut table, SyncKind::Step2, rest);
    assert_eq!(ada.statuses(&mut table), [true, false]);
    assert!(table.text().contains("first second"));
}

#[test]
fn a_client_of_the_channel_has_its_statuses_as_well() {
    let mut table = Table::new();
    table.receipts = Receipts::EachUpdate;
    let mut bob = Peer::join(&mut table, "Bob", 2);
    table.receipts = Receipts::None;
    let ada = Peer::join(&mut table, "Ada", 1);
    table.look(bob.id);
    bob.types(&mut table, "early ");
    let seen = table.look(bob.id);
    assert!(kinds(&seen).contains(&"saved"), "{seen:?}");
    ada.takes_the_lock(&mut table);
    table.look(bob.id);
    bob.types(&mut table, "late");
    let seen = table.look(bob.id);
    assert!(kinds(&seen).contains(&"not saved"), "{seen:?}");
    // In a park it is durable.
    let saved = ServerMessage::Saved { updates: 2 };
    let saved = Seen::Message(Outgoing::Channel(saved.into()));
    assert!(seen.contains(&saved), "{seen:?}");
}

/// The answer to the Ping may come before the client's first message.
#[test]
fn a_client_may_say_hello_after_its_queue_was_sent() {
    let mut table = Table::new();
    table.receipts = Receipts::EachUpdate;
    let id = table.connect();
    table.receive(id, Incoming::QueueSent);
    let hello = r#"{"type":"hello","version":1,"user":{"name":"Bob","color":""}}"#;
    table.receive(id, Incoming::Channel(hello));
    let welcomed = table.look(id).into_iter().any(|seen| {
        matches!(seen, Seen::Message(Outgoing::Channel(message))
            if matches!(*message, ServerMessage::Welcome { .. }))
    });
    assert!(welcomed);
}

#[test]
fn a_barrier_is_answered_when_all_before_it_is_durable() {
    let mut table = Table::new();
    // It opens with a barrier, and has edits from before: they come with its answer.
    let mut ada = Stock::come(&mut table, Receipts::None, 1);
    insert(&mut ada.document, "offline ");
    ada.asks(&mut table, 1);
    assert_eq!(ada.answered(&mut table), SILENCE);
    table.disk(Disk::Stalled);
    ada.answers(&mut table);
    ada.asks(&mut table, 1);
    ada.types(&mut table, "online");
    ada.asks(&mut table, 2);
    assert_eq!(ada.answered(&mut table), SILENCE);
    assert!(table.room.awaits_durability());
    table.disk(Disk::Quick);
    assert_eq!(ada.answered(&mut table), [1, 1, 2]);
    assert!(!table.room.awaits_durability());
    // It asks from time to time without an edit.
    ada.asks(&mut table, 2);
    assert_eq!(ada.answered(&mut table), [2]);
    assert_eq!(table.text(), "offline online");
}

#[test]
fn a_barrier_behind_an_edit_that_is_not_taken_is_never_answered() {
    let mut table = Table::new();
    let mut ada = Stock::synced(&mut table, Receipts::None, 1);
    ada.types(&mut table, "kept");
    table.room.budget().allow_growth(Growth {
        left: 0,
        limit: StorageLimit::Document(1000),
    });
    ada.types(&mut table, "refused");
    ada.asks(&mut table, 2);
    assert_eq!(ada.answered(&mut table), SILENCE);

    // Nor behind one that is only in a park, for a client that is not closed for it.
    let mut bob = Peer::join(&mut table, "Bob", 2);
    bob.sends_all(&mut table);
    table.receive(bob.id, Incoming::Barrier(&[1]));
    let holder = Peer::join(&mut table, "Cleo", 3);
    holder.takes_the_lock(&mut table);
    let answered = |table: &mut Table| {
        let seen = table.look(bob.id).into_iter();
        let barriers = seen.filter(|seen| matches!(seen, Seen::Message(Outgoing::Barrier(_))));
        barriers.count()
    };
    assert_eq!(answered(&mut table), 1);
    let update = insert(&mut bob.document, "late");
    table.receive(bob.id, Incoming::Sync(SyncKind::Update, update));
    table.receive(bob.id, Incoming::Barrier(&[2]));
    table.receive(bob.id, Incoming::Barrier(&[3]));
    assert_eq!(answered(&mut table), 0);
}

#[test]
fn a_barrier_behind_an_edit_that_is_kept_aside_waits_for_it() {
    let mut table = Table::new();
    let ada = Stock::synced(&mut table, Receipts::None, 1);
    let mut other = document(7);
    let first = insert(&mut other, "first ");
    let second = insert(&mut other, "second");
    ada.sends(&mut table, SyncKind::Update, second);
    ada.asks(&mut table, 1);
    assert_eq!(ada.answered(&mut table), SILENCE);
    ada.sends(&mut table, SyncKind::Update, first);
    assert_eq!(ada.answered(&mut table), [1]);
    assert_eq!(table.text(), "first second");
}

#[test]
fn of_many_barriers_that_wait_the_newest_are_answered_and_a_long_one_is_a_fault() {
    let mut table = Table::new();
    let mut ada = Stock::synced(&mut table, Receipts::None, 1);
    table.disk(Disk::Stalled);
    ada.types(&mut table, "a");
    for version in 0..200 {
        ada.asks(&mut table, version);
    }
    table.disk(Disk::Quick);
    let answered = ada.answered(&mut table);
    assert_eq!(answered, (136..200).collect::<Vec<_>>());
    table.receive(ada.id, Incoming::Barrier(&[0; 17]));
    assert_eq!(table.look(ada.id), [Seen::Closed(Ending::Protocol)]);
}

#[test]
fn who_wants_its_edits_back_has_them_once_they_are_durable() {
    let mut table = Table::new();
    let mut ada = Stock::synced(&mut table, Receipts::Echo, 1);
    table.disk(Disk::Stalled);
    let typed = ada.types(&mut table, "a");
    let all = ada.document.diff(&StateVector::new()).unwrap();
    ada.answers(&mut table);
    assert_eq!(table.look(ada.id), []);
    assert!(table.room.awaits_durability());
    table.disk(Disk::Quick);
    assert_eq!(ada.echoed(&mut table), [typed, all.clone()]);
    // It comes again, and the server has its edit already.
    let mut again = Stock::come(&mut table, Receipts::Echo, 2);
    again.document = ada.document;
    again.answers(&mut table);
    assert_eq!(again.echoed(&mut table), [all]);
    again.sends(&mut table, SyncKind::Step2, Bytes::from_static(&[0, 0]));
    assert_eq!(table.look(again.id), [], "there is nothing to confirm");
}

/// After a crash another client brings back what the server lost. Its author must not take that for
/// the echo: it is no more durable than any new edit.
#[test]
fn an_edit_that_another_client_brings_back_comes_to_its_author_once_it_is_durable() {
    let mut table = Table::new();
    let ada = Stock::synced(&mut table, Receipts::Echo, 1);
    let bob = Stock::synced(&mut table, Receipts::None, 2);
    let carol = Stock::synced(&mut table, Receipts::None, 3);
    let lost = insert(&mut document(1), "of ada");
    table.disk(Disk::Stalled);
    bob.sends(&mut table, SyncKind::Step2, lost.clone());
    let came = Seen::Message(Outgoing::Update(lost));
    assert!(!table.look(ada.id).contains(&came));
    table.disk(Disk::Quick);
    assert!(table.look(ada.id).contains(&came));
    assert!(table.look(carol.id).contains(&came));
    // Without such a client nobody waits for the disk.
    table.leave(ada.id, Departure::Done);
    table.disk(Disk::Stalled);
    let new = insert(&mut document(4), "new");
    bob.sends(&mut table, SyncKind::Update, new.clone());
    assert!(
        table
            .look(carol.id)
            .contains(&Seen::Message(Outgoing::Update(new)))
    );
}

#[test]
fn an_edit_that_is_parked_does_not_come_back_and_one_that_was_kept_aside_does() {
    let mut table = Table::new();
    let ada = Stock::synced(&mut table, Receipts::Echo, 1);
    let mut other = document(7);
    let first = insert(&mut other, "first ");
    let second = insert(&mut other, "second");
    ada.sends(&mut table, SyncKind::Update, second.clone());
    assert_eq!(ada.echoed(&mut table), Vec::<Bytes>::new());
    ada.sends(&mut table, SyncKind::Update, first.clone());
    assert_eq!(ada.echoed(&mut table), [first, second]);
    // Another one brings what it has sent.
    let here = other.state().vector();
    insert(&mut other, " third");
    let fourth = insert(&mut other, " fourth");
    ada.sends(&mut table, SyncKind::Update, fourth.clone());
    let bob = Stock::synced(&mut table, Receipts::None, 2);
    let both = other.diff(&here).unwrap();
    bob.sends(&mut table, SyncKind::Update, both);
    assert_eq!(ada.echoed(&mut table), [fourth]);

    let holder = Peer::join(&mut table, "Cleo", 3);
    holder.takes_the_lock(&mut table);
    let late = insert(&mut document(1), "late");
    ada.sends(&mut table, SyncKind::Update, late);
    assert_eq!(ada.echoed(&mut table), Vec::<Bytes>::new());
}
