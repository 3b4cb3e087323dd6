//! Appends to one stream: one atomic batch at a time, again until it is known to be stored.

mod batch;
mod flight;
mod options;
mod writer;

pub use batch::{BatchAnswer, OutgoingBatch, OutgoingMessage};
pub use options::{AppendRefusal, Pace, WriterOptions};
pub use writer::{BatchAcknowledged, StreamWriter, WriterOutput};

#[cfg(test)]
mod tests;
