//! Stories of one fault each.

use std::time::Duration;

use baton_presence::{Event, Mode, Presence};
use baton_room::{
    ClusterEvent, ConnectionId, Departure, Ending, Incoming, MissedUpdates, Outgoing, Record,
    RoomOptions, SyncKind,
};
use baton_sync::control_channel::{
    ClientMessage, ErrorCode, FencingToken, LockMode, PeerStatus, ServerMessage,
};
use baton_sync::lib0::write_var_uint;
use baton_testkit::TextAuthor;

use crate::client::Client;
use crate::cluster::{Cluster, Host};

/// Lets everything arrive, and the clients read it and answer.
fn run(cluster: &mut Cluster, clients: &mut [&mut Client]) {
    for _ in 0..6 {
        cluster.run();
        for client in clients.iter_mut() {
            client.reads(cluster);
        }
    }
    cluster.run();
}

fn only(client: &Client) -> FencingToken {
    assert_eq!(client.held.len(), 1);
    *client.held.first().unwrap()
}

/// A client that holds the lock of "a" on the first host.
fn holder(cluster: &mut Cluster) -> Client {
    let mut holder = Client::new(1);
    holder.connect(cluster, 0);
    run(cluster, &mut [&mut holder]);
    holder.acquires(cluster, "a");
    run(cluster, &mut [&mut holder]);
    only(&holder);
    holder
}

/// The fences of the locks that the first host knows.
fn held(cluster: &Cluster) -> Vec<u64> {
    let locks = cluster.hosts[0].room.state().locks();
    let held = locks.grants().filter(|grant| grant.is_held());
    held.map(|grant| grant.fence.position).collect()
}

#[test]
fn a_session_that_goes_on_over_another_host_keeps_its_lock_and_its_fence() {
    for known in [false, true] {
        let mut cluster = Cluster::new(2);
        let mut ada = holder(&mut cluster);
        let fence = only(&ada);
        ada.drops(&mut cluster, Departure::Dropped);
        if known {
            cluster.run();
        }
        // Else the record that its connection broke is on the way while it comes again.
        ada.connect(&mut cluster, 1);
        run(&mut cluster, &mut [&mut ada]);
        assert!(ada.resumed && ada.is_welcome());
        assert_eq!((only(&ada), held(&cluster)), (fence, vec![fence.position]));
        cluster.agrees();
    }
}

#[test]
fn the_old_connection_is_closed_and_says_nothing_of_a_session_that_moved() {
    let mut cluster = Cluster::new(2);
    let mut ada = holder(&mut cluster);
    let (fence, old) = (only(&ada), ada.at.unwrap().1);
    ada.connect(&mut cluster, 1);
    run(&mut cluster, &mut [&mut ada]);
    assert!(cluster.hosts[0].closed.contains_key(&old));
    assert_eq!(held(&cluster), [fence.position]);
    // The host that it left neither pings it nor judges it.
    for _ in 0..20 {
        cluster.pass(Duration::from_secs(1));
        run(&mut cluster, &mut [&mut ada]);
    }
    assert_eq!(held(&cluster), [fence.position]);
    cluster.agrees();
}

#[test]
fn of_a_lost_host_and_a_resume_the_first_in_the_log_wins() {
    for resume_first in [false, true] {
        let mut cluster = Cluster::new(3);
        let mut ada = holder(&mut cluster);
        let fence = only(&ada);
        cluster.kill(0);
        let (there, other) = (0, 1);
        if resume_first {
            ada.connect(&mut cluster, there);
            cluster.look_for_dead(other);
            cluster.sequence(there);
            cluster.sequence(other);
        } else {
            cluster.look_for_dead(other);
            ada.connect(&mut cluster, there);
            cluster.sequence(other);
            cluster.sequence(there);
        }
        run(&mut cluster, &mut [&mut ada]);
        assert!(ada.resumed && ada.is_welcome());
        assert_eq!((only(&ada), held(&cluster)), (fence, vec![fence.position]));
        cluster.agrees();
    }
}

#[test]
fn the_lock_of_a_lost_host_passes_when_its_holder_does_not_come_again() {
    let mut cluster = Cluster::new(2);
    let mut ada = holder(&mut cluster);
    let mut bob = Client::new(2);
    bob.connect(&mut cluster, 1);
    run(&mut cluster, &mut [&mut ada, &mut bob]);
    bob.acquires(&mut cluster, "a");
    run(&mut cluster, &mut [&mut ada, &mut bob]);
    let fence = only(&ada);
    cluster.kill(0);
    cluster.look_for_dead(0);
    for _ in 0..12 {
        cluster.pass(Duration::from_secs(1));
        run(&mut cluster, &mut [&mut bob]);
    }
    assert!(only(&bob).position > fence.position);
    cluster.agrees();
}

