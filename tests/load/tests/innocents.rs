//! The attacks of `innocents` at a hundredth of their size: each is delivered, and the people are watched all the while.
//!
//! No bar is set here: in debug, on a busy machine, times mean nothing.

use std::time::Duration;

use baton_load::innocents::{Attack, Innocents, Row};
use baton_tests::program;
use clap::ValueEnum;

const SCALE: f64 = 0.01;

fn load() -> Innocents {
    Innocents {
        attackers: env!("CARGO_BIN_EXE_innocents").into(),
        idle: Duration::from_millis(300),
        time: Duration::from_millis(700),
        after: Duration::from_millis(200),
        patience: Duration::from_secs(60),
        scale: SCALE,
    }
}

async fn row(attack: Attack) -> Row {
    let server = program();
    let server = server.to_str().expect("a path of UTF-8");
    let row = load().run("debug", server, attack).await;
    let row = row.unwrap_or_else(|error| panic!("{attack:?}: {error}"));
    for (phase, least) in [(&row.idle, 5), (&row.attacked, 10)] {
        assert!(phase.echoes >= least, "{attack:?}: {phase:?}");
        assert!(phase.echo.max > 0.0 && phase.healthz.max > 0.0, "{phase:?}");
    }
    assert!(row.peak_mb > 1.0, "{row:?}");
    row
}

/// The attacked document as a newcomer finds it, or the attackers were closed for what they sent.
fn took_effect(row: &Row, clocks: u64) {
    let left = row.left.as_ref().map_or(0, |left| left.clocks);
    let refused = row.delivered.closed.keys().any(|code| *code != 1006);
    assert!(left >= clocks || refused, "{row:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_a_number_is_sent_to_the_last_one() {
    for (attack, connections, frames, least_bytes) in [
        (Attack::Parks, 2, 2 * (1 + 10), 500),
        (Attack::Text, 8, 16, 16 * 300_000),
        (Attack::Blocks, 1, 1, 600_000),
        (Attack::Front, 2, 2, 1_000),
        (Attack::Ranges, 1, 1, 15_000),
        (Attack::Hello, 80, 80, 80 * 20),
    ] {
        let row = row(attack).await;
        let sent = &row.delivered;
        assert_eq!(sent.connections, connections, "{row:?}");
        let refused = sent.closed.values().sum::<usize>();
        assert!(sent.frames + refused >= frames, "{row:?}");
        assert!(sent.bytes >= least_bytes || refused > 0, "{row:?}");
        match attack {
            Attack::Parks => assert_eq!(sent.answers, 2, "both were welcomed: {row:?}"),
            Attack::Text => took_effect(&row, 16 * 314_572),
            Attack::Blocks => took_effect(&row, 314_572),
            Attack::Front => took_effect(&row, 200),
            Attack::Ranges => took_effect(&row, 12_000),
            _ => assert!(sent.answers >= 40, "most were welcomed: {row:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_a_time_is_repeated() {
    for (attack, connections) in [
        (Attack::Step1, 20),
        (Attack::Busy, 20),
        (Attack::Tiny, 20),
        (Attack::Joiners, 4),
    ] {
        let row = row(attack).await;
        let sent = &row.delivered;
        assert_eq!(sent.connections, connections, "{row:?}");
        assert!(sent.frames >= connections && sent.bytes > 0, "{row:?}");
        match attack {
            Attack::Step1 => assert!(sent.answers >= 40, "asked again: {row:?}"),
            Attack::Busy => took_effect(&row, 200),
            Attack::Tiny => assert!(sent.frames > 4096, "a flood: {row:?}"),
            _ => assert!(sent.read >= 4 * 290_000, "all of it was read: {row:?}"),
        }
    }
}

#[test]
fn every_attack_is_in_one_of_the_tests() {
    assert_eq!(Attack::value_variants().len(), 6 + 4);
}
