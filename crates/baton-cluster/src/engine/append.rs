//! Appending to a stream: one message, or several in one atomic batch.
//!
//! An answer says exactly what is known: stored, not stored, or neither.

use async_nats::jetstream::{ErrorCode, publish::PublishAck};
use async_nats::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use serde::Deserialize;
use tokio::time::Instant;

use super::connection::Connection;
use super::error::EngineError;

/// Most stored messages of one atomic batch; a limit of the engine.
pub const MOST_IN_BATCH: usize = 1000;

const APPEND: &str = "an append";

/// A message that is to be appended.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// The subject.
    pub subject: String,
    /// Identifies the message: within the dedupe window the same id is stored once in a stream.
    pub id: String,
    /// The content, of [`EngineOptions::part_bytes`](super::EngineOptions::part_bytes) at most.
    pub payload: Bytes,
    /// If set, the message is stored only if the last one of its subject has this sequence; 0 for a
    /// subject without messages.
    pub expected_last: Option<u64>,
    /// Marks one of several parts of a snapshot.
    pub(crate) headers: HeaderMap,
}

impl NewMessage {
    /// Makes a message without a condition.
    #[must_use]
    pub fn new(subject: String, id: String, payload: Bytes) -> NewMessage {
        NewMessage {
            subject,
            id,
            payload,
            expected_last: None,
            headers: HeaderMap::new(),
        }
    }

    /// Stores the message only if the last one of its subject has this sequence, 0 for a subject
    /// without messages.
    #[must_use]
    pub fn after(mut self, expected_last: u64) -> NewMessage {
        self.expected_last = Some(expected_last);
        self
    }

    fn stored_headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.insert(header::NATS_MESSAGE_ID, self.id.as_str());
        if let Some(expected) = self.expected_last {
            let expected = expected.to_string();
            headers.insert(
                header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE,
                expected.as_str(),
            );
        }
        headers
    }
}

/// The answer to an append.
#[derive(Clone, Debug)]
#[must_use]
pub enum AppendAnswer {
    /// All messages are stored by this request, contiguously and durably on a majority of the
    /// replicas.
    Stored {
        /// The sequence of the first one.
        first: u64,
        /// The sequence of the last one.
        last: u64,
    },
    /// All messages are stored, durably, by an earlier request.
    Duplicate,
    /// Nothing was stored: the last sequence of the subject is another than the expected one. A
    /// stream with a single copy says this also to a message that an earlier request stored.
    Overtaken,
    /// It is not known if they are stored. All of them are or none is. To find out, send the same
    /// messages again within the dedupe window.
    Unknown(EngineError),
    /// Nothing was stored, and the same request will not be answered otherwise.
    Refused(EngineError),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Failed { error: async_nats::jetstream::Error },
    Stored(PublishAck),
}

/// Appends all messages or none. They get contiguous sequences, in their order.
///
/// A batch that was sent before must be sent again with the same messages in the same order.
pub(crate) async fn append(connection: &Connection, messages: &[NewMessage]) -> AppendAnswer {
    let asked = Instant::now();
    let answer = attempt(connection, messages).await;
    match answer {
        // A full engine has decided; another server of it is as full.
        AppendAnswer::Unknown(EngineError::Full { .. }) => connection.decided(),
        AppendAnswer::Unknown(_) => connection.undecided(asked).await,
        _ => connection.decided(),
    }
    answer
}

