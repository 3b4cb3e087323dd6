//! A connection's send queue, and the batch of it that is being written, behind one lock.
//!
//! Owns the lock, the hand-over between tasks that write, and the events for the reading side. No
//! write call is made under the lock: the task that writes has the batch meanwhile. It gives the
//! batch back only under the lock under which it found the queue empty, so a task that finds the
//! batch gone can leave its items to the task that has it.
//!
//! A socket with several addresses has an outbox, and so has each address. The batch is the
//! socket's: it is refilled from its own queue first, and then from those of the addresses. The
//! lock of a socket may be held while one of an address is taken, never the other way round.

mod addresses;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

pub(crate) use self::addresses::ReadyAddress;
use self::addresses::{ReadyAddresses, SocketEnding};
use crate::connection::send_queue::{
    Behind, BroadcastUpdate, FrameClass, Item, NeedsFlush, SendQueue, Taken,
};
use crate::connection::write_batch::{Refilled, WriteBatch};
use crate::connection::ws_frame::Frame;

/// See the module.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// Wakes the reading side.
    news: Notify,
    /// Wakes the task that waits for an ending.
    ended: Notify,
    /// True while the outbox of an address is in the list of its socket.
    listed: AtomicBool,
}

#[derive(Debug)]
struct State {
    queue: SendQueue,
    /// Addresses that have something to write; `None` if the socket has no addresses (any more).
    addresses: Option<Box<ReadyAddresses>>,
    /// `None` while a task writes it.
    batch: Option<WriteBatch>,
    /// Bytes that the kernel has taken, without those of a turn that is under way.
    written: u64,
    /// The client took bytes, and the reading side does not know it yet.
    alive: bool,
    /// The placeholder of what the client missed was reached, and the reading side does not know it
    /// yet.
    drained: bool,
}

/// An event for the reading side; see [`Outbox::news`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WriterEvent {
    /// The client took bytes.
    Alive,
    /// Everything before the placeholder of what was dropped is with the kernel.
    Behind,
}

