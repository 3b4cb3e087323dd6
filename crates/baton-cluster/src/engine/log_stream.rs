//! One stream of the log: the records of the documents that belong to it.

use std::sync::Arc;

use super::append::{AppendAnswer, NewMessage, append};
use super::connection::Connection;
use super::consumer::{Consumer, StoredMessage};
use super::delivery::Delivery;
use super::error::EngineError;
use super::stored_messages::{self, StreamState};
use super::subjects::Names;

/// A stream of the log. Clones are handles of the same.
#[derive(Clone, Debug)]
pub struct LogStream {
    connection: Connection,
    index: u16,
    name: Arc<str>,
}

impl LogStream {
    pub(crate) fn new(connection: Connection, index: u16) -> LogStream {
        let names = Names::new(&connection.options().prefix);
        LogStream {
            name: names.log_stream(index).into(),
            connection,
            index,
        }
    }

    /// Returns the number of the stream, from 0.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.index
    }

    /// Returns the name that the engine knows the stream by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Appends all messages or none, contiguously and in their order: up to
    /// [`MOST_IN_BATCH`](super::MOST_IN_BATCH), on subjects of this stream.
    ///
    /// To find out about an answer that was lost, call it again with the same messages in the same
    /// order, within the dedupe window of the first attempt.
    pub async fn append(&self, messages: &[NewMessage]) -> AppendAnswer {
        append(&self.connection, messages).await
    }

    /// Asks the engine to send all messages from a sequence on, of these subjects or, if there are
    /// none, of all.
    ///
    /// # Errors
    /// [`EngineError::Unanswered`], [`EngineError::Rejected`]. There is no consumer, or one that
    /// the engine soon forgets.
    pub async fn consume(&self, subjects: Vec<String>, from: u64) -> Result<Consumer, EngineError> {
        Consumer::begin(&self.connection, &self.name, subjects, from).await
    }

    /// Reads all messages from a sequence on, in order, and then what is appended.
    #[must_use]
    pub fn deliver(&self, from: u64) -> Delivery {
        Delivery::new(self.connection.clone(), self.name.clone(), from)
    }

    /// Reads the messages of a subject, which may have wildcards, from a sequence on, from
    /// whichever server has them. The answer may be behind, even behind an earlier one: nothing may
    /// be decided on it.
    ///
    /// # Errors
    /// [`EngineError::Unanswered`].
    pub async fn tail(&self, subject: &str, from: u64) -> Result<Vec<StoredMessage>, EngineError> {
        let read = stored_messages::read(&self.connection, &self.name, subject, from).await?;
        let messages = read.into_iter().map(|(sequence, message)| StoredMessage {
            sequence,
            subject: message.subject.to_string(),
            payload: message.payload,
        });
        Ok(messages.collect())
    }

    /// Returns up to `most` subjects that match a filter, of the first messages from a sequence on:
    /// of those that are at most `span` sequences behind the first of them. May be behind, as
    /// [`tail`](Self::tail).
    ///
    /// # Errors
    /// [`EngineError::Unanswered`].
    pub async fn first_subjects(
        &self,
        filter: &str,
        (from, span): (u64, u64),
        most: usize,
    ) -> Result<Vec<String>, EngineError> {
        let range = (from, span);
        stored_messages::first_subjects(&self.connection, &self.name, filter, range, most).await
    }

    /// Removes the messages of a subject, which may have wildcards, before a sequence.
    ///
    /// # Errors
    /// [`EngineError::Unanswered`]: it may be done or not; [`EngineError::Rejected`].
    pub async fn purge(&self, subject: String, before: u64) -> Result<(), EngineError> {
        stored_messages::purge(&self.connection, &self.name, subject, Some(before)).await
    }

    /// Returns the extent of the stream, as its leader knows it.
    ///
    /// # Errors
    /// [`EngineError::Unanswered`], [`EngineError::Rejected`].
    pub async fn state(&self) -> Result<StreamState, EngineError> {
        stored_messages::stream_state(&self.connection, &self.name).await
    }

    /// Returns the subjects that have a message and match a filter, as the leader knows them.
    ///
    /// # Errors
    /// [`EngineError::Unanswered`], [`EngineError::Rejected`].
    pub async fn subjects(&self, filter: &str) -> Result<Vec<String>, EngineError> {
        stored_messages::subjects(&self.connection, &self.name, filter).await
    }
}
