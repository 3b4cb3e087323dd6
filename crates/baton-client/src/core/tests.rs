//! Stories of one client against a scripted server, on virtual time.

mod awareness;
mod compressed;
mod divergence;
mod document;
mod drafts;
mod handover;
mod lease;
mod lock;
mod regions;
mod rights;
mod script;
mod tokens;

use std::time::Duration;

use baton_sync::control_channel::{ClientMessage, FencingToken, Resume};

use script::{SECOND, Script, Sent, fence, free, view};

use super::connection::ConnectionPhase;
use super::operation::{Asked, Operation};
use crate::error::{ClientEnded, OperationError};
use crate::events::{ClientEvent, ConnectionStatus, EditPermission, ReconnectPolicy};
use crate::options::{ClientRole, ResumeTicket};
use crate::scope::LockScope;
use baton_sync::control_channel::{GrantStatus, ServerMessage};

fn closes(events: &[ClientEvent]) -> Vec<(Option<u16>, ReconnectPolicy)> {
    let of = |event: &ClientEvent| match event {
        ClientEvent::Closed { cause, reconnect } => Some((cause.code(), *reconnect)),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

fn hello(opening: &[Sent]) -> (Option<Resume>, Vec<FencingToken>) {
    match &opening[0] {
        Sent::Says(ClientMessage::Hello { resume, fences, .. }) => (resume.clone(), fences.clone()),
        other => panic!("opens with {other:?}"),
    }
}

#[test]
fn hello_comes_first_and_then_the_question_for_the_document() {
    let mut script = Script::with(|options| {
        options.role = ClientRole::Observer;
        options.epoch = Some(3);
        options.user.name = "Ann".to_owned();
    });
    let opening = script.opens();
    let [
        Sent::Says(ClientMessage::Hello {
            user,
            epoch,
            client,
            observer,
            resume,
            fences,
            ..
        }),
        Sent::Step1(_),
    ] = &opening[..]
    else {
        panic!("opens with {opening:?}");
    };
    assert_eq!((user.name.as_str(), *epoch), ("Ann", Some(3)));
    assert_eq!((*client, *observer), (Some(1), true));
    assert_eq!((resume, &fences[..]), (&None, &[][..]));
}

#[test]
fn a_session_goes_on_with_a_token_that_changes_each_time() {
    let mut script = Script::with(|options| {
        options.resume = Some(ResumeTicket {
            session: 5,
            token: "from before".to_owned(),
            fences: vec![fence(4)],
        });
    });
    let (resume, shown) = hello(&script.opens());
    assert_eq!(resume.unwrap().token, "from before");
    assert_eq!(shown, [fence(4)]);
    script.welcomes(5, true, view(4, GrantStatus::Held, 5));
    let first = script.core.ticket().unwrap();
    script.loses_connection(None);
    let (resume, shown) = hello(&script.opens());
    assert_eq!(resume.unwrap().token, first.token);
    assert_eq!(shown, [fence(4)]);
    script.welcomes(5, true, view(4, GrantStatus::Held, 5));
    assert_ne!(script.core.ticket().unwrap().token, first.token);
}

#[test]
fn a_silent_server_is_given_up_and_come_back_to() {
    let mut script = Script::new();
    script.joins(false, free(1));
    script.pass(9 * SECOND);
    script.act(|core, now| core.heard(now));
    script.pass(9 * SECOND);
    assert_eq!(script.core.phase(), ConnectionPhase::Open);
    let attempt = script.core.attempt();
    script.pass(SECOND);
    assert_eq!(script.core.phase(), ConnectionPhase::Waiting);
    let closed = closes(&script.takes_events());
    let [(None, ReconnectPolicy::After(delay))] = closed[..] else {
        panic!("closed with {closed:?}");
    };
    assert!((Duration::from_millis(200)..=Duration::from_millis(400)).contains(&delay));
    script.pass(delay);
    assert_eq!(script.core.phase(), ConnectionPhase::Connecting);
    assert_eq!(script.core.attempt(), attempt + 1);
    assert_eq!(
        script.takes_events(),
        [ClientEvent::Status(ConnectionStatus::Connecting)]
    );
}

#[test]
fn a_sleep_that_the_monotonic_clock_missed_counts_as_silence() {
    let mut script = Script::new();
    script.joins(false, free(1));
    script.now.wall += 60 * SECOND;
    assert_eq!(script.core.next_timeout(script.now), Some(Duration::ZERO));
    script.act(|core, now| core.timeout(now));
    assert_eq!(script.core.phase(), ConnectionPhase::Waiting);
}

#[test]
fn delays_grow_until_all_is_well_again() {
    let mut script = Script::new();
    let mut delays = Vec::new();
    for _ in 0..12 {
        script.opens();
        // Welcomed, but never in step: the delays must go on growing.
        script.welcomes(5, false, free(1));
        script.loses_connection(None);
        delays.extend(closes(&script.takes_events()));
    }
    let of = |reconnect: &(Option<u16>, ReconnectPolicy)| match reconnect.1 {
        ReconnectPolicy::After(delay) => delay,
        other => panic!("{other:?}"),
    };
    assert!(of(&delays[0]) <= Duration::from_millis(400));
    assert!(delays.iter().any(|delay| of(delay) > SECOND));
    assert!(delays.iter().all(|delay| of(delay) <= 5 * SECOND / 2));
    script.joins(false, free(1));
    script.loses_connection(None);
    let last = closes(&script.takes_events());
    assert!(of(&last[0]) <= Duration::from_millis(400));
}

#[test]
fn final_codes_end_the_client_and_everything_that_waits() {
    for code in [4400, 4404, 4409, 4410, 4413, 4499] {
        let mut script = Script::new();
        script.joins(false, free(1));
        let Asked::Nonce(nonce) = script.asks_for(Operation::Acquire(LockScope::whole())) else {
            panic!("known already");
        };
        script.loses_connection(Some(code));
        assert_eq!(script.core.phase(), ConnectionPhase::Over);
        assert_eq!(script.answers, [(nonce, Err(OperationError::Closed))]);
        assert_eq!(
            closes(&script.takes_events()),
            [(Some(code), ReconnectPolicy::Never)]
        );
        assert_eq!(
            script.core.permission(&LockScope::whole(), script.now),
            EditPermission::Closed
        );
        assert!(matches!(
            script.core.ended(),
            Some(ClientEnded::Closed(cause)) if cause.code() == Some(code)
        ));
        assert_eq!(script.core.next_timeout(script.now), None);
        let late = script.asks_for(Operation::Acquire(LockScope::whole()));
        assert_eq!(late, Asked::Known(Err(OperationError::Closed)));
    }
    for code in [1000, 1013, 4500, 4503, 4507, 4508] {
        let mut script = Script::new();
        script.joins(false, free(1));
        script.loses_connection(Some(code));
        assert_eq!(script.core.phase(), ConnectionPhase::Waiting, "{code}");
    }
}

#[test]
fn who_disconnects_may_come_back_and_who_closes_may_not() {
    let mut script = Script::new();
    script.joins(false, free(1));
    script.writes("last words");
    script.act(|core, now| core.disconnect(now));
    let sent = script.sent();
    assert!(matches!(sent[..], [Sent::Update(_), Sent::Close(3000)]));
    script.loses_connection(Some(3000));
    assert_eq!(script.core.phase(), ConnectionPhase::Idle);
    script.pass(60 * SECOND);
    assert_eq!(script.core.phase(), ConnectionPhase::Idle);

    script.joins(true, free(1));
    script.act(|core, now| core.close(now));
    assert_eq!(script.sent(), [Sent::Close(1000)]);
    assert_eq!(script.core.phase(), ConnectionPhase::Leaving);
    // The client waits only a limited time for a server that does not answer.
    script.pass(2 * SECOND);
    assert_eq!(script.core.phase(), ConnectionPhase::Over);
    script.act(|core, now| core.connect(now));
    assert_eq!(script.core.phase(), ConnectionPhase::Over);
}

#[test]
fn a_wish_to_come_back_while_leaving_is_kept() {
    let mut script = Script::new();
    script.joins(false, free(1));
    script.act(|core, now| core.disconnect(now));
    script.act(|core, now| core.connect(now));
    script.loses_connection(Some(3000));
    assert_eq!(script.core.phase(), ConnectionPhase::Connecting);
}

#[test]
fn what_is_no_message_starts_the_connection_again_and_what_is_newer_is_ignored() {
    let mut script = Script::new();
    script.joins(false, free(1));
    script.frame(&baton_sync::y_websocket::baton(
        r#"{"type":"weather","sunny":true}"#,
    ));
    script.frame(&[77, 1, 2, 3]);
    assert_eq!(script.core.phase(), ConnectionPhase::Open);
    for rubbish in [&[0, 0, 9][..], &[0, 2, 2, 255, 255], &[98, 2, b'{', b'{']] {
        script.takes_events();
        script.frame(rubbish);
        assert_eq!(script.core.phase(), ConnectionPhase::Waiting, "{rubbish:?}");
        let complained = |event: &ClientEvent| matches!(event, ClientEvent::Error { .. });
        assert!(script.takes_events().iter().any(complained));
        script.joins(true, free(1));
    }
}

#[test]
fn beats_are_answered_at_once_with_how_long_nobody_has_edited() {
    let mut script = Script::new();
    script.joins(false, free(1));
    script.writes("a");
    script.sent();
    script.pass(3 * SECOND);
    script.beat(7, 0);
    let answer = ClientMessage::Answer {
        n: 7,
        visible: true,
        idle_ms: 3000,
    };
    assert_eq!(script.sent(), [Sent::Says(answer)]);
}

#[test]
fn the_roster_follows_what_the_server_says() {
    use baton_sync::control_channel::{PeerStatus, PeerView, User};
    let mut script = Script::new();
    script.joins(false, free(1));
    let peer = |state| PeerView {
        session: 8,
        user: User::default(),
        client: None,
        state,
        lock: true,
        observer: false,
        read_only: false,
    };
    for state in [PeerStatus::Online, PeerStatus::Shaky, PeerStatus::Offline] {
        script.says(&ServerMessage::Peer { peer: peer(state) });
        assert_eq!(script.core.roster()[&8].state, state);
    }
    script.says(&ServerMessage::Peer {
        peer: peer(PeerStatus::Gone),
    });
    assert!(script.core.roster().is_empty());
}

#[test]
fn what_waits_for_an_answer_is_bounded() {
    let mut script = Script::new();
    for _ in 0..1024 {
        let asked = script.asks_for(Operation::Acquire(LockScope::whole()));
        assert!(matches!(asked, Asked::Nonce(_)));
    }
    let one_more = script.asks_for(Operation::Acquire(LockScope::whole()));
    assert_eq!(one_more, Asked::Known(Err(OperationError::TooMany)));
}