/// Two clients, the second of which waits for the lock of the first, each on its own host.
fn holder_and_waiter(cluster: &mut Cluster) -> (Client, Client) {
    let mut ada = holder(cluster);
    let mut bob = Client::new(2);
    bob.connect(cluster, 1);
    run(cluster, &mut [&mut ada, &mut bob]);
    bob.acquires(cluster, "a");
    run(cluster, &mut [&mut ada, &mut bob]);
    (ada, bob)
}

#[test]
fn the_lock_of_a_lost_host_passes_at_once_if_its_holder_had_the_time_to_come() {
    for (served, passes) in [(9, false), (10, true)] {
        let mut cluster = Cluster::new(2);
        let (mut ada, mut bob) = holder_and_waiter(&mut cluster);
        let fence = only(&ada);
        cluster.kill(0);
        cluster.look_for_dead_after(0, Duration::from_secs(served));
        run(&mut cluster, &mut [&mut bob]);
        assert_eq!(!bob.held.is_empty(), passes, "{served} s");
        ada.connect(&mut cluster, 0);
        run(&mut cluster, &mut [&mut ada, &mut bob]);
        assert!(ada.resumed && ada.is_welcome());
        if passes {
            assert!(only(&bob).position > fence.position && ada.held.is_empty());
        } else {
            assert_eq!(only(&ada), fence);
        }
        cluster.agrees();
    }
}

#[test]
fn a_holder_of_a_lost_host_keeps_its_lock_while_nobody_else_wants_it() {
    let mut cluster = Cluster::new(2);
    let mut ada = holder(&mut cluster);
    let fence = only(&ada);
    cluster.kill(0);
    cluster.look_for_dead_after(0, Duration::from_secs(60));
    cluster.run();
    ada.connect(&mut cluster, 0);
    run(&mut cluster, &mut [&mut ada]);
    assert_eq!((only(&ada), held(&cluster)), (fence, vec![fence.position]));
    cluster.agrees();
}

/// The end of the offer stayed armed in a state that has no end: the detector proposed for ever.
#[test]
fn an_open_offer_of_a_lost_host_waits_for_its_session_without_a_timer() {
    let mut cluster = Cluster::new(2);
    let (mut ada, mut bob) = holder_and_waiter(&mut cluster);
    ada.drops(&mut cluster, Departure::Done);
    cluster.run();
    // He is offered the lock, and his host dies.
    cluster.kill(1);
    cluster.look_for_dead_after(0, Duration::from_secs(60));
    cluster.run();
    for _ in 0..10 {
        cluster.pass(Duration::from_secs(1));
        cluster.run();
    }
    bob.connect(&mut cluster, 0);
    run(&mut cluster, &mut [&mut bob]);
    assert!(bob.resumed && bob.is_welcome());
    assert_eq!(held(&cluster), [only(&bob).position]);
    cluster.agrees();
}

/// The host was cut off, and is back: its client has gone on there. The others had taken it for
/// lost before they could know.
#[test]
fn a_session_that_went_on_unseen_over_a_host_that_is_called_lost_has_its_time() {
    let mut cluster = Cluster::new(2);
    let (mut ada, mut bob) = holder_and_waiter(&mut cluster);
    let fence = only(&ada);
    ada.drops(&mut cluster, Departure::Dropped);
    ada.connect(&mut cluster, 0);
    let lost = cluster.hosts[0].id;
    cluster.dead.insert(lost);
    cluster.look_for_dead_after(1, Duration::from_secs(60));
    while cluster.sequence(0) {}
    run(&mut cluster, &mut [&mut ada, &mut bob]);
    assert!(bob.held.is_empty() && ada.at.is_none());
    ada.connect(&mut cluster, 1);
    run(&mut cluster, &mut [&mut ada, &mut bob]);
    assert_eq!((only(&ada), held(&cluster)), (fence, vec![fence.position]));
    cluster.agrees();
}

#[test]
fn late_records_of_a_lost_host_change_nothing() {
    let mut cluster = Cluster::new(2);
    let mut ada = holder(&mut cluster);
    let fence = only(&ada);
    ada.types(&mut cluster, "a", "never called saved");
    ada.releases(&mut cluster);
    cluster.kill(0);
    cluster.look_for_dead(0);
    run(&mut cluster, &mut []);
    while cluster.sequence_late(0) {}
    run(&mut cluster, &mut []);
    let state = cluster.hosts[0].room.state();
    assert_eq!(state.locks().grant_position(), Some(fence.position));
    assert!(state.document().state().vector().is_empty());
    // Its client has the edit, and brings it again.
    ada.connect(&mut cluster, 0);
    run(&mut cluster, &mut [&mut ada]);
    let state = cluster.hosts[0].room.state();
    assert!(!state.document().state().vector().is_empty());
    assert_eq!(only(&ada), fence);
    cluster.agrees();
}

