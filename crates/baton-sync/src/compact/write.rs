//! Writing the state again.
//!
//! Owns the order of the bytes, and which neighbouring blocks become one.

use super::cut::Cutter;
use super::fate::Fates;
use crate::delete_set::DeleteSet;
use crate::lib0::{write_var_string, write_var_uint};
use crate::scan::{
    Block, BlockKind, CONTENT, Content, GC, HAS_KEY, HAS_ORIGIN, HAS_RIGHT_ORIGIN, Id, IdRange,
    Parent, Scan,
};
use crate::state_vector::{ClientId, Clock};

/// The number of [`Content::Deleted`] on the wire.
const DELETED: u8 = 1;

/// The whole state, rewritten.
pub(super) fn write(scan: &Scan<'_>, fates: &Fates<'_, '_>) -> Vec<u8> {
    let mut out = Vec::new();
    write_var_uint(&mut out, scan.runs().len() as u64);
    // One buffer for all: there may be a hundred thousand clients.
    let mut bytes = Vec::new();
    for run in scan.runs() {
        let mut writer = Writer::new(run.client, bytes);
        for index in run.blocks() {
            let block = scan.block(run.client, index);
            writer.block(scan, fates, index, &block);
        }
        bytes = writer.finish(&mut out, scan.clock(run.blocks().start));
    }
    write_deletes(&mut out, fates.deletes());
    out
}

/// As Yjs writes them, clients descending; ranges that touch are one.
fn write_deletes(out: &mut Vec<u8>, deletes: &DeleteSet) {
    let all: Vec<IdRange> = deletes.iter().collect();
    let clients: Vec<&[IdRange]> = all.chunk_by(|a, b| a.client == b.client).collect();
    write_var_uint(out, clients.len() as u64);
    for ranges in clients.into_iter().rev() {
        write_var_uint(out, ranges[0].client.get());
        write_var_uint(out, ranges.len() as u64);
        for range in ranges {
            write_var_uint(out, u64::from(range.start));
            write_var_uint(out, u64::from(range.end - range.start));
        }
    }
}

/// What stands before an item's content.
#[derive(Clone, Copy)]
struct Head<'a> {
    origin: Option<Id>,
    right_origin: Option<Id>,
    parent: Parent<'a>,
    key: Option<&'a str>,
    /// [`HAS_KEY`] if the item has a key, also one that is inherited and not written.
    keyed: u8,
}

impl<'a> Head<'a> {
    /// The head of the part of the block that begins at `clock`.
    fn of(block: &Block<'a>, info: u8, clock: Clock) -> Self {
        let (keyed, right_origin) = (info & HAS_KEY, block.right_origin);
        if clock == block.clock {
            return Self {
                origin: block.origin,
                right_origin,
                parent: block.parent,
                key: block.key,
                keyed,
            };
        }
        Self {
            origin: Some(Id {
                client: block.client,
                clock: clock - 1,
            }),
            right_origin,
            parent: Parent::Inherited,
            key: None,
            keyed,
        }
    }

    fn write(&self, out: &mut Vec<u8>, content: u8) {
        let origin = self.origin.map_or(0, |_| HAS_ORIGIN);
        let right_origin = self.right_origin.map_or(0, |_| HAS_RIGHT_ORIGIN);
        out.push(content | origin | right_origin | self.keyed);
        for id in [self.origin, self.right_origin].into_iter().flatten() {
            write_id(out, id);
        }
        match self.parent {
            Parent::Inherited => return,
            Parent::Id(id) => {
                out.push(0);
                write_id(out, id);
            }
            Parent::Root(name) => {
                out.push(1);
                write_var_string(out, name);
            }
        }
        if let Some(key) = self.key {
            write_var_string(out, key);
        }
    }
}

fn write_id(out: &mut Vec<u8>, id: Id) {
    write_var_uint(out, id.client.get());
    write_var_uint(out, u64::from(id.clock));
}

/// A block that is not written yet, because the next may become one with it.
enum Open<'a> {
    Gc {
        len: Clock,
    },
    Deleted {
        head: Head<'a>,
        end: Clock,
        len: Clock,
    },
}

/// The blocks of one client.
struct Writer<'a> {
    client: ClientId,
    count: u64,
    bytes: Vec<u8>,
    open: Option<Open<'a>>,
}

impl<'a> Writer<'a> {
    fn new(client: ClientId, mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self {
            client,
            count: 0,
            bytes,
            open: None,
        }
    }

    fn block(&mut self, scan: &Scan<'a>, fates: &Fates<'_, '_>, index: usize, block: &Block<'a>) {
        let BlockKind::Item(content) = block.kind else {
            return self.gc(block.len);
        };
        if fates.is_gone(index) {
            return self.gc(block.len);
        }
        let (info, bytes) = scan.content(block);
        let id = Id {
            client: block.client,
            clock: block.clock,
        };
        if content == Content::Type && !fates.goes(id) {
            return self.verbatim(scan, block);
        }
        let first = stretch(fates.deletes(), block, block.clock);
        match Cutter::new(content, bytes) {
            _ if content == Content::Deleted => {
                self.deleted(Head::of(block, info, block.clock), block.clock, block.len);
            }
            Some(cutter) if first.end < block.end() => {
                self.parts(fates.deletes(), block, info, cutter);
            }
            _ if first.deleted => {
                self.deleted(Head::of(block, info, block.clock), block.clock, block.len);
            }
            _ => self.verbatim(scan, block),
        }
    }

    /// A block that is deleted in part.
    fn parts(&mut self, deletes: &DeleteSet, block: &Block<'a>, info: u8, mut cutter: Cutter<'_>) {
        let mut clock = block.clock;
        while clock < block.end() {
            let Stretch { end, deleted } = stretch(deletes, block, clock);
            let head = Head::of(block, info, clock);
            if deleted {
                cutter.skip(end - clock);
                self.deleted(head, clock, end - clock);
            } else {
                self.flush();
                head.write(&mut self.bytes, info & CONTENT);
                self.bytes.extend_from_slice(&cutter.take(end - clock));
                self.count += 1;
            }
            clock = end;
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
        if let Some(Open::Deleted {
            head: open,
            end,
            len,
        }) = &mut self.open
            && head.origin
                == Some(Id {
                    client: self.client,
                    clock: *end - 1,
                })
            && head.right_origin == open.right_origin
        {
            *len += more;
            *end += more;
            return;
        }
        self.flush();
        self.open = Some(Open::Deleted {
            head,
            end: start + more,
            len: more,
        });
    }

    fn flush(&mut self) {
        let bytes = &mut self.bytes;
        let len = match self.open.take() {
            None => return,
            Some(Open::Gc { len }) => {
                bytes.push(GC);
                len
            }
            Some(Open::Deleted { head, len, .. }) => {
                head.write(bytes, DELETED);
                len
            }
        };
        write_var_uint(bytes, u64::from(len));
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

/// A part of a block that is deleted as a whole, or not at all.
struct Stretch {
    end: Clock,
    deleted: bool,
}

fn stretch(deletes: &DeleteSet, block: &Block<'_>, clock: Clock) -> Stretch {
    let past = deletes.end_of_range_at(block.client, clock);
    let deleted = past.is_some();
    let end = past.or_else(|| deletes.start_of_range_after(block.client, clock));
    Stretch {
        end: end.map_or(block.end(), |end| end.min(block.end())),
        deleted,
    }
}
