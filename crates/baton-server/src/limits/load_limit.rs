//! Whose turn it is to load a document.
//!
//! Owns the number of loads under way and of those who wait for one: a storm of opens is refused in
//! time, not queued for ever. A [`LoadTurn`] goes with the work itself, not with who asked for it,
//! for work on a thread goes on without them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::config::Settings;

/// Why a document is not loaded now. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoadRefused {
    #[error(
        "{0} connections wait for documents to be loaded, which is all that may (max_waiting_loads); come again later"
    )]
    Queue(usize),
    #[error(
        "it was not this document's turn to be loaded within {0:?} (load_wait); come again later"
    )]
    Time(Duration),
}

/// The turns; see the module.
#[derive(Debug)]
pub(crate) struct LoadLimit {
    most: usize,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    wait: Duration,
}

/// A turn to load, until it is dropped.
#[derive(Debug)]
pub(crate) struct LoadTurn {
    _turn: OwnedSemaphorePermit,
}

impl LoadLimit {
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

    /// Returns the time until which a request that comes now may wait.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.wait
    }

    /// Waits for a turn, until then at most.
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

/// A place among those who wait. Made before it is counted, so that being refused gives it back as
/// well.
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
