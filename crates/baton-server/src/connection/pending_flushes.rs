//! The connections to flush after a step of a document.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::poll_immediate;

use crate::connection::socket_writer::SocketWriter;

/// Most connections that one task flushes by itself; with more, others would wait for the last.
const FEW: usize = 32;

/// Connections for which something was queued. They are flushed when this is dropped: outside of
/// the document's gate, and once for everything that was queued in the meantime.
#[derive(Debug, Default)]
pub(crate) struct PendingFlushes {
    writers: Vec<Arc<SocketWriter>>,
}

impl PendingFlushes {
    /// Adds a connection.
    pub(crate) fn push(&mut self, writer: &Arc<SocketWriter>) {
        self.writers.push(Arc::clone(writer));
    }

    /// Adds the connections of `others`.
    pub(crate) fn append(&mut self, mut others: Self) {
        self.writers.append(&mut others.writers);
    }

    /// Flushes all of them. A crowd is left to its own tasks, which share the cores.
    pub(crate) fn flush(&mut self) {
        let crowd = self.writers.len() > FEW;
        for writer in self.writers.drain(..) {
            if crowd {
                writer.hand_over();
            } else {
                writer.flush();
            }
        }
    }
}

impl Drop for PendingFlushes {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Awaits `future`; flushes pending connections first if it is not ready at once.
pub(crate) async fn patiently<F: Future>(due: &mut PendingFlushes, future: F) -> F::Output {
    let mut future = pin!(future);
    match poll_immediate(&mut future).await {
        Some(ready) => ready,
        None => {
            due.flush();
            future.await
        }
    }
}
