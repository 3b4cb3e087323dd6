//! Limits the work that takes longer than a millisecond, and runs it off the threads that serve
//! connections.
//!
//! Owns the turns, which are given in the order of the requests. A document has one step here at a
//! time, because the step holds the document; a step that waits for its turn does not hold it.
//! Heavy work never has all turns, so lighter work of another document does not wait for it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Settings;
use crate::documents::work_cost::WorkClass;

/// See the module.
#[derive(Debug)]
pub(crate) struct WorkPool {
    turns: Arc<Semaphore>,
    /// Turns that heavy work may have: one less, if there are several.
    heavy: Arc<Semaphore>,
}

/// The permission to do one piece of work. Belongs to the work, not to the task that waits for it.
#[derive(Debug)]
pub(crate) struct PoolTurn {
    _turn: Option<OwnedSemaphorePermit>,
    _heavy: Option<OwnedSemaphorePermit>,
}

/// The runtime is being shut down: the work was not begun, or its result is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server is stopping; reconnect later")]
pub(crate) struct Stopped;

impl WorkPool {
    /// Returns a pool of `work_threads` turns.
    pub(crate) fn new(settings: &Settings) -> Self {
        let threads = match settings.work_threads {
            0 => std::thread::available_parallelism().map_or(2, |cores| (cores.get() / 2).max(2)),
            given => given.min(Semaphore::MAX_PERMITS),
        };
        Self {
            turns: Arc::new(Semaphore::new(threads)),
            heavy: Arc::new(Semaphore::new((threads - 1).max(1))),
        }
    }

    /// Returns a turn if one is free and no other work waits.
    pub(crate) fn try_turn(&self, work: WorkClass) -> Option<PoolTurn> {
        let heavy = match work {
            WorkClass::Heavy => Some(Arc::clone(&self.heavy).try_acquire_owned().ok()?),
            WorkClass::Short | WorkClass::Long => None,
        };
        let turn = Arc::clone(&self.turns).try_acquire_owned().ok()?;
        Some(PoolTurn {
            _turn: Some(turn),
            _heavy: heavy,
        })
    }

    /// Waits for a turn. Work that is dropped meanwhile is not begun.
    pub(crate) async fn turn(&self, work: WorkClass) -> PoolTurn {
        // Neither semaphore is ever closed.
        let heavy = match work {
            WorkClass::Heavy => Arc::clone(&self.heavy).acquire_owned().await.ok(),
            WorkClass::Short | WorkClass::Long => None,
        };
        PoolTurn {
            _turn: Arc::clone(&self.turns).acquire_owned().await.ok(),
            _heavy: heavy,
        }
    }
}

impl PoolTurn {
    /// Does the work on a thread of its own. The work continues to its end even if the caller stops
    /// awaiting it. A panic of the work is passed on to the caller.
    pub(crate) async fn run<R: Send + 'static>(
        self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Stopped> {
        let working = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(self);
            result
        });
        match working.await {
            Ok(result) => Ok(result),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Stopped),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn heavy_work_leaves_a_turn_to_lighter_work() {
        let pool = WorkPool::new(&Settings {
            work_threads: 2,
            ..Settings::default()
        });
        let (told, tells) = std::sync::mpsc::channel::<()>();
        let heavy = pool.turn(WorkClass::Heavy).await;
        let heavy = tokio::spawn(heavy.run(move || tells.recv()));
        assert!(pool.turn(WorkClass::Heavy).now_or_never().is_none());
        assert!(pool.try_turn(WorkClass::Heavy).is_none());
        drop(pool.try_turn(WorkClass::Long).expect("one is free"));
        let light = pool.turn(WorkClass::Long).await;
        assert_eq!(light.run(|| 7).await, Ok(7));
        let both = pool.turn(WorkClass::Long).await;
        assert!(pool.turn(WorkClass::Long).now_or_never().is_none());
        assert!(pool.try_turn(WorkClass::Long).is_none());
        drop((both, told));
        assert!(heavy.await.unwrap().unwrap().is_err());
        assert!(pool.turn(WorkClass::Heavy).now_or_never().is_some());
    }
}
