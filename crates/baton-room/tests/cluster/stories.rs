//! Stories of one fault each.

use std::time::Duration;

use baton_room::{ConnectionId, Departure, Incoming, Outgoing, SyncKind};
use baton_sync::control_channel::{ErrorCode, FencingToken, ServerMessage};
use baton_testkit::TextAuthor;

use crate::client::Client;
use crate::cluster::Cluster;

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
    cluster.input(0, |room, now| room.set_isolated(true, now));
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
    assert!(ada.told.iter().any(unsaved));
    for _ in 0..5 {
        cluster.pass(Duration::from_secs(1));
        ada.reads(&mut cluster);
    }
    assert_eq!(confirmed(&mut ada), Some(0));
    cluster.input(0, |room, now| room.set_isolated(false, now));
    for _ in 0..5 {
        cluster.pass(Duration::from_secs(1));
        run(&mut cluster, &mut [&mut ada]);
    }
    assert!(confirmed(&mut ada) > Some(0));
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
