//! The protocol between nodes as machines without IO: no clock, no task, no socket, no disk.

mod byte_reader;
mod document_key;
mod duplicate_table;
mod envelope;
mod record_id;
mod snapshot_envelope;
mod stream_position;

pub use document_key::{DocumentKey, MAX_NAME_BYTES, Subject, stream_of};
pub use duplicate_table::{DuplicateTable, MAX_BOOTS, MAX_OFFERED};
pub use envelope::{Content, Envelope, EnvelopeError, MAX_HEAD_BYTES, Part};
pub use record_id::{BootId, RecordId};
pub use snapshot_envelope::{SnapshotEnvelope, SnapshotEnvelopeError};
pub use stream_position::{Incarnations, MAX_INCARNATION, MAX_SEQUENCE, StreamPosition};
