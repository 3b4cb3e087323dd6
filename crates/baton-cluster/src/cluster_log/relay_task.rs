//! Unstored messages: sends those of this node, and listens for each open document.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::documents::AbortOnDrop;
use super::node::Node;
use crate::core::DocumentKey;
use crate::engine::Relay;

/// Most messages that wait to be sent; more are dropped.
const WAITING: usize = 4096;

/// Pause before a subscription is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Sends and listens. Clones are handles of the same.
#[derive(Clone, Debug)]
pub(super) struct RelayTask {
    node: Arc<Node>,
    relay: Relay,
    outgoing: mpsc::Sender<(DocumentKey, Bytes)>,
}

impl RelayTask {
    /// Starts the task that sends. It ends with the last handle.
    pub(super) fn start(node: Arc<Node>, relay: Relay) -> RelayTask {
        let (outgoing, mut waiting) = mpsc::channel::<(DocumentKey, Bytes)>(WAITING);
        let sender = relay.clone();
        tokio::spawn(async move {
            while let Some((document, bytes)) = waiting.recv().await {
                if let Err(error) = sender.send(&document, bytes).await {
                    tracing::debug!(%document, %error, "an unstored message was dropped");
                }
            }
        });
        RelayTask {
            node,
            relay,
            outgoing,
        }
    }

    /// Sends a message, or drops it if too many wait. Never blocks.
    pub(super) fn send(&self, document: &str, bytes: Bytes) {
        if !self.node.is_isolated() {
            let _ = self.outgoing.try_send((DocumentKey::new(document), bytes));
        }
    }

    /// Listens for a document until the handle is dropped.
    pub(super) fn listen(&self, document: &Arc<str>) -> AbortOnDrop {
        let (it, document) = (self.clone(), Arc::clone(document));
        AbortOnDrop(tokio::spawn(async move {
            let key = DocumentKey::new(&document);
            loop {
                if let Ok(mut subscription) = it.relay.listen(&key).await {
                    while let Some((from, bytes)) = subscription.next().await {
                        it.node.relayed(&document, from, bytes);
                    }
                }
                tokio::time::sleep(RETRY).await;
            }
        }))
    }
}
