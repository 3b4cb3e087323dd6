//! What becomes of edits that came where their author might not write.

use std::time::Duration;

use baton_presence::Rights;
use baton_room::{
    Awaited, Departure, Incoming, Outgoing, ParkLimits, ParkState, RECOVERABLE, Record,
    ResumeToken, RoomOptions, SyncKind,
};
use baton_sync::StateVector;
use baton_sync::control_channel::{
    ClientMessage, FencingToken, LockMode, Outcome, ParkStatus, ParkView, PartKind, ServerMessage,
};
use baton_sync::document::Document;
use baton_sync::replica::cut_where_known;
use baton_sync::replica_index::ReplicaIndex;
use baton_sync::scan::OwnedScan;
use baton_testkit::Random;

use crate::table::{Coming, Disk, Peer, Seen, Table, insert, text, text_in};
use crate::{document, seconds};

const DAY: Duration = Duration::from_hours(24);

fn merge(id: u64) -> ClientMessage {
    ClientMessage::MergePark { nonce: 77, id }
}

fn discard(id: u64) -> ClientMessage {
    ClientMessage::DiscardPark { nonce: 77, id }
}

fn recover(id: u64) -> ClientMessage {
    ClientMessage::RecoverPark { nonce: 77, id }
}

/// The views of parks that somebody was told.
fn views(told: &[ServerMessage]) -> Vec<ParkView> {
    let views = told.iter().filter_map(|message| match message {
        ServerMessage::Park { park } => Some(park.clone()),
        _ => None,
    });
    views.collect()
}

/// The parks that a welcome lists.
fn listed(told: &[ServerMessage]) -> Vec<ParkView> {
    let welcome = told.iter().find_map(|message| match message {
        ServerMessage::Welcome { parks, .. } => Some(parks.clone()),
        _ => None,
    });
    welcome.unwrap()
}

fn parks(table: &Table) -> Vec<baton_room::Park> {
    table.room.state().parks().cloned().collect()
}

fn only(table: &Table) -> u64 {
    let parks = parks(table);
    assert_eq!(parks.len(), 1);
    parks[0].id
}

/// Somebody without any rights.
fn plain(table: &mut Table, name: &str, client: u64) -> Peer {
    let rights = std::mem::replace(&mut table.rights, Rights::EDIT);
    let peer = Peer::join(table, name, client);
    table.rights = rights;
    peer
}

/// Ada holds the lock of everything, and Bob typed "late" under it. Neither has any rights.
fn parked(table: &mut Table) -> (Peer, Peer, u64) {
    let ada = plain(table, "Ada", 1);
    let mut bob = plain(table, "Bob", 2);
    ada.takes_the_lock(table);
    bob.types(table, "late");
    let id = only(table);
    (ada, bob, id)
}

#[test]
fn everybody_is_told_of_a_park_and_a_newcomer_finds_it() {
    let options = RoomOptions {
        unix_at_zero_ms: 1_000_000,
        ..RoomOptions::default()
    };
    let mut table = Table::with(options);
    let ada = plain(&mut table, "Ada", 1);
    let mut bob = plain(&mut table, "Bob", 2);
    ada.takes_the_lock(&mut table);
    table.pass(seconds(1), &[ada.id, bob.id]);
    table.look(ada.id);
    bob.types(&mut table, "late");
    let told = views(&table.told(ada.id));
    assert_eq!(told.len(), 1);
    let view = &told[0];
    assert_eq!(
        (view.session, view.user.name.as_str()),
        (bob.session, "Bob")
    );
    assert_eq!((view.edits, view.inserted, view.deleted), (1, 4, 0));
    assert_eq!((view.at_ms, view.state), (1_001_000, ParkStatus::Open));
    bob.types(&mut table, "!");
    let grown = views(&table.told(ada.id));
    assert_eq!(
        (grown[0].id, grown[0].edits, grown[0].inserted),
        (view.id, 2, 5)
    );
    let cleo = plain(&mut table, "Cleo", 3);
    assert_eq!(listed(&table.told_still(cleo.id)), grown);
}