async fn attempt(connection: &Connection, messages: &[NewMessage]) -> AppendAnswer {
    let total = messages.len();
    let Some((last, others)) = messages.split_last().filter(|_| total <= MOST_IN_BATCH) else {
        return AppendAnswer::Refused(EngineError::Configuration {
            what: format!("a batch has {total} messages instead of 1 to {MOST_IN_BATCH}"),
        });
    };
    if others.is_empty() {
        let headers = last.stored_headers();
        let (subject, payload) = (last.subject.clone(), last.payload.clone());
        let answer = connection
            .request(APPEND, subject, Some(headers), payload)
            .await;
        return sort(read_answer(answer), total);
    }
    let batch = format!("{:032x}", rand_id());
    let batch_headers = |message: &NewMessage, number: usize| {
        let mut headers = message.stored_headers();
        headers.insert(header::NATS_BATCH_ID, batch.as_str());
        headers.insert(header::NATS_BATCH_SEQUENCE, number.to_string().as_str());
        headers
    };
    for (index, message) in others.iter().enumerate() {
        let headers = batch_headers(message, index + 1);
        let (subject, payload) = (message.subject.clone(), message.payload.clone());
        let publish = connection
            .client()
            .publish_with_headers(subject, headers, payload);
        if let Err(error) = publish.await {
            return AppendAnswer::Unknown(EngineError::unanswered(APPEND, &error));
        }
    }
    let mut headers = batch_headers(last, total);
    headers.insert(header::NATS_BATCH_COMMIT, header::NATS_BATCH_COMMIT_FINAL);
    let (subject, payload) = (last.subject.clone(), last.payload.clone());
    let answer = connection
        .request(APPEND, subject, Some(headers), payload)
        .await;
    match read_answer(answer) {
        Ok(Err(error)) if error.error_code() == DUPLICATE_IN_BATCH => {
            look_for(connection, last).await
        }
        answer => sort(answer, total),
    }
}

/// Finds out if the message is stored that the engine calls a duplicate: it says so as well
/// while an earlier copy is proposed only, and a new leader may not know that one.
///
/// Sends the message again so that it cannot be stored: a stream with several copies looks for
/// its id first. One with a single copy proposes nothing that it does not store.
async fn look_for(connection: &Connection, message: &NewMessage) -> AppendAnswer {
    if connection.options().replicas == 1 {
        return AppendAnswer::Duplicate;
    }
    let probe = message.clone().after(IMPOSSIBLE_SEQUENCE);
    let headers = Some(probe.stored_headers());
    let answer = connection.request(APPEND, probe.subject, headers, Bytes::new());
    match sort(read_answer(answer.await), 1) {
        AppendAnswer::Overtaken => AppendAnswer::Unknown(EngineError::unanswered(
            APPEND,
            &"an earlier copy of the batch was not stored after all",
        )),
        answer => answer,
    }
}

const DUPLICATE_IN_BATCH: ErrorCode = ErrorCode::ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE;

/// No stream ever gets as far.
const IMPOSSIBLE_SEQUENCE: u64 = u64::MAX >> 1;

type ReadAnswer = Result<Result<PublishAck, async_nats::jetstream::Error>, EngineError>;

fn read_answer(answer: Result<async_nats::Message, EngineError>) -> ReadAnswer {
    let answer = answer?;
    if answer.status == Some(StatusCode::NO_RESPONDERS) {
        return Err(EngineError::unanswered(
            APPEND,
            &"no server leads the stream",
        ));
    }
    match serde_json::from_slice(&answer.payload) {
        Ok(Answer::Stored(ack)) => Ok(Ok(ack)),
        Ok(Answer::Failed { error }) => Ok(Err(error)),
        Err(_) => Err(EngineError::unanswered(APPEND, &"the answer is not JSON")),
    }
}

fn sort(answer: ReadAnswer, count: usize) -> AppendAnswer {
    match answer {
        Ok(Ok(ack)) if ack.duplicate => AppendAnswer::Duplicate,
        Ok(Ok(ack)) => AppendAnswer::Stored {
            first: (ack.sequence + 1).saturating_sub(count as u64),
            last: ack.sequence,
        },
        Ok(Err(error)) => match error.error_code() {
            ErrorCode::STREAM_WRONG_LAST_SEQUENCE => AppendAnswer::Overtaken,
            // Without a sequence: another append to the subject is under way, perhaps this one.
            ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT => {
                AppendAnswer::Unknown(EngineError::unanswered(APPEND, &error))
            }
            _ => match EngineError::from_jetstream(APPEND, &error) {
                error if error.is_passing() => AppendAnswer::Unknown(error),
                error => AppendAnswer::Refused(error),
            },
        },
        Err(error) => AppendAnswer::Unknown(error),
    }
}

/// Returns an id that no other batch has: the engine keeps unfinished batches by their ids.
fn rand_id() -> u128 {
    rand::random()
}
