//! The blocks that are stored, found by their clocks, and compared with those that come again.
//!
//! Two clients that write under one Yjs client id give the same clocks to different things. By its
//! clocks the second's edit is known, and it is nowhere. So a block that is known by its clocks is
//! compared with the stored one, and a different one is a [`Clash`]. Owns the index into the stored
//! bytes; what is the same is decided in `side`.
//!
//! An index has one mark for about a kilobyte of blocks, so that a block is found at the cost of its
//! own size and a kilobyte. It is made when a known block comes for the first time, which costs as
//! much as encoding the document, and follows the document from then on. See ADR 28.

mod side;
mod values;

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

use crate::document::Document;
use crate::scan::{Id, Scan, scan};
use crate::state::{Settled, State};
use crate::state_vector::{ClientId, Clock};

use side::Side;

/// Bytes of blocks, or of one block's content, between two marks.
const MARK_BYTES: usize = 1024;

/// Units that are walked over rather than looked up.
const WALKED: Clock = 1024;

/// Bytes that an index may follow before it is made anew, however small the document is.
const LEAST_FOLLOWED: usize = 64 * 1024;

/// A block came whose clocks are those of a different one that is stored: two clients write under one
/// id. The fault is with the client that came second; nothing changed.
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

/// A place in the stored blocks of one client.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// The unit that is here.
    clock: Clock,
    /// The blocks of this client stand one behind the other from here up to this clock.
    end: Clock,
    /// Where the block begins that has the unit, in clocks and in bytes.
    block_clock: Clock,
    block_at: usize,
    /// Bytes of the block's content before the unit.
    byte: usize,
}

/// The blocks of one client.
#[derive(Debug, Default)]
struct Marked {
    /// Ascending by clock.
    marks: Vec<Mark>,
    /// The position behind the last block.
    past: usize,
}

/// See the module. Deleted units may be in it as they were, or as deleted.
#[derive(Debug, Default)]
pub struct Originals {
    /// All blocks as of some time.
    base: Bytes,
    /// Blocks that came later. Their positions go on behind those of the base.
    recent: Vec<u8>,
    clients: BTreeMap<ClientId, Marked>,
}

impl Originals {
    /// The blocks of one update, such as all of a document.
    #[must_use]
    pub fn of(everything: &Bytes) -> Self {
        let mut originals = Self {
            base: everything.clone(),
            ..Self::default()
        };
        if let Ok(scanned) = scan(everything) {
            for run in scanned.runs() {
                originals.index(&scanned, run.client, run.blocks(), 0);
            }
        }
        originals
    }

    /// Adds what an update brings beyond what is here.
    pub fn follow(&mut self, update: &Scan<'_>) {
        for run in update.runs() {
            let marked = self.clients.get(&run.client);
            let last = marked.and_then(|marked| marked.marks.last());
            let known = last.map_or(0, |mark| mark.end);
            let blocks = run.blocks();
            let first = update.first_past(blocks.clone(), known);
            if first < blocks.end && update.clock(first) >= known {
                let blocks = first..blocks.end;
                let at = self.base.len() + self.recent.len();
                self.recent
                    .extend_from_slice(update.block_bytes(blocks.clone()));
                let moved = at.wrapping_sub(update.offset(first));
                self.index(update, run.client, blocks, moved);
            }
        }
    }

    /// Tells whether more came than an index of everything costs.
    pub(crate) fn has_grown(&self) -> bool {
        self.recent.len() > self.base.len().max(LEAST_FOLLOWED)
    }

    /// Marks these blocks; `moved` is the way from their place in the update to their position here.
    fn index(&mut self, scan: &Scan<'_>, client: ClientId, blocks: Range<usize>, moved: usize) {
        let marked = self.clients.entry(client).or_default();
        for index in blocks {
            let block_clock = scan.clock(index);
            let end = scan.end(index);
            let block_at = scan.offset(index).wrapping_add(moved);
            if scan.is_skip(index) {
                continue;
            }
            let near = |mark: &&mut Mark| {
                mark.end == block_clock && block_at < mark.block_at + mark.byte + MARK_BYTES
            };
            let last = marked.marks.last_mut();
            match last.filter(near).filter(|_| marked.past == block_at) {
                Some(mark) => mark.end = end,
                None => marked.marks.push(Mark {
                    clock: block_clock,
                    end,
                    block_clock,
                    block_at,
                    byte: 0,
                }),
            }
            marked.past = block_at + scan.size(index);
            if scan.size(index) > 2 * MARK_BYTES {
                let bytes = scan.block_bytes(index..index + 1);
                let inner = Side::read(bytes, client, block_clock, 0);
                marked.mark_inside(inner, end, block_at);
            }
        }
    }