trait GrantPosition {
    fn grant_position(&self) -> Option<u64>;
}

impl GrantPosition for baton_presence::LockState {
    fn grant_position(&self) -> Option<u64> {
        self.grants().next().map(|grant| grant.fence.position)
    }
}

#[test]
fn a_connection_that_goes_while_its_session_is_on_the_way_leaves_no_session() {
    for how in [Departure::Dropped, Departure::Done] {
        let mut cluster = Cluster::new(2);
        let mut ada = Client::new(1);
        ada.connect(&mut cluster, 0);
        ada.drops(&mut cluster, how);
        cluster.run();
        for host in &cluster.hosts {
            assert!(host.room.state().locks().is_empty(), "{how:?}");
            assert_eq!(host.room.load().connections, 0);
        }
        cluster.agrees();
    }
}

#[test]
fn what_a_stock_client_sent_before_it_went_is_taken() {
    let mut cluster = Cluster::new(2);
    let stock = cluster.connect(0);
    let mut author = TextAuthor::new(7, "t");
    for word in ["one ", "two ", "three "] {
        let update = Incoming::Sync(SyncKind::Update, author.append(word));
        cluster.receive(0, stock, update);
    }
    cluster.input(0, |room, now| {
        room.disconnect(stock, Departure::Dropped, now);
    });
    cluster.run();
    for host in &cluster.hosts {
        let vector = host.room.state().document().state();
        let clocks: Vec<_> = vector.clocks().map(|(_, clock)| clock).collect();
        assert_eq!(clocks, [14]);
        assert!(host.room.state().locks().is_empty());
    }
    cluster.agrees();
}

#[test]
fn a_host_that_was_cut_off_for_longer_than_its_lease_closes_its_connections() {
    let mut cluster = Cluster::new(2);
    let (mut ada, mut bob) = holder_and_waiter(&mut cluster);
    let fence = only(&ada);
    let tell = |cluster: &mut Cluster, news| {
        cluster.input(0, |room, now| room.follow_cluster(news, now));
    };
    tell(&mut cluster, ClusterEvent::Returned(3));
    tell(&mut cluster, ClusterEvent::Isolated(true));
    // The other host takes this one for lost as of now; its record is late.
    cluster.input(1, |room, now| {
        let host = room.state().hosts().into_iter().min().expect("a host");
        let served = Duration::from_secs(60);
        room.follow_cluster(ClusterEvent::HostLost { host, served }, now);
    });
    tell(&mut cluster, ClusterEvent::Returned(4));
    tell(&mut cluster, ClusterEvent::Isolated(false));
    let (_, connection) = ada.at.take().expect("she was connected");
    assert_eq!(cluster.hosts[0].closed[&connection], Ending::Unavailable);

    // She goes on by a record of her own, before the other one is placed.
    ada.connect(&mut cluster, 0);
    while cluster.sequence(0) {}
    run(&mut cluster, &mut [&mut ada, &mut bob]);
    assert!(bob.held.is_empty());
    ada.connect(&mut cluster, 0);
    run(&mut cluster, &mut [&mut ada, &mut bob]);
    assert!(ada.resumed && bob.held.is_empty());
    assert_eq!(only(&ada), fence);
    cluster.agrees();
}

#[test]
fn an_edit_larger_than_what_may_be_kept_aside_waits_for_its_session() {
    let mut cluster = Cluster::new(2);
    let most = RoomOptions::default().handshake.aside_bytes;
    let mut ada = Client::new(1);
    ada.connect(&mut cluster, 0);
    let (_, connection) = ada.at.expect("connected");
    // Its session is not in the log yet.
    let long = "x".repeat(most + 1);
    ada.types(&mut cluster, "a", &long);
    assert!(cluster.hosts[0].room.awaits_placement(connection));
    ada.types(&mut cluster, "a", "and more");
    run(&mut cluster, &mut [&mut ada]);
    assert!(!cluster.hosts[0].room.awaits_placement(connection));
    assert!(ada.all_is_saved());
    for host in &cluster.hosts {
        let vector = host.room.state().document().state();
        let typed: u64 = vector.clocks().map(|(_, clock)| u64::from(clock)).sum();
        assert_eq!(typed, (long.len() + "and more".len()) as u64);
    }
    cluster.agrees();
}

