//! Attacks with tokens.

use baton_auth::SigningKey;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::forge::{
    RSA_PUBLIC, SECRET, claims, claims_with, ed25519, eddsa, eddsa_with, hs256, hs256_with, now,
    rs256, token,
};
use crate::program::{Outcome, Program};

/// Starts a server that knows an Ed25519 key and an RSA key.
async fn server_with_public_keys(folder: &TempDir) -> Program {
    let pem = format!("{}{RSA_PUBLIC}", ed25519(1).public_pem().unwrap());
    let file = Program::file(folder, "public.pem", &pem);
    Program::start(&[("auth", "jwt"), ("auth_key_file", file.to_str().unwrap())]).await
}

async fn server_with_secret(more: &[(&str, &str)]) -> Program {
    let secret = [("auth", "jwt"), ("auth_secret", SECRET)];
    Program::start(&[&secret[..], more].concat()).await
}

/// A token, and the reason for which it is refused.
type Attack = (String, &'static str);

fn unsigned() -> Vec<Attack> {
    let honest = claims(&["**"]);
    vec![
        (
            token(&json!({"alg": "none"}), &honest, b""),
            "algorithm-refused",
        ),
        (
            token(&json!({"alg": "None"}), &honest, b""),
            "algorithm-refused",
        ),
        (
            token(&json!({"alg": "nOnE"}), &honest, b"x"),
            "algorithm-refused",
        ),
        (token(&json!({}), &honest, b""), "algorithm-refused"),
        (
            token(&json!({"alg": ["none", "EdDSA"]}), &honest, b""),
            "algorithm-refused",
        ),
        (
            token(&json!({"alg": "EdDSA"}), &honest, b""),
            "signature-invalid",
        ),
        (
            token(&json!({"alg": "EdDSA"}), &honest, &[0; 64]),
            "signature-invalid",
        ),
        (
            token(&json!({"alg": "RS256"}), &honest, &[0; 256]),
            "signature-invalid",
        ),
    ]
}

/// Signed with the public key, which everyone knows, as the secret, or with another kind of key
/// than the header says.
fn signed_with_public_keys() -> Vec<Attack> {
    let (honest, known) = (claims(&["**"]), ed25519(1));
    let public_pem = known.public_pem().unwrap();
    let public_jwk: Value = serde_json::from_str(&known.public_jwks().unwrap()).unwrap();
    let x = public_jwk["keys"][0]["x"].as_str().unwrap();
    let hs = json!({"alg": "HS256"});
    vec![
        (
            hs256_with(public_pem.as_bytes(), &hs, &honest),
            "algorithm-refused",
        ),
        (
            hs256_with(public_pem.trim().as_bytes(), &hs, &honest),
            "algorithm-refused",
        ),
        (
            hs256_with(RSA_PUBLIC.as_bytes(), &hs, &honest),
            "algorithm-refused",
        ),
        (hs256_with(x.as_bytes(), &hs, &honest), "algorithm-refused"),
        (hs256(&honest), "algorithm-refused"),
        (
            hs256_with(public_pem.as_bytes(), &json!({"alg": "EdDSA"}), &honest),
            "signature-invalid",
        ),
        (
            hs256_with(RSA_PUBLIC.as_bytes(), &json!({"alg": "RS256"}), &honest),
            "signature-invalid",
        ),
        (
            eddsa_with(&known, &json!({"alg": "RS256"}), &honest),
            "signature-invalid",
        ),
    ]
}

/// Signed with keys that the token brings along or points to.
fn brought_along() -> Vec<Attack> {
    let (honest, rogue, known) = (claims(&["**"]), ed25519(66), ed25519(1));
    let rogue_jwk: Value = serde_json::from_str(&rogue.public_jwks().unwrap()).unwrap();
    let header = |more: Value| {
        let mut header = json!({"alg": "EdDSA"});
        let more = more.as_object().unwrap().clone();
        header.as_object_mut().unwrap().extend(more);
        header
    };
    vec![
        (eddsa(66, &honest), "signature-invalid"),
        (
            eddsa_with(
                &rogue,
                &header(json!({"jwk": rogue_jwk["keys"][0]})),
                &honest,
            ),
            "signature-invalid",
        ),
        (
            eddsa_with(
                &rogue,
                &header(json!({"jku": "http://127.0.0.1:1/"})),
                &honest,
            ),
            "signature-invalid",
        ),
        (
            eddsa_with(
                &rogue,
                &header(json!({"kid": "../../../../dev/null"})),
                &honest,
            ),
            "signature-invalid",
        ),
        (
            eddsa_with(&known, &header(json!({"kid": ["key-1"]})), &honest),
            "token-malformed",
        ),
        (
            eddsa_with(&known, &header(json!({"crit": ["exp"]})), &honest),
            "critical-header",
        ),
    ]
}

/// Parts of good tokens.
fn broken() -> Vec<Attack> {
    let honest = claims(&["**"]);
    let narrow = eddsa(1, &claims(&["other"]));
    let wide = eddsa(1, &honest);
    let part = |token: &str, index: usize| token.split('.').nth(index).unwrap().to_owned();
    let altered = [part(&narrow, 0), part(&wide, 1), part(&narrow, 2)].join(".");
    vec![
        (altered, "signature-invalid"),
        ("a.b".to_owned(), "token-malformed"),
        ("....".to_owned(), "token-malformed"),
        ("null".to_owned(), "token-malformed"),
        (format!("{}.", eddsa(1, &honest)), "token-malformed"),
        (format!("{}=", eddsa(1, &honest)), "token-malformed"),
        (format!("%20{}", eddsa(1, &honest)), "token-malformed"),
        (format!("{}%00", eddsa(1, &honest)), "token-malformed"),
        ("a".repeat(9 * 1024), "token-too-large"),
    ]
}

#[tokio::test]
async fn a_token_that_no_known_key_signed_opens_nothing() {
    let folder = TempDir::new().unwrap();
    let server = server_with_public_keys(&folder).await;
    let honest = claims(&["**"]);
    for good in [eddsa(1, &honest), rs256(&honest)] {
        assert_eq!(server.ask("notes", &good).await, Outcome::Opened);
    }

    let attacks = [
        unsigned(),
        signed_with_public_keys(),
        brought_along(),
        broken(),
    ]
    .concat();
    for (token, reason) in &attacks {
        let outcome = server.ask("notes", token).await;
        assert_eq!(outcome.closed(), (4401, *reason), "{token}");
        let Outcome::Closed { text, .. } = outcome else {
            unreachable!()
        };
        assert!(text.contains("token"), "a text for people: {text}");
    }
    assert_eq!(
        server.ask("notes", &"a".repeat(20 * 1024)).await,
        Outcome::Http(431)
    );
    assert!(server.denied("signature-invalid").await >= 9);
    let tokens: Vec<_> = attacks.iter().map(|(token, _)| token.as_str()).collect();
    server.keeps_secret(&tokens).await;
}

#[tokio::test]
async fn a_token_counts_in_its_time_and_with_claims_that_can_be_read() {
    let server = server_with_secret(&[("auth_audiences", "baton"), ("auth_issuers", "us")]).await;
    let right = |name: &str, value: Value| {
        let mut claims = claims_with("aud", &json!(["x", "baton"]));
        claims["iss"] = json!("us");
        claims[name] = value;
        hs256(&claims)
    };
    let good = right("sub", json!("u1"));
    assert_eq!(server.ask("notes", &good).await, Outcome::Opened);
    let now = now();
    let attacks = [
        (right("exp", json!(now - 31)), "expired"),
        (right("exp", json!(0)), "expired"),
        (right("exp", json!(-1)), "claim-invalid"),
        (right("exp", json!("9999999999")), "claim-invalid"),
        (right("exp", json!(1e300)), "claim-invalid"),
        (right("exp", Value::Null), "expiry-missing"),
        (right("nbf", json!(now + 60)), "not-yet-valid"),
        (right("iat", json!(now + 60)), "issued-in-future"),
        (right("aud", json!("another")), "audience-wrong"),
        (right("aud", Value::Null), "audience-wrong"),
        (right("iss", json!("them")), "issuer-wrong"),
        (right("iss", json!(["us"])), "claim-invalid"),
        (right("documents", Value::Null), "documents-missing"),
        (right("documents", json!([])), "documents-missing"),
        (right("documents", json!([1])), "claim-invalid"),
        (right("documents", json!(["**", "a\u{0}"])), "claim-invalid"),
        (
            right("documents", json!(vec!["a"; 300])),
            "documents-too-many",
        ),
        (
            right("permissions", json!(["admin"])),
            "permissions-missing",
        ),
        (right("permissions", Value::Null), "permissions-missing"),
        (right("sub", json!("a\u{202e}b")), "claim-invalid"),
        (right("sub", json!({"id": 1})), "claim-invalid"),
    ];
    for (token, reason) in &attacks {
        let outcome = server.ask("notes", token).await;
        assert_eq!(outcome.closed(), (4401, *reason));
    }
    server.keeps_secret(&[SECRET, &attacks[0].0]).await;
}

/// Names are compared byte for byte, so each of these is another document or none.
#[tokio::test]
async fn a_token_is_not_replayed_with_another_document() {
    let server = server_with_secret(&[]).await;
    let token = hs256(&claims(&["team/plan", "caf\u{e9}", "open/*"]));
    for mine in [
        "team/plan",
        "team%2Fplan",
        "te%61m/plan",
        "caf%C3%A9",
        "open/x",
        "open/..",
        "open/",
    ] {
        assert_eq!(server.ask(mine, &token).await, Outcome::Opened, "{mine}");
    }
    for other in [
        "secret",
        "team",
        "team/",
        "team/plan/",
        "team/plan2",
        "team//plan",
        "/team/plan",
        "./team/plan",
        "team/./plan",
        "team/plan/../secret",
        "open/../secret",
        "open%2F..%2Fsecret",
        "open/a/b",
        "open%2Fa%2Fb",
        "team%252Fplan",
        "team%5Cplan",
        "Team/plan",
        "TEAM/PLAN",
        "team/plan%20",
        "%20team/plan",
        "team/plan;x",
        "team/plan&x",
        "team/plan%3Fx",
        "team/plan%23x",
        "cafe%CC%81",
        "caf%C3%89",
        "team%EF%BC%8Fplan",
        "%E2%80%8Bteam/plan",
        "team/pl%D0%B0n",
        "*",
        "**",
        "open*",
    ] {
        let outcome = server.ask(other, &token).await;
        assert_eq!(outcome.closed(), (4403, "document-not-granted"), "{other}");
    }
    // No names at all: refused before anything is decided.
    for none in [
        "team/plan%00",
        "%00",
        "team/plan%0A",
        "",
        "team/plan%ff",
        "%c0%afteam",
    ] {
        assert_eq!(server.ask(none, &token).await.closed().0, 4404, "{none}");
    }
    // Parts of the address that are no part of the name.
    let path = format!("/ws/secret?document=team/plan&token={token}");
    let outcome = server.ask_at(&path, &[]).await;
    assert_eq!(outcome.closed(), (4403, "document-not-granted"));
    assert!(server.denied("document-not-granted").await > 30);
    server.keeps_secret(&[&token]).await;
}

#[tokio::test]
async fn tenants_are_not_confused() {
    let server = server_with_secret(&[("tenant_prefix", "{tenant}/")]).await;
    let of = |tenant: Value| hs256(&claims_with("tenant", &tenant));
    let acme = of(json!("acme"));
    assert_eq!(server.ask("acme/plan", &acme).await, Outcome::Opened);
    for other in [
        "other/plan",
        "acme",
        "acme/",
        "acme2/plan",
        "ACME/plan",
        "/acme/plan",
        "acme%5Cplan",
        "acme%252Fplan",
        "acme%E2%88%95plan",
        "../acme/plan",
        "**",
    ] {
        let outcome = server.ask(other, &acme).await;
        assert_eq!(outcome.closed(), (4403, "document-not-granted"), "{other}");
    }
    for (tenant, reason) in [
        (json!("acme/../other"), "claim-invalid"),
        (json!("*"), "claim-invalid"),
        (json!(".."), "claim-invalid"),
        (json!(""), "claim-invalid"),
        (json!("{tenant}"), "document-not-granted"),
        (json!("acme\u{0}"), "claim-invalid"),
        (json!(["acme", "other"]), "claim-invalid"),
        (Value::Null, "tenant-missing"),
    ] {
        let outcome = server.ask("other/plan", &of(tenant.clone())).await;
        assert_eq!(outcome.closed().1, reason, "{tenant}");
    }
    server.keeps_secret(&[&acme]).await;
}

#[tokio::test]
async fn a_token_is_taken_from_its_places_and_from_no_other() {
    let server = server_with_secret(&[]).await;
    let token = hs256(&claims(&["**"]));
    let bearer = format!("Bearer {token}");
    let protocol = format!("baton.token.{token}");
    let pair = format!("yjs, {protocol}");
    for headers in [
        [("authorization", bearer.as_str())],
        [("sec-websocket-protocol", pair.as_str())],
        [("sec-websocket-protocol", protocol.as_str())],
    ] {
        let outcome = server.ask_at("/ws/notes", &headers).await;
        assert_eq!(outcome, Outcome::Opened, "{headers:?}");
    }
    let basic = format!("Basic {token}");
    let cookie = format!("token={token}");
    for (path, headers) in [
        ("/ws/notes".to_owned(), vec![]),
        (format!("/ws/notes?access_token={token}"), vec![]),
        (format!("/ws/notes?Token={token}"), vec![]),
        (format!("/ws/notes&token={token}"), vec![]),
        (format!("/ws/notes;token={token}"), vec![]),
        (format!("/ws/token={token}/notes"), vec![]),
        (
            "/ws/notes".to_owned(),
            vec![("authorization", basic.as_str())],
        ),
        (
            "/ws/notes".to_owned(),
            vec![("authorization", token.as_str())],
        ),
        ("/ws/notes".to_owned(), vec![("cookie", cookie.as_str())]),
        ("/ws/notes".to_owned(), vec![("x-token", token.as_str())]),
        (
            "/ws/notes".to_owned(),
            vec![("proxy-authorization", bearer.as_str())],
        ),
    ] {
        let outcome = server.ask_at(&path, &headers).await;
        assert_eq!(
            outcome.closed(),
            (4401, "token-missing"),
            "{path} {headers:?}"
        );
    }
}

#[tokio::test]
async fn two_tokens_are_one_too_many() {
    let server = server_with_secret(&[]).await;
    let (mine, other) = (hs256(&claims(&["notes"])), hs256(&claims(&["**"])));
    let bearer = format!("Bearer {other}");
    let protocol = format!("baton.token.{other}");
    let one = format!("/ws/notes?token={mine}");
    for (path, headers) in [
        (format!("{one}&token={other}"), vec![]),
        (format!("{one}&token=x"), vec![]),
        (one.clone(), vec![("authorization", bearer.as_str())]),
        (
            one.clone(),
            vec![("sec-websocket-protocol", protocol.as_str())],
        ),
    ] {
        let outcome = server.ask_at(&path, &headers).await;
        assert_eq!(outcome.closed(), (4401, "tokens-differ"), "{headers:?}");
    }
    let same = format!("Bearer {mine}");
    let outcome = server.ask_at(&one, &[("authorization", &same)]).await;
    assert_eq!(outcome, Outcome::Opened, "the same token twice is one");
    server.keeps_secret(&[&mine, &other]).await;
}

#[tokio::test]
async fn a_hello_shows_a_token_if_the_handshake_shows_none() {
    let server = server_with_secret(&[]).await;
    let token = hs256(&claims(&["notes"]));
    let hello = |token: Value| json!({"type": "hello", "version": 1, "token": token}).to_string();
    let right = hello(json!(token));
    assert_eq!(
        server.ask_with_hello("notes", &right).await,
        Outcome::Opened
    );
    let other = server.ask_with_hello("other", &right).await;
    assert_eq!(other.closed(), (4403, "document-not-granted"));
    for (hello, reason) in [
        (hello(json!("a.b.c")), "token-malformed"),
        (hello(json!("a".repeat(9_000))), "token-too-large"),
        (hello(Value::Null), "token-missing"),
        (hello(json!([token])), "token-missing"),
        (
            json!({"type": "profile", "token": token}).to_string(),
            "token-missing",
        ),
        (token.clone(), "token-missing"),
    ] {
        let outcome = server.ask_with_hello("notes", &hello).await;
        assert_eq!(outcome.closed(), (4401, reason), "{hello}");
    }
    // No hello is read where the handshake has a token: that one counts.
    let path = "notes?token=a.b.c";
    let outcome = server.ask_with_hello(path, &right).await;
    assert_eq!(outcome.closed(), (4401, "token-malformed"));
    let long = format!(
        r#"{{"type":"hello","x":"{}","token":"{token}"}}"#,
        "a".repeat(70_000)
    );
    assert_eq!(server.ask_with_hello("notes", &long).await.closed().0, 4413);
    server.keeps_secret(&[&token]).await;
}

/// A client that says nothing holds its place no longer than any other.
#[tokio::test]
async fn a_client_that_shows_nothing_is_sent_away_in_time() {
    let server = server_with_secret(&[("handshake_timeout", "300ms")]).await;
    assert_eq!(server.stays_silent("notes").await.closed().0, 4508);
}

/// A key whose private part is known to everyone who reads this file is still only a key.
#[tokio::test]
async fn the_signature_of_another_server_does_not_count() {
    let server = server_with_secret(&[]).await;
    let key = SigningKey::from_ed25519_seed([9; 32]).unwrap();
    let token = eddsa_with(&key, &json!({"alg": "EdDSA"}), &claims(&["**"]));
    assert_eq!(
        server.ask("notes", &token).await.closed(),
        (4401, "algorithm-refused")
    );
    let almost = hs256_with(
        &SECRET.as_bytes()[1..],
        &json!({"alg": "HS256"}),
        &claims(&["**"]),
    );
    assert_eq!(
        server.ask("notes", &almost).await.closed(),
        (4401, "signature-invalid")
    );
}
