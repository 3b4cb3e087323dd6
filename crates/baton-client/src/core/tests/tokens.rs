//! Stories of tokens that run out, and of servers that refuse the handshake.

use std::time::Duration;

use baton_sync::control_channel::{ChannelToken, ClientMessage, ErrorCode, ServerMessage};

use super::script::{SECOND, Script, Sent, free};
use crate::close_cause::CloseCause;
use crate::core::connection::ConnectionPhase;
use crate::error::ClientEnded;
use crate::events::{ClientEvent, ReconnectPolicy};
use crate::token::{ClientToken, TokenSource, TokenSourceError};

fn token(text: &str) -> ClientToken {
    ClientToken::new(text).unwrap()
}

fn unavailable(reason: &str) -> TokenSourceError {
    TokenSourceError::Unavailable(reason.to_owned())
}

/// A client with a source, which the test answers for, and with this token at hand.
fn with_source(at_hand: Option<&str>) -> Script {
    let mut script = Script::with(|options| {
        options.token = at_hand.map(token);
        options.token_source = Some(TokenSource::new(|| async {
            Err(unavailable("the test answers instead"))
        }));
    });
    script.act(|core, now| core.connect(now));
    script
}

fn is_asked(script: &Script) -> u64 {
    script.core.token_question().expect("a question")
}

fn gives(script: &mut Script, answer: Result<ClientToken, TokenSourceError>) {
    let question = is_asked(script);
    script.act(|core, now| core.answer_token(now, question, answer));
}

const fn refused(status: u16, retry_after: Option<Duration>) -> CloseCause {
    CloseCause::Refused {
        status,
        retry_after,
    }
}

fn delay(script: &mut Script) -> Duration {
    let events = script.takes_events();
    let delay = events.iter().find_map(|event| match event {
        ClientEvent::Closed {
            reconnect: ReconnectPolicy::After(delay),
            ..
        } => Some(*delay),
        _ => None,
    });
    delay.expect("a delay")
}

#[test]
fn a_connection_waits_for_its_first_token() {
    let mut script = with_source(None);
    assert_eq!(script.core.phase(), ConnectionPhase::AwaitingToken);
    assert!(script.takes_events().is_empty(), "no attempt is made yet");
    gives(&mut script, Ok(token("first")));
    assert_eq!(script.core.phase(), ConnectionPhase::Connecting);
    assert_eq!(script.core.token(), Some(&token("first")));
    assert_eq!(script.core.token_question(), None);
}

#[test]
fn a_source_without_a_token_is_asked_again_and_one_that_denies_it_ends_the_client() {
    let mut script = with_source(None);
    gives(&mut script, Err(unavailable("it is down")));
    assert_eq!(script.core.phase(), ConnectionPhase::Waiting);
    let wait = delay(&mut script);
    script.pass(wait);
    assert_eq!(script.core.phase(), ConnectionPhase::AwaitingToken);
    // One that does not answer counts as one that has none.
    script.pass(30 * SECOND);
    assert_eq!(script.core.phase(), ConnectionPhase::Waiting);
    let wait = delay(&mut script);
    script.pass(wait);
    let denied = TokenSourceError::Denied("signed out".to_owned());
    gives(&mut script, Err(denied.clone()));
    let ended = ClientEnded::Closed(CloseCause::Token(denied));
    assert_eq!(script.core.ended(), Some(ended));
}

#[test]
fn a_refused_token_is_replaced_once() {
    for cause in [
        refused(401, None),
        CloseCause::Closed {
            code: 4401,
            reason: "expired".to_owned(),
        },
    ] {
        let mut script = with_source(Some("old"));
        assert_eq!(script.core.phase(), ConnectionPhase::Connecting);
        script.is_cut_off(cause.clone());
        let wait = delay(&mut script);
        script.pass(wait);
        gives(&mut script, Ok(token("new")));
        script.joins(false, free(1));
        // Taken: a later refusal is another matter.
        script.is_cut_off(cause.clone());
        let wait = delay(&mut script);
        script.pass(wait);
        gives(&mut script, Ok(token("newer")));
        script.is_cut_off(cause.clone());
        assert_eq!(script.core.ended(), Some(ClientEnded::Closed(cause)));
    }
}

#[test]
fn the_same_token_is_not_shown_again_after_it_was_refused() {
    let mut script = with_source(Some("old"));
    script.is_cut_off(refused(401, None));
    let wait = delay(&mut script);
    script.pass(wait);
    let attempt = script.core.attempt();
    gives(&mut script, Ok(token("old")));
    let ended = ClientEnded::Closed(refused(401, None));
    assert_eq!(script.core.ended(), Some(ended));
    assert_eq!(script.core.attempt(), attempt, "no further attempt");
}

#[test]
fn a_token_that_expires_is_replaced_on_the_open_connection() {
    let mut script = with_source(Some("old"));
    script.joins(false, free(1));
    script.says(&ServerMessage::TokenExpiring { left_ms: 30_000 });
    gives(&mut script, Ok(token("new")));
    let shown = ClientMessage::Token {
        token: ChannelToken::new("new"),
    };
    assert_eq!(script.sent(), [Sent::Says(shown)]);
    // A source that fails leaves the session as it is, until the token has expired.
    script.says(&ServerMessage::TokenExpiring { left_ms: 30_000 });
    script.takes_events();
    gives(&mut script, Err(unavailable("it is down")));
    assert_eq!(script.core.phase(), ConnectionPhase::Open);
    let told = |event: &ClientEvent| {
        matches!(event, ClientEvent::Error { code: ErrorCode::Access, message, .. }
            if message.contains("it is down"))
    };
    assert!(script.takes_events().iter().any(told));
    script.loses_connection(Some(4505));
    let wait = delay(&mut script);
    script.pass(wait);
    assert_eq!(script.core.phase(), ConnectionPhase::AwaitingToken);
}

#[test]
fn without_a_source_a_refused_token_is_final_and_so_is_each_other_final_status() {
    for status in [400, 401, 403, 404] {
        let mut script = Script::with(|options| options.token = Some(token("old")));
        script.act(|core, now| core.connect(now));
        script.is_cut_off(refused(status, None));
        let ended = ClientEnded::Closed(refused(status, None));
        assert_eq!(script.core.ended(), Some(ended));
    }
}

#[test]
fn a_busy_server_is_left_alone_for_as_long_as_it_asks() {
    let mut script = Script::new();
    let mut waits_after = |retry_after| {
        script.act(|core, now| core.connect(now));
        while script.core.phase() == ConnectionPhase::Waiting {
            let due = script.core.next_timeout(script.now).unwrap();
            script.pass(due);
        }
        script.is_cut_off(refused(503, retry_after));
        delay(&mut script)
    };
    let asked = waits_after(Some(10 * SECOND));
    assert!((10 * SECOND..13 * SECOND).contains(&asked), "{asked:?}");
    assert!(waits_after(None) < 3 * SECOND);
    // An absurd time is not taken at its word.
    let hour = Duration::from_secs(3600);
    let absurd = waits_after(Some(Duration::from_secs(u64::MAX)));
    assert!((hour..hour + 3 * SECOND).contains(&absurd), "{absurd:?}");
}
