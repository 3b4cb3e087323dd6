//! Keys from an address on virtual time.

use baton_auth::{KeyCache, KeyCacheTimings, KeyError, TokenError};

use crate::harness::{NOW, ed25519};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

fn document(seed: u8) -> Vec<u8> {
    let key = ed25519(seed).with_id(&format!("k{seed}"));
    key.public_jwks().unwrap().into_bytes()
}

/// Returns a cache that fetched the key of seed 1 at [`NOW`].
fn filled() -> KeyCache {
    let mut cache = KeyCache::new(KeyCacheTimings::default(), NOW);
    assert!(cache.fetch_due(NOW));
    cache.fetched(&document(1), NOW).unwrap();
    cache
}

fn ids(cache: &KeyCache, now: u64) -> Vec<String> {
    let keys = cache.keys(now).unwrap();
    keys.keys().map(|(_, id)| id.unwrap().to_owned()).collect()
}

#[test]
fn keys_are_fetched_at_once_and_again_after_a_time() {
    let mut cache = KeyCache::new(KeyCacheTimings::default(), NOW);
    assert_eq!(cache.keys(NOW).unwrap_err(), TokenError::KeysUnavailable);
    assert_eq!(cache.next_deadline(), NOW);
    assert!(cache.fetch_due(NOW));
    assert!(!cache.fetch_due(NOW), "the fetch is under way");
    cache.fetched(&document(1), NOW + SECOND).unwrap();
    assert_eq!(ids(&cache, NOW + SECOND), ["k1"]);

    let due = NOW + SECOND + 15 * MINUTE;
    assert_eq!(cache.next_deadline(), due);
    assert!(!cache.fetch_due(due - 1));
    assert!(cache.fetch_due(due));
    assert_eq!(
        ids(&cache, due),
        ["k1"],
        "the old keys count until the new ones are there"
    );
    cache.fetched(&document(2), due).unwrap();
    assert_eq!(ids(&cache, due), ["k2"]);
}

#[test]
fn the_old_keys_count_for_a_while_when_fetches_fail() {
    let mut cache = filled();
    let mut now = NOW;
    let mut attempts = 0;
    while now < NOW + 6 * HOUR {
        if cache.fetch_due(now) {
            attempts += 1;
            cache.failed(now);
        }
        assert_eq!(ids(&cache, now), ["k1"]);
        now = cache.next_deadline();
    }
    assert!(
        (300..400).contains(&attempts),
        "{attempts} attempts: one a minute"
    );
    let end = NOW + 6 * HOUR;
    assert_eq!(ids(&cache, end - 1), ["k1"]);
    assert_eq!(cache.keys(end).unwrap_err(), TokenError::KeysUnavailable);
    // The next success opens the door again.
    cache.fetched(&document(2), end).unwrap();
    assert_eq!(ids(&cache, end), ["k2"]);
}

