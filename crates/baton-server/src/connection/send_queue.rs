//! What waits to be written to one connection.
//!
//! Owns a queue bounded by bytes, what becomes of it when its reader is too slow, and how the connection is to end. Filled
//! under the room's lock without ever waiting, emptied by the connection's line, many frames a write.
//!
//! On overflow the updates and the awareness that wait are dropped, and the connection is *behind*: what it misses is noted,
//! and one place in the queue, where the first of them stood, stands for all of it. Nothing behind that place goes out
//! before it, so nothing that is said of an edit comes before the edit. When all before it is with the kernel, the place
//! is filled with one difference ([`Outbox::caught_up`]). See ADR 19.
//!
//! Of several views of the same thing only the newest waits, at its own place: it never overtakes what came before it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, VecDeque};

use baton_room::{Missed, ViewOf};
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::connection::close_codes;
use crate::connection::ws_frame::Frame;

/// One thing to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// A message, and what may become of it while it waits.
    Frame(Frame, Class),
    /// Frames that are encoded already: what the reading side answers by itself.
    Raw(Bytes),
    /// A protocol ping.
    Ping,
    /// A protocol ping with this number as its payload, in 8 bytes, most significant first.
    Probe(u64),
    /// Nothing any more: the place of a view that a newer one replaced.
    Replaced,
    /// The place of all that the connection misses.
    CatchUp,
}

/// What may become of a message while it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// It stays.
    Kept,
    /// A newer view takes its place.
    View(ViewOf),
    /// An edit: dropped on overflow.
    Update,
    /// Dropped on overflow.
    Awareness,
    /// It stays, and does not count.
    Free,
    /// The end of an answer that does not count.
    Answer,
}

/// What an item costs beyond its bytes: its place in the queue, and the block of memory that its bytes stand in.
const PLACE: usize = size_of::<Item>() + 40;

/// Most bytes that leave the queue at once. What has left it cannot be dropped any more.
const TAKEN: usize = 128 * 1024;

/// A queue that was longer than this gives its memory back.
const PLACES: usize = 64;

/// Where a queue begins to count that something may be put before of.
const FRONT: u64 = 1 << 32;

/// How a connection is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

/// How a frame counts against the queue's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Counts.
    Counted,
    /// Counts, and replaces an older view of the same thing.
    View(ViewOf),
    /// Counts, and may be dropped: it is made up for later.
    Awareness,
    /// A part of an answer to a Step1, before its end: as [`Weight::Answer`].
    Piece,
    /// An answer to a Step1, or its last part, which may be as large as the document: does not count, as long as no other
    /// one waits.
    Answer,
}

/// An edit that goes to many, with what a connection misses that is not sent it.
#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) frame: Frame,
    missed: OnceCell<Missed>,
}

impl Edit {
    pub(crate) fn new(frame: Frame) -> Self {
        Self {
            frame,
            missed: OnceCell::new(),
        }
    }

    fn missed(&self) -> &Missed {
        self.missed
            .get_or_init(|| Missed::update(self.frame.payload()))
    }
}

/// Whether nothing could be written before something was queued: then the one who did it sees to its being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Waits {
    /// It was so, or the connection's own task has to look again.
    Newly,
    /// Somebody else sees to it, or nobody needs to.
    Already,
}

/// What a look at the queue found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Nothing, for the moment or for ever.
    Nothing,
    /// The next thing is to catch up.
    Behind,
    /// Items.
    Some,
    /// The last items, and how the connection ends behind them.
    Last(Ending),
}

/// What a connection is behind by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Behind {
    /// Updates that it was not sent.
    pub(crate) missed: Missed,
    /// Whether it was not sent some awareness.
    pub(crate) awareness: bool,
}

/// The queue of one connection; see the module.
#[derive(Debug)]
pub(crate) struct Outbox {
    limit: usize,
    queue: Mutex<Queue>,
    ended: Notify,
}

/// Whether a Step1 was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Answered {
    /// Never.
    #[default]
    Never,
    /// Yes, and the end of an answer that did not count waits.
    Waits,
    /// Yes.
    Once,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    /// How many items have left the front.
    gone: u64,
    /// What counts: bytes, and how many items.
    bytes: usize,
    counted: usize,
    /// Where the newest view of each thing waits, counted from the first item ever.
    views: BTreeMap<ViewOf, u64>,
    /// Whether a ping waits. It is written before all else: a peer that is busy reading is alive.
    ping: bool,
    /// The same with a payload; of several only the newest waits.
    probe: Option<u64>,
    answer: Answered,
    behind: Option<Box<Behind>>,
    ending: Option<Box<Ending>>,
    /// Whether the ending was taken: nothing waits behind it.
    over: bool,
}

