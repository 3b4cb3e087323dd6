//! Limits on parked edits, and the words for the clients that meet them.

use super::park::Park;

/// Bytes that a park counts at least among the open or the discarded ones, so that many small ones
/// are bounded as well.
pub(super) const LEAST: usize = 16 * 1024;

/// Caps on what is parked. Beyond them new input is refused; nothing that is stored is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParkLimits {
    /// Bytes of updates of one session, or of all sessions of one user, in open parks.
    pub bytes_per_session: usize,
    /// People who have open parks in one document, beyond which none is recovered. An edit that
    /// comes is kept all the same.
    pub parks: usize,
    /// Bytes of updates in open parks of one document; each counts at least 16 KiB. Beyond it no
    /// further edit is kept.
    pub bytes: usize,
    /// Bytes of updates in discarded parks of one document; each counts at least 16 KiB. Beyond it,
    /// nothing can be discarded until something was recovered, or its 30 days are over.
    pub discarded_bytes: usize,
}

impl Default for ParkLimits {
    fn default() -> Self {
        Self {
            bytes_per_session: 10 * 1024 * 1024,
            parks: 100,
            bytes: 64 * 1024 * 1024,
            discarded_bytes: 20 * 1024 * 1024,
        }
    }
}

/// The caps are met. An edit that was refused is not stored, and is only with its author; a
/// decision changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParkFull {
    /// This author parked too much.
    #[error(
        "this edit was not kept: with it, what you have parked would have more than {0} bytes (max_parked_per_session); copy your text, and open the document afresh"
    )]
    Session(usize),
    /// The document's open parks are too large.
    #[error(
        "this edit was not kept: with it, the parks of this document would have more than {0} bytes (max_parked); copy your text; some parks must be merged or discarded first"
    )]
    Document(usize),
    /// Too many people have open parks.
    #[error(
        "{0} people have open parks in this document, which is all that may be (max_parks); nothing changed: merge or discard some first"
    )]
    People(usize),
    /// The document's open parks would be too large with one that is discarded.
    #[error(
        "with it, the open parks of this document would have more than {0} bytes (max_parked); nothing changed: merge or discard some first"
    )]
    Recovered(usize),
    /// The document has too many discarded parks.
    #[error(
        "the discarded parks of this document have {0} bytes with this one, more than they may (max_discarded_parks); nothing changed: recover and merge one, or wait until the oldest is over, 30 days after it was discarded"
    )]
    Discarded(usize),
}

/// Returns the bytes that a park counts among those of its document.
pub(super) fn counted(park: &Park) -> usize {
    park.bytes().max(LEAST)
}
