//! One transfer of a snapshot at a time: who asks for it again meanwhile waits for the same one.
//!
//! Openings and snapshots repeat a question that has no answer yet; each repetition of a long
//! transfer would make all of them longer.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, Shared, WeakShared};
use parking_lot::Mutex;

use super::super::error::EngineError;

type Transfer<T> = Shared<BoxFuture<'static, Result<T, EngineError>>>;
type Transfers<K, T> = HashMap<K, WeakShared<BoxFuture<'static, Result<T, EngineError>>>>;

/// The transfers that are under way.
#[derive(Clone, Debug)]
pub(super) struct InFlight<K, T>(Arc<Mutex<Transfers<K, T>>>)
where
    T: Clone;

impl<K, T> InFlight<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    pub(super) fn new() -> InFlight<K, T> {
        InFlight(Arc::new(Mutex::new(HashMap::new())))
    }

    /// Returns the transfer that is under way for this key, else begins it.
    pub(super) fn join(
        &self,
        key: K,
        begin: impl Future<Output = Result<T, EngineError>> + Send + 'static,
    ) -> Transfer<T> {
        let mut transfers = self.0.lock();
        if let Some(running) = transfers.get(&key).and_then(WeakShared::upgrade) {
            return running;
        }
        let (own, ended) = (Arc::clone(&self.0), key.clone());
        let transfer = async move {
            let result = begin.await;
            own.lock().remove(&ended);
            result
        };
        let transfer = transfer.boxed().shared();
        if let Some(weak) = transfer.downgrade() {
            transfers.insert(key, weak);
        }
        transfer
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_transfer_is_shared_while_it_runs_and_begun_anew_after_it() {
        let transfers = InFlight::<u8, u8>::new();
        let (end, ended) = oneshot::channel();
        let first = transfers.join(1, async { Ok(ended.await.expect("an end")) });
        let second = transfers.join(1, async { Ok(99) });
        let other = transfers.join(2, async { Ok(3) });
        assert_eq!(other.await.unwrap(), 3);
        end.send(7).unwrap();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (7, 7));
        assert_eq!(transfers.join(1, async { Ok(8) }).await.unwrap(), 8);
        // One that all have given up does not block the next.
        drop(transfers.join(1, std::future::pending()));
        assert_eq!(transfers.join(1, async { Ok(9) }).await.unwrap(), 9);
    }
}
