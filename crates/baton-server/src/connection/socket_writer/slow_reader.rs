//! The limits of a client that reads slowly, and the watch over what it takes.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::config::Settings;
use crate::connection::outbox::Outbox;

/// Shortest time between two signs of life from a client that takes bytes.
const ALIVE_EVERY: Duration = Duration::from_secs(1);

/// The limits of a client that reads slowly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlowReaderLimits {
    /// Bytes that may wait.
    pub(crate) most: usize,
    /// Time for which a client that is behind may take nothing.
    pub(crate) behind: Duration,
}

impl SlowReaderLimits {
    /// Returns the limits of these settings.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            most: usize::try_from(settings.max_outbox.as_u64()).unwrap_or(usize::MAX),
            behind: settings.max_behind.0,
        }
    }
}

/// The state of a client that does not take everything at once, for the connection's own task.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Bytes that the client had taken at the last check.
    written: u64,
    /// Time of the last check at which it had taken more.
    since: Option<Instant>,
    /// Time at which the reading side was last told that it is alive.
    told: Option<Instant>,
}

impl Progress {
    /// Tells the reading side that the client is alive, if it took bytes. Ends the connection if
    /// the client is behind and has taken nothing for `patience`. Returns when to check again.
    pub(super) fn check(&mut self, outbox: &Outbox, patience: Duration) -> Option<Instant> {
        let now = Instant::now();
        let written = outbox.written();
        if self.written != written {
            self.written = written;
            self.since = Some(now);
            if self.told.is_none_or(|told| now >= told + ALIVE_EVERY) {
                self.told = Some(now);
                outbox.tell_alive();
            }
        }
        if !outbox.is_behind() {
            return None;
        }
        let until = *self.since.get_or_insert(now) + patience;
        if now < until {
            return Some(until);
        }
        let reason = format!(
            "this connection has read nothing for {patience:?} (max_behind), and others went on; reconnect later"
        );
        outbox.end_slow_reader(reason);
        None
    }
}

/// Waits for this moment, or for ever without one. Boxed, because hardly any connection ever waits
/// here.
pub(super) async fn reached(moment: Option<Instant>) {
    match moment {
        Some(moment) => Box::pin(sleep_until(moment)).await,
        None => std::future::pending().await,
    }
}