#[test]
fn updates_that_follow_one_another_quickly_are_all_on_the_way_at_once() {
    let mut cluster = Cluster::new(2);
    let mut ada = Client::new(1);
    ada.connect(&mut cluster, 0);
    run(&mut cluster, &mut [&mut ada]);
    let before = ada.saved.len();
    for _ in 0..500 {
        ada.types(&mut cluster, "a", "x");
    }
    assert_eq!(cluster.hosts[0].outbox.len(), 500);
    cluster.run();
    ada.reads(&mut cluster);
    assert_eq!(ada.saved.len(), before + 500);
    cluster.agrees();
}

#[test]
fn a_timer_that_comes_up_again_proposes_once() {
    let mut cluster = Cluster::new(2);
    let mut ada = holder(&mut cluster);
    let mut bob = Client::new(2);
    bob.connect(&mut cluster, 1);
    run(&mut cluster, &mut [&mut ada, &mut bob]);
    bob.acquires(&mut cluster, "a");
    run(&mut cluster, &mut [&mut ada, &mut bob]);
    ada.drops(&mut cluster, Departure::Dropped);
    run(&mut cluster, &mut [&mut bob]);
    for _ in 0..200 {
        cluster.pass(Duration::from_millis(200));
        bob.reads(&mut cluster);
    }
    // Each of the two sees that her grace is over, and then that she is forgotten.
    for host in &cluster.hosts {
        assert!(host.outbox.len() <= 2, "{}", host.outbox.len());
    }
    cluster.run();
    cluster.agrees();
}

#[test]
fn while_the_log_does_not_answer_nothing_is_confirmed_and_clients_hear_so() {
    let mut cluster = Cluster::new(1);
    let mut ada = holder(&mut cluster);
    let confirmed = |ada: &mut Client| {
        let beats = ada.told.drain(..).filter_map(|message| match message {
            ServerMessage::Beat { confirmed, .. } => Some(confirmed),
            _ => None,
        });
        beats.max()
    };
    for _ in 0..5 {
        cluster.pass(Duration::from_secs(1));
        run(&mut cluster, &mut [&mut ada]);
    }
    assert!(confirmed(&mut ada) > Some(0));
    // A room is told again with each other news of the cluster.
    for _ in 0..3 {
        isolate(&mut cluster, 0, true);
    }
    ada.reads(&mut cluster);
    let unsaved = |message: &ServerMessage| {
        matches!(
            message,
            ServerMessage::Error {
                code: ErrorCode::Unsaved,
                retry: true,
                ..
            }
        )
    };
    assert_eq!(ada.told.iter().filter(|told| unsaved(told)).count(), 1);
    for _ in 0..5 {
        cluster.pass(Duration::from_secs(1));
        ada.reads(&mut cluster);
    }
    assert_eq!(confirmed(&mut ada), Some(0));
    isolate(&mut cluster, 0, false);
    for _ in 0..5 {
        cluster.pass(Duration::from_secs(1));
        run(&mut cluster, &mut [&mut ada]);
    }
    assert!(confirmed(&mut ada) > Some(0));
}

/// Tells the room of a host that the log does not answer, or does again.
fn isolate(cluster: &mut Cluster, host: usize, isolated: bool) {
    cluster.input(host, |room, now| {
        room.follow_cluster(ClusterEvent::Isolated(isolated), now);
    });
}

/// A client that heard of a grant believed in it for its lease, although its host might have been
/// called lost behind the record of it.
#[test]
fn an_offer_that_arrives_in_an_isolation_is_told_after_it() {
    let mut cluster = Cluster::new(2);
    let (mut ada, mut bob) = holder_and_waiter(&mut cluster);
    isolate(&mut cluster, 1, true);
    ada.releases(&mut cluster);
    run(&mut cluster, &mut [&mut ada, &mut bob]);
    let offered = |message: &ServerMessage| matches!(message, ServerMessage::Offer { .. });
    assert!(!bob.told.iter().any(offered) && bob.held.is_empty());
    isolate(&mut cluster, 1, false);
    run(&mut cluster, &mut [&mut ada, &mut bob]);
    only(&bob);
    cluster.agrees();
}

