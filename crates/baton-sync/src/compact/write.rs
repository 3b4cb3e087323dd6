//! Writing the state again.
//!
//! Owns the order of the bytes, and which neighbouring blocks become one.

use std::ops::Range;

use super::gc_plan::{GcPlan, Part};
use super::head::{Head, size_of_cut};
use super::split::{Piece, Splitter, units};
use crate::lib0::write_var_uint;
use crate::scan::{Block, BlockKind, CONTENT, Content, GC, Id, Scan};
use crate::state_vector::{ClientId, Clock};

/// The number of [`Content::Deleted`] on the wire.
const DELETED: u8 = 1;

/// The whole state, rewritten.
pub(super) fn write(scan: &Scan<'_>, plan: &GcPlan<'_, '_>) -> Vec<u8> {
    let mut out = Vec::new();
    write_var_uint(&mut out, scan.runs().len() as u64);
    // One buffer for all: there may be a hundred thousand clients.
    let mut bytes = Vec::new();
    for run in scan.runs() {
        let mut writer = Writer::new(run.client, plan, bytes);
        for index in run.blocks() {
            let block = scan.block(run.client, index);
            writer.block(scan, index, &block);
        }
        bytes = writer.finish(&mut out, scan.clock(run.blocks().start));
    }
    plan.deletes().encode(&mut out);
    out
}

/// The last block, which the next may continue.
enum Open<'a> {
    /// Not written yet.
    Gc { len: Clock },
    /// Not written yet.
    Deleted { head: Head<'a>, len: Clock },
    /// Written, but for the length before its content.
    Row(Row),
}

/// A block whose content is a row of units.
struct Row {
    kind: Content,
    right_origin: Option<Id>,
    /// True if its last unit is deleted.
    deleted: bool,
    /// The place of the length in the written bytes.
    written: Range<usize>,
    /// The length of all pieces, if there are several: then another one is written.
    length: u64,
    joined: bool,
}

/// Units that are to be written, all of one block.
struct Units<'a> {
    head: Head<'a>,
    kind: Content,
    /// The kind's number.
    number: u8,
    start: Clock,
    piece: Piece<'a>,
    /// True for each end if the unit there is deleted.
    deleted: (bool, bool),
}

/// The blocks of one client.
struct Writer<'a, 'f, 'u, 's> {
    client: ClientId,
    plan: &'f GcPlan<'u, 's>,
    count: u64,
    bytes: Vec<u8>,
    open: Option<Open<'a>>,
}

