//! How long a step will take, said before it is begun: what takes over a millisecond goes to the pool.
//!
//! Owns the estimates. They rest on the kind of the step, on bytes, and on what the document's edits have cost lately: in a
//! crowded place one letter can cost as much as a page elsewhere. An estimate that is too high costs a change of threads,
//! some microseconds; one that is too low costs others that much once, and is learnt from.

use std::time::Duration;

use baton_room::{Incoming, Kind};

/// A step that takes longer than this is long, in microseconds.
const LONG_US: f64 = 1_000.0;

/// A step that takes longer than this is heavy, in microseconds.
const HEAVY_US: f64 = 50_000.0;

/// Time for a byte of an edit where nothing is known, in microseconds: 4 KiB are long.
const US_PER_BYTE: f64 = 0.25;

/// Most bytes of an edit that is never heavy.
const TYPED: usize = 1024;

/// What is learnt of slow edits wears off by so much with each edit that was quicker.
const FORGETS: f64 = 0.75;

/// Time for a byte of scanning, encoding or copying a document, in microseconds.
const US_PER_DOCUMENT_BYTE: f64 = 0.004;

/// Time for a byte of waking a document that rests, in microseconds.
const US_PER_WAKING_BYTE: f64 = 0.02;

/// Where to do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    /// Here and now.
    Short,
    /// On the pool.
    Long,
    /// On the pool, not on all of its threads.
    Heavy,
}

/// What a step is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nothing that depends on the document's size.
    Little,
    /// To take an update of so many bytes in.
    Update(usize),
    /// To tell what a client lacks that has nothing.
    Everything,
    /// To tell what a client lacks that has something, or all but what it was not sent.
    Difference,
    /// Something that may merge what is parked.
    Parks,
    /// To show what is parked, beside the document.
    Show,
    /// To look at what is due.
    Timeout,
    /// The same, and to put the document to rest.
    Rest,
    /// To encode all of it.
    Draft,
}

/// What the document is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Size {
    /// Of its encoding, about.
    pub(crate) bytes: usize,
    /// Of what is parked.
    pub(crate) parked: usize,
    /// Of what is kept aside, and may be taken up by any step.
    pub(crate) aside: usize,
    /// Whether it can be edited without being loaded.
    pub(crate) awake: bool,
    /// Whether its encoding is at hand.
    pub(crate) encoded: bool,
    /// Whether the pieces for a client that has nothing are at hand.
    pub(crate) pieces: bool,
}

/// What edits of one document have cost lately.
///
/// A thread that is put aside by the system in the midst of an edit makes a quick one look slow. So an edit is believed to be
/// slow when the one before it was as well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    us_per_byte: f64,
    last: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            us_per_byte: US_PER_BYTE,
            last: US_PER_BYTE,
        }
    }
}

impl Pace {
    /// An edit of so many bytes took so long.
    pub(crate) fn learn(&mut self, bytes: usize, took: Duration) {
        // Of a tiny edit most is the same for every edit.
        let measured = took.as_secs_f64() * 1e6 / bytes.max(64) as f64;
        let worn_off = (self.us_per_byte * FORGETS).max(US_PER_BYTE);
        self.us_per_byte = worn_off.max(measured.min(self.last));
        self.last = measured;
    }

    fn edit(self, bytes: usize) -> f64 {
        let us = bytes.max(64) as f64 * self.us_per_byte;
        // Something that a person typed does not wait behind what others bring by the megabyte.
        if bytes <= TYPED {
            us.min(HEAVY_US - 1.0)
        } else {
            us
        }
    }
}

impl Asked {
    /// What a message asks for.
    pub(crate) fn of(message: &Incoming<'_>) -> Self {
        match message {
            Incoming::Step1([0] | []) => Self::Everything,
            Incoming::Step1(_) => Self::Difference,
            Incoming::Sync(Kind::Step2 | Kind::Update, update) => Self::Update(update.len()),
            Incoming::Channel(payload) if payload.contains("show-park") => Self::Show,
            // Parks are merged by name; a claim merges its author's own.
            Incoming::Channel(payload) if payload.contains("park") || payload.contains("claim") => {
                Self::Parks
            }
            Incoming::Channel(_)
            | Incoming::Awareness(_)
            | Incoming::QueryAwareness
            | Incoming::Other => Self::Little,
        }
    }