#[test]
fn of_what_grew_before_it_was_durable_only_the_newest_view_is_told() {
    let mut table = Table::new();
    let (ada, mut bob, _) = parked(&mut table);
    table.look(ada.id);
    table.disk(Disk::Stalled);
    for _ in 0..10 {
        bob.types(&mut table, "x");
    }
    assert_eq!(views(&table.told(ada.id)), []);
    table.disk(Disk::Quick);
    let told = views(&table.told(ada.id));
    assert_eq!(told.iter().map(|view| view.edits).collect::<Vec<_>>(), [11]);
}

#[test]
fn the_holder_merges_a_park_and_everybody_has_its_edits_once() {
    let mut table = Table::new();
    let (mut ada, mut bob, id) = parked(&mut table);
    let cleo = plain(&mut table, "Cleo", 3);
    bob.types(&mut table, "r");
    table.look(bob.id);
    table.look(cleo.id);
    assert_eq!(ada.asks(&mut table, &merge(id)), Outcome::Done);
    assert_eq!(table.text(), "later");
    assert_eq!(parks(&table), []);
    ada.take(&mut table);
    assert_eq!(text(&ada.document), "later");
    // Its author is sent it as well: the copy that it edits now has it not.
    for peer in [&bob, &cleo] {
        let seen = table.look(peer.id);
        let is_update = |seen: &&Seen| matches!(seen, Seen::Message(Outgoing::Update(_)));
        assert_eq!(seen.iter().filter(is_update).count(), 2);
        let state = seen.iter().find_map(|seen| match seen {
            Seen::Message(Outgoing::Channel(message)) => match &**message {
                ServerMessage::Park { park } if park.id == id => Some(park.state),
                _ => None,
            },
            _ => None,
        });
        assert_eq!(state, Some(ParkStatus::Merged));
    }
    // The same edits again are known, and neither applied nor parked.
    bob.sends_all(&mut table);
    assert_eq!(
        (table.text(), parks(&table)),
        ("later".to_owned(), Vec::new())
    );
    assert_eq!(ada.asks(&mut table, &merge(id)), Outcome::Unknown);
    table.restart();
    assert_eq!(
        (table.text(), parks(&table)),
        ("later".to_owned(), Vec::new())
    );
}

#[test]
fn after_a_merge_its_author_goes_on_like_anybody_else() {
    let mut table = Table::new();
    let (ada, mut bob, id) = parked(&mut table);
    ada.asks(&mut table, &merge(id));
    // Still under Ada's lock: the next edit builds on what was merged, and is parked again.
    bob.types(&mut table, " again");
    assert_eq!(table.text(), "late");
    let second = only(&table);
    assert_ne!(second, id);
    ada.asks(&mut table, &merge(second));
    table.leave(ada.id, Departure::Done);
    let bob_is_free = Duration::from_secs(5);
    table.pass(bob_is_free, &[bob.id]);
    bob.types(&mut table, " and again");
    assert_eq!(table.text(), "late again and again");
    assert_eq!(parks(&table), []);
}

#[test]
fn who_has_no_say_in_a_park_changes_nothing() {
    let mut table = Table::new();
    let (_ada, bob, id) = parked(&mut table);
    let cleo = plain(&mut table, "Cleo", 3);
    let before = parks(&table);
    for decision in [merge(id), discard(id), recover(id)] {
        assert_eq!(cleo.asks(&mut table, &decision), Outcome::NotAllowed);
    }
    // Its author has a say, but may not write now, and neither may who manages.
    assert_eq!(bob.asks(&mut table, &merge(id)), Outcome::Busy);
    let manager = Peer::join(&mut table, "Mia", 4);
    assert_eq!(manager.asks(&mut table, &merge(id)), Outcome::Busy);
    assert_eq!(cleo.asks(&mut table, &merge(id + 100)), Outcome::Unknown);
    assert_eq!((table.text(), parks(&table)), (String::new(), before));
    let told = table.told(manager.id);
    let message = told.iter().find_map(|message| match message {
        ServerMessage::Result { message, .. } => message.clone(),
        _ => None,
    });
    assert!(message.unwrap().contains("nothing changed"));
}

