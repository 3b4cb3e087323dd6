//! One delivery of a stream by the engine, which counts what it sends.
//!
//! The engine pushes without acknowledgements and without redelivery. The reader compares the count
//! with its own: a gap in it is a message that was lost on the way, a gap in the sequences is not.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, push};
use async_nats::jetstream::stream::ConsumerErrorKind;
use async_nats::{Message, StatusCode, Subscriber, header, jetstream};
use bytes::Bytes;
use futures_util::StreamExt;

use super::connection::Connection;
use super::error::EngineError;

/// Time after which the engine forgets a consumer that is no longer listened to.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);

const CONSUMER: &str = "the request for a consumer";

/// A message of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// The sequence in the stream.
    pub sequence: u64,
    /// The subject.
    pub subject: String,
    /// The content.
    pub payload: Bytes,
}

/// A message or a sign of life of a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The next message.
    Message {
        /// Its number among those that this consumer was sent, from 1.
        number: u64,
        /// The message.
        message: StoredMessage,
    },
    /// The engine has sent nothing else for the heartbeat's interval.
    Heartbeat {
        /// The number of the last message that it has sent to this consumer.
        number: u64,
    },
    /// The consumer is at its end; nothing more comes.
    Ended,
}

/// A delivery of a stream, or of a part of it. Dropping it ends it.
#[derive(Debug)]
pub struct Consumer {
    connection: Connection,
    messages: Subscriber,
}

impl Consumer {
    /// Asks the engine to send all messages from a sequence on, of these subjects or of all.
    pub(crate) async fn begin(
        connection: &Connection,
        stream: &str,
        subjects: Vec<String>,
        from: u64,
    ) -> Result<Consumer, EngineError> {
        let inbox = connection.client().new_inbox();
        let subscribed = connection.client().subscribe(inbox.clone()).await;
        let messages = subscribed.map_err(|error| EngineError::unanswered(CONSUMER, &error))?;
        let config = push::Config {
            deliver_subject: inbox,
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: from.max(1),
            },
            filter_subjects: subjects,
            ack_policy: AckPolicy::None,
            max_deliver: 1,
            flow_control: true,
            idle_heartbeat: connection.options().delivery_heartbeat,
            inactive_threshold: FORGOTTEN_AFTER,
            num_replicas: 1,
            memory_storage: true,
            ..push::Config::default()
        };
        let jetstream = connection.jetstream();
        let created = jetstream.create_consumer_on_stream(config, stream);
        let created = connection.unless_lost(CONSUMER, created).await?;
        created.map_err(|error| match error.kind() {
            ConsumerErrorKind::JetStream(error) => EngineError::from_jetstream(CONSUMER, &error),
            _ => EngineError::unanswered(CONSUMER, &error),
        })?;
        Ok(Consumer {
            connection: connection.clone(),
            messages,
        })
    }

    /// Waits for what comes next. Dropping the future loses nothing. Silence is not an end: the
    /// caller measures it.
    pub async fn next(&mut self) -> Heard {
        while let Some(message) = self.messages.next().await {
            match message.status {
                None => return self.stored(message),
                Some(StatusCode::IDLE_HEARTBEAT) => {
                    if let Some(number) = self.heartbeat(&message).await {
                        return Heard::Heartbeat { number };
                    }
                }
                Some(_) => return Heard::Ended,
            }
        }
        Heard::Ended
    }

    fn stored(&self, message: Message) -> Heard {
        let context = self.connection.jetstream().clone();
        let message = jetstream::Message { message, context };
        let Ok((number, sequence)) = message
            .info()
            .map(|info| (info.consumer_sequence, info.stream_sequence))
        else {
            return Heard::Ended;
        };
        let message = StoredMessage {
            sequence,
            subject: message.message.subject.to_string(),
            payload: message.message.payload,
        };
        Heard::Message { number, message }
    }

    /// Answers a request of flow control; returns the engine's count otherwise.
    async fn heartbeat(&self, message: &Message) -> Option<u64> {
        let headers = message.headers.as_ref();
        let stalled = headers.and_then(|headers| headers.get("Nats-Consumer-Stalled"));
        let asked = message.reply.as_ref().map(ToString::to_string);
        if let Some(subject) = asked.or_else(|| stalled.map(ToString::to_string)) {
            // An answer that is not sent makes the consumer silent, and its reader ask for another.
            let _ = self
                .connection
                .client()
                .publish(subject, Bytes::new())
                .await;
            return None;
        }
        let last = headers?.get(header::NATS_LAST_CONSUMER)?;
        last.as_str().parse().ok()
    }
}