    /// Whether it is of use only to the connection that asked: not done for one that is gone.
    pub(crate) fn is_request(self) -> bool {
        match self {
            Self::Everything | Self::Difference | Self::Show => true,
            Self::Little
            | Self::Update(_)
            | Self::Parks
            | Self::Timeout
            | Self::Rest
            | Self::Draft => false,
        }
    }
}

/// Where to do a step.
pub(crate) fn work(asked: Asked, size: &Size, pace: Pace) -> Work {
    let document = size.bytes as f64 * US_PER_DOCUMENT_BYTE;
    let encoding = if size.encoded { 0.0 } else { document };
    let waking = if size.awake {
        0.0
    } else {
        size.bytes as f64 * US_PER_WAKING_BYTE
    };
    let aside = if size.aside == 0 {
        0.0
    } else {
        // Mostly none of it can come yet, so that it is only looked at.
        (waking + pace.edit(size.aside)).min(HEAVY_US / 2.0)
    };
    kind(match asked {
        Asked::Little => 0.0,
        Asked::Update(bytes) => waking + pace.edit(bytes) + aside,
        Asked::Everything if size.pieces => 0.0,
        Asked::Everything => encoding + document,
        Asked::Difference => encoding + document,
        Asked::Parks if size.parked == 0 => 0.0,
        Asked::Parks => encoding + waking + pace.edit(size.parked) + aside,
        Asked::Timeout => aside,
        Asked::Rest => aside + encoding + document,
        Asked::Draft | Asked::Show => encoding,
    })
}

/// Where to open a document of so many bytes with so many bytes of records after them.
pub(crate) fn load(snapshot: usize, tail: usize) -> Work {
    let waking = if tail == 0 { 0.0 } else { US_PER_WAKING_BYTE };
    let snapshot = snapshot as f64 * (US_PER_DOCUMENT_BYTE + waking);
    kind(snapshot + tail as f64 * US_PER_BYTE)
}

/// Where to show what parked edits of so many bytes would change in a document of so many bytes.
pub(crate) fn show(document: usize, parked: usize) -> Work {
    let copied = document as f64 * (US_PER_DOCUMENT_BYTE + US_PER_WAKING_BYTE);
    kind((copied + parked as f64 * US_PER_BYTE).max(LONG_US))
}

/// Where to write a snapshot of a document of so many bytes.
pub(crate) fn snapshot(bytes: usize) -> Work {
    kind((bytes as f64 * US_PER_WAKING_BYTE).max(LONG_US))
}

