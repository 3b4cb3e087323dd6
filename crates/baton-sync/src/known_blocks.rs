//! Comparison of stored blocks with those that come again under the same clocks.
//!
//! Two clients that write under one Yjs client id give the same clocks to different content. By its
//! clocks the second client's edit is known, and yet it is stored nowhere. So a block that is known
//! by its clocks is compared with the stored one, and a different one is a [`Clash`]. Owns the
//! comparison of an update with the stored blocks; see decision 28.

use std::ops::Range;

use crate::block_store::BlockStore;
use crate::replica_index::{Applicability, ReplicaIndex};
use crate::scan::{Id, Scan};
use crate::state_vector::{ClientId, Clock};
use crate::unit_cursor::UnitCursor;

/// Units that are walked over rather than looked up.
const WALKED: Clock = 1024;

/// A block came under the clocks of a different one that is stored: two clients write under one id.
/// The fault is with the client that came second; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "another client writes under the Yjs client id {}: what this one inserted at clock {} is not what the document has there. Nothing of this update was taken; open the document afresh, under a new client id, and make the edit again",
    at.client,
    at.clock
)]
pub struct Clash {
    /// The first unit that differs.
    pub at: Id,
}

/// The blocks of a document, with those of a park laid over them.
#[derive(Clone, Copy, Debug)]
pub struct KnownBlocks<'a> {
    document: Option<&'a BlockStore>,
    park: Option<&'a BlockStore>,
}

impl<'a> KnownBlocks<'a> {
    /// Those of a document alone.
    #[must_use]
    pub const fn of(document: &'a BlockStore) -> Self {
        Self {
            document: Some(document),
            park: None,
        }
    }

    /// Those of a park alone, without the document's.
    #[must_use]
    pub const fn of_park(park: &'a BlockStore) -> Self {
        Self {
            document: None,
            park: Some(park),
        }
    }

    /// With those of a park, for the units that the document does not have.
    #[must_use]
    pub const fn with(self, park: &'a BlockStore) -> Self {
        Self {
            park: Some(park),
            ..self
        }
    }

    /// Returns true if all blocks of an update that a document, or a park laid over it, knows by
    /// their clocks are the stored ones.
    #[must_use]
    pub fn agree(&self, document: &ReplicaIndex, park: &ReplicaIndex, update: &Scan<'_>) -> bool {
        self.compare(&document.applicability_over(park, update))
            .is_ok()
    }

    /// Compares the blocks of an update that are known by their clocks with the stored ones. Units
    /// that are deleted or not at hand count as the same.
    ///
    /// # Errors
    /// The first unit that differs.
    pub(crate) fn compare(&self, walk: &Applicability<'_, '_>) -> Result<(), Clash> {
        for (client, blocks, known) in walk.known_blocks() {
            self.compare_run(walk, client, blocks, known)?;
        }
        Ok(())
    }

    fn compare_run(
        &self,
        walk: &Applicability<'_, '_>,
        client: ClientId,
        blocks: Range<usize>,
        known: Clock,
    ) -> Result<(), Clash> {
        let scan = walk.scan();
        let mut stored: Option<UnitCursor<'_>> = None;
        for index in blocks {
            let (start, end) = (scan.clock(index), scan.end(index).min(known));
            if start >= known {
                break;
            }
            let bytes = scan.block_bytes(index..index + 1);
            let came = UnitCursor::read(bytes, client, start, scan.end(index));
            let Some(mut came) = came.filter(UnitCursor::is_content) else {
                continue;
            };
            let mut clock = start;
            while clock < end {
                let id = Id { client, clock };
                if let Some(past) = walk.end_of_deleted(id) {
                    clock = past;
                    continue;
                }
                if !came.seek(clock) {
                    break;
                }
                let near = stored.take().filter(|side| side.is_near(clock, WALKED));
                let near = near.and_then(|mut side| side.seek(clock).then_some(side));
                let to = walk.next_deleted(id).map_or(end, |next| next.min(end));
                let to = border(walk, id, to);
                let Some(mut there) = near.or_else(|| self.find(walk, id)) else {
                    clock = to;
                    continue;
                };
                clock = came.compare(&mut there, to).map_err(|clock| Clash {
                    at: Id { client, clock },
                })?;
                stored = Some(there);
            }
        }
        Ok(())
    }

    fn find(&self, walk: &Applicability<'_, '_>, id: Id) -> Option<UnitCursor<'a>> {
        if id.clock < walk.base_clock(id.client) {
            self.document?.find(id)
        } else {
            self.park?.find(id)
        }
    }
}

/// The end of the units that are compared with the same store as this one.
fn border(walk: &Applicability<'_, '_>, id: Id, to: Clock) -> Clock {
    let document = walk.base_clock(id.client);
    if id.clock < document {
        to.min(document)
    } else {
        to
    }
}
