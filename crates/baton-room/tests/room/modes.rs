//! What locks mean, changed while people are at it, and who may do what.

use baton_presence::Rights;
use baton_room::{Departure, Incoming, SyncKind};
use baton_sync::control_channel::{ClientMessage, LockMode, Outcome, Right, ServerMessage};

use crate::table::{Coming, Peer, Table, insert, locks};
use crate::{document, seconds};

fn set(table: &mut Table, who: &Peer, mode: LockMode) -> Outcome {
    who.asks(table, &ClientMessage::SetMode { nonce: 77, mode })
}

#[test]
fn in_the_mode_open_others_write_under_a_lock() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let mut bob = Peer::join(&mut table, "Bob", 2);
    ada.takes_the_lock(&mut table);
    assert_eq!(set(&mut table, &ada, LockMode::Open), Outcome::Done);
    assert_eq!(locks(&table.told(bob.id)).unwrap().mode, LockMode::Open);
    bob.types(&mut table, "free");
    assert_eq!(table.text(), "free");
    assert_eq!(
        set(&mut table, &ada, LockMode::ExclusiveWhenHeld),
        Outcome::Done
    );
    bob.types(&mut table, " no more");
    assert_eq!(table.text(), "free");
    assert_eq!(table.room.state().parks().count(), 1);
}

#[test]
fn in_the_mode_required_nobody_writes_without_a_lock() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    let mut bob = Peer::join(&mut table, "Bob", 2);
    assert_eq!(set(&mut table, &ada, LockMode::Required), Outcome::Done);
    bob.types(&mut table, "too early");
    assert_eq!(table.text(), "");
    let parked = table.room.state().parks().next().unwrap().clone();
    assert_eq!(parked.fence_now, None);
    let blames = |message: &ServerMessage| match message {
        ServerMessage::Parked { reason, .. } => reason.contains("somebody else"),
        _ => false,
    };
    assert!(!table.told(bob.id).iter().any(blames), "nobody has a lock");
    ada.takes(&mut table, &[&["t"]]);
    ada.types(&mut table, "hers");
    assert_eq!(table.text(), "hers");
    ada.types_in(&mut table, "other", "not covered");
    assert_eq!(table.room.state().parks().count(), 2);
}

#[test]
fn a_mode_stays_over_a_restart_and_a_new_document_has_the_one_that_is_set_up() {
    let mut table = Table::new();
    table.options.lock_settings.mode = baton_presence::Mode::Required;
    table.restart();
    let ada = Peer::join(&mut table, "Ada", 1);
    assert_eq!(locks(&table.told(ada.id)).unwrap().mode, LockMode::Required);
    // From now on another one is set up, which is for new documents.
    table.options.lock_settings.mode = baton_presence::Mode::Open;
    table.restart();
    let bob = Peer::join(&mut table, "Bob", 2);
    assert_eq!(locks(&table.told(bob.id)).unwrap().mode, LockMode::Required);
}

#[test]
fn rights_come_from_the_server_and_watchers_only_write() {
    let mut table = Table::new();
    let rights = |table: &mut Table, peer: &Peer| {
        table
            .told(peer.id)
            .iter()
            .find_map(|message| match message {
                ServerMessage::Welcome { rights, .. } => Some(rights.clone()),
                _ => None,
            })
    };
    let ada = Peer::join(&mut table, "Ada", 1);
    assert_eq!(
        rights(&mut table, &ada),
        Some(vec![
            Right::Write,
            Right::Lock,
            Right::TakeOver,
            Right::Manage
        ])
    );
    let watcher = Coming {
        client: 2,
        observer: true,
        ..Coming::default()
    };
    let watcher = Peer::come(&mut table, watcher);
    assert_eq!(rights(&mut table, &watcher), Some(vec![Right::Write]));
    assert_eq!(
        set(&mut table, &watcher, LockMode::Open),
        Outcome::NotAllowed
    );
    table.rights = Rights::EDIT.union(Rights::TAKE_OVER);
    let bob = Peer::join(&mut table, "Bob", 3);
    let edit = [Right::Write, Right::Lock];
    let with = |right| Some([&edit[..], &[right]].concat());
    assert_eq!(rights(&mut table, &bob), with(Right::TakeOver));
    assert_eq!(set(&mut table, &bob, LockMode::Open), Outcome::NotAllowed);
    // They are given anew with each connection.
    table.rights = Rights::EDIT.union(Rights::MANAGE);
    let bob = bob.resume(&mut table, &[]);
    assert_eq!(rights(&mut table, &bob), with(Right::Manage));
    assert_eq!(set(&mut table, &bob, LockMode::Open), Outcome::Done);
}

/// Nobody who could take the lock is there, and its holder does not come back: stock clients are not shut out for ever.
/// (In the mode `required` the end of the grace changes nothing that is told. The watch was not told of that record, and
/// came up again and again at the same time, under the room's lock.)
#[test]
fn a_holder_that_is_gone_does_not_keep_stock_clients_from_writing() {
    for (mode, written) in [
        (LockMode::ExclusiveWhenHeld, "stock"),
        (LockMode::Required, ""),
    ] {
        let mut table = Table::new();
        let ada = Peer::join(&mut table, "Ada", 1);
        assert_eq!(set(&mut table, &ada, mode), Outcome::Done);
        ada.takes_the_lock(&mut table);
        let stock = table.connect();
        table.receive(stock, Incoming::Step1(&[0]));
        table.leave(ada.id, Departure::Dropped);
        // Just granted, it may believe in its lock for nearly ten seconds.
        table.pass(seconds(11), &[stock]);
        let edit = insert(&mut document(7), "stock");
        table.receive(stock, Incoming::Sync(SyncKind::Update, edit));
        assert_eq!(table.text(), written);
    }
}

#[test]
fn within_its_grace_a_holder_that_is_gone_keeps_everybody_out() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    ada.takes_the_lock(&mut table);
    let stock = table.connect();
    table.receive(stock, Incoming::Step1(&[0]));
    table.leave(ada.id, Departure::Dropped);
    table.pass(seconds(4), &[stock]);
    let edit = insert(&mut document(7), "stock");
    table.receive(stock, Incoming::Sync(SyncKind::Update, edit));
    assert_eq!(
        (table.text().as_str(), table.room.state().parks().count()),
        ("", 1)
    );
}