#[test]
fn a_grant_that_ended_in_an_isolation_is_never_told() {
    for ends in [false, true] {
        let mut cluster = Cluster::new(2);
        let (ada, mut bob) = holder_and_waiter(&mut cluster);
        let before = only(&ada);
        ada.releases(&mut cluster);
        cluster.run();
        // He has the offer, and his claim is on its way.
        bob.reads(&mut cluster);
        isolate(&mut cluster, 1, true);
        cluster.run();
        let granted = held(&cluster);
        assert!(granted.iter().all(|fence| *fence > before.position));
        if ends {
            cluster.input(0, |room, now| {
                let host = room.state().hosts().into_iter().max().expect("a host");
                let served = Duration::from_secs(60);
                room.follow_cluster(ClusterEvent::HostLost { host, served }, now);
            });
            cluster.run();
        }
        bob.reads(&mut cluster);
        assert!(bob.held.is_empty());
        isolate(&mut cluster, 1, false);
        cluster.run();
        bob.reads(&mut cluster);
        assert_eq!(bob.held.is_empty(), ends);
        cluster.agrees();
    }
}

/// The welcome of a session that goes on names its grants. It waits, and what came meanwhile is in
/// it or behind it.
#[test]
fn a_welcome_that_is_due_in_an_isolation_comes_after_it() {
    let mut cluster = Cluster::new(2);
    let (mut ada, mut bob) = holder_and_waiter(&mut cluster);
    let fence = only(&ada);
    isolate(&mut cluster, 1, true);
    ada.drops(&mut cluster, Departure::Dropped);
    ada.connect(&mut cluster, 1);
    cluster.run();
    ada.acquires(&mut cluster, "b");
    cluster.run();
    // Another client comes meanwhile.
    let mut eve = Client::new(3);
    eve.connect(&mut cluster, 0);
    run(&mut cluster, &mut [&mut eve, &mut bob]);
    ada.told.clear();
    ada.reads(&mut cluster);
    assert!(!ada.is_welcome() && ada.told.is_empty(), "{:?}", ada.told);
    isolate(&mut cluster, 1, false);
    run(&mut cluster, &mut [&mut ada, &mut bob, &mut eve]);
    assert!(ada.is_welcome() && ada.resumed);
    assert!(ada.held.contains(&fence), "{:?}", ada.held);
    let Some(ServerMessage::Welcome { roster, .. }) = ada.told.first() else {
        panic!("no welcome comes first: {:?}", ada.told);
    };
    assert!(roster.iter().any(|peer| peer.session == eve.session));
    let answered = |message: &ServerMessage| matches!(message, ServerMessage::Result { .. });
    assert!(ada.told.iter().any(answered), "{:?}", ada.told);
    cluster.agrees();
}

/// The payloads of awareness that a connection was sent.
fn awareness(cluster: &mut Cluster, host: usize, to: ConnectionId) -> Vec<bytes::Bytes> {
    let inbox = cluster.hosts[host].sent.get_mut(&to).unwrap();
    let all = std::mem::take(inbox).into_iter();
    all.filter_map(|message| match message {
        Outgoing::Awareness(payload) => Some(payload),
        _ => None,
    })
    .collect()
}

#[test]
fn awareness_of_another_host_is_shown_and_goes_with_that_host() {
    let mut cluster = Cluster::new(2);
    let (here, there) = (cluster.connect(0), cluster.connect(1));
    // Client 5 is here, at clock 1.
    let state = b"\x01\x05\x01\x02{}";
    cluster.receive(0, here, Incoming::Awareness(state));
    let relays = std::mem::take(&mut cluster.hosts[0].relays);
    assert_eq!(relays.len(), 1);
    let from = cluster.hosts[0].id;
    let own = cluster.hosts[0].room.own_awareness();
    assert_eq!(own.as_deref(), Some(&state[..]));
    for relay in &relays {
        cluster.input(1, |room, now| room.relayed(from, relay, now));
    }
    assert_eq!(awareness(&mut cluster, 1, there), [&state[..]]);
    assert_eq!(cluster.hosts[1].room.own_awareness(), None);
    // What was relayed is not relayed again.
    assert!(cluster.hosts[1].relays.is_empty());
    cluster.run();
    cluster.kill(0);
    cluster.look_for_dead(0);
    cluster.run();
    assert_eq!(
        awareness(&mut cluster, 0, there),
        [&b"\x01\x05\x01\x04null"[..]]
    );
}

/// Gives what a host relays to all others. Returns the number of payloads.
fn relay(cluster: &mut Cluster, host: usize) -> usize {
    let from = cluster.hosts[host].id;
    let relays = std::mem::take(&mut cluster.hosts[host].relays);
    for other in (0..cluster.hosts.len()).filter(|other| *other != host) {
        for payload in &relays {
            cluster.input(other, |room, now| room.relayed(from, payload, now));
        }
    }
    relays.len()
}

