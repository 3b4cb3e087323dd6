//! Limits what one socket may send for addresses that it is not let in to yet.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config::Settings;

/// The bytes and messages of one socket that wait for a decision; see the module.
#[derive(Debug)]
pub(super) struct Backlog {
    most_bytes: usize,
    most_messages: usize,
    bytes: AtomicUsize,
    messages: AtomicUsize,
}

/// The reason for which a socket is closed. The client is to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BacklogFull {
    #[error(
        "more than {0} bytes were sent before the server let this client in (max_backlog); connect again"
    )]
    Bytes(usize),
    #[error(
        "more than {0} messages were sent before the server let this client in (max_backlog_messages); connect again"
    )]
    Messages(usize),
}

impl Backlog {
    /// Returns an empty backlog with the limits of these settings.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            most_bytes: usize::try_from(settings.max_backlog.as_u64()).unwrap_or(usize::MAX),
            most_messages: settings.max_backlog_messages,
            bytes: AtomicUsize::new(0),
            messages: AtomicUsize::new(0),
        }
    }

    /// Counts one message. Only the socket's reader adds.
    ///
    /// # Errors
    /// A limit would be exceeded. Nothing was counted.
    pub(super) fn add(&self, bytes: usize) -> Result<(), BacklogFull> {
        if self.bytes.load(Ordering::Relaxed) + bytes > self.most_bytes {
            return Err(BacklogFull::Bytes(self.most_bytes));
        }
        if self.messages.load(Ordering::Relaxed) >= self.most_messages {
            return Err(BacklogFull::Messages(self.most_messages));
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.messages.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Takes messages out of the count.
    pub(super) fn remove(&self, bytes: usize, messages: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.messages.fetch_sub(messages, Ordering::Relaxed);
    }
}
