//! The user of a token stands where others look, whatever the client says of itself.

use baton_presence::Rights;
use baton_room::{ConnectionId, Departure, Identity, Incoming, Outgoing, RoomOptions, SyncKind};
use baton_sync::awareness::{Awareness, AwarenessLimits};
use baton_sync::control_channel::{ClientMessage, Outcome, PeerView, ServerMessage, User};
use baton_sync::lib0::{write_var_string, write_var_uint};

use crate::document;
use crate::table::{Coming, Peer, Seen, Table, insert};

fn ada() -> Identity {
    Identity::new("u1").with_name(Some("Ada".to_owned()))
}

fn bob() -> Identity {
    Identity::new("u2").with_name(Some("Bob".to_owned()))
}

fn comes_as(table: &mut Table, identity: Option<Identity>, coming: Coming<'_>) -> Peer {
    table.identity = identity;
    let peer = Peer::come(table, coming);
    table.identity = None;
    peer
}

fn named(name: &str, client: u64) -> Coming<'_> {
    Coming {
        name,
        client,
        ..Coming::default()
    }
}

fn user(name: &str, color: &str, id: Option<&str>) -> User {
    User {
        name: name.to_owned(),
        color: color.to_owned(),
        id: id.map(str::to_owned),
    }
}

/// The roster as a newcomer is told of it.
fn roster(table: &mut Table) -> Vec<PeerView> {
    let newcomer = Peer::join(table, "newcomer", 99);
    let told = table.told(newcomer.id);
    table.leave(newcomer.id, Departure::Done);
    let mut rosters = told.into_iter().filter_map(|message| match message {
        ServerMessage::Welcome { roster, .. } => Some(roster),
        _ => None,
    });
    rosters.next().unwrap()
}

fn shown(table: &mut Table, session: u64) -> User {
    let mut roster = roster(table).into_iter();
    roster.find(|peer| peer.session == session).unwrap().user
}

#[test]
fn the_roster_shows_the_user_of_the_token_and_no_rename_changes_that() {
    let mut table = Table::new();
    let peer = comes_as(&mut table, Some(ada()), named("Bob", 1));
    assert_eq!(shown(&mut table, peer.session), user("Ada", "", Some("u1")));
    let claimed = user("Bob", "red", Some("u2"));
    peer.says(&mut table, &ClientMessage::Profile { user: claimed });
    // The token says no colour, so that the client chooses it.
    let now = user("Ada", "red", Some("u1"));
    assert_eq!(shown(&mut table, peer.session), now);
    table.restart();
    assert_eq!(shown(&mut table, peer.session), now);
    table.compact();
    table.restart();
    assert_eq!(shown(&mut table, peer.session), now);
}

#[test]
fn a_token_without_a_name_shows_the_id_and_never_a_name_that_the_client_claims() {
    let mut table = Table::new();
    let peer = comes_as(&mut table, Some(Identity::new("u3")), named("Ada", 1));
    assert_eq!(shown(&mut table, peer.session), user("u3", "", Some("u3")));
    let without = comes_as(&mut table, None, named("Ada", 2));
    assert_eq!(shown(&mut table, without.session), user("Ada", "", None));
}

#[test]
fn a_stock_client_has_the_name_of_its_token() {
    let mut table = Table::new();
    table.identity = Some(ada().with_color(Some("#abc".to_owned())));
    let id = table.connect();
    table.identity = None;
    table.receive(id, Incoming::QueryAwareness);
    let users: Vec<_> = roster(&mut table)
        .into_iter()
        .map(|peer| peer.user)
        .collect();
    assert!(users.contains(&user("Ada", "#abc", Some("u1"))));
}

#[test]
fn parks_name_the_user_of_the_token() {
    let mut table = Table::new();
    let holder = Peer::join(&mut table, "holder", 1);
    holder.takes_the_lock(&mut table);
    let mut late = comes_as(&mut table, Some(bob()), named("Ada", 2));
    late.types(&mut table, "late");
    for restart in [false, true] {
        if restart {
            table.compact();
            table.restart();
        }
        let park = table.room.state().parks().next().unwrap();
        assert_eq!(park.author.user_id.as_deref(), Some("u2"));
        assert_eq!(park.author.name, "Bob");
    }
}

