//! Times, audiences and issuers of tokens.

use baton_auth::{ClaimRules, TokenError};
use serde_json::{Value, json};

use crate::harness::{NOW, NOW_SECONDS, access, honest_but, reason};

#[test]
fn a_token_counts_from_its_start_to_its_end() {
    let now = NOW_SECONDS;
    let table = [
        (json!({"exp": now + 1}), "passed"),
        // Clocks may differ by 30 s.
        (json!({"exp": now - 29}), "passed"),
        (json!({"exp": now - 30}), "expired"),
        (json!({"exp": now - 86_400}), "expired"),
        (json!({"exp": 0}), "expired"),
        (json!({"exp": now as f64 + 0.5}), "passed"),
        (json!({"exp": null}), "expiry-missing"),
        (json!({"exp": "never"}), "claim-invalid"),
        (json!({"exp": (now + 60).to_string()}), "claim-invalid"),
        (json!({"exp": -1}), "claim-invalid"),
        (json!({"exp": 1e300}), "claim-invalid"),
        (json!({"exp": u64::MAX}), "claim-invalid"),
        (json!({"exp": [now + 60]}), "claim-invalid"),
        (json!({"exp": true}), "claim-invalid"),
        // Milliseconds in the place of seconds would make a token for ever.
        (json!({"exp": NOW}), "claim-invalid"),
        (json!({"nbf": now}), "passed"),
        (json!({"nbf": now + 30}), "passed"),
        (json!({"nbf": now + 31}), "not-yet-valid"),
        (json!({"nbf": "tomorrow"}), "claim-invalid"),
        (json!({"iat": now - 1000}), "passed"),
        (json!({"iat": now + 30}), "passed"),
        (json!({"iat": now + 31}), "issued-in-future"),
        (json!({"iat": {}}), "claim-invalid"),
    ];
    for (changes, expected) in table {
        let result = access(&honest_but(&changes), &ClaimRules::default());
        assert_eq!(reason(&result), expected, "{changes}");
    }
}

#[test]
fn the_access_knows_when_its_token_was_issued() {
    let issued = |claims: Value| {
        let access = access(&honest_but(&claims), &ClaimRules::default());
        access.unwrap().issued_at()
    };
    assert_eq!(issued(json!({"iat": NOW_SECONDS - 7})), Some(NOW - 7_000));
    assert_eq!(issued(json!({"iat": null})), None);
}

#[test]
fn the_access_ends_in_the_moment_from_which_on_the_token_is_refused() {
    let claims = honest_but(&json!({"exp": NOW_SECONDS}));
    let access = access(&claims, &ClaimRules::default()).unwrap();
    assert_eq!(access.expires_at(), Some(NOW + 30_000));
    assert!(!access.is_expired(NOW + 29_999));
    assert!(access.is_expired(NOW + 30_000));

    let strict = ClaimRules {
        leeway_ms: 0,
        ..ClaimRules::default()
    };
    let refused = crate::harness::access(&claims, &strict);
    assert_eq!(refused, Err(TokenError::Expired));
}

#[test]
fn a_token_may_do_without_an_end_only_if_the_settings_say_so() {
    let rules = ClaimRules {
        expiry_required: false,
        ..ClaimRules::default()
    };
    let endless = access(&honest_but(&json!({"exp": null})), &rules).unwrap();
    assert_eq!(endless.expires_at(), None);
    assert!(!endless.is_expired(u64::MAX));
    // An end that is there counts all the same.
    let over = access(&honest_but(&json!({"exp": NOW_SECONDS - 60})), &rules);
    assert_eq!(over, Err(TokenError::Expired));
    let odd = access(&honest_but(&json!({"exp": "never"})), &rules);
    assert_eq!(reason(&odd), "claim-invalid");
}

#[test]
fn a_token_of_another_audience_or_issuer_is_refused() {
    let rules = ClaimRules {
        audiences: vec!["baton".to_owned(), "notes".to_owned()],
        issuers: vec!["https://id.example".to_owned()],
        ..ClaimRules::default()
    };
    let with =
        |aud: Value, iss: Value| access(&honest_but(&json!({"aud": aud, "iss": iss})), &rules);
    let ours = || json!("https://id.example");
    let table = [
        (json!("baton"), ours(), "passed"),
        (json!(["other", "notes"]), ours(), "passed"),
        (json!("other"), ours(), "audience-wrong"),
        (json!(["other"]), ours(), "audience-wrong"),
        (json!([]), ours(), "audience-wrong"),
        (json!(null), ours(), "audience-wrong"),
        (json!("Baton"), ours(), "audience-wrong"),
        (json!("baton "), ours(), "audience-wrong"),
        (json!(["baton", 7]), ours(), "claim-invalid"),
        (json!({"baton": true}), ours(), "claim-invalid"),
        (json!("baton"), json!("https://id.example/"), "issuer-wrong"),
        (
            json!("baton"),
            json!("https://id.example.attacker.net"),
            "issuer-wrong",
        ),
        (json!("baton"), json!(null), "issuer-wrong"),
        (
            json!("baton"),
            json!(["https://id.example"]),
            "claim-invalid",
        ),
    ];
    for (aud, iss, expected) in table {
        assert_eq!(
            reason(&with(aud.clone(), iss.clone())),
            expected,
            "{aud} {iss}"
        );
    }
    // Without settings neither is looked at.
    let any = honest_but(&json!({"aud": "other", "iss": "anybody"}));
    assert_eq!(reason(&access(&any, &ClaimRules::default())), "passed");
}
