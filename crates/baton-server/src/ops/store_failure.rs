//! Tells every open document that the store has failed.
//!
//! Owns no state. A document notices a failure by itself only when it writes; one without edits
//! would go on showing edits that the store will never have.

use std::sync::{Arc, Weak};

use baton_log::{Journals, LogHealth};
use tokio::sync::watch;

use crate::documents::open_documents::OpenDocuments;

/// Starts to watch the log, until it is closed.
pub(crate) fn start(log: &dyn Journals, open: &Arc<OpenDocuments>) {
    tokio::spawn(watch(log.watch_health(), Arc::downgrade(open)));
}

async fn watch(mut health: watch::Receiver<LogHealth>, open: Weak<OpenDocuments>) {
    while health.changed().await.is_ok() {
        let Some(open) = open.upgrade() else {
            return;
        };
        // A short failure may have been missed here; each document knows if it was open before it.
        for document in open.all() {
            // A document at long work must not delay the others.
            tokio::spawn(async move { document.leave_failed_store().await });
        }
    }
}