#[test]
fn who_holds_only_a_part_of_what_a_park_touches_has_no_say_in_it() {
    let mut table = Table::new();
    let ada = plain(&mut table, "Ada", 1);
    let mut bob = plain(&mut table, "Bob", 2);
    let cleo = plain(&mut table, "Cleo", 3);
    ada.takes(&mut table, &[&["notes"]]);
    cleo.takes(&mut table, &[&["todo"]]);
    bob.types_in(&mut table, "notes", "n");
    bob.types_in(&mut table, "todo", "t");
    let id = only(&table);
    assert_eq!(ada.asks(&mut table, &merge(id)), Outcome::NotAllowed);
    assert_eq!(cleo.asks(&mut table, &discard(id)), Outcome::NotAllowed);
    assert_eq!(parks(&table)[0].roots.len(), 2);
}

#[test]
fn a_merge_counts_at_its_position_and_not_when_it_was_asked_for() {
    let mut table = Table::new();
    let (ada, bob, id) = parked(&mut table);
    let fence = fence_of(&table);
    let said = |table: &mut Table, who: &Peer, message: &ClientMessage| {
        let token = ResumeToken::new([0; 16]);
        let payload = message.encode();
        let message = Incoming::Channel(&payload);
        let now = table.now;
        table.room.receive(who.id, message, token, now);
    };
    let outcome = |table: &mut Table, who: &Peer| {
        let told = table.told(who.id);
        told.iter().find_map(|message| match message {
            ServerMessage::Result {
                nonce: 77, outcome, ..
            } => Some(*outcome),
            _ => None,
        })
    };
    // Bob asks while the lock is Ada's, or nobody's, and it is the other way round when his record is there.
    let release = ClientMessage::Release { nonce: 5, fence };
    said(&mut table, &ada, &release);
    let acquire = ClientMessage::Acquire {
        nonce: 6,
        paths: Vec::new(),
    };
    said(&mut table, &ada, &acquire);
    said(&mut table, &bob, &merge(id));
    table.disk(Disk::Quick);
    assert_eq!(outcome(&mut table, &bob), Some(Outcome::Busy));
    let fence = ada.claims(&mut table).unwrap();
    let release = ClientMessage::Release { nonce: 7, fence };
    said(&mut table, &ada, &release);
    said(&mut table, &bob, &merge(id));
    table.disk(Disk::Quick);
    assert_eq!(outcome(&mut table, &bob), Some(Outcome::Done));
    assert_eq!(table.text(), "late");
}

/// The fence in force when the only park began.
fn fence_of(table: &Table) -> FencingToken {
    let fence = parks(table)[0].fence_now.unwrap();
    FencingToken {
        epoch: fence.epoch,
        position: fence.position,
    }
}

#[test]
fn a_discarded_park_is_shown_to_who_manages_and_comes_back() {
    let mut table = Table::new();
    let (ada, bob, id) = parked(&mut table);
    table.look(bob.id);
    assert_eq!(ada.asks(&mut table, &discard(id)), Outcome::Done);
    let told = views(&table.told(bob.id));
    assert_eq!(told[0].state, ParkStatus::Discarded);
    let days = u64::try_from(RECOVERABLE.as_millis()).unwrap();
    assert_eq!(told[0].until_ms, Some(days));
    assert_eq!(told[0].by, Some(ada.session));
    assert_eq!(ada.asks(&mut table, &merge(id)), Outcome::Stale);
    let cleo = plain(&mut table, "Cleo", 3);
    assert_eq!(listed(&table.told(cleo.id)), []);
    let mia = Peer::join(&mut table, "Mia", 4);
    assert_eq!(listed(&table.told(mia.id)), told);
    // Twice is once.
    let before = parks(&table);
    assert_eq!(mia.asks(&mut table, &discard(id)), Outcome::Done);
    assert_eq!(parks(&table), before);
    table.look(bob.id);
    assert_eq!(mia.asks(&mut table, &recover(id)), Outcome::Done);
    let recovered = &views(&table.told(bob.id))[0];
    assert_eq!(
        (recovered.state, recovered.by),
        (ParkStatus::Open, Some(mia.session))
    );
    table.look(bob.id);
    assert_eq!(ada.asks(&mut table, &merge(id)), Outcome::Done);
    let merged = &views(&table.told(bob.id))[0];
    assert_eq!(
        (merged.state, merged.by),
        (ParkStatus::Merged, Some(ada.session))
    );
    assert_eq!(table.text(), "late");
}

