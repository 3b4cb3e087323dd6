//! Answers of the webhook that are remembered, on virtual time.

use std::sync::Arc;

use baton_auth::{
    Access, DecisionCache, DecisionCacheLimits, DecisionKey, Permissions, Token, TokenError,
    WebhookRequest,
};

use crate::harness::NOW;

fn key_of(token: &str, document: &str, address: &str) -> DecisionKey {
    let token = Token::new(token).unwrap();
    DecisionKey::of(&WebhookRequest {
        token: &token,
        document,
        address,
    })
}

fn yes() -> Result<Arc<Access>, TokenError> {
    Ok(Arc::new(Access::to_every_document(Permissions::WRITE)))
}

fn no() -> Result<Arc<Access>, TokenError> {
    Err(TokenError::WebhookRefused)
}

fn cache(max_entries: usize) -> DecisionCache {
    DecisionCache::new(DecisionCacheLimits {
        max_entries,
        ..DecisionCacheLimits::default()
    })
}

#[test]
fn a_yes_is_remembered_longer_than_a_no() {
    let mut cache = cache(10);
    let (a, b) = (key_of("t", "a", "x"), key_of("t", "b", "x"));
    assert_eq!(cache.get(&a, NOW), None);
    cache.insert(a, yes(), NOW);
    cache.insert(b, no(), NOW);
    assert_eq!(cache.get(&a, NOW + 59_999), Some(yes()));
    assert_eq!(cache.get(&a, NOW + 60_000), None);
    assert_eq!(cache.get(&b, NOW + 4_999), Some(no()));
    assert_eq!(cache.get(&b, NOW + 5_000), None);
    // A clock that was set back does not make answers live longer.
    assert_eq!(cache.get(&a, NOW - 1), None);
}

#[test]
fn a_failure_is_not_remembered_and_forgets_what_was_there() {
    let mut cache = cache(10);
    let key = key_of("t", "a", "x");
    let failures = [
        TokenError::WebhookUnavailable,
        TokenError::WebhookAnswerInvalid { problem: "x" },
        TokenError::Expired,
    ];
    for failure in failures {
        cache.insert(key, yes(), NOW);
        cache.insert(key, Err(failure), NOW);
        assert_eq!(cache.get(&key, NOW), None);
    }
    assert!(cache.is_empty());
}

#[test]
fn an_answer_never_outlives_its_access() {
    let mut cache = cache(10);
    let key = key_of("t", "a", "x");
    let access = Access::to_every_document(Permissions::READ).with_expiry(NOW + 10);
    cache.insert(key, Ok(Arc::new(access.clone())), NOW);
    assert!(cache.get(&key, NOW + 9).is_some());
    assert_eq!(cache.get(&key, NOW + 10), None);
    cache.insert(key, Ok(Arc::new(access)), NOW + 10);
    assert!(cache.is_empty());
}

#[test]
fn another_token_document_or_address_is_another_question() {
    let mut cache = cache(10);
    cache.insert(key_of("ab", "c", "x"), yes(), NOW);
    assert!(cache.get(&key_of("ab", "c", "x"), NOW).is_some());
    for (token, document, address) in [
        ("ab", "d", "x"),
        ("ab", "c", "y"),
        ("abc", "c", "x"),
        // The same bytes in a row.
        ("a", "bc", "x"),
        ("abc", "x", "x"),
        ("ab", "cx", ""),
    ] {
        assert_eq!(cache.get(&key_of(token, document, address), NOW), None);
    }
}

#[test]
fn the_oldest_answer_goes_first() {
    let mut cache = cache(3);
    let key = |n: usize| key_of("t", &n.to_string(), "x");
    for n in 0..3 {
        cache.insert(key(n), yes(), NOW);
    }
    // Asked for again, it is a new answer.
    cache.insert(key(0), yes(), NOW);
    assert_eq!(cache.len(), 3);
    cache.insert(key(3), yes(), NOW);
    assert_eq!(cache.len(), 3);
    assert_eq!(cache.get(&key(1), NOW), None);
    for n in [0, 2, 3] {
        assert!(cache.get(&key(n), NOW).is_some(), "{n}");
    }
    for n in 0..10_000 {
        cache.insert(key(n % 7), if n % 2 == 0 { yes() } else { no() }, NOW);
        assert!(cache.len() <= 3);
    }
}

#[test]
fn without_room_nothing_is_remembered() {
    let mut cache = cache(0);
    cache.insert(key_of("t", "a", "x"), yes(), NOW);
    assert!(cache.is_empty());
}

#[test]
fn a_recheck_asks_again() {
    let mut cache = cache(10);
    let (a, b) = (key_of("t", "a", "x"), key_of("t", "b", "x"));
    cache.insert(a, yes(), NOW);
    cache.insert(b, yes(), NOW);
    cache.forget(&a);
    assert_eq!(cache.get(&a, NOW), None);
    assert!(cache.get(&b, NOW).is_some());
    cache.clear();
    assert_eq!(cache.get(&b, NOW), None);
    cache.insert(b, yes(), NOW);
    assert_eq!(cache.len(), 1);
}