fn kind(us: f64) -> Work {
    if us < LONG_US {
        Work::Short
    } else if us < HEAVY_US {
        Work::Long
    } else {
        Work::Heavy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size() -> Size {
        Size {
            bytes: 2 << 20,
            awake: true,
            encoded: true,
            pieces: true,
            ..Size::default()
        }
    }

    fn edit(bytes: usize, size: &Size, pace: Pace) -> Work {
        work(Asked::Update(bytes), size, pace)
    }

    #[test]
    fn a_keystroke_in_a_large_document_is_short_and_what_may_be_many_blocks_is_not() {
        let pace = Pace::default();
        assert_eq!(edit(30, &size(), pace), Work::Short);
        assert_eq!(edit(3_000, &size(), pace), Work::Short);
        assert_eq!(edit(5_000, &size(), pace), Work::Long);
        assert_eq!(edit(68 << 10, &size(), pace), Work::Long);
        assert_eq!(edit(1 << 20, &size(), pace), Work::Heavy);
        let asleep = Size {
            awake: false,
            ..size()
        };
        assert_eq!(edit(30, &asleep, pace), Work::Long);
        let small = Size {
            bytes: 20_000,
            ..asleep
        };
        assert_eq!(edit(30, &small, pace), Work::Short);
    }

    #[test]
    fn a_crowded_place_makes_a_few_letters_long_until_they_are_quick_again() {
        let mut pace = Pace::default();
        pace.learn(20, Duration::from_millis(20));
        assert_eq!(edit(20, &size(), pace), Work::Short, "it may be chance");
        pace.learn(20, Duration::from_millis(20));
        assert_eq!(edit(20, &size(), pace), Work::Long);
        assert_eq!(edit(1_000, &size(), pace), Work::Long);
        assert_eq!(edit(3_000, &size(), pace), Work::Heavy);
        let mut edits = 0;
        while edit(20, &size(), pace) != Work::Short {
            pace.learn(20, Duration::from_micros(5));
            edits += 1;
        }
        assert!((5..30).contains(&edits), "{edits}");
        for _ in 0..10_000 {
            pace.learn(20, Duration::from_micros(5));
        }
        assert_eq!(edit(3_000, &size(), pace), Work::Short);
        assert_eq!(edit(5_000, &size(), pace), Work::Long);
    }

    #[test]
    fn what_is_at_hand_is_short_and_what_must_be_made_is_not() {
        let asked = |asked, size: &Size| work(asked, size, Pace::default());
        assert_eq!(asked(Asked::Everything, &size()), Work::Short);
        assert_eq!(asked(Asked::Difference, &size()), Work::Long);
        let cold = Size {
            encoded: false,
            pieces: false,
            ..size()
        };
        assert_eq!(asked(Asked::Everything, &cold), Work::Long);
        assert_eq!(asked(Asked::Draft, &cold), Work::Long);
        assert_eq!(asked(Asked::Draft, &size()), Work::Short);
        let small = Size {
            bytes: 10_000,
            ..cold
        };
        assert_eq!(asked(Asked::Everything, &small), Work::Short);
        assert_eq!(asked(Asked::Difference, &small), Work::Short);
    }

    #[test]
    fn what_is_kept_aside_or_parked_counts_for_what_may_take_it_up() {
        let asked = |asked, size: &Size| work(asked, size, Pace::default());
        assert_eq!(asked(Asked::Timeout, &size()), Work::Short);
        assert_eq!(asked(Asked::Parks, &size()), Work::Short);
        let full = Size {
            aside: 1 << 20,
            parked: 1 << 20,
            ..size()
        };
        assert_eq!(asked(Asked::Timeout, &full), Work::Long);
        assert_eq!(asked(Asked::Parks, &full), Work::Heavy);
        assert_eq!(asked(Asked::Update(10), &full), Work::Long);
        assert_eq!(asked(Asked::Little, &full), Work::Short);
        assert_eq!(asked(Asked::Rest, &size()), Work::Long);
    }

    #[test]
    fn a_message_is_weighed_by_what_it_asks_for() {
        assert_eq!(Asked::of(&Incoming::Step1(&[0])), Asked::Everything);
        assert_eq!(Asked::of(&Incoming::Step1(&[1, 1, 1])), Asked::Difference);
        let show = Incoming::Channel("{\"type\":\"show-park\",\"nonce\":1,\"id\":2}");
        assert_eq!(Asked::of(&show), Asked::Show);
        assert!(Asked::Show.is_request());
        let claim = Incoming::Channel("{\"type\":\"claim\",\"fence\":\"1.2\"}");
        assert_eq!(Asked::of(&claim), Asked::Parks);
        let beat = Incoming::Channel("{\"type\":\"answer\",\"n\":1}");
        assert_eq!(Asked::of(&beat), Asked::Little);
        assert!(Asked::Everything.is_request());
        assert!(!Asked::Update(1).is_request());
    }

    #[test]
    fn opening_showing_and_snapshots_are_weighed_by_their_bytes() {
        assert_eq!(load(10_000, 0), Work::Short);
        assert_eq!(load(10_000, 10_000), Work::Long);
        assert_eq!(load(30 << 20, 0), Work::Heavy);
        assert_eq!(show(10, 10), Work::Long);
        assert_eq!(show(16 << 20, 10), Work::Heavy);
        assert_eq!(snapshot(100_000), Work::Long);
    }
}
