//! Tells every open document when the store has failed under it.
//!
//! Owns nothing. A document notices by itself when it next writes; one without edits would go on
//! showing edits that the store will never have.

use std::sync::{Arc, Weak};

use baton_log::{Log, LogHealth};
use tokio::sync::watch;

use crate::documents::open_documents::OpenDocuments;

/// Starts watching, until the log is gone.
pub(crate) fn start(log: &Log, slots: &Arc<OpenDocuments>) {
    tokio::spawn(watch(log.watch_health(), Arc::downgrade(slots)));
}

async fn watch(mut health: watch::Receiver<LogHealth>, slots: Weak<OpenDocuments>) {
    while health.changed().await.is_ok() {
        let Some(slots) = slots.upgrade() else {
            return;
        };
        // A failure that is over may have gone unseen; each document knows whether it was there
        // before it.
        for hosted in slots.all() {
            // One that is at long work does not keep the others from hearing it.
            tokio::spawn(async move { hosted.leave_failed_store().await });
        }
    }
}
