//! The replica that is compared with yrs and with Yjs.

use baton_sync::{History, Judgement, Rejected, Replica, StateVector, compact, scan};

use crate::knowledge::Knowledge;

/// A replica of a document that takes updates and gives them back.
pub trait Subject: Sized {
    /// The kinds of content that this replica changes or refuses, see
    /// `tests/node/differential/edits.js`.
    const SPARED: &[&str];

    /// A replica that knows nothing.
    fn empty() -> Self;

    /// Takes as much of the update as can be applied now.
    ///
    /// # Errors
    /// The reason why this update can never be applied.
    fn apply(&mut self, update: &[u8]) -> Result<Taken, String>;

    /// The units it has, and those that are deleted, implied deletions included.
    fn knowledge(&self) -> Knowledge;

    /// All of it as one update v1.
    ///
    /// # Errors
    /// The reason why it cannot be encoded.
    fn everything(&mut self) -> Result<Vec<u8>, String>;

    /// The update v1 for a replica with this state vector.
    ///
    /// # Errors
    /// The reason why it cannot be encoded.
    fn difference(&self, since: &StateVector) -> Result<Vec<u8>, String>;

    /// Drops deleted content from all of it as one update v1.
    ///
    /// # Errors
    /// The reason why it cannot be compacted.
    fn compacted(everything: &[u8]) -> Result<Vec<u8>, String>;
}

/// The part of an update that a replica took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// All of it, or it was known.
    All,
    /// Something must come first; `some` if a part was applied.
    Part {
        /// True if the replica knows more than before.
        some: bool,
    },
    /// Nothing: a block is known in part, and the sender must cut it there.
    Astride,
}

impl Subject for Replica {
    // The scanner refuses these.
    const SPARED: &[&str] = &[];

    fn empty() -> Self {
        Self::new()
    }

    fn apply(&mut self, update: &[u8]) -> Result<Taken, String> {
        let scanned = scan(update).map_err(|error| error.to_string())?;
        match self.apply_scanned(&scanned) {
            Ok(_) => Ok(Taken::All),
            Err(Rejected::NotAdmitted(Judgement::Astride { .. })) => Ok(Taken::Astride),
            Err(Rejected::NotAdmitted(Judgement::Gap { missing })) => {
                let Some(part) = self.state().closed_part(&scanned) else {
                    // Only a Skip over known blocks stands in the way.
                    return Ok(if missing.is_empty() {
                        Taken::All
                    } else {
                        Taken::Part { some: false }
                    });
                };
                Self::apply(self, &part).map_err(|error| error.to_string())?;
                Ok(Taken::Part { some: true })
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn knowledge(&self) -> Knowledge {
        Knowledge::of(&self.state().vector(), self.state().deletes())
    }

    fn everything(&mut self) -> Result<Vec<u8>, String> {
        Ok(Self::everything(self).to_vec())
    }

    fn difference(&self, since: &StateVector) -> Result<Vec<u8>, String> {
        Ok(Self::difference(self, since).to_vec())
    }

    fn compacted(everything: &[u8]) -> Result<Vec<u8>, String> {
        let compacted = compact(everything, History::Drop).map_err(|error| error.to_string())?;
        Ok(compacted.to_vec())
    }
}