#[test]
fn awareness_of_a_client_that_moved_is_that_of_its_new_host() {
    let mut cluster = Cluster::new(3);
    let (old, watcher) = (cluster.connect(0), cluster.connect(2));
    cluster.receive(0, old, Incoming::Awareness(b"\x01\x05\x01\x02{}"));
    assert_eq!(relay(&mut cluster, 0), 1);
    // Its old host does not know yet that the connection is dead.
    let new = cluster.connect(1);
    cluster.receive(1, new, Incoming::Awareness(b"\x01\x05\x01\x02{}"));
    let newer = b"\x01\x05\x02\x02[]";
    cluster.receive(1, new, Incoming::Awareness(newer));
    assert!(relay(&mut cluster, 1) > 0);
    cluster.input(0, |room, now| {
        room.disconnect(old, Departure::Dropped, now);
    });
    relay(&mut cluster, 0);
    let shown = awareness(&mut cluster, 2, watcher);
    assert_eq!(shown.last().map(|payload| &payload[..]), Some(&newer[..]));
    let known = cluster.hosts[2].room.catch_up(&MissedUpdates::default());
    assert_eq!(known.awareness.as_deref(), Some(&newer[..]));
}

#[test]
fn a_host_may_relay_more_clients_than_one_connection_may_state() {
    let mut cluster = Cluster::new(2);
    let count = 300_u64;
    for client in 0..count {
        let at = cluster.connect(0);
        let mut payload = vec![1];
        write_var_uint(&mut payload, client + 1);
        payload.extend(b"\x01\x02{}");
        cluster.receive(0, at, Incoming::Awareness(&payload));
    }
    relay(&mut cluster, 0);
    let all = cluster.hosts[0].room.own_awareness();
    let known = cluster.hosts[1].room.catch_up(&MissedUpdates::default());
    assert_eq!(known.awareness, all);
}

#[test]
fn of_two_resumes_with_one_token_the_first_in_the_log_wins() {
    let mut cluster = Cluster::new(3);
    let mut ada = holder(&mut cluster);
    let fence = only(&ada);
    ada.drops(&mut cluster, Departure::Dropped);
    cluster.run();
    let mut twin = ada.twin();
    ada.connect(&mut cluster, 1);
    twin.connect(&mut cluster, 2);
    cluster.sequence(2);
    run(&mut cluster, &mut [&mut ada]);
    twin.reads(&mut cluster);
    assert!(twin.resumed && twin.is_welcome());
    assert!(ada.at.is_none() && !ada.is_welcome());
    assert_eq!(held(&cluster), [fence.position]);
    cluster.agrees();
}

#[test]
fn a_session_whose_welcome_was_lost_goes_on_over_another_host() {
    let mut cluster = Cluster::new(2);
    let mut ada = holder(&mut cluster);
    let fence = only(&ada);
    ada.drops(&mut cluster, Departure::Dropped);
    let mut deaf = ada.twin();
    deaf.connect(&mut cluster, 0);
    cluster.run();
    // Her welcome is on the way, and her host dies.
    cluster.kill(0);
    cluster.look_for_dead(0);
    ada.connect(&mut cluster, 0);
    run(&mut cluster, &mut [&mut ada]);
    assert!(ada.resumed && ada.is_welcome());
    assert_eq!((only(&ada), held(&cluster)), (fence, vec![fence.position]));
    cluster.agrees();
}

#[test]
fn operations_wait_for_one_another_and_keep_their_order() {
    let mut cluster = Cluster::new(2);
    let mut ada = holder(&mut cluster);
    // An edit under the lock, the release, and an edit that comes behind it.
    ada.types(&mut cluster, "a", "one ");
    ada.releases(&mut cluster);
    ada.acquires(&mut cluster, "b");
    ada.types(&mut cluster, "a", "two ");
    // Only what need not wait is on the way.
    assert_eq!(cluster.hosts[0].outbox.len(), 2);
    run(&mut cluster, &mut [&mut ada]);
    let state = cluster.hosts[0].room.state();
    assert_eq!(state.parks().count(), 0);
    assert_eq!(state.document().state().clocks().count(), 1);
    assert_eq!(held(&cluster).len(), 1);
    let results = ada.told.iter().filter_map(|message| match message {
        ServerMessage::Result { nonce, .. } => Some(*nonce),
        _ => None,
    });
    assert_eq!(results.collect::<Vec<_>>(), [7, 8, 7]);
    cluster.agrees();
}

