//! No token, secret or claim leaks, and reasons are stable.

use std::collections::BTreeSet;

use baton_auth::{ClaimRules, FaultParty, Token, TokenError};
use serde_json::{Value, json};

use crate::harness::{access, forge_hs256, honest_but, secret_keys, token, verify_with};

const CANARY: &str = "canary-5417";

#[test]
fn a_token_is_not_shown() {
    let token = token(&json!({ "x": CANARY }));
    for shown in [
        format!("{token:?} {token:#?} {token}"),
        format!("{:?}", Some(token.clone())),
    ] {
        assert!(shown.contains("redacted"), "{shown}");
        for part in token.secret_text().split('.') {
            assert!(!shown.contains(part), "{shown}");
        }
    }
}

#[test]
fn errors_hold_no_part_of_a_token() {
    let claims: Vec<Value> = [
        json!({"exp": CANARY}),
        json!({"aud": CANARY}),
        json!({"iss": CANARY}),
        json!({"sub": format!("{CANARY}\n")}),
        json!({"sub": CANARY, "name": [CANARY]}),
        json!({"tenant": format!("{CANARY}/")}),
        json!({"documents": [CANARY.repeat(200)]}),
        json!({"documents": {CANARY: 7}}),
        json!({"permissions": {CANARY: 7}}),
        json!({"permissions": CANARY}),
        json!({"jti": format!("{CANARY}\u{0}")}),
    ]
    .iter()
    .map(honest_but)
    .collect();
    let rules = ClaimRules {
        audiences: vec!["a".to_owned()],
        ..ClaimRules::default()
    };
    let mut errors: Vec<TokenError> = claims
        .iter()
        .flat_map(|claims| [&rules, &ClaimRules::default()].map(|rules| access(claims, rules)))
        .filter_map(Result::err)
        .collect();
    let headers = [
        format!(r#"{{"alg":"{CANARY}"}}"#),
        format!(r#"{{"alg":"HS256","kid":"{CANARY}{}"}}"#, "x".repeat(300)),
        format!(r#"{{"alg":"HS256","crit":["{CANARY}"]}}"#),
        format!(r#"{{"alg":"HS256","{CANARY}":1,"{CANARY}":2}}"#),
        format!(r#"{{"{CANARY}"#),
        format!(r#"{{"alg":"RS256","kid":"{CANARY}"}}"#),
    ];
    let refused = |token: &Token| verify_with(token, &secret_keys()).unwrap_err();
    errors.extend(headers.map(|header| refused(&forge_hs256(header, "{}"))));
    errors.push(refused(&Token::new(CANARY).unwrap()));
    errors.push(refused(
        &Token::new(format!("{CANARY}.{CANARY}.{CANARY}")).unwrap(),
    ));
    errors.push(Token::new(CANARY.repeat(1000)).unwrap_err());
    assert!(errors.len() > 20, "{}", errors.len());
    for error in errors {
        let shown = format!("{error} {error:?} {}", error.reason());
        assert!(!shown.contains("canary"), "{shown}");
    }
}

fn every_error() -> Vec<TokenError> {
    let claim = || "documents".to_owned();
    let problem = "is wrong";
    vec![
        TokenError::Missing,
        TokenError::TooLarge { limit: 1 },
        TokenError::Malformed { problem },
        TokenError::CriticalHeader,
        TokenError::AlgorithmRefused,
        TokenError::KeyUnknown,
        TokenError::KeyAmbiguous { limit: 1 },
        TokenError::SignatureInvalid,
        TokenError::Expired,
        TokenError::NotYetValid,
        TokenError::IssuedInFuture,
        TokenError::ExpiryMissing,
        TokenError::AudienceWrong,
        TokenError::IssuerWrong,
        TokenError::ClaimInvalid {
            claim: claim(),
            problem,
        },
        TokenError::DocumentsMissing { claim: claim() },
        TokenError::DocumentsTooMany { limit: 1 },
        TokenError::PermissionsMissing { claim: claim() },
        TokenError::TenantMissing { claim: claim() },
        TokenError::KeysUnavailable,
        TokenError::WebhookRefused,
        TokenError::WebhookUnavailable,
        TokenError::WebhookAnswerInvalid { problem },
    ]
}

#[test]
fn every_error_has_a_reason_of_its_own_a_party_and_advice() {
    let errors = every_error();
    let reasons: BTreeSet<_> = errors.iter().map(TokenError::reason).collect();
    assert_eq!(reasons.len(), errors.len());
    for error in &errors {
        let reason = error.reason();
        let is_code = reason
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(is_code && reason.len() <= 24, "{reason}");
        // What happened, and what to do.
        assert!(error.to_string().contains("; "), "{error}");
        let by_others = matches!(error.fault(), FaultParty::Service | FaultParty::Operator);
        assert_eq!(error.is_temporary(), by_others, "{error}");
    }
    // Dashboards go by these words.
    let expected = "algorithm-refused audience-wrong claim-invalid critical-header \
        documents-missing documents-too-many expired expiry-missing issued-in-future issuer-wrong \
        key-ambiguous key-unknown keys-unavailable not-yet-valid permissions-missing \
        signature-invalid tenant-missing token-malformed token-missing token-too-large \
        webhook-answer-invalid webhook-refused webhook-unavailable";
    let expected: Vec<_> = expected.split_whitespace().collect();
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), expected);
}