#[test]
fn its_author_may_discard_a_park_under_somebody_elses_lock() {
    let mut table = Table::new();
    let (_ada, bob, id) = parked(&mut table);
    assert_eq!(bob.asks(&mut table, &discard(id)), Outcome::Done);
    assert!(!parks(&table)[0].is_open());
}

#[test]
fn a_discarded_park_is_over_after_thirty_days_and_not_before() {
    let mut table = Table::new();
    let (ada, bob, id) = parked(&mut table);
    let cleo_id = {
        let mut cleo = plain(&mut table, "Cleo", 3);
        cleo.types(&mut table, "kept");
        parks(&table)[1].id
    };
    assert_eq!(ada.asks(&mut table, &discard(id)), Outcome::Done);
    table.pass(DAY / 24, &[ada.id, bob.id]);
    table.leave(ada.id, Departure::Done);
    table.leave(bob.id, Departure::Done);
    table.pass(RECOVERABLE - DAY / 24 - seconds(1), &[]);
    assert_eq!(parks(&table).len(), 2);
    let now = table.now;
    table.room.handle_timeout(now);
    let settled = table.room.settle(now, |record: &Record, _: Awaited| {
        Err::<u64, _>(Box::new(record.clone()))
    });
    assert_eq!(settled, Ok(()));
    // The server does not run when the time comes.
    table.restart();
    assert_eq!(parks(&table).len(), 2);
    table.pass(seconds(2), &[]);
    assert_eq!(only(&table), cleo_id);
    assert!(parks(&table)[0].is_open());
    table.restart();
    table.pass(seconds(1), &[]);
    assert_eq!(only(&table), cleo_id);
}

#[test]
fn what_was_over_while_the_server_was_down_goes_at_its_start() {
    let mut table = Table::new();
    let (ada, _bob, id) = parked(&mut table);
    ada.asks(&mut table, &discard(id));
    table.compact();
    table.options.unix_at_zero_ms = u64::try_from(RECOVERABLE.as_millis()).unwrap();
    table.restart();
    assert_eq!(
        table.room.poll_timeout().map(|due| due <= table.now),
        Some(true)
    );
    table.pass(Duration::ZERO, &[]);
    assert_eq!(parks(&table), []);
}

#[test]
fn what_was_recovered_does_not_go() {
    let mut table = Table::new();
    let (ada, bob, id) = parked(&mut table);
    ada.asks(&mut table, &discard(id));
    ada.asks(&mut table, &recover(id));
    table.leave(ada.id, Departure::Done);
    table.leave(bob.id, Departure::Done);
    table.pass(RECOVERABLE + DAY, &[]);
    assert_eq!(only(&table), id);
}

#[test]
fn the_caps_refuse_a_decision_and_drop_nothing() {
    let options = RoomOptions {
        parks: ParkLimits {
            parks: 1,
            // Two small ones.
            discarded_bytes: 33 * 1024,
            ..ParkLimits::default()
        },
        ..RoomOptions::default()
    };
    let mut table = Table::with(options);
    let ada = plain(&mut table, "Ada", 1);
    ada.takes_the_lock(&mut table);
    let mut ids = Vec::new();
    for client in 2..5 {
        let mut bob = plain(&mut table, "Bob", client);
        bob.types(&mut table, "late");
        // A discarded one does not count among the open ones.
        let id = parks(&table).last().unwrap().id;
        ids.push(id);
        let outcome = ada.asks(&mut table, &discard(id));
        let expected = if client < 4 {
            Outcome::Done
        } else {
            Outcome::Full
        };
        assert_eq!(outcome, expected);
    }
    assert_eq!(parks(&table).len(), 3);
    assert_eq!(ada.asks(&mut table, &recover(ids[0])), Outcome::Full);
    assert_eq!(ada.asks(&mut table, &merge(ids[2])), Outcome::Done);
    assert_eq!(ada.asks(&mut table, &recover(ids[0])), Outcome::Done);
    assert_eq!(parks(&table).len(), 2);
}