#[test]
fn the_tabs_of_one_user_are_known_as_such_and_no_secret_gets_among_them() {
    let mut table = Table::new();
    table.rights = Rights::EDIT;
    let first = comes_as(&mut table, Some(ada()), named("", 1));
    let second = comes_as(&mut table, Some(ada()), named("", 2));
    let other = comes_as(&mut table, Some(bob()), named("", 3));
    // What another user's client says is no secret of this user.
    let secret = "u1u1u1u1u1u1u1u1";
    let coming = Coming {
        user_key: Some(secret),
        ..named("Ada", 4)
    };
    let claims = comes_as(&mut table, None, coming);
    let fence = first.takes_the_lock(&mut table);
    let here = ClientMessage::MoveHere {
        nonce: 77,
        paths: Vec::new(),
    };
    for stranger in [&other, &claims] {
        assert_eq!(stranger.asks(&mut table, &here), Outcome::NotAllowed);
    }
    assert_eq!(second.asks(&mut table, &here), Outcome::Done);
    first.says(&mut table, &ClientMessage::Drained { fence });
    assert!(second.claims(&mut table).is_some());
}

#[test]
fn a_session_is_not_resumed_by_another_user() {
    let mut table = Table::new();
    let peer = comes_as(&mut table, Some(ada()), named("", 1));
    table.leave(peer.id, Departure::Dropped);
    let session = peer.session;
    let resume = |peer: &Peer| Coming {
        resume: Some(baton_sync::control_channel::Resume {
            session: peer.session,
            token: peer.token.clone(),
        }),
        ..named("", 9)
    };
    for identity in [Some(bob()), None] {
        let coming = resume(&peer);
        let thief = comes_as(&mut table, identity, coming);
        assert!(!thief.resumed && thief.session != session);
    }
    let coming = resume(&peer);
    let back = comes_as(&mut table, Some(ada()), coming);
    assert!(back.resumed && back.session == session);
}

/// An awareness payload of one entry.
fn states(client: u64, clock: u64, state: &str) -> Vec<u8> {
    let mut payload = vec![1];
    write_var_uint(&mut payload, client);
    write_var_uint(&mut payload, clock);
    write_var_string(&mut payload, state);
    payload
}

/// What a client shows of the others after these messages, by client id.
fn read_states(seen: &[Seen]) -> Vec<(u64, u64, String)> {
    let mut awareness = Awareness::new(AwarenessLimits::default());
    for (owner, seen) in seen.iter().enumerate() {
        if let Seen::Message(Outgoing::Awareness(payload) | Outgoing::AwarenessQuestion(payload)) =
            seen
        {
            let applied = awareness.apply(owner, payload, std::time::Duration::ZERO);
            assert!(applied.is_ok());
        }
    }
    let all = awareness.iter();
    all.map(|(client, clock, state, _)| (client.get(), clock, state.to_owned()))
        .collect()
}

fn stock(table: &mut Table, identity: Option<Identity>, rights: Rights) -> ConnectionId {
    (table.identity, table.rights) = (identity, rights);
    let id = table.connect();
    (table.identity, table.rights) = (None, Rights::ALL);
    id
}

#[test]
fn awareness_shows_the_user_of_the_token_at_the_clock_of_the_client() {
    let mut table = Table::new();
    let reader = Peer::join(&mut table, "reader", 1);
    let id = stock(&mut table, Some(ada()), Rights::EDIT);
    table.look(reader.id);
    let state = r##"{"user":{"name":"Bob","color":"#fff"},"cursor":null}"##;
    table.receive(id, Incoming::Awareness(&states(5, 3, state)));
    let shown = r##"{"user":{"color":"#fff","name":"Ada","id":"u1"},"cursor":null}"##;
    let wanted = vec![(5, 3, shown.to_owned())];
    assert_eq!(read_states(&table.look(reader.id)), wanted);
    // A newcomer is shown the same.
    let newcomer = table.connect();
    assert_eq!(read_states(&table.look(newcomer)), wanted);
}