impl Outbox {
    /// Returns an empty outbox in which `limit` bytes may wait.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::new(State {
                queue: SendQueue::new(limit),
                addresses: None,
                batch: Some(WriteBatch::default()),
                written: 0,
                alive: false,
                drained: false,
            }),
            news: Notify::new(),
            ended: Notify::new(),
            listed: AtomicBool::new(false),
        }
    }

    /// Lets the socket have addresses.
    pub(crate) fn admit_addresses(&mut self) {
        self.state.get_mut().addresses = Some(Box::default());
    }

    /// Notes that an address of the socket has something to write.
    pub(crate) fn list(&self, address: Arc<dyn ReadyAddress>) {
        if let Some(addresses) = &mut self.state.lock().addresses {
            addresses.list(address);
        }
    }

    /// Lets go of all addresses: the socket has ended.
    pub(crate) fn forget_addresses(&self) {
        let addresses = self.state.lock().addresses.take();
        // Dropped without the lock, because an address may be the last owner of its socket.
        drop(addresses);
    }

    /// Notes if the outbox is in the list of its socket. Returns true if it was.
    pub(crate) fn set_listed(&self, listed: bool) -> bool {
        self.listed.swap(listed, Ordering::AcqRel)
    }

    /// Takes items for the socket. Also returns true if the socket has to look here again.
    pub(crate) fn take(&self, into: &mut VecDeque<Item>) -> (Taken, bool) {
        let mut state = self.state.lock();
        let taken = state.queue.take(into);
        if taken == Taken::Behind {
            self.tell_drained(&mut state);
            return (taken, false);
        }
        let more = state.queue.can_write() || state.queue.is_at_catch_up();
        (taken, more)
    }

    /// Queues a frame; see [`SendQueue::send`].
    pub(crate) fn send(&self, frame: Frame, class: FrameClass) -> NeedsFlush {
        self.change(|queue| queue.send(frame, class))
    }

    /// Queues an update; see [`SendQueue::edit`].
    pub(crate) fn edit(&self, edit: &BroadcastUpdate) -> NeedsFlush {
        self.change(|queue| queue.edit(edit))
    }

    /// Queues a protocol ping, if none waits.
    pub(crate) fn ping(&self) -> NeedsFlush {
        self.change(SendQueue::ping)
    }

    /// Queues a protocol ping with a payload. It replaces one that waits.
    pub(crate) fn probe(&self, mark: u64) -> NeedsFlush {
        self.change(|queue| queue.probe(mark))
    }

    /// Queues frames that are encoded already.
    pub(crate) fn raw(&self, bytes: Bytes) -> NeedsFlush {
        self.change(|queue| queue.raw(bytes))
    }

    /// Returns what the connection is behind by; see [`SendQueue::behind`].
    pub(crate) fn behind(&self) -> Option<Behind> {
        self.state.lock().queue.behind()
    }

    /// Puts these frames in the place of everything that was dropped; see [`SendQueue::caught_up`].
    pub(crate) fn caught_up<F>(&self, frames: F) -> NeedsFlush
    where
        F: IntoIterator<Item = Frame, IntoIter: DoubleEndedIterator>,
    {
        self.change(|queue| queue.caught_up(frames))
    }

    /// Ends the connection after what is queued; the first ending stands.
    pub(crate) fn end(&self, code: u16, reason: impl Into<String>) {
        self.change(|queue| queue.end(code, reason));
    }

    /// Ends the connection of a client that reads too slowly, and drops what is queued.
    pub(crate) fn end_slow_reader(&self, reason: String) {
        self.change(|queue| queue.end_slow_reader(reason));
    }

    /// Returns the reason if the connection was ended because its client reads too slowly.
    pub(crate) fn slow_reader(&self) -> Option<String> {
        self.state.lock().queue.slow_reader().map(str::to_owned)
    }

    /// Returns true if an ending is set.
    pub(crate) fn has_ending(&self) -> bool {
        self.state.lock().queue.has_ending()
    }

    /// Returns the code and the reason of the ending, if one is set.
    pub(crate) fn ending(&self) -> Option<(u16, String)> {
        self.state.lock().queue.ending()
    }

    /// Waits until an ending is set. For one waiter.
    pub(crate) async fn ended(&self) {
        while !self.has_ending() {
            self.ended.notified().await;
        }
    }

    /// Returns true if something was dropped that no difference has replaced yet, also by an
    /// address that has something to write.
    pub(crate) fn is_behind(&self) -> bool {
        let state = self.state.lock();
        let addresses = state.addresses.as_ref();
        state.queue.is_behind() || addresses.is_some_and(|addresses| addresses.any_behind())
    }

    /// Returns how many bytes the kernel has taken, without those of a turn that is under way.
    pub(crate) fn written(&self) -> u64 {
        self.state.lock().written
    }

    /// Counts bytes that the stream has taken, for a task that keeps the batch.
    pub(crate) fn note_written(&self, bytes: usize) {
        self.state.lock().written += bytes as u64;
    }

    /// Waits for an event that the room has to know. For one waiter.
    pub(crate) async fn news(&self) -> WriterEvent {
        loop {
            if let Some(news) = self.state.lock().take_news() {
                return news;
            }
            self.news.notified().await;
        }
    }

    /// Tells the reading side that the client took bytes.
    pub(crate) fn tell_alive(&self) {
        self.state.lock().alive = true;
        self.news.notify_one();
    }

    /// Takes the batch for writing. Returns `None` if another task has it, or if nothing waits.
    pub(crate) fn borrow_batch(&self) -> Option<WriteBatch> {
        let mut state = self.state.lock();
        let mut batch = state.batch.take()?;
        let idle = batch.is_written() && !batch.is_last();
        if idle && !self.refill(&mut state, &mut batch) {
            state.batch = Some(batch);
            return None;
        }
        Some(batch)
    }

    /// Gives the batch back, after a turn in which the kernel took so many bytes.
    pub(crate) fn give_back(&self, batch: WriteBatch, written: usize) {
        self.state.lock().give_back(batch, written);
    }

    /// Refills a batch that is written. Gives it back if there is nothing to write: then the bytes
    /// of the whole turn are counted.
    pub(crate) fn refill_or_give_back(
        &self,
        mut batch: WriteBatch,
        written: usize,
    ) -> Option<WriteBatch> {
        let mut state = self.state.lock();
        if self.refill(&mut state, &mut batch) {
            return Some(batch);
        }
        state.give_back(batch, written);
        None
    }

    fn refill(&self, state: &mut State, batch: &mut WriteBatch) -> bool {
        match batch.refill(&mut state.queue) {
            Refilled::Some => true,
            Refilled::Nothing => self.refill_from_addresses(state, batch),
            Refilled::Behind => {
                self.tell_drained(state);
                false
            }
        }
    }

    fn refill_from_addresses(&self, state: &mut State, batch: &mut WriteBatch) -> bool {
        let Some(addresses) = &mut state.addresses else {
            return false;
        };
        if state.queue.has_ending() {
            return false;
        }
        let ending = batch.refill_with(|items| addresses.take(items));
        let Some(SocketEnding {
            ending,
            slow_reader,
        }) = ending
        else {
            return !batch.is_written();
        };
        if slow_reader {
            state.queue.end_slow_reader(ending.reason);
        } else {
            state.queue.end(ending.code, ending.reason);
        }
        self.ended.notify_one();
        batch.refill(&mut state.queue) == Refilled::Some
    }

    fn tell_drained(&self, state: &mut State) {
        state.drained = true;
        self.news.notify_one();
    }

    /// Changes the queue, and wakes the task that waits for an ending if the change set one.
    fn change<T>(&self, change: impl FnOnce(&mut SendQueue) -> T) -> T {
        let mut state = self.state.lock();
        let had_ending = state.queue.has_ending();
        let result = change(&mut state.queue);
        let ended = !had_ending && state.queue.has_ending();
        drop(state);
        if ended {
            self.ended.notify_one();
        }
        result
    }
}

impl State {
    fn give_back(&mut self, batch: WriteBatch, written: usize) {
        self.batch = Some(batch);
        self.written += written as u64;
    }

    fn take_news(&mut self) -> Option<WriterEvent> {
        if std::mem::take(&mut self.alive) {
            return Some(WriterEvent::Alive);
        }
        std::mem::take(&mut self.drained).then_some(WriterEvent::Behind)
    }
}

#[cfg(test)]
mod tests;
