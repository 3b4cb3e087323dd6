//! Stories of awareness: clocks, renewals, and states that end.

use baton_sync::awareness::{self, CLOCK_END};
use baton_sync::{ClientId, y_websocket};
use serde_json::{Map, Value, json};

use super::script::{SECOND, Script, Sent, free};
use crate::core::connection::ConnectionPhase;
use crate::error::AwarenessStateError;
use crate::events::{AwarenessChange, ClientEvent};

const OWN: u64 = 1;
const BEN: u64 = 7;

fn state(value: &Value) -> Option<Map<String, Value>> {
    value.as_object().cloned()
}

/// Sends awareness as the server does: client, clock, JSON.
fn hears(script: &mut Script, entries: &[(u64, u64, Option<&str>)]) {
    let entries: Vec<_> = entries
        .iter()
        .map(|(client, clock, state)| (ClientId::new(*client).unwrap(), *clock, *state))
        .collect();
    script.frame(&y_websocket::awareness(&awareness::encode(&entries)));
}

/// Returns the own statements that were sent since the last time: clock, and JSON if there is any.
fn stated(script: &mut Script) -> Vec<(u64, Option<String>)> {
    let mut stated = Vec::new();
    for sent in script.sent() {
        if let Sent::Awareness(payload) = sent {
            for statement in awareness::decode(&payload).unwrap() {
                assert_eq!(statement.client.get(), OWN);
                stated.push((statement.clock, statement.state.map(str::to_owned)));
            }
        }
    }
    stated
}

fn changes(script: &mut Script) -> Vec<AwarenessChange> {
    let events = script.takes_events();
    let change = |event| match event {
        ClientEvent::Awareness(change) => Some(change),
        _ => None,
    };
    events.into_iter().filter_map(change).collect()
}

fn sets(script: &mut Script, value: &Value) {
    script
        .act(|core, now| core.set_awareness(now, state(value)))
        .unwrap();
}

fn joined() -> Script {
    let mut script = Script::new();
    script.joins(false, free(1));
    script.takes_events();
    script
}

fn of_ben(script: &Script) -> Option<Value> {
    let ben = ClientId::new(BEN).unwrap();
    script.core.awareness_of(ben).cloned()
}

