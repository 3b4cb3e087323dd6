//! Waiting with a deadline. Owns the one deadline of all stories; never retries anything.

use std::time::Duration;

/// How long anything may take before a story fails. Far beyond what is expected, because the machine may be busy; what
/// has a bound of its own is measured against that bound.
pub const WAIT: Duration = Duration::from_secs(20);

/// Waits for something, no longer than [`WAIT`].
///
/// # Panics
/// When the time is over; the message says what was waited for.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT, future)
        .await
        .unwrap_or_else(|_| panic!("waited {WAIT:?} in vain for {what}"))
}