impl Outbox {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            queue: Mutex::default(),
            ended: Notify::new(),
        }
    }

    /// Queues a frame; after an ending has been set, frames are dropped, as nobody will read them.
    pub(crate) fn send(&self, frame: Frame, weight: Weight) -> Waits {
        self.change(|queue| queue.send(frame, weight))
    }

    /// Queues an update, unless the answer to the connection's first Step1 is still to come and will hold it, or the
    /// connection is behind.
    pub(crate) fn edit(&self, edit: &Edit) -> Waits {
        self.change(|queue| {
            if let Some(behind) = &mut queue.behind {
                behind.missed.add(edit.missed());
            } else if queue.answer != Answered::Never {
                queue.push(Item::Frame(edit.frame.clone(), Class::Update));
            }
        })
    }

    /// Queues a protocol ping, if none waits.
    pub(crate) fn ping(&self) -> Waits {
        self.change(|queue| queue.ping = true)
    }

    /// Queues a protocol ping with a payload. It replaces one that waits.
    pub(crate) fn probe(&self, mark: u64) -> Waits {
        self.change(|queue| queue.probe = Some(mark))
    }

    /// Queues what is encoded already.
    pub(crate) fn raw(&self, bytes: Bytes) -> Waits {
        self.change(|queue| queue.push(Item::Raw(bytes)))
    }

    fn change(&self, change: impl FnOnce(&mut Queue)) -> Waits {
        let mut queue = self.queue.lock();
        if queue.ending.is_some() {
            return Waits::Already;
        }
        let (wrote, in_step) = (queue.can_write(), queue.behind.is_none());
        change(&mut queue);
        let fits = |queue: &Queue| queue.bytes <= self.limit || queue.counted <= 1;
        if !fits(&queue) {
            queue.fall_behind();
        }
        if !fits(&queue) {
            queue.items.clear();
            let reason = format!(
                "this connection reads too slowly: more than {} bytes (max_outbox) were waiting; come again",
                self.limit
            );
            self.end_with(queue, close_codes::OVERLOADED, reason);
            return Waits::Newly;
        }
        // The connection's own task looks after one that has fallen behind.
        let fell = in_step && queue.behind.is_some();
        if fell || (!wrote && queue.can_write()) {
            Waits::Newly
        } else {
            Waits::Already
        }
    }

    /// What the connection is behind by, if all that goes before that is taken.
    pub(crate) fn behind(&self) -> Option<Behind> {
        let queue = self.queue.lock();
        if queue.ending.is_some() || !queue.is_at_catch_up() {
            return None;
        }
        queue.behind.as_deref().cloned()
    }

    /// Whether something was dropped that is not made up for yet.
    pub(crate) fn is_behind(&self) -> bool {
        let queue = self.queue.lock();
        queue.behind.is_some() && queue.ending.is_none()
    }

    /// The connection is up to date again with these frames, which take the place of all that was dropped.
    pub(crate) fn caught_up<F>(&self, frames: F) -> Waits
    where
        F: IntoIterator<Item = Frame, IntoIter: DoubleEndedIterator>,
    {
        self.change(|queue| {
            if !queue.is_at_catch_up() {
                return;
            }
            queue.behind = None;
            queue.items.pop_front();
            queue.gone += 1;
            for frame in frames.into_iter().rev() {
                queue.items.push_front(Item::Frame(frame, Class::Free));
                queue.gone -= 1;
            }
        })
    }

    /// Ends the connection after what is queued; the first ending stands.
    pub(crate) fn end(&self, code: u16, reason: impl Into<String>) {
        let queue = self.queue.lock();
        if queue.ending.is_none() {
            self.end_with(queue, code, reason.into());
        }
    }

    /// Ends the connection at once: what is queued is dropped.
    pub(crate) fn cut(&self, code: u16, reason: impl Into<String>) {
        let mut queue = self.queue.lock();
        if queue.ending.is_none() {
            queue.items.clear();
            self.end_with(queue, code, reason.into());
        }
    }

    fn end_with(&self, mut queue: MutexGuard<'_, Queue>, code: u16, reason: String) {
        queue.ending = Some(Box::new(Ending { code, reason }));
        self.ended.notify_one();
    }

    /// Waits until an ending is set. For one waiter.
    pub(crate) async fn ended(&self) {
        while !self.has_ending() {
            self.ended.notified().await;
        }
    }

    pub(crate) fn has_ending(&self) -> bool {
        self.queue.lock().ending.is_some()
    }

    /// Whether something can be written.
    pub(crate) fn can_write(&self) -> bool {
        self.queue.lock().can_write()
    }

    /// Takes what waits, as much as may leave at once, into an empty queue. After an ending was taken there is nothing more.
    pub(crate) fn take(&self, items: &mut VecDeque<Item>) -> Taken {
        let mut queue = self.queue.lock();
        if !queue.can_write() {
            let behind = queue.is_at_catch_up() && queue.ending.is_none();
            return if behind {
                Taken::Behind
            } else {
                Taken::Nothing
            };
        }
        if let Some(mark) = queue.probe.take() {
            items.push_back(Item::Probe(mark));
        }
        if std::mem::take(&mut queue.ping) {
            items.push_back(Item::Ping);
        }
        if let Some(ending) = queue.ending.clone() {
            queue.over = true;
            items.append(&mut queue.items);
            return Taken::Last(*ending);
        }
        queue.take(items);
        Taken::Some
    }
}

