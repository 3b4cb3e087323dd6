//! The queue of one connection: what waits to be written to its client.
//!
//! Owns the queue's limit in bytes, what is dropped when the client reads too slowly, and the
//! ending of the connection. Plain data without lock, clock or task: the socket writer owns the
//! lock around it.
//!
//! On overflow the waiting updates and awareness are dropped, and the connection is *behind*. The
//! queue notes what the client misses. One placeholder stands where the first dropped item stood,
//! and nothing after it is written before it, so no message about an edit overtakes the edit. When
//! everything before the placeholder is with the kernel, one difference replaces it
//! ([`SendQueue::caught_up`]). See ADR 19.
//!
//! Of several views of one subject only the newest waits, at its own place: it never overtakes what
//! was queued before it.

mod answers;
mod item;
mod missed;

use std::collections::{BTreeMap, VecDeque};

use baton_room::{MissedUpdates, ViewOf};
use bytes::Bytes;

use self::answers::Answered;
pub(crate) use self::item::{Ending, FrameClass, Item};
pub(crate) use self::missed::{Behind, BroadcastUpdate};
use crate::connection::close_codes;
use crate::connection::ws_frame::Frame;

/// Most bytes that leave the queue at once. What has left it cannot be dropped any more.
const TAKEN: usize = 128 * 1024;

/// An empty queue with room for more items than this gives its memory back.
const KEPT_CAPACITY: usize = 8;

/// First sequence number of a rebuilt queue. It leaves room to put items in front.
const FIRST_SEQUENCE: u64 = 1 << 32;

/// Tells the task that queued something if it has to flush the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum NeedsFlush {
    /// Nothing could be written before, or the connection's own task has to look again: flush.
    Yes,
    /// Another task flushes already, or nothing needs to be written.
    No,
}

/// The result of taking items from the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Nothing can be written, for the moment or for ever.
    Nothing,
    /// The placeholder is next: the connection can catch up.
    Behind,
    /// Items.
    Some,
    /// The last items, and the ending that follows them.
    Last(Ending),
}

/// The queue of one connection; see the module.
#[derive(Debug)]
pub(crate) struct SendQueue {
    /// Most bytes that may wait (`max_outbox`); a single item may be longer.
    limit: usize,
    items: VecDeque<Item>,
    /// Sequence number of the first item.
    first: u64,
    /// Bytes that count against the limit.
    bytes: usize,
    /// Items that count against the limit.
    counted: usize,
    /// Sequence number of the newest view of each subject.
    views: BTreeMap<ViewOf, u64>,
    /// True if a ping waits. It is written before all else: a client that is busy reading is alive.
    ping: bool,
    /// A ping with a payload; of several only the newest waits.
    probe: Option<u64>,
    answer: Answered,
    behind: Option<Box<Behind>>,
    ending: Option<Box<Ending>>,
    /// True if the ending is that of a client that reads too slowly.
    slow_reader: bool,
    /// True once the ending was taken: nothing follows it.
    over: bool,
}