#[test]
fn sessions_on_another_host_are_shown_as_their_presence_says() {
    let mut cluster = Cluster::new(2);
    let (mut ada, mut bob) = (Client::new(1), Client::new(2));
    ada.connect(&mut cluster, 0);
    bob.connect(&mut cluster, 1);
    run(&mut cluster, &mut [&mut ada, &mut bob]);
    let mut late = Client::new(3);
    late.connect(&mut cluster, 1);
    run(&mut cluster, &mut [&mut ada, &mut bob, &mut late]);
    let status = |late: &Client, of: u64| {
        let shown = late.told.iter().rev().find_map(|message| match message {
            ServerMessage::Welcome { roster, .. } => {
                roster.iter().find(|peer| peer.session == of).cloned()
            }
            ServerMessage::Peer { peer } => (peer.session == of).then(|| peer.clone()),
            _ => None,
        });
        shown.map(|peer| peer.state)
    };
    assert_eq!(status(&late, ada.session), Some(PeerStatus::Online));
    cluster.kill(0);
    cluster.look_for_dead(0);
    run(&mut cluster, &mut [&mut bob, &mut late]);
    assert_eq!(status(&late, ada.session), Some(PeerStatus::Offline));
}

/// The note was known to the host of who asked only: a holder at another one was asked without it.
#[test]
fn a_holder_at_another_host_reads_the_note_of_a_request() {
    let mut cluster = Cluster::new(2);
    let mut ada = holder(&mut cluster);
    let mut bob = Client::new(2);
    bob.connect(&mut cluster, 1);
    run(&mut cluster, &mut [&mut ada, &mut bob]);
    let (nonce, paths) = (9, vec![vec!["a".to_owned()]]);
    let note = "Two minutes, please".to_owned();
    bob.say(&mut cluster, &ClientMessage::Request { nonce, paths, note });
    run(&mut cluster, &mut [&mut ada, &mut bob]);
    let read = ada.told.iter().find_map(|message| match message {
        ServerMessage::Requested { note, .. } => Some(note.as_str()),
        _ => None,
    });
    assert_eq!(read, Some("Two minutes, please"));
}

#[test]
fn each_deadline_is_that_of_the_host_to_which_the_session_is_connected() {
    let mut cluster = Cluster::new(3);
    let mut ada = holder(&mut cluster);
    let mut bob = Client::new(2);
    bob.connect(&mut cluster, 1);
    run(&mut cluster, &mut [&mut ada, &mut bob]);
    let (paths, note) = (vec![vec!["a".to_owned()]], String::new());
    let nonce = 9;
    bob.say(&mut cluster, &ClientMessage::Request { nonce, paths, note });
    run(&mut cluster, &mut [&mut ada, &mut bob]);
    for _ in 0..40 {
        cluster.pass(Duration::from_secs(1));
        ada.reads(&mut cluster);
        bob.reads(&mut cluster);
    }
    let proposes = |host: &Host| {
        let records = host.outbox.iter();
        let records = records.map(|(_, bytes)| Record::decode(bytes).unwrap());
        let over = |record: &Record| {
            matches!(
                record.content(),
                Record::Presence(Event::RequestOver { .. })
            )
        };
        records.filter(over).count()
    };
    let proposed: Vec<_> = cluster.hosts.iter().map(proposes).collect();
    assert_eq!(proposed, [1, 0, 0]);
}

#[test]
fn an_update_that_is_placed_while_an_older_one_comes_again_is_called_saved_behind_it() {
    let mut cluster = Cluster::new(2);
    let mut ada = Client::new(1);
    ada.connect(&mut cluster, 0);
    run(&mut cluster, &mut [&mut ada]);
    let other = cluster.connect(1);
    let before = ada.saved.len();
    let (mut seven, mut eight) = (TextAuthor::new(7, "t"), TextAuthor::new(8, "t"));
    // It builds on an edit that no one has sent yet.
    let first = eight.append("first");
    ada.sends(&mut cluster, eight.append("second"));
    cluster.run();
    let first = Incoming::Sync(SyncKind::Update, first);
    cluster.receive(1, other, first);
    cluster.sequence(1);
    cluster.sequence(1);
    ada.sends(&mut cluster, seven.append("one"));
    ada.sends(&mut cluster, seven.append("two"));
    run(&mut cluster, &mut [&mut ada]);
    assert!(ada.saved.len() >= before + 3 && ada.all_is_saved());
    cluster.agrees();
}

