//! Keys from an address: fetches them when the cache says so, and lets tokens of a new key wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use baton_auth::{
    Access, ClaimRules, KeyCache, KeyCacheTimings, MAX_JWKS_BYTES, Token, TokenError, verify,
};
use http::StatusCode;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::service_client::ServiceClient;
use crate::clock::unix_ms;
use crate::config::{ConfigError, Settings, Span};

/// Longest time for which a token waits for a fetch that may bring its key.
const HOLD: Duration = Duration::from_secs(2);

/// Longest sleep of the fetching task, so that a system clock that jumps is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Keys from an address, and the task that fetches them. Dropping it ends the task.
pub(super) struct KeyFetcher {
    shared: Arc<FetchedKeys>,
    task: OnceLock<AbortHandle>,
}

/// Keys as the last fetch that brought some left them.
struct FetchedKeys {
    client: ServiceClient,
    cache: Mutex<KeyCache>,
    /// Result of the last fetch, and the number of fetches that ended.
    ended: watch::Sender<FetchEnd>,
    /// Wakes the task before its time.
    due: Notify,
    fetches: AtomicU64,
    failures: AtomicU64,
}

#[derive(Debug, Clone, Copy, Default)]
struct FetchEnd {
    number: u64,
    is_good: bool,
}

impl KeyFetcher {
    /// Returns the keys of the address that the settings name. Fetches nothing yet.
    ///
    /// # Errors
    /// The setting is no address, or the system has no certificates.
    pub(super) fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let span = |span: Span| u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX);
        let timings = KeyCacheTimings {
            refresh_ms: span(settings.auth_jwks_refresh),
            keep_ms: span(settings.auth_jwks_keep),
            // The client's own time-out comes first.
            fetch_timeout_ms: span(settings.auth_jwks_timeout).saturating_add(1_000),
            ..KeyCacheTimings::default()
        };
        let shared = FetchedKeys {
            client: ServiceClient::new(
                "auth_jwks_url",
                &settings.auth_jwks_url,
                settings.auth_jwks_timeout.0,
                MAX_JWKS_BYTES,
            )?,
            cache: Mutex::new(KeyCache::new(timings, unix_ms())),
            ended: watch::Sender::new(FetchEnd::default()),
            due: Notify::new(),
            fetches: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        };
        Ok(Self {
            shared: Arc::new(shared),
            task: OnceLock::new(),
        })
    }

    /// Starts fetching, and waits for the end of the first fetch.
    pub(super) async fn ready(&self) {
        self.start();
        let mut ended = self.shared.ended.subscribe();
        // The sender is here, so the channel is open.
        let _ended = ended.wait_for(|end| end.number > 0).await;
    }

    /// Verifies a token. If its key is not known, a fetch that may bring it is waited for.
    ///
    /// # Errors
    /// As [`verify`]. A token with an unknown key is refused for good only if the keys were fetched
    /// since it came: otherwise its issuer may have published the key a moment ago.
    pub(super) async fn verify(
        &self,
        token: &Token,
        rules: &ClaimRules,
    ) -> Result<Access, TokenError> {
        self.start();
        let mut ended = self.shared.ended.subscribe();
        let first = self.shared.verify(token, rules);
        let Err(TokenError::KeyUnknown | TokenError::KeysUnavailable) = first else {
            return first;
        };
        if !self.shared.cache.lock().unknown_key(unix_ms()) {
            return Err(TokenError::KeysUnavailable);
        }
        self.shared.due.notify_one();
        let fetched = timeout(HOLD, ended.changed()).await;
        let is_fetched = fetched.is_ok() && ended.borrow().is_good;
        match self.shared.verify(token, rules) {
            Err(TokenError::KeyUnknown) if !is_fetched => Err(TokenError::KeysUnavailable),
            verified => verified,
        }
    }

    /// Returns the number of fetches, and of those that failed.
    pub(super) fn counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.shared.fetches), count(&self.shared.failures))
    }

    /// Starts the task, if it does not run. Done at the first use, because a server may be made
    /// before there is a runtime.
    fn start(&self) {
        self.task.get_or_init(|| {
            let shared = Arc::clone(&self.shared);
            tokio::spawn(async move { shared.keep_fetching().await }).abort_handle()
        });
    }
}

impl Drop for KeyFetcher {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

impl FetchedKeys {
    fn verify(&self, token: &Token, rules: &ClaimRules) -> Result<Access, TokenError> {
        let now = unix_ms();
        let keys = Arc::clone(self.cache.lock().keys(now)?);
        verify(token, &keys, rules, now)
    }

    async fn keep_fetching(&self) {
        loop {
            let now = unix_ms();
            let (is_due, deadline) = {
                let mut cache = self.cache.lock();
                (cache.fetch_due(now), cache.next_deadline())
            };
            if is_due {
                self.fetch().await;
                continue;
            }
            let wait = Duration::from_millis(deadline.saturating_sub(now));
            tokio::select! {
                () = sleep(wait.min(LONGEST_SLEEP)) => {}
                () = self.due.notified() => {}
            }
        }
    }

    async fn fetch(&self) {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        let answer = self.client.get().await;
        let now = unix_ms();
        let fault = match answer {
            Ok((StatusCode::OK, document)) => {
                let taken = self.cache.lock().fetched(&document, now);
                taken.err().map(|error| error.to_string())
            }
            Ok((status, _)) => {
                self.cache.lock().failed(now);
                Some(format!("its status is {status}, and not 200"))
            }
            Err(error) => {
                self.cache.lock().failed(now);
                Some(error.to_string())
            }
        };
        if let Some(fault) = &fault {
            self.failures.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                "the keys of auth_jwks_url cannot be fetched: {fault}; those of before count for auth_jwks_keep; check the address and its service"
            );
        }
        let is_good = fault.is_none();
        self.ended.send_modify(|end| {
            end.number += 1;
            end.is_good = is_good;
        });
    }
}