#[test]
fn the_pause_doubles_with_each_failure() {
    let mut cache = KeyCache::new(KeyCacheTimings::default(), NOW);
    let mut now = NOW;
    let mut pauses = Vec::new();
    for _ in 0..9 {
        assert!(cache.fetch_due(now));
        cache.failed(now);
        pauses.push((cache.next_deadline() - now) / SECOND);
        now = cache.next_deadline();
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert!(cache.fetch_due(now));
    cache.fetched(&document(1), now).unwrap();
    cache.failed(now);
    assert_eq!(
        cache.next_deadline(),
        now + SECOND,
        "a success ends the count"
    );
}

#[test]
fn failures_without_end_overflow_nothing() {
    let mut cache = KeyCache::new(KeyCacheTimings::default(), NOW);
    for _ in 0..100_000 {
        cache.failed(NOW);
    }
    assert_eq!(cache.next_deadline(), NOW + MINUTE);
    cache.failed(u64::MAX);
    assert_eq!(cache.next_deadline(), u64::MAX);
    let longest = KeyCacheTimings {
        refresh_ms: u64::MAX,
        keep_ms: u64::MAX,
        unknown_key_pause_ms: u64::MAX,
        first_retry_ms: u64::MAX,
        last_retry_ms: u64::MAX,
        fetch_timeout_ms: u64::MAX,
    };
    let mut cache = KeyCache::new(longest, NOW);
    assert!(cache.fetch_due(NOW));
    cache.failed(NOW);
    cache.failed(NOW);
    cache.fetched(&document(1), NOW).unwrap();
    assert!(!cache.unknown_key(NOW + HOUR));
    assert!(cache.keys(u64::MAX - 1).is_ok());
}

#[test]
fn a_document_that_is_no_key_set_changes_nothing() {
    let mut cache = filled();
    let due = cache.next_deadline();
    let long = vec![b' '; 256 * 1024 + 1];
    let limit = 256 * 1024;
    let table = [
        (&b"<html>"[..], KeyError::NotJwks),
        (b"", KeyError::NotJwks),
        (br#"{"keys":[]}"#, KeyError::NoUsableKey),
        (&long, KeyError::TooLarge { limit }),
    ];
    for (bytes, expected) in table {
        assert_eq!(cache.fetched(bytes, due), Err(expected));
        assert_eq!(ids(&cache, due), ["k1"]);
        assert!(cache.next_deadline() > due, "as after a failure");
    }
}

#[test]
fn a_token_with_an_unknown_key_causes_few_fetches() {
    let mut cache = filled();
    let mut fetches = 0;
    for second in 1..=600 {
        let now = NOW + second * SECOND;
        // A thousand hostile tokens a second.
        for _ in 0..1_000 {
            cache.unknown_key(now);
        }
        if cache.fetch_due(now) {
            fetches += 1;
            cache.fetched(&document(1), now).unwrap();
        }
    }
    assert_eq!(fetches, 20, "one in 30 s");
}

#[test]
fn a_new_key_is_found_by_the_first_token_of_it() {
    let mut cache = filled();
    let now = NOW + 5 * MINUTE;
    assert!(cache.unknown_key(now), "worth waiting for");
    assert_eq!(cache.next_deadline(), now);
    assert!(cache.fetch_due(now));
    assert!(cache.unknown_key(now + 1), "under way");
    cache.fetched(&document(2), now + 2).unwrap();
    assert_eq!(ids(&cache, now + 2), ["k2"]);
    // Soon after a fetch the next one waits, and is not forgotten.
    assert!(!cache.unknown_key(now + 3));
    assert_eq!(cache.next_deadline(), now + 2 + 30 * SECOND);
}

#[test]
fn an_unknown_key_does_not_shorten_the_pause_after_a_failure() {
    let mut cache = filled();
    let now = NOW + 5 * MINUTE;
    for _ in 0..5 {
        cache.failed(now);
    }
    assert!(!cache.unknown_key(now + SECOND));
    assert_eq!(cache.next_deadline(), now + 16 * SECOND);
}

#[test]
fn a_fetch_that_is_never_reported_counts_as_failed() {
    let mut cache = KeyCache::new(KeyCacheTimings::default(), NOW);
    assert!(cache.fetch_due(NOW));
    let over = cache.next_deadline();
    assert_eq!(over, NOW + 10 * SECOND);
    assert!(!cache.fetch_due(over), "first the pause after a failure");
    assert_eq!(cache.next_deadline(), over + SECOND);
    assert!(cache.fetch_due(over + SECOND));
    // A late report of the first one is as good as any.
    cache.fetched(&document(1), over + SECOND).unwrap();
    assert_eq!(ids(&cache, over + SECOND), ["k1"]);
}

#[test]
fn a_clock_that_is_set_back_brings_a_fetch_forward_and_puts_none_off() {
    let mut cache = filled();
    let now = NOW - 24 * HOUR;
    assert!(cache.fetch_due(now));
    cache.fetched(&document(2), now).unwrap();
    assert_eq!(ids(&cache, now), ["k2"]);
    assert!(!cache.fetch_due(now), "one fetch for one step of the clock");
    assert_eq!(cache.next_deadline(), now + 15 * MINUTE);
}