/// It was kept aside, and nothing woke it before the next message of its client.
#[test]
fn an_edit_that_lacks_others_at_its_position_comes_when_another_host_brings_them() {
    let mut cluster = Cluster::new(2);
    let mut ada = Client::new(1);
    ada.connect(&mut cluster, 0);
    run(&mut cluster, &mut [&mut ada]);
    let other = cluster.connect(1);
    let mut author = TextAuthor::new(7, "t");
    let [first, lacking, last] = ["ab", "cd", "ef"].map(|word| author.append(word));
    ada.sends(&mut cluster, first);
    ada.sends(&mut cluster, last);
    cluster.run();
    let clocks = |cluster: &Cluster| {
        let clock = |host: &Host| {
            let vector = host.room.state().document().state();
            vector.clocks().map(|(_, clock)| clock).sum()
        };
        cluster.hosts.iter().map(clock).collect::<Vec<u32>>()
    };
    assert_eq!(clocks(&cluster), [2, 2]);
    let lacking = Incoming::Sync(SyncKind::Update, lacking);
    cluster.receive(1, other, lacking);
    for _ in 0..3 {
        cluster.run();
    }
    assert_eq!(clocks(&cluster), [6, 6]);
}

/// The edit was on its way when the document was erased, and is placed behind that.
#[test]
fn an_edit_behind_an_erasure_changes_nothing_and_its_client_is_told() {
    let mut cluster = Cluster::new(2);
    let mut ada = holder(&mut cluster);
    let fence = only(&ada);
    let mut bob = Client::new(2);
    bob.connect(&mut cluster, 1);
    run(&mut cluster, &mut [&mut ada, &mut bob]);
    ada.types(&mut cluster, "b", "before");
    run(&mut cluster, &mut [&mut ada, &mut bob]);
    cluster.erase(1, 7);
    assert!(cluster.sequence(1));
    ada.types(&mut cluster, "b", " and after");
    let (of_ada, of_bob) = (ada.at.unwrap().1, bob.at.unwrap().1);
    cluster.run();
    for (host, connection) in [(0, of_ada), (1, of_bob)] {
        let closed = cluster.hosts[host].closed.get(&connection);
        assert_eq!(closed, Some(&Ending::Erased));
        let state = cluster.hosts[host].room.state();
        assert!(state.erasure().unwrap().trouble.is_none());
        assert_eq!((state.epoch(), state.parks().count()), (7, 0));
        let known = state.document().state();
        assert!(
            known
                .clocks()
                .all(|(id, clock)| known.deletes().contains(id, 0, clock))
        );
    }
    let mut carol = Client::new(3);
    carol.connect(&mut cluster, 0);
    run(&mut cluster, &mut [&mut carol]);
    carol.acquires(&mut cluster, "a");
    run(&mut cluster, &mut [&mut carol]);
    let again = only(&carol);
    assert!(again.epoch > fence.epoch && again.position > fence.position);
    cluster.agrees();
}

/// A session that began behind the erasure has no connection: nobody would have ended it.
#[test]
fn a_session_that_began_at_a_room_which_is_gone_is_without_a_connection() {
    let mut cluster = Cluster::new(2);
    let mut ada = Client::new(1);
    cluster.erase(1, 7);
    ada.connect(&mut cluster, 0);
    assert!(cluster.sequence(1));
    cluster.run();
    assert_eq!(
        ada.at.map(|(_, at)| cluster.hosts[0].closed[&at]),
        Some(Ending::Erased)
    );
    for host in &cluster.hosts {
        let locks = host.room.state().locks();
        assert!(locks.peers().all(|peer| peer.presence == Presence::Away));
    }
    cluster.agrees();
}

/// Both hosts set the mode of a new document by a record of their own, and the later one replaced
/// what a user had chosen in between.
#[test]
fn a_mode_that_a_user_set_stays_though_another_host_opened_the_document_too() {
    for (chosen, mode) in [
        (None, Mode::Required),
        (Some(LockMode::Open), Mode::Open),
        (Some(LockMode::ExclusiveWhenHeld), Mode::ExclusiveWhenHeld),
    ] {
        let mut cluster = Cluster::with_mode(2, Mode::Required);
        let mut ada = Client::new(1);
        ada.connect(&mut cluster, 0);
        for _ in 0..3 {
            while cluster.sequence(0) {}
            while cluster.deliver(0) {}
            ada.reads(&mut cluster);
        }
        assert!(ada.is_welcome());
        if let Some(mode) = chosen {
            ada.say(&mut cluster, &ClientMessage::SetMode { nonce: 1, mode });
            while cluster.sequence(0) {}
            while cluster.deliver(0) {}
        }
        // A third host begins from a snapshot, and the record of the second is still on its way.
        cluster.boot_from(Some(0));
        assert!(cluster.sequence(1));
        run(&mut cluster, &mut [&mut ada]);
        for host in &cluster.hosts {
            assert_eq!(host.room.state().locks().mode(), mode, "{chosen:?}");
        }
        cluster.agrees();
    }
}