#[test]
fn a_park_merges_by_itself_when_its_author_holds_the_lock_next() {
    let mut table = Table::new();
    let (ada, bob, id) = parked(&mut table);
    table.leave(ada.id, Departure::Done);
    // Being free to write is not enough: his client may have put the old copy away, and nobody asked for it.
    table.pass(seconds(1), &[bob.id]);
    assert_eq!(only(&table), id);
    table.look(bob.id);
    bob.takes_the_lock(&mut table);
    assert_eq!(table.text(), "late");
    assert_eq!(parks(&table), []);
}

#[test]
fn a_park_of_one_user_merges_when_their_other_tab_holds_the_lock() {
    let mut table = Table::new();
    table.rights = Rights::EDIT;
    let tab = |table: &mut Table, client, user_key| {
        let coming = Coming {
            name: "Bob",
            client,
            user_key,
            ..Coming::default()
        };
        Peer::come(table, coming)
    };
    let key = Some("a secret of sixteen bytes or more");
    let ada = Peer::join(&mut table, "Ada", 1);
    let mut bob = tab(&mut table, 2, key);
    ada.takes_the_lock(&mut table);
    bob.types(&mut table, "late");
    table.leave(bob.id, Departure::Done);
    let stranger = tab(&mut table, 3, Some("another secret of that length"));
    let other = tab(&mut table, 4, key);
    table.leave(ada.id, Departure::Done);
    table.look(stranger.id);
    let fence = stranger.takes_the_lock(&mut table);
    assert_eq!(table.text(), "");
    stranger.says(&mut table, &ClientMessage::Release { nonce: 2, fence });
    other.takes_the_lock(&mut table);
    assert_eq!(table.text(), "late");
}

#[test]
fn a_lock_of_another_part_merges_nothing() {
    let mut table = Table::new();
    let (ada, bob, id) = parked(&mut table);
    table.leave(ada.id, Departure::Done);
    table.look(bob.id);
    bob.takes(&mut table, &[&["elsewhere"]]);
    assert_eq!(only(&table), id);
    bob.takes(&mut table, &[&["t", "deeper"]]);
    assert_eq!(table.text(), "late");
}

#[test]
fn a_discarded_park_does_not_merge_by_itself() {
    let mut table = Table::new();
    let (ada, bob, id) = parked(&mut table);
    ada.asks(&mut table, &discard(id));
    table.leave(ada.id, Departure::Done);
    table.look(bob.id);
    bob.takes_the_lock(&mut table);
    assert_eq!((table.text(), only(&table)), (String::new(), id));
}

#[test]
fn an_edit_that_builds_on_what_was_discarded_brings_it_back() {
    let mut table = Table::new();
    let (ada, mut bob, id) = parked(&mut table);
    ada.asks(&mut table, &discard(id));
    table.look(ada.id);
    // The same again says nothing new.
    bob.sends_all(&mut table);
    assert!(!parks(&table)[0].is_open());
    assert_eq!(views(&table.told(ada.id)), []);
    bob.types(&mut table, " and more");
    let told = views(&table.told(ada.id));
    assert_eq!((told[0].id, told[0].state), (id, ParkStatus::Open));
    assert_eq!(ada.asks(&mut table, &merge(id)), Outcome::Done);
    assert_eq!(table.text(), "late and more");
}

#[test]
fn a_fresh_copy_after_a_discard_has_a_park_of_its_own() {
    let mut table = Table::new();
    let (ada, mut bob, id) = parked(&mut table);
    ada.asks(&mut table, &discard(id));
    bob.document = document(22);
    bob.types(&mut table, "afresh");
    let states: Vec<_> = parks(&table).iter().map(|park| park.state).collect();
    assert_eq!(states.len(), 2);
    assert!(matches!(states[0], ParkState::Discarded { .. }));
    assert_eq!(states[1], ParkState::Open);
}

#[test]
fn a_whole_copy_takes_the_place_of_its_parts_in_a_park() {
    let mut table = Table::new();
    let (ada, mut bob, id) = parked(&mut table);
    insert(&mut bob.document, " and typed offline");
    bob.sends_all(&mut table);
    let park = parks(&table).remove(0);
    assert_eq!((park.id, park.updates.len(), park.inserted), (id, 1, 22));
    assert_eq!(ada.asks(&mut table, &merge(id)), Outcome::Done);
    assert_eq!(table.text(), "late and typed offline");
}

