//! Keys from an address, as a state machine: the server fetches, the cache says at which time.

use std::sync::Arc;

use crate::error::TokenError;
use crate::keys::{KeyError, KeySet};

/// Settings of a [`KeyCache`], in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyCacheTimings {
    /// Time after which keys are fetched again.
    pub refresh_ms: u64,
    /// Time for which keys count after they were fetched, while newer ones cannot be fetched.
    pub keep_ms: u64,
    /// Shortest time between two fetches that tokens with unknown keys cause.
    pub unknown_key_pause_ms: u64,
    /// Pause after a first failure; it doubles with each further one.
    pub first_retry_ms: u64,
    /// Longest pause after a failure.
    pub last_retry_ms: u64,
    /// Time after which a fetch that was not reported counts as failed.
    pub fetch_timeout_ms: u64,
}

impl Default for KeyCacheTimings {
    fn default() -> Self {
        Self {
            refresh_ms: 15 * 60_000,
            keep_ms: 6 * 60 * 60_000,
            unknown_key_pause_ms: 30_000,
            first_retry_ms: 1_000,
            last_retry_ms: 60_000,
            fetch_timeout_ms: 10_000,
        }
    }
}

/// Keys of a JSON Web Key Set at an address.
///
/// Times are in Unix milliseconds. The server calls [`KeyCache::fetch_due`] at the time of
/// [`KeyCache::next_deadline`], fetches when told so, and reports with [`KeyCache::fetched`] or
/// [`KeyCache::failed`]. A late or lost report does no harm.
#[derive(Debug)]
pub struct KeyCache {
    timings: KeyCacheTimings,
    keys: Option<Arc<KeySet>>,
    /// Time of the last fetch that brought keys.
    fetched_at: u64,
    /// Time of the next fetch.
    due_at: u64,
    /// Time at which the fetch under way counts as failed.
    under_way_until: Option<u64>,
    /// Failures since the last fetch that brought keys.
    failures: u32,
}

impl KeyCache {
    /// Makes a cache without keys, whose first fetch is due at this time.
    #[must_use]
    pub fn new(timings: KeyCacheTimings, now: u64) -> Self {
        Self {
            timings,
            keys: None,
            fetched_at: 0,
            due_at: now,
            under_way_until: None,
            failures: 0,
        }
    }

    /// Returns the keys.
    ///
    /// # Errors
    ///
    /// [`TokenError::KeysUnavailable`] if none were fetched yet, or the last ones are too old.
    pub fn keys(&self, now: u64) -> Result<&Arc<KeySet>, TokenError> {
        let end = self.fetched_at.saturating_add(self.timings.keep_ms);
        let keys = self.keys.as_ref().filter(|_| now < end);
        keys.ok_or(TokenError::KeysUnavailable)
    }

    /// Returns true if the server is to fetch the keys now. The fetch is then under way, and the
    /// next calls return false until it is reported or its time is over.
    pub fn fetch_due(&mut self, now: u64) -> bool {
        match self.under_way_until {
            Some(end) if now < end => return false,
            Some(_) => self.failed(now),
            None => {}
        }
        let timings = &self.timings;
        let longest = timings.refresh_ms.max(timings.last_retry_ms);
        // A clock that was set back must not put the fetch off.
        let is_due = now >= self.due_at || self.due_at - now > longest;
        if is_due {
            self.under_way_until = Some(now.saturating_add(timings.fetch_timeout_ms));
        }
        is_due
    }

    /// Returns the time at which [`KeyCache::fetch_due`] is to be called next.
    #[must_use]
    pub fn next_deadline(&self) -> u64 {
        self.under_way_until.unwrap_or(self.due_at)
    }

    /// Takes the fetched document.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if the document cannot be used; the fetch then failed, and the keys of before
    /// stay as they were. Log it: the publisher of the keys has to act.
    pub fn fetched(&mut self, document: &[u8], now: u64) -> Result<(), KeyError> {
        match KeySet::from_jwks(document) {
            Ok(keys) => {
                self.keys = Some(Arc::new(keys));
                self.fetched_at = now;
                self.due_at = now.saturating_add(self.timings.refresh_ms);
                self.under_way_until = None;
                self.failures = 0;
                Ok(())
            }
            Err(error) => {
                self.failed(now);
                Err(error)
            }
        }
    }

    /// Takes note that a fetch failed, for example with any status but 200.
    pub fn failed(&mut self, now: u64) {
        let timings = &self.timings;
        let doubled = timings.first_retry_ms << self.failures.min(16);
        let pause = doubled.min(timings.last_retry_ms);
        self.failures = self.failures.saturating_add(1);
        self.under_way_until = None;
        self.due_at = now.saturating_add(pause);
    }

    /// Takes note that a token was signed with a key that is not in the set.
    ///
    /// Brings the next fetch forward, but not closer to the last one than the settings say and not
    /// into the pause after a failure. Returns true if a fetch is under way or due now: the server
    /// may let the client wait for it and verify the token again.
    pub fn unknown_key(&mut self, now: u64) -> bool {
        if self.under_way_until.is_some_and(|end| now < end) {
            return true;
        }
        if self.failures == 0 {
            let pause = self.timings.unknown_key_pause_ms;
            let earliest = match self.keys {
                Some(_) => self.fetched_at.saturating_add(pause),
                None => now,
            };
            self.due_at = self.due_at.min(earliest.max(now));
        }
        now >= self.due_at
    }
}
