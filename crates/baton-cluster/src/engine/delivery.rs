//! Reading a stream for ever: consumers, one after the other, without a gap between them.

use std::sync::Arc;
use std::time::Duration;

use super::connection::Connection;
use super::consumer::{Consumer, Heard, StoredMessage};
use super::error::EngineError;

/// Pause before a consumer is asked for again that the engine could not begin.
const RETRY: Duration = Duration::from_millis(200);

/// Number of heartbeats without a word after which a consumer counts as dead.
const SILENT_HEARTBEATS: u32 = 3;

/// A reader of a stream that is never trimmed below what it has read, such as a table.
///
/// A log stream has a [`StreamReader`](crate::core::StreamReader) of its own instead, which also
/// notices that the stream has lost its end.
#[derive(Debug)]
pub struct Delivery {
    connection: Connection,
    stream: Arc<str>,
    /// The lowest sequence that was not delivered.
    next: u64,
    consumer: Option<Consumer>,
    /// Number of messages of the consumer that arrived.
    count: u64,
}

impl Delivery {
    pub(crate) fn new(connection: Connection, stream: Arc<str>, from: u64) -> Delivery {
        Delivery {
            connection,
            stream,
            next: from.max(1),
            consumer: None,
            count: 0,
        }
    }

    /// Waits for the next message, as long as the engine does not answer. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    /// [`EngineError::Rejected`]. Asking again gives the same error, until an operator has mended
    /// its cause.
    pub async fn next(&mut self) -> Result<StoredMessage, EngineError> {
        let patience = self.connection.options().delivery_heartbeat * SILENT_HEARTBEATS;
        loop {
            let Some(consumer) = &mut self.consumer else {
                self.begin().await?;
                continue;
            };
            match tokio::time::timeout(patience, consumer.next()).await {
                Ok(Heard::Message { number, message }) if number == self.count + 1 => {
                    self.count = number;
                    self.next = message.sequence + 1;
                    return Ok(message);
                }
                Ok(Heard::Heartbeat { number }) if number == self.count => {}
                _ => self.consumer = None,
            }
        }
    }

    async fn begin(&mut self) -> Result<(), EngineError> {
        match Consumer::begin(&self.connection, &self.stream, Vec::new(), self.next).await {
            Ok(consumer) => (self.consumer, self.count) = (Some(consumer), 0),
            Err(error) if error.is_passing() => tokio::time::sleep(RETRY).await,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
