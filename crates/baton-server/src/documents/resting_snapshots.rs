//! Snapshots of documents, in use or not, because they hold the oldest records of the cluster's
//! log.
//!
//! Owns the number of documents that are opened for this at a time. They leave memory as any
//! document does that has no connection.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

use crate::documents::compaction;
use crate::documents::registry::Registry;

/// Most documents that are opened for a snapshot at a time.
const AT_ONCE: usize = 4;

/// Pause of each of them afterwards: clients go first.
const PAUSE: Duration = Duration::from_millis(100);

/// Starts to write the snapshots that are asked for, until the cluster's log ends or the server is
/// gone.
pub(crate) fn start(registry: &Arc<Registry>, asked: mpsc::Receiver<Arc<str>>) {
    tokio::spawn(write_all(Arc::downgrade(registry), asked));
}

async fn write_all(registry: Weak<Registry>, mut asked: mpsc::Receiver<Arc<str>>) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(document) = asked.recv().await {
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else {
            return;
        };
        let registry = Weak::clone(&registry);
        tokio::spawn(async move {
            if let Some(registry) = registry.upgrade() {
                write(&registry, &document).await;
            }
            tokio::time::sleep(PAUSE).await;
            drop(turn);
        });
    }
}

async fn write(registry: &Registry, name: &str) {
    match registry.open(name).await {
        Ok(document) => compaction::compact_now(&document, registry.settings()).await,
        // The log asks again.
        Err(error) => tracing::warn!(
            document = name,
            %error,
            "a document holds the oldest part of the log, and cannot be opened for a snapshot"
        ),
    }
}
