//! Counts what the compression of first syncs keeps off the network.

use std::sync::atomic::{AtomicU64, Ordering};

use baton_room::Outgoing;

/// Counts since the start of the server; see the module.
#[derive(Debug, Default)]
pub(crate) struct CompressionSavings {
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl CompressionSavings {
    /// Counts a message that is queued for a client, if it is compressed.
    pub(crate) fn note(&self, message: &Outgoing) {
        if let Outgoing::CompressedStep2(update) | Outgoing::CompressedUpdate(update) = message {
            self.messages.fetch_add(1, Ordering::Relaxed);
            self.bytes
                .fetch_add(update.saved() as u64, Ordering::Relaxed);
        }
    }

    /// Returns how many compressed messages were queued.
    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Returns by how many bytes they were smaller than the updates that they stand for.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
