//! Heap of deadlines with at most one live deadline for each key.
//!
//! Nothing is taken out of the middle. A deadline that an earlier one replaced stays in the heap
//! with an old generation, and is ignored when it comes up. One pass sweeps such stale entries out
//! once they outnumber half of the live ones. So the keys bound the heap, and arming never
//! allocates after [`Deadlines::make_room`].

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::Time;

/// Stale entries that are not worth a sweep.
const SLACK: usize = 64;

/// Subject of a deadline; each has at most one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeadlineKey {
    /// The timers of all locks.
    Locks,
    /// The choice of the sessions that are beaten often.
    Beats,
    /// The session in this slot of the table.
    Session(u32),
}

/// Keys before the first session's.
const FIXED_KEYS: u32 = 2;

impl DeadlineKey {
    const fn number(self) -> u32 {
        match self {
            Self::Locks => 0,
            Self::Beats => 1,
            Self::Session(slot) => slot + FIXED_KEYS,
        }
    }

    const fn of_number(number: u32) -> Self {
        match number {
            0 => Self::Locks,
            1 => Self::Beats,
            _ => Self::Session(number - FIXED_KEYS),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: Time,
    key: u32,
    generation: u32,
}

/// Present deadline of one key.
#[derive(Debug, Clone, Copy, Default)]
struct Armed {
    at: Option<Time>,
    generation: u32,
}

/// The heap, and the present deadline of each key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<Entry>>,
    armed: Vec<Armed>,
    live: usize,
}

impl Deadlines {
    /// Makes `key`, and all keys with a smaller number, usable; nothing else allocates.
    pub(crate) fn make_room(&mut self, key: DeadlineKey) {
        let keys = key.number() as usize + 1;
        if self.armed.len() < keys {
            self.armed.resize(keys, Armed::default());
            let most = Self::max_entries(self.armed.len());
            self.heap.reserve(most.saturating_sub(self.heap.len()));
        }
    }

    /// Returns the largest heap for this number of live entries.
    const fn max_entries(live: usize) -> usize {
        live + live / 2 + SLACK + 1
    }

    /// Makes `key` come up at `at`, or earlier if it was armed for an earlier time. A key that
    /// comes up too early finds nothing to do and is armed again.
    pub(crate) fn arm(&mut self, key: DeadlineKey, at: Time) {
        let key = key.number();
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
        if self.heap.len() >= Self::max_entries(self.live) {
            let armed = &self.armed;
            self.heap.retain(|Reverse(entry)| is_live(armed, entry));
        }
    }

    /// Cancels the deadline of `key`.
    pub(crate) fn disarm(&mut self, key: DeadlineKey) {
        if let Some(armed) = self.armed.get_mut(key.number() as usize)
            && armed.at.take().is_some()
        {
            armed.generation = armed.generation.wrapping_add(1);
            self.live -= 1;
        }
    }

    /// Returns the next live deadline, and drops the stale entries before it.
    pub(crate) fn next_live(&mut self) -> Option<Time> {
        while let Some(Reverse(top)) = self.heap.peek() {
            if is_live(&self.armed, top) {
                return Some(top.at);
            }
            self.heap.pop();
        }
        None
    }

    /// Returns the next deadline; a stale entry may make it too early.
    pub(crate) fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse(top)| top.at)
    }

    /// Takes the next key whose deadline has come.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<DeadlineKey> {
        if self.next_live()? > now {
            return None;
        }
        let Reverse(top) = self.heap.pop()?;
        if let Some(armed) = self.armed.get_mut(top.key as usize) {
            armed.at = None;
            self.live -= 1;
        }
        Some(DeadlineKey::of_number(top.key))
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
    use super::DeadlineKey::Session;
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn with_keys(keys: u32) -> Deadlines {
        let mut deadlines = Deadlines::default();
        for key in 0..keys {
            deadlines.make_room(Session(key));
        }
        deadlines
    }

    #[test]
    fn keys_come_up_in_the_order_of_their_deadlines() {
        let mut deadlines = with_keys(3);
        deadlines.arm(Session(0), at(30));
        deadlines.arm(Session(1), at(10));
        deadlines.arm(Session(2), at(20));
        assert_eq!(deadlines.next(), Some(at(10)));
        assert_eq!(deadlines.pop_due(at(9)), None);
        assert_eq!(deadlines.pop_due(at(25)), Some(Session(1)));
        assert_eq!(deadlines.pop_due(at(25)), Some(Session(2)));
        assert_eq!(deadlines.pop_due(at(25)), None);
    }

    #[test]
    fn a_deadline_that_was_overtaken_by_an_earlier_one_means_nothing() {
        let mut deadlines = with_keys(1);
        deadlines.arm(Session(0), at(30));
        deadlines.arm(Session(0), at(10));
        assert_eq!(deadlines.pop_due(at(100)), Some(Session(0)));
        assert_eq!(deadlines.pop_due(at(100)), None);
    }

    #[test]
    fn a_later_deadline_waits_for_the_earlier_one_to_come_up() {
        let mut deadlines = with_keys(1);
        deadlines.arm(Session(0), at(10));
        deadlines.arm(Session(0), at(30));
        assert_eq!(deadlines.next(), Some(at(10)));
        assert_eq!(deadlines.len(), 1);
    }

    #[test]
    fn a_disarmed_key_does_not_come_up_and_can_be_armed_again() {
        let mut deadlines = with_keys(1);
        deadlines.arm(Session(0), at(10));
        deadlines.disarm(Session(0));
        deadlines.disarm(Session(0));
        assert_eq!(deadlines.pop_due(at(100)), None);
        deadlines.arm(Session(0), at(200));
        assert_eq!(deadlines.pop_due(at(200)), Some(Session(0)));
    }

    #[test]
    fn moving_deadlines_forward_for_ever_neither_grows_nor_reallocates_the_heap() {
        let mut deadlines = with_keys(100);
        let capacity = deadlines.capacity();
        for round in 0..10_000_u64 {
            for key in 0..100 {
                deadlines.arm(Session(key), at(1_000_000 - round));
            }
        }
        assert!(deadlines.len() <= Deadlines::max_entries(100));
        assert_eq!(deadlines.capacity(), capacity);
        let mut up = 0;
        while deadlines.pop_due(at(2_000_000)).is_some() {
            up += 1;
        }
        assert_eq!(up, 100);
    }
}
