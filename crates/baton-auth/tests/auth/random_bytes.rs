//! Bytes without sense make nothing panic and open nothing. Seeded, so that a failure comes again.

use baton_auth::{
    ClaimName, ClaimRules, DocumentPattern, KeySet, Permissions, SigningKey, TenantPrefix, Token,
    TokenUser, WebhookRequest,
};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::harness::{
    ED25519_PUBLIC, NOW, P256_PUBLIC, RSA_PUBLIC, ed25519, forge_hs256, honest, secret_keys,
    verify_with,
};

/// Changes, removes, doubles and inserts a few bytes.
fn mutate(rng: &mut SmallRng, original: &[u8]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..=bytes.len());
        match rng.random_range(0..4) {
            0 if at < bytes.len() => bytes[at] = rng.random(),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => {
                let end = (at + rng.random_range(0..40)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            _ => bytes.insert(
                at,
                *b"\"{}[]:,.*/-=0"[..].get(rng.random_range(0..13)).unwrap(),
            ),
        }
    }
    bytes
}

fn noise(rng: &mut SmallRng) -> Vec<u8> {
    let length = rng.random_range(0..200);
    (0..length).map(|_| rng.random()).collect()
}

#[test]
fn tokens_of_noise_are_refused() {
    let mut rng = SmallRng::seed_from_u64(1);
    let good = crate::harness::token(&honest());
    let keys = secret_keys()
        .merge(KeySet::from_pem(P256_PUBLIC).unwrap())
        .unwrap();
    for _ in 0..5_000 {
        let bytes = match rng.random() {
            true => noise(&mut rng),
            false => mutate(&mut rng, good.secret_text().as_bytes()),
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Ok(token) = Token::new(text.clone()) else {
            continue;
        };
        let opened = verify_with(&token, &keys).is_ok();
        assert!(!opened || text == good.secret_text(), "{text}");
    }
}

#[test]
fn signed_nonsense_gives_no_permission_that_was_not_written() {
    let mut rng = SmallRng::seed_from_u64(2);
    let claims = json!({
        "exp": NOW / 1000 + 60, "documents": {"team/*": "read", "a": ["write"]},
        "read_only_documents": ["b"], "sub": "u1", "name": "Ada", "tenant": "t", "jti": "x",
    })
    .to_string();
    let mut passed = 0;
    for _ in 0..5_000 {
        let header = match rng.random_range(0..10) {
            0 => mutate(&mut rng, br#"{"alg":"HS256","kid":"k"}"#),
            _ => br#"{"alg":"HS256"}"#.to_vec(),
        };
        let bytes = match rng.random_range(0..10) {
            0 => noise(&mut rng),
            _ => mutate(&mut rng, claims.as_bytes()),
        };
        if let Ok(access) = verify_with(&forge_hs256(header, bytes), &secret_keys()) {
            passed += 1;
            let everything = Permissions::LOCK | Permissions::MANAGE;
            let secret = access.permissions("secret/\u{1}");
            assert!(secret.intersection(everything).is_empty());
        }
    }
    assert!(passed > 100, "{passed} of the mutations kept their sense");
}

#[test]
fn keys_of_noise_are_refused() {
    let mut rng = SmallRng::seed_from_u64(3);
    let jwks = ed25519(1).with_id("k").public_jwks().unwrap();
    let ec = json!({"keys": [{"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}]}).to_string();
    let rsa = json!({"keys": [{"kty": "RSA", "n": "AQ", "e": "AQ"}]}).to_string();
    let private = ed25519(1).private_pem().unwrap();
    let token = forge_hs256(r#"{"alg":"EdDSA"}"#, honest().to_string());
    for _ in 0..1_000 {
        for document in [&jwks, &ec, &rsa] {
            if let Ok(keys) = KeySet::from_jwks(&mutate(&mut rng, document.as_bytes())) {
                assert!(verify_with(&token, &keys).is_err());
            }
        }
        for pem in [RSA_PUBLIC, P256_PUBLIC, ED25519_PUBLIC, &private] {
            let text = mutate(&mut rng, pem.as_bytes());
            let text = String::from_utf8_lossy(&text);
            if let Ok(keys) = KeySet::from_pem(&text) {
                assert!(verify_with(&token, &keys).is_err());
            }
            let _ = SigningKey::from_ed25519_pem(&text);
        }
        let noise = noise(&mut rng);
        assert!(KeySet::from_jwks(&noise).is_err());
        assert!(KeySet::from_pem(&String::from_utf8_lossy(&noise)).is_err());
    }
}

#[test]
fn texts_of_noise_are_taken_or_refused_without_a_panic() {
    let mut rng = SmallRng::seed_from_u64(4);
    let token = Token::new("opaque").unwrap();
    let yes = br#"{"allow":true,"permissions":["write"],"user":{"id":"u1"},"expires_at":1}"#;
    for _ in 0..5_000 {
        let noise = noise(&mut rng);
        let text = String::from_utf8_lossy(&noise).into_owned();
        let other =
            String::from_utf8_lossy(&mutate(&mut rng, b"team/*/**/a{tenant}/")).into_owned();
        for text in [&text, &other] {
            if let Ok(pattern) = DocumentPattern::parse(text) {
                let _ = (pattern.matches(&other), pattern.matches(""));
            }
            let _ = (
                ClaimName::new(text),
                TenantPrefix::parse(text),
                TokenUser::new(text),
            );
            let _ = text.parse::<Permissions>();
        }
        let request = WebhookRequest {
            token: &token,
            document: &text,
            address: &other,
        };
        let _ = request.body();
        for body in [&noise, &mutate(&mut rng, yes)] {
            let result = request.parse_answer(200, body, None, 0);
            let opened = result.is_ok_and(|access| !access.permissions("other").is_empty());
            assert!(!opened || text == "other");
        }
    }
    assert!(ClaimRules::default().permission_words.len() == 4);
}