#[test]
fn a_whole_copy_takes_the_place_of_nothing_that_it_does_not_hold() {
    let mut table = Table::new();
    let (ada, mut bob, id) = parked(&mut table);
    // From a fresh document of the same session.
    let old = std::mem::replace(&mut bob.document, document(22));
    bob.types(&mut table, "afresh");
    bob.document = old;
    insert(&mut bob.document, " and typed offline");
    bob.sends_all(&mut table);
    let parks = parks(&table);
    assert_eq!(parks.len(), 2);
    assert_eq!((parks[0].id, parks[0].updates.len()), (id, 2));
    for park in parks.iter().rev() {
        assert_eq!(ada.asks(&mut table, &merge(park.id)), Outcome::Done);
    }
    let text = table.text();
    assert!(text.contains("late and typed offline") && text.contains("afresh"));
}

#[test]
fn a_stock_client_that_comes_again_with_more_has_one_park_of_somebody() {
    let mut table = Table::new();
    let ada = plain(&mut table, "Ada", 1);
    ada.takes_the_lock(&mut table);
    table.look(ada.id);
    let mut theirs = document(7);
    for _ in 0..3 {
        insert(&mut theirs, "stock ");
        let all = theirs.diff(&StateVector::new()).unwrap();
        let id = table.connect();
        table.receive(id, Incoming::Sync(SyncKind::Step2, all));
    }
    let id = only(&table);
    let told = views(&table.told(ada.id));
    assert_eq!(told.last().unwrap().user.name, "");
    assert_eq!(told.last().unwrap().inserted, 18);
    assert_eq!(ada.asks(&mut table, &merge(id)), Outcome::Done);
    assert_eq!(table.text(), "stock stock stock ");
}

#[test]
fn in_required_mode_a_park_waits_for_a_lock() {
    let mut table = Table::new();
    let mut bob = Peer::join(&mut table, "Bob", 2);
    let mode = ClientMessage::SetMode {
        nonce: 77,
        mode: LockMode::Required,
    };
    assert_eq!(bob.asks(&mut table, &mode), Outcome::Done);
    bob.types(&mut table, "late");
    let id = only(&table);
    assert_eq!(bob.asks(&mut table, &merge(id)), Outcome::Busy);
    bob.takes_the_lock(&mut table);
    assert_eq!(table.text(), "late");
}

#[test]
fn while_nobody_holds_the_lock_its_author_merges_a_park_and_so_does_who_manages() {
    let mut table = Table::new();
    let (ada, bob, id) = parked(&mut table);
    let mut cleo = plain(&mut table, "Cleo", 3);
    cleo.types(&mut table, "r");
    let hers = parks(&table)[1].id;
    table.leave(ada.id, Departure::Done);
    assert_eq!(bob.asks(&mut table, &merge(hers)), Outcome::NotAllowed);
    assert_eq!(bob.asks(&mut table, &merge(id)), Outcome::Done);
    let mia = Peer::join(&mut table, "Mia", 4);
    assert_eq!(mia.asks(&mut table, &merge(hers)), Outcome::Done);
    assert_eq!((table.text().len(), parks(&table)), (5, Vec::new()));
}

#[test]
fn an_observer_merges_nothing() {
    let mut table = Table::new();
    let (ada, _bob, id) = parked(&mut table);
    let coming = Coming {
        name: "Olga",
        client: 5,
        observer: true,
        ..Coming::default()
    };
    let olga = Peer::come(&mut table, coming);
    table.leave(ada.id, Departure::Done);
    let outcome = olga.asks(&mut table, &merge(id));
    assert!(matches!(outcome, Outcome::Forbidden | Outcome::NotAllowed));
    assert_eq!(table.text(), "");
}