impl<'a, 'f, 'u, 's> Writer<'a, 'f, 'u, 's> {
    fn new(client: ClientId, plan: &'f GcPlan<'u, 's>, mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self {
            client,
            plan,
            count: 0,
            bytes,
            open: None,
        }
    }

    fn block(&mut self, scan: &Scan<'a>, index: usize, block: &Block<'a>) {
        let BlockKind::Item(kind) = block.kind else {
            return self.gc(block.len);
        };
        if self.plan.is_gone(index) {
            return self.gc(block.len);
        }
        let (info, content) = scan.content(block);
        let drops = self.plan.drops_deleted();
        let first = self.plan.part(block, block.clock);
        let stays = match kind {
            Content::Deleted => false,
            Content::Type => !self.plan.goes(self.id(block.clock)),
            _ => !drops || !first.deleted,
        };
        match units(kind, content) {
            Some(units) if drops && first.end < block.end() => {
                self.parts(block, info, kind, units);
            }
            Some(units) if stays => {
                let last = block.end() - 1;
                let last = !drops && self.plan.deletes().contains(self.client, last, 1);
                self.row(&Units {
                    head: Head::of(block, info, block.clock),
                    kind,
                    number: info & CONTENT,
                    start: block.clock,
                    piece: Piece::whole(units, block.len),
                    deleted: (first.deleted, last),
                });
            }
            None if stays => self.verbatim(scan, block),
            _ => self.deleted(Head::of(block, info, block.clock), block.clock, block.len),
        }
    }

    /// Writes a block that is deleted in part, of which the deleted content goes: it is cut there,
    /// or the content is blanked where a cut would be longer.
    fn parts(&mut self, block: &Block<'a>, info: u8, kind: Content, units: &'a [u8]) {
        let mut splitter = Splitter::new(kind, units);
        let mut clock = block.clock;
        // True if the unit before `clock` is of this block and in the open row.
        let mut goes_on = false;
        while clock < block.end() {
            let Part { end, deleted } = self.plan.part(block, clock);
            let head = Head::of(block, info, clock);
            let alive = splitter.take(end - clock);
            let piece = if deleted {
                blanks(block, kind, clock..end)
            } else {
                Some(alive)
            };
            match piece {
                None => self.deleted(head, clock, end - clock),
                Some(piece) if goes_on => self.extend(&piece, deleted),
                Some(piece) => self.row(&Units {
                    head,
                    kind,
                    number: info & CONTENT,
                    start: clock,
                    piece,
                    deleted: (deleted, deleted),
                }),
            }
            goes_on = piece.is_some();
            clock = end;
        }
    }

    fn id(&self, clock: Clock) -> Id {
        Id {
            client: self.client,
            clock,
        }
    }

    fn verbatim(&mut self, scan: &Scan<'a>, block: &Block<'a>) {
        self.flush();
        self.bytes
            .extend_from_slice(&scan.bytes()[block.span.clone()]);
        self.count += 1;
    }

    fn gc(&mut self, more: Clock) {
        if let Some(Open::Gc { len }) = &mut self.open {
            *len += more;
            return;
        }
        self.flush();
        self.open = Some(Open::Gc { len: more });
    }

    /// The clocks of a client go on without a hole, so that only the neighbours are to be compared.
    fn deleted(&mut self, head: Head<'a>, start: Clock, more: Clock) {
        let before = start.checked_sub(1).map(|clock| self.id(clock));
        if let Some(Open::Deleted { head: open, len }) = &mut self.open
            && head.origin == before
            && head.right_origin == open.right_origin
        {
            *len += more;
            return;
        }
        self.flush();
        self.open = Some(Open::Deleted { head, len: more });
    }

    /// Puts units behind those of the open row.
    fn extend(&mut self, piece: &Piece<'_>, deleted: bool) {
        if let Some(Open::Row(row)) = &mut self.open {
            row.joined = true;
            row.deleted = deleted;
            row.length += piece.length(row.kind);
            piece.write(&mut self.bytes);
        }
    }

    /// Writes units as a block of their own, or behind those of the open row.
    ///
    /// Blanks are not joined with blanks: as many as make a cut worth while would be cut the next
    /// time.
    fn row(&mut self, part: &Units<'a>) {
        let before = part.start.checked_sub(1).map(|clock| self.id(clock));
        if let Some(Open::Row(row)) = &mut self.open
            && row.kind == part.kind
            && part.head.origin == before
            && part.head.right_origin == row.right_origin
            && part.deleted.0 == row.deleted
            && !(row.deleted && self.plan.drops_deleted())
        {
            return self.extend(&part.piece, part.deleted.1);
        }
        self.flush();
        part.head.write(&mut self.bytes, part.number);
        let (start, length) = (self.bytes.len(), part.piece.length(part.kind));
        write_var_uint(&mut self.bytes, length);
        let written = start..self.bytes.len();
        part.piece.write(&mut self.bytes);
        self.open = Some(Open::Row(Row {
            kind: part.kind,
            right_origin: part.head.right_origin,
            deleted: part.deleted.1,
            written,
            length,
            joined: false,
        }));
    }

    fn flush(&mut self) {
        let bytes = &mut self.bytes;
        match self.open.take() {
            None => return,
            Some(Open::Gc { len }) => {
                bytes.push(GC);
                write_var_uint(bytes, u64::from(len));
            }
            Some(Open::Deleted { head, len }) => {
                head.write(bytes, DELETED);
                write_var_uint(bytes, u64::from(len));
            }
            Some(Open::Row(row)) => {
                if row.joined {
                    let mut length = Vec::with_capacity(5);
                    write_var_uint(&mut length, row.length);
                    bytes.splice(row.written, length);
                }
            }
        }
        self.count += 1;
    }

    /// Returns the buffer.
    fn finish(mut self, out: &mut Vec<u8>, start: Clock) -> Vec<u8> {
        self.flush();
        write_var_uint(out, self.count);
        write_var_uint(out, self.client.get());
        write_var_uint(out, u64::from(start));
        out.extend_from_slice(&self.bytes);
        self.bytes
    }
}

/// Most bytes of the length before a row.
const MOST_OF_A_LENGTH: usize = 5;

/// Blanks for a deleted part of a block, if they are no longer than the heads of blocks that a cut
/// would cost. This depends only on the part, so that it is the same the next time.
fn blanks(block: &Block<'_>, kind: Content, part: Range<Clock>) -> Option<Piece<'static>> {
    let units = part.end - part.start;
    let piece = Piece::blank(kind, units)?;
    let heads = if part.start > block.clock && part.end < block.end() {
        2
    } else {
        1
    };
    let cut = heads * size_of_cut(block, part.end) + 2 * MOST_OF_A_LENGTH;
    (piece.size() <= cut).then_some(piece)
}