    /// Finds what is stored from this unit on.
    fn find(&self, id: Id) -> Option<Side<'_>> {
        let marks = &self.clients.get(&id.client)?.marks;
        let at = marks.partition_point(|mark| mark.clock <= id.clock);
        let mark = marks[at.checked_sub(1)?];
        if id.clock >= mark.end {
            return None;
        }
        let (bytes, from) = match mark.block_at.checked_sub(self.base.len()) {
            Some(from) => (&self.recent[..], from),
            None => (&self.base[..], mark.block_at),
        };
        let mut side = Side::read(&bytes[from..], id.client, mark.block_clock, mark.end)?;
        if mark.byte > 0 {
            side.skip_to(mark.clock, mark.byte);
        }
        side.seek(id.clock).then_some(side)
    }
}

impl Marked {
    /// Marks a large block inside: it begins at this position, and ends at `end`.
    fn mark_inside(&mut self, block: Option<Side<'_>>, end: Clock, block_at: usize) {
        let Some(mut side) = block else {
            return;
        };
        let block_clock = side.clock();
        while let Some((clock, byte)) = side.next_place(MARK_BYTES)
            && clock < end
        {
            self.marks.push(Mark {
                clock,
                end,
                block_clock,
                block_at,
                byte,
            });
        }
    }
}

/// The blocks of a document, with those of a park laid over them.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    document: Option<&'a Document>,
    park: Option<&'a Originals>,
}

impl<'a> Contents<'a> {
    /// Those of a document alone.
    #[must_use]
    pub const fn of(document: &'a Document) -> Self {
        Self {
            document: Some(document),
            park: None,
        }
    }

    /// Those of a park alone: what the document has is not looked at.
    #[must_use]
    pub const fn of_park(park: &'a Originals) -> Self {
        Self {
            document: None,
            park: Some(park),
        }
    }

    /// With those of a park, for what the document does not have.
    #[must_use]
    pub const fn with(self, park: &'a Originals) -> Self {
        Self {
            park: Some(park),
            ..self
        }
    }

    /// Tells whether all of an update that is known by its clocks to a document, or to a park laid over it, is
    /// what is stored there.
    #[must_use]
    pub fn agree(&self, document: &State, park: &State, update: &Scan<'_>) -> bool {
        self.compare(&document.settle_over(park, update)).is_ok()
    }

    /// Compares what of an update is known by its clocks with what is stored. What is deleted, or not
    /// at hand, is the same.
    pub(crate) fn compare(&self, settled: &Settled<'_, '_>) -> Result<(), Clash> {
        for (client, blocks, known) in settled.known_blocks() {
            self.compare_run(settled, client, blocks, known)?;
        }
        Ok(())
    }

    fn compare_run(
        &self,
        settled: &Settled<'_, '_>,
        client: ClientId,
        blocks: Range<usize>,
        known: Clock,
    ) -> Result<(), Clash> {
        let scan = settled.scan();
        let mut stored: Option<Side<'_>> = None;
        for index in blocks {
            let (start, end) = (scan.clock(index), scan.end(index).min(known));
            if start >= known {
                break;
            }
            let bytes = scan.block_bytes(index..index + 1);
            let came = Side::read(bytes, client, start, scan.end(index));
            let Some(mut came) = came.filter(Side::is_content) else {
                continue;
            };
            let mut clock = start;
            while clock < end {
                let id = Id { client, clock };
                if let Some(past) = settled.end_of_deleted(id) {
                    clock = past;
                    continue;
                }
                if !came.seek(clock) {
                    break;
                }
                let near = stored.take().filter(|side| side.is_near(clock, WALKED));
                let near = near.and_then(|mut side| side.seek(clock).then_some(side));
                let to = settled.next_deleted(id).map_or(end, |next| next.min(end));
                let to = border(settled, id, to);
                let Some(mut there) = near.or_else(|| self.find(settled, id)) else {
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

    fn find(&self, settled: &Settled<'_, '_>, id: Id) -> Option<Side<'a>> {
        if id.clock < settled.base_clock(id.client) {
            self.document?.originals()?.find(id)
        } else {
            self.park?.find(id)
        }
    }
}

/// Separates what is compared with the document from what is compared with the park.
fn border(settled: &Settled<'_, '_>, id: Id, to: Clock) -> Clock {
    let document = settled.base_clock(id.client);
    if id.clock < document {
        to.min(document)
    } else {
        to
    }
}
