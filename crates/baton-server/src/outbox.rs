//! What waits to be written to one connection.
//!
//! Owns a queue bounded by bytes, and how the connection is to end. Filled under the room's lock without ever waiting,
//! emptied by the connection's line, many frames a write. On overflow the queue is dropped and the connection is
//! told to come again: its next first sync brings exactly what it lacks, so nothing is lost and nobody else pays. Of
//! several views of the same thing only the newest waits, at its own place: it never overtakes what came before it.

use std::collections::{HashMap, VecDeque};

use baton_room::ViewOf;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// One thing to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// A binary message.
    Frame(Bytes),
    /// Frames that are encoded already: what the reading side answers by itself.
    Raw(Bytes),
    /// A protocol ping.
    Ping,
    /// Nothing any more: the place of a view that a newer one replaced.
    Replaced,
}

/// What a place in the queue costs when its frame was replaced, in bytes.
const PLACE: usize = size_of::<Item>();

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
    /// An answer to a Step1, which may be as large as the document: does not count, as long as no other one waits.
    Answer,
    /// Counts, and replaces an older view of the same thing.
    View(ViewOf),
}

/// Whether the queue was empty before something was queued: then the one who did it sees to its being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Waits {
    /// It was empty.
    Newly,
    /// Somebody else sees to it, or nobody needs to.
    Already,
}

/// The queue of one connection; see the module.
#[derive(Debug)]
pub(crate) struct Outbox {
    limit: usize,
    queue: Mutex<Queue>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    /// Where the newest view of each thing waits.
    views: HashMap<ViewOf, usize>,
    /// Whether an answer waits that did not count.
    answer: bool,
    /// Whether an answer was ever queued.
    answered: bool,
    ending: Option<Ending>,
    /// Whether the ending was taken: nothing waits behind it.
    over: bool,
}

