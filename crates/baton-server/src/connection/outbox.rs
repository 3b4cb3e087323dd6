//! A connection's send queue, and the batch of it that is being written, behind one lock.
//!
//! Owns the lock, the hand-over between tasks that write, and the events for the reading side. No
//! write call is made under the lock: the task that writes has the batch meanwhile. It gives the
//! batch back only under the lock under which it found the queue empty, so a task that finds the
//! batch gone can leave its items to the task that has it.

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::connection::send_queue::{Behind, BroadcastUpdate, FrameClass, NeedsFlush, SendQueue};
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
}

#[derive(Debug)]
struct State {
    queue: SendQueue,
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
                batch: Some(WriteBatch::default()),
                written: 0,
                alive: false,
                drained: false,
            }),
            news: Notify::new(),
            ended: Notify::new(),
        }
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

    /// Waits until an ending is set. For one waiter.
    pub(crate) async fn ended(&self) {
        while !self.has_ending() {
            self.ended.notified().await;
        }
    }

    /// Returns true if something was dropped that no difference has replaced yet.
    pub(crate) fn is_behind(&self) -> bool {
        self.state.lock().queue.is_behind()
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
            Refilled::Nothing => false,
            Refilled::Behind => {
                state.drained = true;
                self.news.notify_one();
                false
            }
        }
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