#[test]
fn a_park_can_be_read_before_it_is_merged() {
    let mut table = Table::new();
    let mut ada = plain(&mut table, "Ada", 1);
    let mut bob = plain(&mut table, "Bob", 2);
    ada.types(&mut table, "early");
    bob.take(&mut table);
    ada.takes_the_lock(&mut table);
    bob.types(&mut table, " and late");
    let id = only(&table);
    table.look(ada.id);
    let show = ClientMessage::ShowPark { nonce: 77, id };
    ada.says(&mut table, &show);
    let told = table.told(ada.id);
    let content = told.iter().find_map(|message| match message {
        ServerMessage::ParkContent {
            nonce: 77,
            id: of,
            parts,
            truncated: false,
        } if *of == id => Some(parts.clone()),
        _ => None,
    });
    let said: Vec<_> = content
        .unwrap()
        .into_iter()
        .map(|part| (part.root, part.kind, part.text))
        .collect();
    let part = |kind, text: &str| ("t".to_owned(), kind, text.to_owned());
    let expected = [
        part(PartKind::Equal, "early"),
        part(PartKind::Insert, " and late"),
    ];
    assert_eq!(said, expected);
    assert_eq!(table.text(), "early");
    // What was discarded is for its author and for who manages.
    ada.asks(&mut table, &discard(id));
    assert_eq!(ada.asks(&mut table, &show), Outcome::NotAllowed);
    table.look(bob.id);
    bob.says(&mut table, &show);
    let shown = |message: &ServerMessage| matches!(message, ServerMessage::ParkContent { .. });
    assert!(table.told(bob.id).iter().any(shown));
}

#[test]
fn parks_and_decisions_survive_replays_and_snapshots() {
    let mut table = Table::new();
    let (ada, mut bob, first) = parked(&mut table);
    let mut cleo = plain(&mut table, "Cleo", 3);
    cleo.types_in(&mut table, "u", "other");
    ada.asks(&mut table, &discard(first));
    let same = |table: &mut Table| {
        let before = parks(table);
        table.restart();
        assert_eq!(parks(table), before);
        table.compact();
        table.restart();
        assert_eq!(parks(table), before);
    };
    same(&mut table);
    bob = bob.resume(&mut table, &[]);
    bob.types(&mut table, "!");
    assert!(parks(&table)[0].is_open());
    same(&mut table);
    let ada = Peer::join(&mut table, "Ada", 1);
    table.pass(seconds(20), &[ada.id]);
    ada.takes_the_lock(&mut table);
    for park in parks(&table) {
        assert_eq!(ada.asks(&mut table, &merge(park.id)), Outcome::Done);
    }
    assert_eq!(table.text(), "late!");
    assert_eq!(text_in(&table.document(), "u"), "other");
    same(&mut table);
}

/// The text with a park in it, as a merge would make it.
fn with(table: &Table, park: &baton_room::Park) -> String {
    let mut copy: Document = document(99);
    copy.apply(&table.document().snapshot().unwrap()).unwrap();
    for update in &park.updates {
        let update = OwnedScan::new(update.clone()).unwrap();
        let nothing = ReplicaIndex::new();
        let fitting = cut_where_known(&update, copy.state(), &nothing);
        copy.apply_scanned(&fitting.as_scan()).unwrap();
    }
    text(&copy)
}

/// Nothing that is parked has become impossible to merge.
fn merges_everything(table: &mut Table, peers: &[Peer], words: usize, what: &str) {
    for id in parks(table).iter().map(|park| park.id) {
        // An earlier merge may have brought it.
        if table.room.state().parks().all(|park| park.id != id) {
            continue;
        }
        assert_eq!(peers[0].asks(table, &recover(id)), Outcome::Done, "{what}");
        let merged = peers[0].asks(table, &merge(id));
        assert_eq!(merged, Outcome::Done, "{what}, park {id}");
    }
    assert_eq!(parks(table), [], "{what}");
    check(table, words, what);
}

/// Every word that was typed and saved is in the document once, or in a park.
fn check(table: &Table, words: usize, what: &str) {
    let text = table.text();
    let parks = parks(table);
    let merged: Vec<String> = parks.iter().map(|park| with(table, park)).collect();
    for word in 0..words {
        let word = format!("<{word}>");
        let times = text.matches(&word).count();
        let parked = merged.iter().any(|text| text.contains(&word));
        assert!(
            times == 1 || times == 0 && parked,
            "{what}: {word} in {text:?}"
        );
    }
}

