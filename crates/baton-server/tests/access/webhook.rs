//! Attacks through the webhook, and its failures.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::program::{Outcome, Program};
use crate::service::{Behaviour, Service};

const TOKEN: &str = "an-opaque-token-of-some-session";

fn yes() -> Behaviour {
    answers(&json!({"allow": true, "permissions": ["write"]}))
}

fn answers(body: &Value) -> Behaviour {
    Behaviour::Answers(200, body.to_string())
}

async fn server(service: &Service, more: &[(&str, &str)]) -> Program {
    let url = service.url();
    let settings = [
        ("auth", "webhook"),
        ("auth_webhook_url", url.as_str()),
        ("auth_webhook_timeout", "500ms"),
    ];
    Program::start(&[&settings[..], more].concat()).await
}

#[tokio::test]
async fn an_answer_that_is_no_clear_yes_opens_nothing() {
    let elsewhere = Service::start(yes()).await;
    let service = Service::start(yes()).await;
    let server = server(&service, &[("auth_webhook_cache", "0s")]).await;
    let text = |text: &str| Behaviour::Answers(200, text.to_owned());
    let invalid = (4504, "webhook-answer-invalid");
    let unavailable = (4504, "webhook-unavailable");
    let refused = (4403, "webhook-refused");
    let long = json!({"allow": true, "permissions": "write", "x": "a".repeat(17 * 1024)});
    for (behaviour, expected) in [
        (Behaviour::Hangs, unavailable),
        (Behaviour::Drips, unavailable),
        (Behaviour::Answers(500, String::new()), unavailable),
        (
            Behaviour::Answers(
                503,
                json!({"allow": true, "permissions": "write"}).to_string(),
            ),
            unavailable,
        ),
        (Behaviour::Answers(429, String::new()), unavailable),
        (Behaviour::Sends(b"nonsense".to_vec()), unavailable),
        (Behaviour::Sends(Vec::new()), unavailable),
        (
            Behaviour::Answers(
                201,
                json!({"allow": true, "permissions": "write"}).to_string(),
            ),
            invalid,
        ),
        (Behaviour::Answers(404, String::new()), invalid),
        (Behaviour::Redirects(elsewhere.url()), invalid),
        (text(""), invalid),
        (text("true"), invalid),
        (text("yes"), invalid),
        (text("[]"), invalid),
        (text("{}"), invalid),
        (text(r#"{"allow":true}"#), invalid),
        (text(r#"{"allow":"true","permissions":"write"}"#), invalid),
        (text(r#"{"allow":1,"permissions":"write"}"#), invalid),
        (text(r#"{"allow":null,"permissions":"write"}"#), invalid),
        (
            text(r#"{"allow":false,"allow":true,"permissions":"write"}"#),
            invalid,
        ),
        (text(r#"{"allow":true,"permissions":[]}"#), invalid),
        (text(r#"{"allow":true,"permissions":"*"}"#), invalid),
        (text(r#"{"allow":true,"permissions":"admin"}"#), invalid),
        (text(r#"{"allow":true,"permissions":"write"} {}"#), invalid),
        (
            text(r#"{"allow":true,"permissions":"manage"}"#),
            (4403, "document-not-granted"),
        ),
        (
            text(r#"{"allow":true,"permissions":"write","expires_at":1}"#),
            (4401, "expired"),
        ),
        (
            text(r#"{"allow":true,"permissions":"write","user":{"id":""}}"#),
            invalid,
        ),
        (answers(&long), invalid),
        (text(r#"{"allow":false}"#), refused),
        (text(r#"{"allow":false,"permissions":"write"}"#), refused),
        (Behaviour::Answers(401, String::new()), refused),
        (
            Behaviour::Answers(
                403,
                json!({"allow": true, "permissions": "write"}).to_string(),
            ),
            refused,
        ),
    ] {
        service.becomes(behaviour.clone());
        let began = Instant::now();
        let outcome = server.ask("notes", TOKEN).await;
        assert_eq!(outcome.closed(), expected, "{behaviour:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "{behaviour:?}");
    }
    service.becomes(yes());
    assert_eq!(server.ask("notes", TOKEN).await, Outcome::Opened);
    assert_eq!(
        elsewhere.requests(),
        Vec::<String>::new(),
        "no redirect was followed"
    );
    assert!(server.denied("webhook-unavailable").await >= 7);
    assert!(server.metric("baton_webhook_failures_total").await > 20);
    server.keeps_secret(&[TOKEN, "hush-this-is-a-key"]).await;
}

#[tokio::test]
async fn the_question_names_token_document_and_address_and_a_client_without_a_token_asks_none() {
    let service = Service::start(yes()).await;
    let server = server(&service, &[]).await;
    let outcome = server.ask_at("/ws/notes", &[]).await;
    assert_eq!(outcome.closed(), (4401, "token-missing"));
    assert_eq!(service.requests().len(), 0);
    assert_eq!(server.ask("team%2F%22plan", TOKEN).await, Outcome::Opened);
    let request = service.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /path?key=hush-this-is-a-key HTTP/1.1"),
        "{head}"
    );
    let body: Value = serde_json::from_str(body).unwrap();
    let expected = json!({"token": TOKEN, "document": "team/\"plan", "address": "127.0.0.1"});
    assert_eq!(body, expected);
}

/// A service that says yes too broadly says it about the one document that it was asked for.
#[tokio::test]
async fn a_broad_yes_opens_the_asked_document_alone() {
    let broad = json!({
        "allow": true, "permissions": ["write"], "documents": ["**"], "document": "*"
    });
    let service = Service::start(answers(&broad)).await;
    let server = server(&service, &[]).await;
    assert_eq!(server.ask("notes", TOKEN).await, Outcome::Opened);
    assert_eq!(server.ask("notes", TOKEN).await, Outcome::Opened);
    assert_eq!(service.requests().len(), 1, "the answer is remembered");
    service.becomes(answers(&json!({"allow": false})));
    let other = server.ask("other", TOKEN).await;
    assert_eq!(other.closed(), (4403, "webhook-refused"));
    let stranger = server.ask("notes", "another-token-of-somebody").await;
    assert_eq!(stranger.closed(), (4403, "webhook-refused"));
    assert_eq!(
        server.ask("notes", TOKEN).await,
        Outcome::Opened,
        "still remembered"
    );
}

#[tokio::test]
async fn equal_questions_share_one_call_and_a_failure_is_not_remembered() {
    let service = Service::start(Behaviour::Hangs).await;
    let server = server(&service, &[]).await;
    let asking = (0..8).map(|_| server.ask("notes", TOKEN));
    for outcome in join_all(asking).await {
        assert_eq!(outcome.closed(), (4504, "webhook-unavailable"));
    }
    let calls = service.requests().len();
    assert!(calls <= 3, "{calls} calls for eight clients");
    service.becomes(yes());
    assert_eq!(server.ask("notes", TOKEN).await, Outcome::Opened);
}

/// Questions that wait for their turn are refused in their time, too.
#[tokio::test]
async fn a_crowd_before_a_webhook_that_hangs_is_told_to_come_again() {
    let service = Service::start(Behaviour::Hangs).await;
    let server = server(&service, &[("auth_webhook_calls", "2")]).await;
    let names: Vec<_> = (0..20).map(|number| format!("notes-{number}")).collect();
    let began = Instant::now();
    for outcome in join_all(names.iter().map(|name| server.ask(name, TOKEN))).await {
        assert_eq!(outcome.closed(), (4504, "webhook-unavailable"));
    }
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
    // Those that come late may get a turn that earlier ones gave up.
    let calls = service.requests().len();
    assert!(calls < names.len(), "{calls} calls, two at a time");
}
