//! The bytes that a task is writing to one socket: out of the send queue, and not with the kernel
//! yet.
//!
//! Owns how items become pieces of bytes, and how many pieces one write call takes.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes, BytesMut};

use crate::connection::direct_stream::DirectWriter;
use crate::connection::send_queue::{Ending, Item, SendQueue, Taken};
use crate::connection::ws_frame::{Frame, close_frame, ping_frame, probe_frame};

/// Most pieces of one write call.
const PIECES: usize = 16;

/// Most bytes of one write call, so that a piece of megabytes keeps no thread for long either.
const WRITE: usize = 64 * 1024;

/// Longest piece in bytes that is copied to its neighbours when more items wait than [`PIECES`].
const GATHERED: usize = 4 * 1024;

/// Most bytes of one record of TLS.
const RECORD: usize = 16 * 1024;

/// An empty list with room for more entries than this gives its memory back.
const KEPT_CAPACITY: usize = 8;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct WriteBatch {
    /// Items that are not turned into pieces yet.
    items: VecDeque<Item>,
    pieces: VecDeque<Bytes>,
    /// The ending behind the items, until it is a piece as well.
    ending: Option<Ending>,
    /// True once the ending was taken or the connection broke: nothing may follow.
    last: bool,
}

/// The result of refilling a batch from the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refilled {
    /// It has something to write.
    Some,
    /// Nothing can be written, for the moment or for ever.
    Nothing,
    /// The next thing in the queue is the placeholder of what the client missed.
    Behind,
}

impl WriteBatch {
    /// Takes what waits in the queue. Copies nothing, because the caller holds the lock of the
    /// queue.
    pub(crate) fn refill(&mut self, queue: &mut SendQueue) -> Refilled {
        match queue.take(&mut self.items) {
            Taken::Nothing => return Refilled::Nothing,
            Taken::Behind => return Refilled::Behind,
            Taken::Some => {}
            Taken::Last(ending) => {
                self.ending = Some(ending);
                self.last = true;
            }
        }
        Refilled::Some
    }

    /// Lets `take` add items. Copies nothing.
    pub(crate) fn refill_with<T>(&mut self, take: impl FnOnce(&mut VecDeque<Item>) -> T) -> T {
        take(&mut self.items)
    }

    /// Returns true if everything that was taken is with the kernel.
    pub(crate) fn is_written(&self) -> bool {
        self.items.is_empty() && self.pieces.is_empty() && self.ending.is_none()
    }

    /// Returns true if nothing may follow: the ending is among its bytes, or the connection is
    /// broken.
    pub(crate) const fn is_last(&self) -> bool {
        self.last
    }

    /// Makes one write call. Returns the bytes that the kernel took; more calls may have to follow.
    ///
    /// # Errors
    /// The kernel takes nothing at the moment (`WouldBlock`), or the connection is broken.
    pub(crate) fn write_some(&mut self, stream: &DirectWriter) -> io::Result<usize> {
        self.encode();
        let written = match self.pieces.make_contiguous() {
            [] => return Ok(0),
            [only] => stream.try_write(&only[..only.len().min(WRITE)])?,
            pieces => {
                let mut slices = [IoSlice::new(&[]); PIECES];
                let (mut count, mut room) = (0, WRITE);
                for (slice, piece) in slices.iter_mut().zip(&*pieces) {
                    let part = piece.len().min(room);
                    *slice = IoSlice::new(&piece[..part]);
                    count += 1;
                    room -= part;
                    if room == 0 {
                        break;
                    }
                }
                stream.try_write_vectored(&slices[..count])?
            }
        };
        self.advance(written);
        Ok(written)
    }

    /// Removes the next bytes, for a stream of which every write costs as a record of TLS does.
    /// Short pieces are joined, up to [`RECORD`].
    pub(crate) fn next_piece(&mut self) -> Option<Bytes> {
        self.encode();
        let first = self.pieces.pop_front()?;
        if first.len() >= RECORD || self.pieces.is_empty() {
            return Some(first);
        }
        let waiting = self.pieces.iter().map(Bytes::len);
        let all = waiting.fold(first.len(), usize::saturating_add);
        let mut joined = BytesMut::with_capacity(all.min(RECORD));
        joined.extend_from_slice(&first);
        while let Some(next) = self.pieces.front_mut() {
            let room = RECORD - joined.len();
            joined.extend_from_slice(&next.split_to(next.len().min(room)));
            if !next.is_empty() {
                break;
            }
            self.pieces.pop_front();
        }
        Some(joined.freeze())
    }

    /// Drops everything: the connection is broken.
    pub(crate) fn give_up(&mut self) {
        *self = Self {
            last: true,
            ..Self::default()
        };
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.pieces.front_mut() {
            if written < first.len() {
                first.advance(written);
                break;
            }
            written -= first.len();
            self.pieces.pop_front();
        }
        if self.pieces.is_empty() && self.pieces.capacity() > KEPT_CAPACITY {
            self.pieces = VecDeque::new();
        }
    }

    /// Turns the items into pieces. A few pieces are written from where they are; of many, the
    /// short ones are copied together, so that they leave in one write call.
    fn encode(&mut self) {
        let few = self.items.len() <= PIECES;
        let mut gathered = Vec::new();
        let Self { items, pieces, .. } = self;
        let mut add = |piece: Bytes| {
            if !few && piece.len() <= GATHERED {
                gathered.extend_from_slice(&piece);
                return;
            }
            if !gathered.is_empty() {
                pieces.push_back(std::mem::take(&mut gathered).into());
            }
            pieces.push_back(piece);
        };
        for item in items.drain(..) {
            match item {
                Item::Frame(Frame::Whole(bytes, _), _) | Item::Raw(bytes) => add(bytes),
                Item::Frame(Frame::Shared(parts), _) => {
                    add(parts.0.clone());
                    add(parts.1.clone());
                }
                Item::Ping => add(ping_frame()),
                Item::Probe(mark) => add(probe_frame(mark)),
                Item::Replaced | Item::CatchUp => {}
            }
        }
        if !gathered.is_empty() {
            pieces.push_back(gathered.into());
        }
        if items.capacity() > KEPT_CAPACITY {
            *items = VecDeque::new();
        }
        if let Some(ending) = self.ending.take() {
            pieces.push_back(close_frame(ending.code, &ending.reason));
        }
    }
}
