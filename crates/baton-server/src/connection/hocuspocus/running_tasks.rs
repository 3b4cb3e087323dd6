//! The running tasks of the addresses of one socket.
//!
//! Owns their numbers, and what a task means that failed by a fault of the server.

use std::sync::Arc;

use baton_sync::hocuspocus::Address;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument;

use super::address_task::{AddressTask, Shared};
use super::mailbox::Mailbox;
use crate::access::ShownToken;
use crate::connection::close_codes;
use crate::connection::socket_writer::{SlowReaderLimits, SocketWriter};
use crate::connection::wire::HocuspocusAddress;

/// The task of an address, as the table knows it.
#[derive(Debug)]
pub(super) struct TaskHandle {
    /// Number of the address on its socket.
    pub(super) number: u32,
    pub(super) mailbox: Arc<Mailbox>,
    /// Ends when the task has ended.
    pub(super) ended: oneshot::Receiver<()>,
}

/// See the module.
pub(super) struct RunningTasks {
    shared: Arc<Shared>,
    socket: Arc<SocketWriter>,
    /// Each returns its address and its number.
    tasks: JoinSet<(Box<str>, u32)>,
    /// Number of the next address.
    next: u32,
}

impl RunningTasks {
    /// Returns the tasks of a socket without addresses.
    pub(super) fn new(shared: &Arc<Shared>, socket: &Arc<SocketWriter>) -> Self {
        Self {
            shared: Arc::clone(shared),
            socket: Arc::clone(socket),
            tasks: JoinSet::new(),
            next: 1,
        }
    }

    /// Starts the task of an address. It waits until `after` has ended.
    pub(super) fn start(
        &mut self,
        address: Address<'_>,
        mailbox: Arc<Mailbox>,
        after: Option<oneshot::Receiver<()>>,
        token: ShownToken,
    ) -> TaskHandle {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        let own = HocuspocusAddress::from(address);
        let patience = SlowReaderLimits::new(self.shared.registry.settings());
        let writer = SocketWriter::of_address(&self.socket, patience, own.clone(), number);
        let task = AddressTask {
            shared: Arc::clone(&self.shared),
            writer,
            mailbox: Arc::clone(&mailbox),
            address: own,
            after,
        };
        let (ends, ended) = oneshot::channel();
        let span = tracing::info_span!("address", document = address.document);
        let raw: Box<str> = address.raw.into();
        let serving = async move {
            task.run(token).await;
            drop(ends);
            (raw, number)
        };
        self.tasks.spawn(serving.instrument(span));
        TaskHandle {
            number,
            mailbox,
            ended,
        }
    }

    /// Waits until a task has ended. Returns its address and its number.
    pub(super) async fn ended(&mut self) -> (Box<str>, u32) {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(ended)) => return ended,
                Some(Err(error)) => self.note_failed(&error),
                None => std::future::pending().await,
            }
        }
    }

    /// Waits until all tasks have handled what had come for them.
    pub(super) async fn finish(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// A task failed by a fault of the server. Its client comes again with its socket.
    fn note_failed(&self, error: &JoinError) {
        tracing::error!(%error, "the task of an address failed");
        self.socket.end(
            close_codes::UNAVAILABLE,
            "a fault of the server ended a document of this connection; reconnect",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the size of the future of an `async fn`, in bytes.
    fn future_bytes<A, B, F: Future>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_task_of_an_idle_address_is_small() {
        let bytes = future_bytes(AddressTask::run);
        assert!(
            bytes <= 2 * 1024,
            "every address keeps {bytes} bytes for its task; box what few of them need"
        );
    }
}
