//! Delivers one stream without a gap, and notices that it has lost its end.

mod delivery_journal;
mod mode;
mod options;
mod reader;

pub use delivery_journal::LostRecord;
pub use options::{ConsumerScope, ReaderOptions, ReaderOutput};
pub use reader::StreamReader;

#[cfg(test)]
mod tests;
