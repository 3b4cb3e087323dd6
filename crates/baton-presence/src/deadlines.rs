//! Owns the one heap of deadlines: for each key at most one that is live.
//!
//! Nothing is ever taken out of the middle. A deadline that was overtaken by an earlier one stays in
//! the heap with an old generation and means nothing when it comes up; when such leftovers outnumber
//! half of the live ones, one pass sweeps them out. So the heap is bounded by its keys, and after
//! [`Deadlines::make_room`] arming never allocates. What a key stands for is the watch's business.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::Time;

/// Leftovers that are not worth a sweep.
const SLACK: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: Time,
    key: u32,
    generation: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Armed {
    at: Option<Time>,
    generation: u32,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<Entry>>,
    armed: Vec<Armed>,
    live: usize,
}

impl Deadlines {
    /// Makes `key` usable; the only place that allocates.
    pub(crate) fn make_room(&mut self, key: u32) {
        let keys = key as usize + 1;
        if self.armed.len() < keys {
            self.armed.resize(keys, Armed::default());
            let most = Self::most(self.armed.len());
            self.heap.reserve(most.saturating_sub(self.heap.len()));
        }
    }

    /// Entries in the heap at any time, for so many live ones.
    const fn most(live: usize) -> usize {
        live + live / 2 + SLACK + 1
    }

    /// Sees to it that `key` comes up at `at`, or earlier if it was to come up earlier: who comes up
    /// early finds nothing to do and arms again.
    pub(crate) fn arm(&mut self, key: u32, at: Time) {
        let Some(armed) = self.armed.get_mut(key as usize) else {
            return;
        };
        match armed.at {
            Some(earlier) if earlier <= at => return,
            Some(_) => {}
            None => self.live += 1,
        }
        armed.at = Some(at);
        armed.generation = armed.generation.wrapping_add(1);
        let generation = armed.generation;
        self.heap.push(Reverse(Entry {
            at,
            key,
            generation,
        }));
        if self.heap.len() >= Self::most(self.live) {
            let armed = &self.armed;
            self.heap.retain(|Reverse(entry)| is_live(armed, entry));
        }
    }

    /// Whatever was armed for `key` means nothing any more.
    pub(crate) fn disarm(&mut self, key: u32) {
        if let Some(armed) = self.armed.get_mut(key as usize)
            && armed.at.take().is_some()
        {
            armed.generation = armed.generation.wrapping_add(1);
            self.live -= 1;
        }
    }

    /// The next live deadline; sweeps leftovers before it.
    pub(crate) fn next_live(&mut self) -> Option<Time> {
        while let Some(Reverse(top)) = self.heap.peek() {
            if is_live(&self.armed, top) {
                return Some(top.at);
            }
            self.heap.pop();
        }
        None
    }

    /// When to look again; perhaps a little early.
    pub(crate) fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse(top)| top.at)
    }

    /// Takes the next deadline that is due.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<u32> {
        if self.next_live()? > now {
            return None;
        }
        let Reverse(top) = self.heap.pop()?;
        if let Some(armed) = self.armed.get_mut(top.key as usize) {
            armed.at = None;
            self.live -= 1;
        }
        Some(top.key)
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.heap.capacity()
    }
}

fn is_live(armed: &[Armed], entry: &Entry) -> bool {
    armed
        .get(entry.key as usize)
        .is_some_and(|armed| armed.at.is_some() && armed.generation == entry.generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn with_keys(keys: u32) -> Deadlines {
        let mut deadlines = Deadlines::default();
        for key in 0..keys {
            deadlines.make_room(key);
        }
        deadlines
    }

    #[test]
    fn keys_come_up_in_the_order_of_their_deadlines() {
        let mut deadlines = with_keys(3);
        deadlines.arm(0, at(30));
        deadlines.arm(1, at(10));
        deadlines.arm(2, at(20));
        assert_eq!(deadlines.next(), Some(at(10)));
        assert_eq!(deadlines.pop_due(at(9)), None);
        assert_eq!(deadlines.pop_due(at(25)), Some(1));
        assert_eq!(deadlines.pop_due(at(25)), Some(2));
        assert_eq!(deadlines.pop_due(at(25)), None);
    }

    #[test]
    fn a_deadline_that_was_overtaken_by_an_earlier_one_means_nothing() {
        let mut deadlines = with_keys(1);
        deadlines.arm(0, at(30));
        deadlines.arm(0, at(10));
        assert_eq!(deadlines.pop_due(at(100)), Some(0));
        assert_eq!(deadlines.pop_due(at(100)), None);
    }

    #[test]
    fn a_later_deadline_waits_for_the_earlier_one_to_come_up() {
        let mut deadlines = with_keys(1);
        deadlines.arm(0, at(10));
        deadlines.arm(0, at(30));
        assert_eq!(deadlines.next(), Some(at(10)));
        assert_eq!(deadlines.len(), 1);
    }

    #[test]
    fn a_disarmed_key_does_not_come_up_and_can_be_armed_again() {
        let mut deadlines = with_keys(1);
        deadlines.arm(0, at(10));
        deadlines.disarm(0);
        deadlines.disarm(0);
        assert_eq!(deadlines.pop_due(at(100)), None);
        deadlines.arm(0, at(200));
        assert_eq!(deadlines.pop_due(at(200)), Some(0));
    }

    #[test]
    fn moving_deadlines_forward_for_ever_neither_grows_nor_reallocates_the_heap() {
        let mut deadlines = with_keys(100);
        let capacity = deadlines.capacity();
        for round in 0..10_000_u64 {
            for key in 0..100 {
                deadlines.arm(key, at(1_000_000 - round));
            }
        }
        assert!(deadlines.len() <= Deadlines::most(100));
        assert_eq!(deadlines.capacity(), capacity);
        let mut up = 0;
        while deadlines.pop_due(at(2_000_000)).is_some() {
            up += 1;
        }
        assert_eq!(up, 100);
    }
}
