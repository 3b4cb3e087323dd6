//! A log that runs: its shared state and its commit thread.
//!
//! Owns the thread, which ends when the log is closed or its last owner is dropped.

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::commit_thread;
use crate::error::LogError;
use crate::log_state::LogState;
use crate::store::traits::StoreError;

/// The owner of a running commit thread, shared by all handles of a log and its documents.
#[derive(Debug)]
pub(crate) struct RunningLog {
    state: Arc<LogState>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl RunningLog {
    /// Starts the commit thread.
    ///
    /// # Errors
    /// [`LogError::Start`] if the system gives no thread.
    pub(crate) fn start(state: LogState) -> Result<Arc<RunningLog>, LogError> {
        let state = Arc::new(state);
        let of_thread = state.clone();
        let thread = std::thread::Builder::new()
            .name("group commit".to_owned())
            .spawn(move || commit_thread::run(&of_thread))
            .map_err(|error| LogError::Start {
                source: Arc::new(StoreError::failed("starting the commit thread", error)),
            })?;
        Ok(Arc::new(RunningLog {
            state,
            thread: Mutex::new(Some(thread)),
        }))
    }

    pub(crate) fn state(&self) -> &LogState {
        &self.state
    }

    /// Accepts nothing more; the thread commits the rest and ends.
    pub(crate) fn close(&self) {
        self.state.queue.close();
        self.state.room().close(LogError::Closed);
    }

    /// Waits for the end of the thread. Blocks.
    pub(crate) fn join(&self) {
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // The thread catches its own panics.
            let _ = thread.join();
        }
    }
}

impl Drop for RunningLog {
    fn drop(&mut self) {
        self.close();
        self.join();
    }
}
