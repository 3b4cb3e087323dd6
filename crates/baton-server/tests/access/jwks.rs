//! Attacks through the address of keys, and its failures.

use std::time::Duration;

use crate::forge::{claims, ed25519, eddsa, hs256_with};
use crate::program::{Outcome, Program};
use crate::service::{Behaviour, Service};
use serde_json::json;
use tempfile::TempDir;

fn keys(seeds: &[u8]) -> Behaviour {
    let sets = seeds
        .iter()
        .map(|seed| ed25519(*seed).public_jwks().unwrap());
    let members = sets.map(|set| {
        let set: serde_json::Value = serde_json::from_str(&set).unwrap();
        set["keys"][0].clone()
    });
    let members: Vec<_> = members.collect();
    Behaviour::Answers(200, json!({"keys": members}).to_string())
}

async fn server(service: &Service) -> Program {
    Program::start(&[
        ("auth", "jwt"),
        ("auth_jwks_url", &service.url()),
        ("auth_jwks_timeout", "500ms"),
        ("auth_jwks_refresh", "1s"),
    ])
    .await
}

#[tokio::test]
async fn an_address_without_good_keys_opens_nothing() {
    let rogue = Service::start(keys(&[66])).await;
    let huge = format!("{{\"keys\":[],\"x\":\"{}\"}}", "a".repeat(300 * 1024));
    let secret = json!({"keys": [{"kty": "oct", "alg": "HS256", "k": "AAAA", "kid": "key-66"}]});
    let endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let empty = hs256_with(b"\0\0\0", &json!({"alg": "HS256"}), &claims(&["**"]));
    for behaviour in [
        Behaviour::Hangs,
        Behaviour::Drips,
        Behaviour::Answers(200, huge),
        Behaviour::Answers(200, "garbage".to_owned()),
        Behaviour::Answers(200, r#"{"keys":[]}"#.to_owned()),
        Behaviour::Answers(200, secret.to_string()),
        Behaviour::Answers(500, String::new()),
        Behaviour::Answers(404, r#"{"keys":[]}"#.to_owned()),
        Behaviour::Redirects(rogue.url()),
        Behaviour::Sends(b"\x16\x03\x01 no HTTP".to_vec()),
        Behaviour::Sends(endless),
        Behaviour::Sends(Vec::new()),
    ] {
        let service = Service::start(behaviour.clone()).await;
        let server = server(&service).await;
        for token in [eddsa(66, &claims(&["**"])), empty.clone()] {
            let outcome = server.ask("notes", &token).await;
            assert_eq!(
                outcome.closed(),
                (4504, "keys-unavailable"),
                "{behaviour:?}"
            );
        }
        assert!(server.metric("baton_key_fetch_failures_total").await > 0);
        let log = server.log();
        assert!(log.contains("auth_jwks_url cannot be fetched"), "{log}");
        server.keeps_secret(&["hush-this-is-a-key", &empty]).await;
    }
    assert_eq!(
        rogue.requests(),
        Vec::<String>::new(),
        "no redirect was followed"
    );
}

#[tokio::test]
async fn keys_rotate_and_those_of_before_count_no_more() {
    let service = Service::start(keys(&[1])).await;
    let server = server(&service).await;
    let (first, second) = (eddsa(1, &claims(&["**"])), eddsa(2, &claims(&["**"])));
    assert_eq!(server.ask("notes", &first).await, Outcome::Opened);
    // Its issuer may have published the key a moment ago: the client is told to come again.
    let (code, reason) = match server.ask("notes", &second).await {
        Outcome::Closed { code, reason, .. } => (code, reason),
        other => panic!("{other:?}"),
    };
    assert!(
        (code, reason.as_str()) == (4504, "keys-unavailable")
            || (code, reason.as_str()) == (4401, "key-unknown"),
        "{code} {reason}"
    );
    service.becomes(keys(&[1, 2]));
    server.opens_at_last("notes", &second).await;
    assert_eq!(server.ask("notes", &first).await, Outcome::Opened);
    service.becomes(keys(&[2]));
    while server.ask("notes", &first).await == Outcome::Opened {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(server.ask("notes", &second).await, Outcome::Opened);
}

#[tokio::test]
async fn keys_are_kept_while_their_address_fails() {
    let service = Service::start(keys(&[1])).await;
    let server = server(&service).await;
    let token = eddsa(1, &claims(&["**"]));
    assert_eq!(server.ask("notes", &token).await, Outcome::Opened);
    for behaviour in [
        Behaviour::Answers(500, String::new()),
        Behaviour::Answers(200, "x".to_owned()),
    ] {
        let before = server.metric("baton_key_fetch_failures_total").await;
        service.becomes(behaviour);
        while server.metric("baton_key_fetch_failures_total").await == before {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(server.ask("notes", &token).await, Outcome::Opened);
        let rogue = eddsa(66, &claims(&["**"]));
        assert_ne!(server.ask("notes", &rogue).await, Outcome::Opened);
    }
}

/// Clients that wait for a restarted server are in its queue before it has its keys.
#[tokio::test]
async fn the_first_fetch_is_waited_for() {
    let service = Service::start(Behaviour::Hangs).await;
    let Behaviour::Answers(_, set) = keys(&[1]) else {
        unreachable!()
    };
    service.becomes(Behaviour::AnswersLate(Duration::from_millis(300), set));
    let server = server(&service).await;
    let outcome = server.ask("notes", &eddsa(1, &claims(&["**"]))).await;
    assert_eq!(outcome, Outcome::Opened);
}

/// A certificate that the operator did not name is not trusted, whatever name it has.
#[tokio::test]
async fn keys_come_over_tls_from_a_service_that_is_trusted() {
    let (service, certificate) = Service::start_tls(keys(&[1])).await;
    let (_other, others) = Service::start_tls(keys(&[1])).await;
    let folder = TempDir::new().unwrap();
    let token = eddsa(1, &claims(&["**"]));
    for (trusted, is_opened) in [(certificate, true), (others, false)] {
        let file = Program::file(&folder, "trusted.pem", &trusted);
        let settings = [
            ("auth", "jwt"),
            ("auth_jwks_url", &service.tls_url()),
            ("auth_jwks_timeout", "5s"),
        ];
        let environment = [("SSL_CERT_FILE", file.to_str().unwrap())];
        let server = Program::start_with(&settings, &environment).await;
        let outcome = server.ask("notes", &token).await;
        if is_opened {
            assert_eq!(outcome, Outcome::Opened);
        } else {
            assert_eq!(outcome.closed(), (4504, "keys-unavailable"));
            server.keeps_secret(&["hush-this-is-a-key"]).await;
        }
    }
}
