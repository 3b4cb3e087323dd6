//! Messages between the nodes that are not stored: awareness, and questions for it.
//!
//! A message is delivered once at most, in the order of its sender, to the nodes that listen.

use async_nats::Subscriber;
use bytes::Bytes;
use futures_util::StreamExt;

use super::connection::Connection;
use super::error::EngineError;
use super::subjects::Names;
use crate::core::{BootId, DocumentKey};

/// Sends and receives unstored messages. Clones are handles of the same.
#[derive(Clone, Debug)]
pub struct Relay {
    connection: Connection,
    names: Names,
    own: BootId,
}

/// The unstored messages of one document that other nodes send.
#[derive(Debug)]
pub struct RelaySubscription {
    messages: Subscriber,
    own: BootId,
}

impl Relay {
    pub(crate) fn new(connection: Connection, own: BootId) -> Relay {
        let names = Names::new(&connection.options().prefix);
        Relay {
            connection,
            names,
            own,
        }
    }

    /// Sends a message to the nodes that listen to a document.
    ///
    /// # Errors
    /// [`EngineError::Unanswered`] if the connection is gone, [`EngineError::Configuration`] if
    /// the message is longer than the servers take. No node has it.
    pub async fn send(&self, document: &DocumentKey, message: Bytes) -> Result<(), EngineError> {
        let limit = self.connection.client().max_payload();
        if message.len() > limit {
            return Err(EngineError::Configuration {
                what: format!(
                    "an unstored message has {} bytes, the servers take {limit} (max_payload)",
                    message.len()
                ),
            });
        }
        let subject = self.names.relay_subject(document, self.own);
        let sent = self.connection.client().publish(subject, message).await;
        sent.map_err(|error| EngineError::unanswered("an unstored message", &error))
    }

    /// Listens to the messages of a document.
    ///
    /// # Errors
    /// [`EngineError::Unanswered`] if the connection is closed.
    pub async fn listen(&self, document: &DocumentKey) -> Result<RelaySubscription, EngineError> {
        let subject = self.names.relay_subjects(document);
        let messages = self.connection.client().subscribe(subject).await;
        Ok(RelaySubscription {
            messages: messages
                .map_err(|error| EngineError::unanswered("a subscription", &error))?,
            own: self.own,
        })
    }
}

impl RelaySubscription {
    /// Waits for the next message of another node; returns its sender. `None` once the connection
    /// is closed. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<(BootId, Bytes)> {
        loop {
            let message = self.messages.next().await?;
            match Names::relay_sender(&message.subject) {
                Some(from) if from != self.own => return Some((from, message.payload)),
                _ => {}
            }
        }
    }
}
