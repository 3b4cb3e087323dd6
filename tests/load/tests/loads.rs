//! Each load against the forwarder and against Baton, short: that the generator sees what there is to be seen.

use std::time::Duration;

use baton_load::forwarder::{self, Writes};
use baton_load::{
    Churn, Climb, Cold, Crowd, Dialect, Grows, Idle, Pace, Paper, Saves, Stalled, Storm, Target,
};
use baton_tests::TestServer;

async fn forwarder() -> Target {
    forwarder_with(Writes::Each).await
}

async fn forwarder_with(writes: Writes) -> Target {
    let address = forwarder::start("127.0.0.1:0", writes)
        .await
        .expect("a port is free");
    Target {
        pid: Some(std::process::id()),
        ..Target::new(address, Dialect::Forward)
    }
}

async fn baton() -> (TestServer, Target) {
    let server = TestServer::with(|settings| settings.max_messages_per_second = 1_000_000).await;
    let target = Target {
        pid: Some(std::process::id()),
        ..Target::new(server.address(), Dialect::YWebsocket)
    };
    (server, target)
}

/// The same server on the Hocuspocus wire.
fn on_hocuspocus(server: &TestServer) -> Target {
    Target {
        base: "/hocuspocus".to_owned(),
        pid: Some(std::process::id()),
        ..Target::new(server.address(), Dialect::Hocuspocus)
    }
}