/// A client takes in what it is sent, and answers what it is asked, also one that edits where it may not.
fn answers(table: &mut Table, peers: &mut [Peer]) {
    for peer in peers {
        for _ in 0..10 {
            let mut asked = None;
            let mut lacks = false;
            for seen in table.look(peer.id) {
                match seen {
                    Seen::Message(Outgoing::Step1(vector)) => asked = Some(vector),
                    Seen::Message(Outgoing::Step2(update) | Outgoing::Update(update)) => {
                        lacks |= peer.document.apply(&update).is_err();
                    }
                    _ => {}
                }
            }
            if asked.is_none() && !lacks {
                break;
            }
            if lacks {
                peer.sync(table);
            }
            if let Some(vector) = asked {
                let since = StateVector::decode(&vector).unwrap();
                let lacking = peer.document.diff(&since).unwrap();
                table.receive(peer.id, Incoming::Sync(SyncKind::Step2, lacking));
            }
        }
    }
}

/// Three clients that never put an old copy away, and decide at random.
#[test]
fn whatever_is_decided_an_edit_is_applied_once_or_parked() {
    let (mut merged, mut reopened) = (0, 0);
    for seed in 0..200 {
        let mut random = Random::from_seed(seed);
        let mut table = Table::new();
        let mut peers: Vec<Peer> = ["Ada", "Bob", "Cleo"]
            .iter()
            .zip(1..)
            .map(|(name, client)| Peer::join(&mut table, name, client))
            .collect();
        let mut held = Vec::new();
        let mut words = 0;
        for step in 0..60 {
            let who = random.below(3);
            let parks = parks(&table);
            let park = (!parks.is_empty()).then(|| parks[random.below(parks.len())].id);
            let what = random.below(12);
            match (what, park) {
                (0..=3, _) => {
                    peers[who].types(&mut table, &format!("<{words}>"));
                    words += 1;
                }
                (4, _) if held.is_empty() => {
                    held.push((who, peers[who].takes_the_lock(&mut table)));
                }
                (5, _) => {
                    if let Some((who, fence)) = held.pop() {
                        peers[who].says(&mut table, &ClientMessage::Release { nonce: 3, fence });
                    }
                }
                (6, Some(id)) => peers[who].says(&mut table, &merge(id)),
                (7, Some(id)) => peers[who].says(&mut table, &discard(id)),
                (8, Some(id)) => peers[who].says(&mut table, &recover(id)),
                (9, _) => peers[who].sends_all(&mut table),
                (10, _) => insert_unsent(&mut peers[who], &mut words),
                (11, _) if random.below(3) == 0 => {
                    if random.below(2) == 0 {
                        table.compact();
                    }
                    table.restart();
                    let fences: Vec<_> = held.iter().map(|(_, fence)| *fence).collect();
                    let resumed = peers
                        .into_iter()
                        .map(|peer| peer.resume(&mut table, &fences));
                    peers = resumed.collect();
                }
                _ => {}
            }
            answers(&mut table, &mut peers);
            if what == 10 {
                peers[who].sends_all(&mut table);
                answers(&mut table, &mut peers);
            }
            let now = |id| table.room.state().parks().find(|park| park.id == id);
            merged += parks.iter().filter(|park| now(park.id).is_none()).count();
            let opened = |park: &&baton_room::Park| {
                now(park.id).is_some_and(|now| now.is_open() && !park.is_open())
            };
            reopened += parks.iter().filter(opened).count();
            check(&table, words, &format!("seed {seed}, step {step}, {what}"));
        }
        let before = table.room.state().snapshot().unwrap();
        let options = table.options.clone();
        let records = table.records();
        if records.first().is_some_and(|(position, _)| *position == 1) {
            let replayed = baton_room::Room::open(options, None, records, table.now).unwrap();
            assert_eq!(replayed.state().snapshot().unwrap(), before, "seed {seed}");
        }
        if let Some((who, fence)) = held.pop() {
            peers[who].says(&mut table, &ClientMessage::Release { nonce: 3, fence });
        }
        let what = format!("seed {seed}, at its end");
        merges_everything(&mut table, &peers, words, &what);
    }
    assert!(
        merged > 100 && reopened > 50,
        "{merged} merged, {reopened} reopened"
    );
}

/// Typed while there was no connection.
fn insert_unsent(peer: &mut Peer, words: &mut usize) {
    insert(&mut peer.document, &format!("<{words}>"));
    *words += 1;
}
