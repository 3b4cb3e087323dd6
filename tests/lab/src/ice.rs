//! Stands a client's thread still, as SIGSTOP would its process.
//!
//! Owns the switch. Each client runs on a thread of its own, so a thread that waits here stops all of that client: its
//! timers, its socket's reader, its answers to beats. What comes for it meanwhile stays with the kernel, which goes on
//! acknowledging until its buffers are full. Decides nothing.

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct Ice {
    frozen: Mutex<bool>,
    thawed: Condvar,
    called: Notify,
}

impl Ice {
    pub(crate) fn freeze(&self) {
        *self.frozen.lock() = true;
        self.called.notify_one();
    }

    pub(crate) fn thaw(&self) {
        *self.frozen.lock() = false;
        self.thawed.notify_all();
    }

    /// Until the client is to stand still.
    pub(crate) async fn called(&self) {
        self.called.notified().await;
    }

    /// Blocks this thread until it is thawed; at once, if it is already.
    pub(crate) fn stand_still(&self) {
        let mut frozen = self.frozen.lock();
        while *frozen {
            self.thawed.wait(&mut frozen);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_frozen_thread_runs_none_of_its_tasks_and_then_all_of_them() {
        let (ice, steps) = (Arc::new(Ice::default()), Arc::new(AtomicU64::new(0)));
        let (stood, stands) = oneshot::channel();
        let (inside, counted) = (Arc::clone(&ice), Arc::clone(&steps));
        let client = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let mut beat = tokio::time::interval(Duration::from_millis(1));
                let beats = Arc::clone(&counted);
                tokio::spawn(async move {
                    loop {
                        beat.tick().await;
                        beats.fetch_add(1, Ordering::SeqCst);
                    }
                });
                inside.called().await;
                stood.send(counted.load(Ordering::SeqCst)).unwrap();
                inside.stand_still();
                let frozen_at = counted.load(Ordering::SeqCst);
                while counted.load(Ordering::SeqCst) == frozen_at {
                    tokio::task::yield_now().await;
                }
                frozen_at
            })
        });
        ice.freeze();
        let before = stands.await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(steps.load(Ordering::SeqCst), before);
        ice.thaw();
        assert_eq!(client.join().unwrap(), before);
    }
}
