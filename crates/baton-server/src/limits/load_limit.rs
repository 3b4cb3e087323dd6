//! Limits the documents that are loaded at the same time, and the connections that wait for that.
//!
//! Owns both counts: a storm of requests is refused in time, instead of being queued for ever. A
//! [`LoadTurn`] belongs to the work itself, because work on a thread continues after the connection
//! that asked for it is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::config::Settings;

/// The reason for which a document is not loaded now. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoadRefused {
    #[error(
        "{0} connections wait for documents to be loaded, which is the limit (max_waiting_loads); reconnect later"
    )]
    Queue(usize),
    #[error(
        "the server had no time to load this document within {0:?} (load_wait); reconnect later"
    )]
    Time(Duration),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct LoadLimit {
    most: usize,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    wait: Duration,
}

/// The permission to load one document, until it is dropped.
#[derive(Debug)]
pub(crate) struct LoadTurn {
    _turn: OwnedSemaphorePermit,
}

impl LoadLimit {
    /// Returns the limits of these settings.
    pub(crate) fn new(settings: &Settings) -> Self {
        let most = settings.max_loads.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            most,
            turns: Arc::new(Semaphore::new(most)),
            waiting: AtomicUsize::new(0),
            most_waiting: settings.max_waiting_loads,
            wait: settings.load_wait.0,
        }
    }

    /// Returns the time until which a request of this moment may wait.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.wait
    }

    /// Waits for a turn until the deadline.
    ///
    /// # Errors
    /// Too many requests wait already, or the deadline has passed.
    pub(crate) async fn turn(&self, deadline: Instant) -> Result<LoadTurn, LoadRefused> {
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            return Ok(LoadTurn { _turn: turn });
        }
        let _place = self.queue()?;
        let turn = Arc::clone(&self.turns).acquire_owned();
        match tokio::time::timeout_at(deadline, turn).await {
            Ok(Ok(turn)) => Ok(LoadTurn { _turn: turn }),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(LoadRefused::Time(self.wait)),
        }
    }

    fn queue(&self) -> Result<WaitingPlace<'_>, LoadRefused> {
        let place = WaitingPlace(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.most_waiting {
            return Err(LoadRefused::Queue(self.most_waiting));
        }
        Ok(place)
    }

    /// Returns how many requests wait for a turn.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Returns how many documents are being loaded.
    pub(crate) fn under_way(&self) -> usize {
        self.most.saturating_sub(self.turns.available_permits())
    }
}

/// A place among the waiting requests. Made before it is counted, so that a refusal gives it back
/// as well.
struct WaitingPlace<'a>(&'a AtomicUsize);

impl Drop for WaitingPlace<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_storm_waits_in_a_short_queue_for_a_short_time() {
        let loads = LoadLimit::new(&Settings {
            max_loads: 1,
            max_waiting_loads: 1,
            ..Settings::default()
        });
        let first = loads.turn(loads.deadline()).await.unwrap();
        let began = Instant::now();
        let (second, third) =
            tokio::join!(loads.turn(loads.deadline()), loads.turn(loads.deadline()),);
        assert_eq!(third.unwrap_err(), LoadRefused::Queue(1));
        assert_eq!(second.unwrap_err(), LoadRefused::Time(began.elapsed()));
        assert_eq!((loads.waiting(), loads.under_way()), (0, 1));
        let (fourth, ()) = tokio::join!(loads.turn(loads.deadline()), async { drop(first) });
        assert!(fourth.is_ok());
        // A deadline that is over refuses a request that would have to wait, and no other.
        let over = Instant::now();
        assert!(loads.turn(over).await.is_err());
        drop(fourth);
        assert!(loads.turn(over).await.is_ok());
        assert_eq!((loads.waiting(), loads.under_way()), (0, 0));
    }
}