/// What a drain took.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) items: VecDeque<Item>,
    pub(crate) ending: Option<Ending>,
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
    pub(crate) fn send(&self, frame: Bytes, weight: Weight) -> Waits {
        let mut queue = self.queue.lock();
        if queue.ending.is_some() {
            return Waits::Already;
        }
        let waits = queue.waits();
        queue.answered |= weight == Weight::Answer;
        if let Weight::View(of) = weight {
            queue.replace(of);
        }
        // Whoever asks again and again without reading the answers pays for them.
        let free = weight == Weight::Answer && !std::mem::replace(&mut queue.answer, true);
        if !free {
            queue.bytes += frame.len();
            if queue.bytes > self.limit {
                queue.items.clear();
                queue.ending = Some(Ending {
                    code: crate::close::OVERLOADED,
                    reason: format!(
                        "this connection reads too slowly: more than {} bytes (max_outbox) were waiting; come again",
                        self.limit
                    ),
                });
                self.ended.notify_one();
                return waits;
            }
        }
        queue.items.push_back(Item::Frame(frame));
        waits
    }

    /// Queues an update, unless the answer to the connection's first Step1 is still to come and will hold it.
    pub(crate) fn update(&self, frame: Bytes) -> Waits {
        if self.queue.lock().answered {
            self.send(frame, Weight::Counted)
        } else {
            Waits::Already
        }
    }

    /// Queues a protocol ping.
    pub(crate) fn ping(&self) -> Waits {
        self.push(Item::Ping)
    }

    /// Queues what is encoded already.
    pub(crate) fn raw(&self, bytes: Bytes) -> Waits {
        self.push(Item::Raw(bytes))
    }

    fn push(&self, item: Item) -> Waits {
        let mut queue = self.queue.lock();
        if queue.ending.is_some() {
            return Waits::Already;
        }
        let waits = queue.waits();
        queue.items.push_back(item);
        waits
    }

    /// Ends the connection after what is queued; the first ending stands.
    pub(crate) fn end(&self, code: u16, reason: impl Into<String>) {
        let mut queue = self.queue.lock();
        if queue.ending.is_none() {
            queue.ending = Some(Ending {
                code,
                reason: reason.into(),
            });
            self.ended.notify_one();
        }
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

    /// Whether nothing waits to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.lock().is_empty()
    }

    /// Takes all that waits. After an ending was taken there is nothing more.
    pub(crate) fn take(&self) -> Option<Taken> {
        let mut queue = self.queue.lock();
        if queue.is_empty() {
            return None;
        }
        queue.over = queue.ending.is_some();
        queue.bytes = 0;
        queue.views.clear();
        queue.answer = false;
        Some(Taken {
            items: std::mem::take(&mut queue.items),
            ending: queue.ending.clone(),
        })
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.items.is_empty() && (self.ending.is_none() || self.over)
    }

    fn waits(&self) -> Waits {
        if self.is_empty() {
            Waits::Newly
        } else {
            Waits::Already
        }
    }

    /// A newer view goes to the end of the queue: the older one leaves nothing but its place.
    fn replace(&mut self, of: ViewOf) {
        let place = self.items.len();
        let Some(older) = self.views.insert(of, place) else {
            return;
        };
        if let Some(item) = self.items.get_mut(older)
            && let Item::Frame(frame) = std::mem::replace(item, Item::Replaced)
        {
            self.bytes = self.bytes.saturating_sub(frame.len()) + PLACE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_leave_in_order_and_together() {
        let outbox = Outbox::new(100);
        let _ = outbox.send(Bytes::from_static(b"a"), Weight::Counted);
        let _ = outbox.ping();
        let _ = outbox.send(Bytes::from_static(b"b"), Weight::Counted);
        let taken = outbox.take().unwrap();
        assert_eq!(
            taken.items,
            [
                Item::Frame(Bytes::from_static(b"a")),
                Item::Ping,
                Item::Frame(Bytes::from_static(b"b"))
            ]
        );
        assert_eq!(taken.ending, None);
    }

    #[test]
    fn a_reader_that_stalls_is_told_to_come_again_and_costs_no_more() {
        let outbox = Outbox::new(100);
        let _ = outbox.send(Bytes::from(vec![0; 4096]), Weight::Answer);
        for _ in 0..10 {
            let _ = outbox.send(Bytes::from(vec![0; 60]), Weight::Counted);
        }
        let taken = outbox.take().unwrap();
        assert!(taken.items.is_empty());
        assert_eq!(taken.ending.map(|ending| ending.code), Some(1013));
    }

    #[test]
    fn one_answer_may_be_as_large_as_the_document_but_not_a_hundred() {
        let outbox = Outbox::new(100);
        let _ = outbox.send(Bytes::from(vec![0; 4096]), Weight::Answer);
        assert!(!outbox.has_ending());
        let _ = outbox.send(Bytes::from(vec![0; 4096]), Weight::Answer);
        assert!(outbox.has_ending());
    }

    #[test]
    fn an_update_that_the_first_answer_will_hold_is_not_sent_before_it() {
        let outbox = Outbox::new(100);
        let _ = outbox.update(Bytes::from_static(b"early"));
        let _ = outbox.send(Bytes::from_static(b"answer"), Weight::Answer);
        let _ = outbox.update(Bytes::from_static(b"later"));
        let taken = outbox.take().unwrap();
        let frames = [&b"answer"[..], b"later"].map(|frame| Item::Frame(Bytes::from_static(frame)));
        assert_eq!(taken.items, frames);
    }

    #[test]
    fn of_several_views_of_a_thing_the_newest_goes_out_behind_what_came_before_it() {
        let outbox = Outbox::new(1000);
        let frame = |text: &'static str| Bytes::from_static(text.as_bytes());
        let _ = outbox.send(frame("locks 1"), Weight::View(ViewOf::Locks));
        let _ = outbox.send(frame("park 1"), Weight::View(ViewOf::Park(7)));
        let _ = outbox.send(frame("lost"), Weight::Counted);
        let _ = outbox.send(frame("locks 2"), Weight::View(ViewOf::Locks));
        let _ = outbox.send(frame("park of another"), Weight::View(ViewOf::Park(8)));
        let taken = outbox.take().unwrap();
        let frames: Vec<_> = taken
            .items
            .into_iter()
            .filter(|item| *item != Item::Replaced)
            .collect();
        let expected = ["park 1", "lost", "locks 2", "park of another"];
        assert_eq!(frames, expected.map(|text| Item::Frame(frame(text))));
        // What was written cannot be replaced any more.
        let _ = outbox.send(frame("locks 3"), Weight::View(ViewOf::Locks));
        assert_eq!(
            outbox.take().unwrap().items,
            [Item::Frame(frame("locks 3"))]
        );
    }

    #[test]
    fn a_reader_that_stalls_under_many_views_is_told_to_come_again_all_the_same() {
        let outbox = Outbox::new(1000);
        for _ in 0..1000 {
            let _ = outbox.send(Bytes::from_static(b"view"), Weight::View(ViewOf::Locks));
        }
        assert!(outbox.has_ending());
    }

    #[test]
    fn the_first_ending_stands() {
        let outbox = Outbox::new(100);
        outbox.end(4503, "going away");
        outbox.end(4400, "too late");
        let _ = outbox.send(Bytes::from_static(b"nobody reads this"), Weight::Counted);
        let taken = outbox.take().unwrap();
        assert!(taken.items.is_empty());
        assert_eq!(taken.ending.map(|ending| ending.code), Some(4503));
    }
}