fn small() -> Crowd {
    Crowd {
        rooms: 2,
        clients: 4,
        writers: 2,
        rate: 50.0,
        time: Duration::from_millis(300),
        ..Crowd::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_is_dealt_to_all_servers_of_its_documents() {
    let (server, baton) = baton().await;
    // One that nobody listens at: to be dealt to it is an error.
    let nobody = Target::new(([127, 0, 0, 1], 9).into(), Dialect::YWebsocket);
    let load = small();
    let seen = load
        .run_over(&[baton.clone(), again(&server)])
        .await
        .unwrap();
    assert_eq!((seen.delivered, seen.due), (load.due(), load.due()));
    assert!(
        load.run_over(&[baton.clone(), baton, nobody])
            .await
            .is_err()
    );
    assert!(load.run_over(&[]).await.is_err());
}

/// The rate was over no time at all if nobody got everything, and so in the billions.
#[tokio::test(flavor = "multi_thread")]
async fn deliveries_a_second_are_counted_also_if_nobody_gets_everything() {
    let ((_one, one), (_other, other)) = (baton().await, baton().await);
    let load = Crowd {
        patience: Duration::from_millis(500),
        ..small()
    };
    // The people of a document are at servers that do not know each other.
    let seen = load.run_over(&[one, other]).await.unwrap();
    assert!(seen.delivered > 0 && seen.delivered < seen.due, "{seen:?}");
    assert!(seen.per_second < 100_000.0, "{seen:?}");
}

/// The same server again.
fn again(server: &TestServer) -> Target {
    Target::new(server.address(), Dialect::YWebsocket)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_edit_is_called_saved_on_the_wires_that_say_so() {
    let (server, baton) = baton().await;
    let channel = Target {
        dialect: Dialect::Baton,
        ..baton.clone()
    };
    for target in [channel, on_hocuspocus(&server)] {
        for pace in [Pace::Rate(50.0), Pace::InFlight(8)] {
            let load = Saves {
                documents: 3,
                pace,
                time: Duration::from_millis(300),
                name: format!("{:?}-{pace:?}", target.dialect),
                ..Saves::default()
            };
            let seen = load.run(std::slice::from_ref(&target)).await.unwrap();
            assert!(seen.sent >= 45, "{seen:?}");
            assert_eq!((seen.saved, seen.refused), (seen.sent, 0), "{seen:?}");
            assert!(
                seen.spread.p50 > 0.0 && seen.longest_pause > 0.0,
                "{seen:?}"
            );
        }
    }
    // A wire that does not say it: nothing counts as saved.
    let load = Saves {
        documents: 1,
        time: Duration::from_millis(300),
        patience: Duration::from_millis(200),
        ..Saves::default()
    };
    let seen = load.run(&[baton]).await.unwrap();
    assert!(seen.sent > 0 && seen.saved == 0, "{seen:?}");
    assert!(seen.longest_pause > 100.0, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_edit_of_a_crowd_arrives_at_the_others() {
    let (server, baton) = baton().await;
    for target in [forwarder().await, baton, on_hocuspocus(&server)] {
        let load = Crowd {
            name: format!("{:?}", target.dialect),
            ..small()
        };
        let seen = load.run(&target).await.unwrap();
        assert_eq!(
            seen.due,
            2 * 2 * 15 * 3,
            "rooms, writers, edits, other people"
        );
        assert_eq!((seen.delivered, seen.closed), (seen.due, 0));
        assert!(seen.spread.p99 >= seen.spread.p50 && seen.spread.p50 > 0.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_climb_ends_below_the_step_that_failed() {
    let target = forwarder().await;
    let climb = |most_p99| Climb {
        crowd: small(),
        grows: Grows::Rooms,
        start: 2.0,
        factor: 2.0,
        refine: 1,
        most_p99,
        most_time: Duration::from_secs(3),
    };
    let height = climb(Duration::from_secs(60)).run(&target).await.unwrap();
    let best = height.best.expect("nothing is later than a minute");
    assert!(best.held && best.at > 2.0);
    let height = climb(Duration::ZERO).run(&target).await.unwrap();
    assert!(height.best.is_none(), "nothing is there at once");
    assert_eq!(
        height.steps.last().unwrap().at,
        1.0,
        "there is nothing lower"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_answer_pings_and_stay() {
    let server = TestServer::with(TestServer::brisk).await;
    let target = Target {
        pid: Some(std::process::id()),
        ..Target::new(server.address(), Dialect::YWebsocket)
    };
    let idle = Idle {
        connections: 20,
        documents: 4,
        documents_each: 1,
        // At a fifth of the product's times: twice the silence after which somebody is offline.
        heartbeats: Some(Duration::from_secs(4)),
        renew: Some(Duration::from_secs(1)),
        name: "idle".to_owned(),
    };
    let several = Idle {
        documents: 60,
        documents_each: 3,
        name: "several".to_owned(),
        ..idle.clone()
    };
    assert!(several.run(&target).await.is_err(), "one a connection here");
    for (idle, target) in [(idle, target), (several, on_hocuspocus(&server))] {
        let cost = idle.run(&target).await.unwrap();
        assert!(cost.pings >= 20, "{cost:?}");
        assert_eq!(cost.closed, 0);
        assert!(cost.processor_share.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn joiners_get_the_whole_of_a_long_document() {
    let (server, target) = baton().await;
    let paper = Paper::write(3_000);
    let cold = Cold {
        joiners: 5,
        rounds: 2,
        after: None,
        name: "cold".to_owned(),
    };
    cold.prepare(&target, &paper).await.unwrap();
    let other_wire = cold.run(&on_hocuspocus(&server), &paper).await.unwrap();
    assert_eq!(other_wire.incomplete, 0);
    let joined = cold.run(&target, &paper).await.unwrap();
    assert_eq!(joined.incomplete, 0);
    assert!(joined.bytes > 1_500 && joined.messages >= 1);
    assert!(joined.first.p50 <= joined.spread.p50, "{joined:?}");

    // A document that lacks the last update is not the whole.
    let longer = Paper::write(3_100);
    let joined = cold.run(&target, &longer).await.unwrap();
    assert_eq!(joined.incomplete, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_weathers_a_storm() {
    let (server, baton) = baton().await;
    let storm = Storm {
        clients: 60,
        documents: 6,
        name: "storm".to_owned(),
    };
    for target in [forwarder().await, baton, on_hocuspocus(&server)] {
        let seen = storm.run(&target).await.unwrap();
        assert_eq!((seen.synced, seen.refused), (60, 0));
    }
    let few = TestServer::with(|settings| settings.max_connections = 10).await;
    let target = Target::new(few.address(), Dialect::YWebsocket);
    let seen = storm.run(&target).await.unwrap();
    assert!(
        seen.refused >= 50,
        "who is turned away is counted: {seen:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_churn_leaves_its_documents_with_their_edit() {
    let (server, target) = baton().await;
    let churn = Churn {
        in_flight: 8,
        time: Duration::from_millis(300),
        settle: Duration::from_millis(200),
        name: "churn".to_owned(),
    };
    let seen = churn.run(&target).await.unwrap();
    assert!(seen.documents > 0 && seen.failed == 0, "{seen:?}");
    assert!(seen.kb_per_document.is_some());
    let (_client, synced) = target.join("churn-0").await.unwrap();
    let mut characters = 0;
    for update in &synced.updates {
        baton_load::edits::stretches(update, |_, clocks| characters += clocks.end - clocks.start);
    }
    assert_eq!(characters, 10);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stopped_reading_has_everything_in_the_end() {
    let (_server, baton) = baton().await;
    let stalled = Stalled {
        crowd: Crowd {
            rooms: 1,
            clients: 3,
            writers: 1,
            rate: 100.0,
            length: 16 * 1024,
            time: Duration::from_millis(500),
            ..Crowd::default()
        },
        stalled: 2,
        drain: Duration::from_secs(20),
    };
    for target in [forwarder().await, baton] {
        let seen = stalled.run(&target).await.unwrap();
        assert_eq!(seen.caught_up + seen.came_again, 2, "{seen:?}");
        assert_eq!(seen.incomplete, 0);
        assert_eq!(seen.with.seen.delivered, seen.with.seen.due);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stopped_reading_and_was_closed_comes_again() {
    let server = TestServer::with(|settings| settings.max_outbox = "256KiB".parse().unwrap()).await;
    let target = Target::new(server.address(), Dialect::YWebsocket);
    let stalled = Stalled {
        crowd: Crowd {
            rooms: 1,
            clients: 3,
            writers: 1,
            rate: 200.0,
            length: 64 * 1024,
            time: Duration::from_secs(1),
            ..Crowd::default()
        },
        stalled: 1,
        drain: Duration::from_secs(20),
    };
    let seen = stalled.run(&target).await.unwrap();
    assert_eq!(seen.caught_up + seen.came_again, 1, "{seen:?}");
    assert_eq!(seen.incomplete, 0);
}