impl Queue {
    fn can_write(&self) -> bool {
        match &self.ending {
            Some(_) => !self.over,
            None => {
                self.ping
                    || self.probe.is_some()
                    || !(self.items.is_empty() || self.is_at_catch_up())
            }
        }
    }

    fn is_at_catch_up(&self) -> bool {
        self.items.front() == Some(&Item::CatchUp)
    }

    fn send(&mut self, frame: Frame, weight: Weight) {
        let answers = matches!(weight, Weight::Piece | Weight::Answer);
        if answers && self.answer == Answered::Never {
            self.answer = Answered::Once;
        }
        let class = match weight {
            Weight::Counted => Class::Kept,
            Weight::View(of) => {
                self.replace(of);
                Class::View(of)
            }
            Weight::Awareness => {
                if let Some(behind) = &mut self.behind {
                    behind.awareness = true;
                    return;
                }
                Class::Awareness
            }
            // Whoever asks again and again without reading the answers pays for them.
            _ if self.answer == Answered::Waits => Class::Kept,
            Weight::Piece => Class::Free,
            Weight::Answer => {
                self.answer = Answered::Waits;
                Class::Answer
            }
        };
        self.push(Item::Frame(frame, class));
    }

    fn push(&mut self, item: Item) {
        if let Some(cost) = cost(&item) {
            self.bytes += cost;
            self.counted += 1;
        }
        self.items.push_back(item);
    }

    /// A newer view goes to the end of the queue: the older one leaves nothing but its place.
    fn replace(&mut self, of: ViewOf) {
        let place = self.gone + self.items.len() as u64;
        let older = self.views.insert(of, place);
        let older = older.and_then(|older| older.checked_sub(self.gone));
        let older = older.and_then(|index| usize::try_from(index).ok());
        if let Some(item) = older.and_then(|index| self.items.get_mut(index)) {
            let replaced = std::mem::replace(item, Item::Replaced);
            let less = cost(&replaced).unwrap_or(PLACE) - PLACE;
            self.bytes = self.bytes.saturating_sub(less);
        }
    }

    /// Drops what can be made up for, and leaves one place for it, where the first of it stood.
    fn fall_behind(&mut self) {
        let mut place = self.behind.is_some();
        let mut behind = self.behind.take().unwrap_or_default();
        let items = std::mem::take(&mut self.items);
        self.views.clear();
        (self.gone, self.bytes, self.counted) = (FRONT, 0, 0);
        for item in items {
            match &item {
                Item::Frame(frame, Class::Update) => {
                    behind.missed.add(&Missed::update(frame.payload()));
                }
                Item::Frame(_, Class::Awareness) => behind.awareness = true,
                Item::Frame(_, Class::View(of)) => {
                    self.views.insert(*of, self.gone + self.items.len() as u64);
                    self.push(item);
                    continue;
                }
                Item::Replaced => continue,
                _ => {
                    self.push(item);
                    continue;
                }
            }
            if !std::mem::replace(&mut place, true) {
                self.push(Item::CatchUp);
            }
        }
        self.behind = place.then_some(behind);
    }

    /// Moves items out, up to the place of what is missing.
    fn take(&mut self, into: &mut VecDeque<Item>) {
        let mut bytes = 0;
        while bytes < TAKEN
            && let Some(item) = self.items.pop_front_if(|item| *item != Item::CatchUp)
        {
            self.gone += 1;
            if let Some(cost) = cost(&item) {
                self.bytes -= cost;
                self.counted -= 1;
            }
            bytes += length(&item);
            if matches!(item, Item::Frame(_, Class::Answer)) {
                self.answer = Answered::Once;
            }
            into.push_back(item);
        }
        if self.items.is_empty() {
            self.views.clear();
            if self.items.capacity() > PLACES {
                self.items = VecDeque::new();
            }
        }
    }
}

fn length(item: &Item) -> usize {
    match item {
        Item::Frame(frame, _) => frame.len(),
        Item::Raw(bytes) => bytes.len(),
        Item::Ping | Item::Probe(_) | Item::Replaced | Item::CatchUp => 0,
    }
}

/// What counts against the limit; nothing for what does not.
fn cost(item: &Item) -> Option<usize> {
    match item {
        Item::Frame(_, Class::Free | Class::Answer)
        | Item::CatchUp
        | Item::Ping
        | Item::Probe(_) => None,
        other => Some(PLACE + length(other)),
    }
}

#[cfg(test)]
mod tests;
