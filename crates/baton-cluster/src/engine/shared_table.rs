//! Small tables that all nodes share, such as the nodes' leases.
//!
//! A write names the revision that it replaces, and changes nothing if another was faster. Only a
//! write decides; what was read may be old.

use std::sync::Arc;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::stream::RawMessageErrorKind;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::append::{AppendAnswer, NewMessage, append};
use super::connection::Connection;
use super::delivery::Delivery;
use super::error::EngineError;
use super::subjects::Names;

/// The table of the nodes' leases.
pub(crate) const LEASES: &str = "leases";

const READ: &str = "the read of a shared value";

/// A value and the revision that a write replacing it must name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedValue {
    /// The revision: larger for each write to the table.
    pub revision: u64,
    /// The value.
    pub value: Bytes,
}

/// The result of a write.
#[derive(Clone, Debug)]
#[must_use]
pub enum Written {
    /// The value is stored durably under this revision.
    As(u64),
    /// The same write was done before; since then others may have been.
    Earlier,
    /// Nothing was written: the key has another revision, perhaps by the same write before.
    Overtaken,
    /// It is not known. Repeating the same write with the same revision finds out.
    Unknown(EngineError),
}

/// A table. Clones are handles of the same.
#[derive(Clone, Debug)]
pub struct SharedTable {
    connection: Connection,
    stream: Arc<str>,
    prefix: String,
}

impl SharedTable {
    pub(crate) fn new(connection: Connection, table: &str) -> SharedTable {
        let names = Names::new(&connection.options().prefix);
        SharedTable {
            stream: names.table_stream(table).into(),
            prefix: names.table_prefix(table),
            connection,
        }
    }

    /// Writes a value if the key still has this revision; 0 is that of a key without a value. A key
    /// has letters, digits, `-` and `_`.
    ///
    /// # Errors
    /// [`EngineError::Rejected`]: nothing was written.
    pub async fn write(
        &self,
        key: &str,
        value: Bytes,
        replaces: u64,
    ) -> Result<Written, EngineError> {
        let digest = Sha256::digest(&value);
        let hex: String = digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let id = format!("{key}.{replaces}.{hex}");
        let message = NewMessage::new(self.subject(key), id, value).after(replaces);
        match append(&self.connection, &[message]).await {
            AppendAnswer::Stored { last, .. } => Ok(Written::As(last)),
            AppendAnswer::Duplicate => Ok(Written::Earlier),
            AppendAnswer::Overtaken => Ok(Written::Overtaken),
            AppendAnswer::Unknown(error) => Ok(Written::Unknown(error)),
            AppendAnswer::Refused(error) => Err(error),
        }
    }

    /// Returns the value of a key, as the leader of the table knows it.
    ///
    /// # Errors
    /// [`EngineError::Unanswered`], [`EngineError::Rejected`].
    pub async fn read(&self, key: &str) -> Result<Option<SharedValue>, EngineError> {
        let unanswered = |error: String| EngineError::unanswered(READ, &error);
        let jetstream = self.connection.jetstream();
        let stream = jetstream.get_stream_no_info(&*self.stream).await;
        let stream = stream.map_err(|error| unanswered(error.to_string()))?;
        let subject = self.subject(key);
        let last = stream.get_last_raw_message_by_subject(&subject);
        match self.connection.unless_lost(READ, last).await? {
            Ok(message) => Ok(Some(SharedValue {
                revision: message.sequence,
                value: message.payload,
            })),
            Err(error) => match error.kind() {
                RawMessageErrorKind::NoMessageFound => Ok(None),
                RawMessageErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::NO_MESSAGE_FOUND =>
                {
                    Ok(None)
                }
                RawMessageErrorKind::JetStream(error) => {
                    Err(EngineError::from_jetstream(READ, &error))
                }
                _ => Err(unanswered(error.to_string())),
            },
        }
    }

    /// Reads all values, and then what is written, in the order of their revisions, which are the
    /// sequences of the delivery. A value that is replaced meanwhile may be left out.
    #[must_use]
    pub fn deliver(&self) -> Delivery {
        Delivery::new(self.connection.clone(), self.stream.clone(), 1)
    }

    /// Returns the key that a delivered message's subject names.
    #[must_use]
    pub fn key_of<'a>(&self, subject: &'a str) -> Option<&'a str> {
        subject.strip_prefix(&self.prefix)
    }

    fn subject(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}
