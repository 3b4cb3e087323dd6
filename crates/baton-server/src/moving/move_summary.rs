//! The result of a move, and the reason for each document that did not arrive.

use std::fmt::{self, Display};
use std::time::Duration;

use baton_log::LogError;
use baton_room::MoveError;
use bytesize::ByteSize;

/// The fate of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// The target had no document of this name.
    Copied,
    /// It took the place of another state of it.
    Replaced,
    /// The target had it already.
    Unchanged,
}

/// The reason for which a document did not arrive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotCarried {
    /// It cannot be read where it is.
    #[error("it cannot be read from the source: {0}")]
    Source(#[source] LogError),
    /// Its state cannot be read.
    #[error(
        "its state cannot be read from the source: {0}; nothing was changed; try the program of the \
         version that wrote it"
    )]
    SourceState(#[source] MoveError),
    /// The target does not take it, or does not give it back.
    #[error(
        "the target failed: {0}; it may have this document or not: mend the target, and run the \
         command again"
    )]
    Target(#[source] LogError),
    /// The content of the target under its name cannot be read.
    #[error(
        "the target has a document of this name that cannot be read: {0}; it was not changed; erase \
         it there, or replace it with --replace"
    )]
    TargetState(#[source] MoveError),
    /// The target has something else under its name.
    #[error(
        "the target has a document of this name, and {0} differs; it was not changed; rename or \
         erase one of them, or replace that of the target with --replace"
    )]
    Other(&'static str),
    /// The target gives back something else than it was given.
    #[error(
        "it was read back from the target, and {0} differs: a fault of this program or of the \
         target; the source is unchanged: keep it, do not serve the target, and report this"
    )]
    Differs(&'static str),
}

/// The result of a move.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct MoveSummary {
    /// Documents of which the target had nothing.
    pub copied: usize,
    /// Documents of which the target had another state.
    pub replaced: usize,
    /// Documents that the target had already.
    pub unchanged: usize,
    /// Those among all that were erased, and remain so.
    pub erased: usize,
    /// Bytes of the snapshots that were written.
    pub bytes: u64,
    /// Documents that did not arrive, with the reasons.
    pub failed: Vec<(String, NotCarried)>,
    /// True if the target failed, and further documents were not tried.
    pub gave_up: bool,
    /// True if nothing was written.
    pub dry_run: bool,
    /// Time from the first document to the last.
    pub took: Duration,
}

impl MoveSummary {
    /// Returns true if every document is in the target.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.failed.is_empty() && !self.gave_up
    }

    pub(super) fn count(&mut self, carried: Carried, erased: bool, bytes: usize) {
        let (counter, bytes) = match carried {
            Carried::Copied => (&mut self.copied, bytes),
            Carried::Replaced => (&mut self.replaced, bytes),
            Carried::Unchanged => (&mut self.unchanged, 0),
        };
        *counter += 1;
        self.erased += usize::from(erased);
        self.bytes += bytes as u64;
    }
}

impl Display for MoveSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (would, check) = if self.dry_run {
            ("would be ", "nothing was written")
        } else {
            ("", "each was read back from the target and compared")
        };
        write!(
            f,
            "{} {would}copied, {} {would}replaced, {} unchanged, {} failed ({} of all are erased); {} in {:.1} s; {check}",
            self.copied,
            self.replaced,
            self.unchanged,
            self.failed.len(),
            self.erased,
            ByteSize(self.bytes),
            self.took.as_secs_f64(),
        )
    }
}