impl SendQueue {
    /// Returns an empty queue in which `limit` bytes may wait.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            items: VecDeque::new(),
            first: 0,
            bytes: 0,
            counted: 0,
            views: BTreeMap::new(),
            ping: false,
            probe: None,
            answer: Answered::Never,
            behind: None,
            ending: None,
            slow_reader: false,
            over: false,
        }
    }

    /// Queues a frame. After an ending was set, frames are dropped: the client would not read them.
    pub(crate) fn send(&mut self, frame: Frame, class: FrameClass) -> NeedsFlush {
        self.change(|queue| queue.put(frame, class))
    }

    /// Queues an update, unless the connection is behind, or the answer to its first Step1 is still
    /// to come and will contain the update.
    pub(crate) fn edit(&mut self, edit: &BroadcastUpdate) -> NeedsFlush {
        self.change(|queue| queue.put_update(edit))
    }

    /// Queues a protocol ping, if none waits.
    pub(crate) fn ping(&mut self) -> NeedsFlush {
        self.change(|queue| queue.ping = true)
    }

    /// Queues a protocol ping with a payload. It replaces one that waits.
    pub(crate) fn probe(&mut self, mark: u64) -> NeedsFlush {
        self.change(|queue| queue.probe = Some(mark))
    }

    /// Queues frames that are encoded already.
    pub(crate) fn raw(&mut self, bytes: Bytes) -> NeedsFlush {
        self.change(|queue| queue.push(Item::Raw(bytes)))
    }

    /// Returns what the connection is behind by, once all items before the placeholder were taken.
    pub(crate) fn behind(&self) -> Option<Behind> {
        let reached = self.ending.is_none() && self.is_at_catch_up();
        self.behind.as_deref().filter(|_| reached).cloned()
    }

    /// Returns true if something was dropped that no difference has replaced yet.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind.is_some() && self.ending.is_none()
    }

    /// Puts these frames in the place of everything that was dropped: the connection is in step
    /// again.
    pub(crate) fn caught_up<F>(&mut self, frames: F) -> NeedsFlush
    where
        F: IntoIterator<Item = Frame, IntoIter: DoubleEndedIterator>,
    {
        self.change(|queue| {
            if !queue.is_at_catch_up() {
                return;
            }
            queue.behind = None;
            queue.items.pop_front();
            queue.first += 1;
            for frame in frames.into_iter().rev() {
                let item = Item::Frame(frame, FrameClass::AnswerPart);
                queue.items.push_front(item);
                queue.first -= 1;
            }
        })
    }

    /// Ends the connection after what is queued; the first ending stands.
    pub(crate) fn end(&mut self, code: u16, reason: impl Into<String>) {
        if self.ending.is_none() {
            let reason = reason.into();
            self.ending = Some(Box::new(Ending { code, reason }));
        }
    }

    /// Ends the connection of a client that reads too slowly, and drops what is queued.
    pub(crate) fn end_slow_reader(&mut self, reason: String) {
        if self.ending.is_none() {
            self.items.clear();
            self.slow_reader = true;
            self.end(close_codes::OVERLOADED, reason);
        }
    }

    /// Returns the reason if the connection was ended because its client reads too slowly.
    pub(crate) fn slow_reader(&self) -> Option<&str> {
        let ending = self.ending.as_ref().filter(|_| self.slow_reader)?;
        Some(&ending.reason)
    }

    /// Returns the code and the reason of the ending, if one is set.
    pub(crate) fn ending(&self) -> Option<(u16, String)> {
        let ending = self.ending.as_ref()?;
        Some((ending.code, ending.reason.clone()))
    }

    /// Returns true if an ending is set.
    pub(crate) fn has_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Returns true if something can be written.
    pub(crate) fn can_write(&self) -> bool {
        match &self.ending {
            Some(_) => !self.over,
            None => {
                let waits = !self.items.is_empty() && !self.is_at_catch_up();
                self.ping || self.probe.is_some() || waits
            }
        }
    }

    /// Returns true if the placeholder of what was dropped is next.
    pub(crate) fn is_at_catch_up(&self) -> bool {
        self.items.front() == Some(&Item::CatchUp)
    }

    /// Moves items into `into`, as many as may leave at once. Nothing follows an ending that was
    /// taken.
    pub(crate) fn take(&mut self, into: &mut VecDeque<Item>) -> Taken {
        if !self.can_write() {
            let behind = self.is_at_catch_up() && self.ending.is_none();
            return if behind {
                Taken::Behind
            } else {
                Taken::Nothing
            };
        }
        if let Some(mark) = self.probe.take() {
            into.push_back(Item::Probe(mark));
        }
        if std::mem::take(&mut self.ping) {
            into.push_back(Item::Ping);
        }
        if let Some(ending) = self.ending.as_deref().cloned() {
            self.over = true;
            into.append(&mut self.items);
            return Taken::Last(ending);
        }
        self.take_items(into);
        Taken::Some
    }

    /// Makes a change, and then keeps the limit: drops what can be replaced later, and ends the
    /// connection if that is not enough.
    fn change(&mut self, change: impl FnOnce(&mut Self)) -> NeedsFlush {
        if self.ending.is_some() {
            return NeedsFlush::No;
        }
        let (wrote, in_step) = (self.can_write(), self.behind.is_none());
        change(self);
        if !self.fits() {
            self.fall_behind();
        }
        if !self.fits() {
            let reason = format!(
                "this connection reads too slowly: more than {} bytes (max_outbox) were waiting; reconnect later",
                self.limit
            );
            self.end_slow_reader(reason);
            return NeedsFlush::Yes;
        }
        // The connection's own task watches the time of one that has fallen behind.
        let fell = in_step && self.behind.is_some();
        if fell || (!wrote && self.can_write()) {
            NeedsFlush::Yes
        } else {
            NeedsFlush::No
        }
    }

    fn fits(&self) -> bool {
        self.bytes <= self.limit || self.counted <= 1
    }

    fn put(&mut self, frame: Frame, class: FrameClass) {
        use FrameClass::{Awareness, Latest, Update};
        let class = match class {
            Update => return self.put_update(&BroadcastUpdate::new(frame)),
            Latest(subject) => {
                self.replace(subject);
                class
            }
            Awareness => {
                if let Some(behind) = &mut self.behind {
                    behind.awareness = true;
                    return;
                }
                class
            }
            class => self.answer.queue(class),
        };
        self.push(Item::Frame(frame, class));
    }

    fn put_update(&mut self, edit: &BroadcastUpdate) {
        if let Some(behind) = &mut self.behind {
            behind.missed.add(edit.missed());
        } else if self.answer != Answered::Never {
            self.push(Item::Frame(edit.frame.clone(), FrameClass::Update));
        }
    }

    fn push(&mut self, item: Item) {
        if let Some(cost) = item.cost() {
            self.bytes += cost;
            self.counted += 1;
        }
        self.items.push_back(item);
    }

    /// Replaces the older view of a subject with a placeholder; the newer one goes to the end.
    fn replace(&mut self, subject: ViewOf) {
        let newer = self.first + self.items.len() as u64;
        let older = self.views.insert(subject, newer);
        let older = older.and_then(|older| older.checked_sub(self.first));
        let older = older.and_then(|index| usize::try_from(index).ok());
        if let Some(item) = older.and_then(|index| self.items.get_mut(index)) {
            let replaced = std::mem::replace(item, Item::Replaced);
            self.bytes = self.bytes.saturating_sub(replaced.len());
        }
    }

    /// Drops what one difference can replace, and leaves a placeholder where the first of it stood.
    fn fall_behind(&mut self) {
        let mut has_place = self.behind.is_some();
        let mut behind = self.behind.take().unwrap_or_default();
        let items = std::mem::take(&mut self.items);
        self.views.clear();
        (self.first, self.bytes, self.counted) = (FIRST_SEQUENCE, 0, 0);
        for item in items {
            match &item {
                Item::Frame(frame, FrameClass::Update) => {
                    behind.missed.add(&MissedUpdates::update(frame.payload()));
                }
                Item::Frame(_, FrameClass::Awareness) => behind.awareness = true,
                Item::Frame(_, FrameClass::Latest(subject)) => {
                    let sequence = self.first + self.items.len() as u64;
                    self.views.insert(*subject, sequence);
                    self.push(item);
                    continue;
                }
                Item::Replaced => continue,
                _ => {
                    self.push(item);
                    continue;
                }
            }
            if !std::mem::replace(&mut has_place, true) {
                self.push(Item::CatchUp);
            }
        }
        self.behind = has_place.then_some(behind);
    }

    /// Moves items out, up to the placeholder of what was dropped.
    fn take_items(&mut self, into: &mut VecDeque<Item>) {
        let mut bytes = 0;
        while bytes < TAKEN
            && let Some(item) = self.items.pop_front_if(|item| *item != Item::CatchUp)
        {
            self.first += 1;
            if let Some(cost) = item.cost() {
                self.bytes -= cost;
                self.counted -= 1;
            }
            bytes += item.len();
            self.answer.leave(&item);
            into.push_back(item);
        }
        if self.items.is_empty() {
            self.views.clear();
            if self.items.capacity() > KEPT_CAPACITY {
                self.items = VecDeque::new();
            }
        }
    }
}

#[cfg(test)]
mod tests;