#[test]
fn the_own_state_is_said_at_once_every_fifteen_seconds_and_over_each_connection() {
    let mut script = joined();
    sets(&mut script, &json!({"n": 1}));
    sets(&mut script, &json!({"n": 2}));
    // Only the newest is sent.
    assert_eq!(stated(&mut script), [(2, Some(r#"{"n":2}"#.to_owned()))]);
    for _ in 0..14 {
        script.pass(SECOND);
        script.act(|core, now| core.heard(now));
    }
    assert_eq!(stated(&mut script), []);
    script.pass(SECOND);
    assert_eq!(stated(&mut script), [(3, Some(r#"{"n":2}"#.to_owned()))]);
    script.loses_connection(None);
    assert!(
        matches!(
            &script.opens()[..],
            [Sent::Says(_), Sent::Step1(_), Sent::Awareness(_)]
        ),
        "after hello and Step1"
    );
    // Gone, for all.
    script
        .act(|core, now| core.set_awareness(now, None))
        .unwrap();
    assert_eq!(stated(&mut script), [(5, None)]);
    script.act(|core, now| core.heard(now));
    script.pass(9 * SECOND);
    assert_eq!(stated(&mut script), []);
}

#[test]
fn a_state_waits_for_its_connection_and_comes_behind_the_edits() {
    let mut script = Script::new();
    sets(&mut script, &json!({}));
    script.joins(false, free(1));
    script.writes("text");
    sets(&mut script, &json!({"at": 4}));
    let sent = script.sent();
    assert!(matches!(sent[..], [Sent::Update(_), Sent::Awareness(_)]));
}

#[test]
fn a_removal_of_the_own_state_is_answered_with_it() {
    let mut script = joined();
    sets(&mut script, &json!({}));
    assert_eq!(stated(&mut script).len(), 1);
    hears(&mut script, &[(OWN, 1, None)]);
    assert_eq!(stated(&mut script), [(2, Some("{}".to_owned()))]);
    // An old removal, and the echo of the own statement, are nothing new.
    hears(&mut script, &[(OWN, 1, None), (OWN, 2, Some("{}"))]);
    assert_eq!(stated(&mut script), []);
    // The server knows a newer clock: it is passed.
    hears(&mut script, &[(OWN, 40, Some("{}"))]);
    assert_eq!(stated(&mut script), [(41, Some("{}".to_owned()))]);
    // No clock can be driven to its end.
    hears(&mut script, &[(OWN, CLOCK_END - 1, None)]);
    assert_eq!(stated(&mut script), []);
    assert_eq!(script.core.phase(), ConnectionPhase::Open);
    // Without a state there is nothing to defend.
    let mut silent = joined();
    hears(&mut silent, &[(OWN, 3, None)]);
    assert_eq!(stated(&mut silent), []);
}

#[test]
fn others_come_change_and_go_by_their_clocks() {
    let ben = vec![ClientId::new(BEN).unwrap()];
    let mut script = joined();
    hears(&mut script, &[(BEN, 3, Some(r#"{"n":1}"#))]);
    assert_eq!(changes(&mut script)[0].added, ben);
    // Known, or older.
    hears(&mut script, &[(BEN, 3, Some(r#"{"n":9}"#))]);
    hears(&mut script, &[(BEN, 2, None)]);
    assert_eq!(changes(&mut script), []);
    assert_eq!(of_ben(&script), Some(json!({"n": 1})));
    // Renewed without a change.
    hears(&mut script, &[(BEN, 4, Some(r#"{"n":1}"#))]);
    assert_eq!(changes(&mut script), []);
    hears(&mut script, &[(BEN, 5, Some(r#"{"n":2}"#))]);
    assert_eq!(changes(&mut script)[0].updated, ben);
    // A removal counts at the known clock.
    hears(&mut script, &[(BEN, 5, None)]);
    assert_eq!(changes(&mut script)[0].removed, ben);
    assert_eq!(of_ben(&script), None);
}

#[test]
fn others_go_after_thirty_seconds_of_silence_and_with_the_connection() {
    let ben = ClientId::new(BEN).unwrap();
    let mut script = joined();
    let pass = |script: &mut Script, seconds: u32| {
        for _ in 0..seconds {
            script.pass(SECOND);
            script.act(|core, now| core.heard(now));
        }
    };
    hears(&mut script, &[(BEN, 1, Some("{}")), (8, 1, Some("{}"))]);
    pass(&mut script, 20);
    hears(&mut script, &[(BEN, 2, Some("{}"))]);
    script.takes_events();
    pass(&mut script, 11);
    let gone: Vec<_> = changes(&mut script).remove(0).removed;
    assert_eq!(gone, [ClientId::new(8).unwrap()]);
    pass(&mut script, 18);
    assert_eq!(changes(&mut script), []);
    pass(&mut script, 1);
    assert_eq!(changes(&mut script)[0].removed, [ben]);
    hears(&mut script, &[(BEN, 3, Some("{}"))]);
    script.takes_events();
    script.loses_connection(None);
    assert_eq!(changes(&mut script)[0].removed, [ben]);
    // The next connection shows it again, at a clock that was seen.
    script.joins(true, free(1));
    hears(&mut script, &[(BEN, 3, Some("{}"))]);
    assert_eq!(changes(&mut script)[0].added, [ben]);
}

#[test]
fn what_cannot_be_read_ends_the_connection_and_a_state_that_is_no_json_does_not() {
    let mut script = joined();
    hears(&mut script, &[(BEN, 1, Some("{oops"))]);
    assert_eq!((changes(&mut script), of_ben(&script)), (vec![], None));
    assert_eq!(script.core.phase(), ConnectionPhase::Open);
    script.frame(&y_websocket::awareness(&[5, 1]));
    assert_eq!(script.core.phase(), ConnectionPhase::Waiting);
}

#[test]
fn a_state_that_no_server_shows_is_refused() {
    let mut script = joined();
    let large = state(&json!({"x": "x".repeat(256 * 1024)}));
    let refused = script.act(|core, now| core.set_awareness(now, large));
    assert!(matches!(refused, Err(AwarenessStateError::TooLarge(_))));
    assert_eq!(stated(&mut script), []);
    assert!(script.core.own_awareness().is_none());
}
