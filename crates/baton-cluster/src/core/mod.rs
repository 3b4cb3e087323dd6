//! The protocol between nodes as machines without IO: no clock, no task, no socket, no disk.
//!
//! Each machine takes inputs and the time ([`Time`](baton_presence::Time), of any monotonic
//! clock), has its effects taken by `next_output` after each input until it gives none, and names
//! by `poll_timeout` the time at which it wants `handle_timeout`. Inputs may come late, twice or
//! never: the machines tell. So a shell has no logic of its own.
//!
//! | machine | one for each | its shell |
//! | --- | --- | --- |
//! | [`StreamWriter`] | stream | publishes batches |
//! | [`StreamReader`] | stream | makes ordered consumers |
//! | [`Isolation`] | stream | tells rooms that nothing is saved |
//! | [`StreamTrim`] | stream | asks for the extent once a minute |
//! | [`DocumentOpening`], then [`DocumentFeed`] | open document | lists, fetches, reads tails |
//! | [`SnapshotPlan`] | snapshot in the making | puts, reads back, marks, purges |
//! | [`NodeLeases`] | node | writes and watches the bucket of leases |
//!
//! # The way of a record
//!
//! 1. `writer.append(key, record, pace, now)` gives a [`RecordId`]. The shell remembers, per open
//!    document, which proposal of its room that is: a queue, since the order is kept.
//! 2. `WriterOutput::Send(batch)`: the shell publishes it (one message as an ordinary publication,
//!    more as an atomic batch) in a task, and calls `writer.answered(batch.number, batch.attempt,
//!    answer, now)`. Each error except "duplicate" is [`BatchAnswer::Unknown`]. It tells
//!    `isolation.asked(Question::Batch(number), now)`.
//! 3. `WriterOutput::Acknowledged(it)`: `isolation.answered(Question::Batch(it.number), now)`,
//!    `leases.acknowledged(stream, it.first_sent)`, and
//!    `reader.acknowledged(it.first_sequence, it.floor, now)`.
//! 4. `ReaderOutput::Deliver(message)`: `writer.delivered(&message, now)`; then, if
//!    `message.subject.document()` is open here, `feed.take(&message)`: a record for the room, at
//!    `position.number()`, own if `id.boot` is this node's; and, if the message is a mark of a
//!    snapshot, `plan.mark_delivered(..)`. If it is being opened, `opening.delivered(..)`. An own
//!    probe goes to the plan that asked for it.
//!
//! # The start of a stream
//!
//! `let probe = writer.probe(now); StreamReader::new(probe, ..)`: the reader reads what it must
//! know of the past until the probe comes. Documents are opened once `reader.is_live()`. With each
//! consumer that the shell makes, it tells `reader.stream_ends_at(last, now)`.
//! `ReaderOutput::Doubt`: `writer.probe(now)`, before any later output is carried out.
//!
//! `ReaderOutput::Hole`: all documents of the stream fail and are opened again; the plans of the
//! stream are dropped, for their marks and probes may be among what is passed over; then
//! `writer.offer(..)` for all that is missing.
//!
//! # The loss of an end
//!
//! `ReaderOutput::TailLost`: `writer.rewound(end)`, `isolation.set_frozen(true)`, keep `lost`, drop
//! the plans of the stream. `ReaderOutput::IncarnationBegan`: `isolation.set_frozen(false)`; all
//! documents of the stream fail and are opened again; then `writer.offer(..)` for all that was
//! kept.
//!
//! The rules and their reasons are in `docs/cluster-protocol.md`.

mod byte_reader;
mod delivered;
mod document_feed;
mod document_key;
mod document_opening;
mod duplicate_table;
mod envelope;
mod isolation;
mod node_leases;
mod record_id;
mod snapshot_envelope;
mod snapshot_plan;
mod stream_position;
mod stream_reader;
mod stream_trim;
mod stream_writer;

pub use delivered::Delivered;
pub use document_feed::{DocumentFeed, PositionedRecord};
pub use document_key::{DocumentKey, MAX_NAME_BYTES, Subject, stream_of};
pub use document_opening::{
    DocumentOpening, FetchedSnapshot, OpenedDocument, OpeningOptions, OpeningOutput,
};
pub use duplicate_table::{DuplicateTable, MAX_BOOTS, MAX_OFFERED, MAX_RECENT};
pub use envelope::{EnvelopeError, MAX_HEAD_BYTES, MessageContent, MessageEnvelope, Part};
pub use isolation::{ISOLATED_AFTER, Isolation, IsolationChange, Question};
pub use node_leases::{LeaseOptions, LeaseOutput, NodeLeases, NodeLife};
pub use record_id::{BootId, RecordId};
pub use snapshot_envelope::{SnapshotEnvelope, SnapshotEnvelopeError};
pub use snapshot_plan::{
    MarkAnswer, PutAnswer, SnapshotOptions, SnapshotOutcome, SnapshotOutput, SnapshotPlan,
};
pub use stream_position::{Incarnations, MAX_INCARNATION, MAX_SEQUENCE, StreamPosition};
pub use stream_reader::{ConsumerScope, LostRecord, ReaderOptions, ReaderOutput, StreamReader};
pub use stream_trim::{OldestTenth, StreamExtent, StreamTrim, TrimOptions};
pub use stream_writer::{
    AppendRefusal, BatchAcknowledged, BatchAnswer, OutgoingBatch, OutgoingMessage, Pace,
    StreamWriter, WriterOptions, WriterOutput,
};

// Names that the shell still uses: public names are unique in the workspace.
pub use envelope::{MessageContent as Content, MessageEnvelope as Envelope};
pub use stream_reader::ConsumerScope as Scope;