#[test]
fn awareness_stays_as_it_came_where_the_setting_says_so_and_without_a_token() {
    let state = r#"{"user":{"name":"Bob"}}"#;
    for (identity, stamp_awareness) in [(Some(ada()), false), (None, true)] {
        let options = RoomOptions {
            stamp_awareness,
            ..RoomOptions::default()
        };
        let mut table = Table::with(options);
        let reader = Peer::join(&mut table, "reader", 1);
        let id = stock(&mut table, identity, Rights::EDIT);
        table.look(reader.id);
        table.receive(id, Incoming::Awareness(&states(5, 3, state)));
        let wanted = vec![(5, 3, state.to_owned())];
        assert_eq!(read_states(&table.look(reader.id)), wanted);
    }
}

#[test]
fn awareness_shows_who_only_reads_and_is_said_again_when_that_changes() {
    let mut table = Table::new();
    let reader = Peer::join(&mut table, "reader", 1);
    let id = stock(&mut table, Some(ada()), Rights::NONE);
    let state = r#"{"user":{"color":"red"}}"#;
    table.receive(id, Incoming::Awareness(&states(5, 3, state)));
    // The answer to its first statement has it say its state again.
    table.receive(id, Incoming::Awareness(&states(5, 4, state)));
    table.look(id);
    table.look(reader.id);
    table.receive(id, Incoming::Awareness(&states(5, 5, state)));
    let reads = r#"{"user":{"color":"red","name":"Ada","id":"u1","readOnly":true}}"#;
    assert_eq!(
        read_states(&table.look(reader.id)),
        [(5, 5, reads.to_owned())]
    );
    table.look(id);
    table.set_rights(id, Rights::EDIT);
    // y-protocols answers a removal of its own state with the state at a raised clock.
    let removal = states(5, 5, "null").into();
    let removal = Seen::Message(Outgoing::AwarenessQuestion(removal));
    assert!(table.look(id).contains(&removal));
    table.receive(id, Incoming::Awareness(&states(5, 6, state)));
    let writes = r#"{"user":{"color":"red","name":"Ada","id":"u1"}}"#;
    assert_eq!(
        read_states(&table.look(reader.id)),
        [(5, 6, writes.to_owned())]
    );
}

#[test]
fn hostile_awareness_is_refused_as_before_and_shows_no_other_name() {
    let mut table = Table::new();
    let reader = Peer::join(&mut table, "reader", 1);
    let id = stock(&mut table, Some(ada()), Rights::EDIT);
    table.look(reader.id);
    let deep = format!("{{\"user\":{}{}}}", "[".repeat(500), "]".repeat(500));
    for (clock, state) in (1..).zip([
        "{\"user\":",
        "{\"user\":{\"name\":\"Bob}",
        "user",
        &deep,
        "{\"user\":{\"name\":\"Bob\"}} x",
    ]) {
        table.receive(id, Incoming::Awareness(&states(5, clock, state)));
    }
    assert_eq!(read_states(&table.look(reader.id)), []);
    let state = r#"{"user":{"name":"x"},"\u0075ser":{"name":"Bob"}}"#;
    table.receive(id, Incoming::Awareness(&states(5, 9, state)));
    let seen = read_states(&table.look(reader.id));
    assert!(seen.len() == 1 && !seen[0].2.contains("Bob"), "{seen:?}");
}

#[test]
fn equal_edits_of_one_users_stock_clients_are_one_park() {
    let mut table = Table::new();
    let holder = Peer::join(&mut table, "holder", 1);
    holder.takes_the_lock(&mut table);
    for client in [10, 11] {
        let id = stock(&mut table, Some(ada()), Rights::EDIT);
        let update = insert(&mut document(client), "same");
        table.receive(id, Incoming::Sync(SyncKind::Update, update));
    }
    assert_eq!(table.room.state().parks().count(), 1);
    let id = stock(&mut table, Some(bob()), Rights::EDIT);
    let update = insert(&mut document(12), "same");
    table.receive(id, Incoming::Sync(SyncKind::Update, update));
    assert_eq!(table.room.state().parks().count(), 2);
}
