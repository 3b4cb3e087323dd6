//! Estimates how long a step will take, before it begins: a step of over a millisecond goes to the pool.
//!
//! Owns the estimates. They rest on the kind of the step and on bytes: a document is an index and its bytes, so an edit
//! costs what its own bytes do, whatever is in the document.

use baton_room::{Incoming, Kind};

/// A step that takes longer than this is long, in microseconds.
const LONG_US: f64 = 1_000.0;

/// A step that takes longer than this is heavy, in microseconds.
const HEAVY_US: f64 = 50_000.0;

/// Time for a byte of an edit, in microseconds: 20 KiB are long. Measured were 0.02 for the smallest blocks and deleted
/// ranges that there are.
const US_PER_BYTE: f64 = 0.05;

/// Time for a byte of a document that is copied, in microseconds.
const US_PER_COPIED_BYTE: f64 = 0.001;

/// Time for a byte of a document that is scanned, in microseconds.
const US_PER_SCANNED_BYTE: f64 = 0.004;

/// Time for a byte of a document that is loaded into the CRDT library, or compacted, in microseconds.
const US_PER_LOADED_BYTE: f64 = 0.02;

/// The place at which a step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    /// Here and now.
    Short,
    /// On the pool.
    Long,
    /// On the pool, not on all of its threads.
    Heavy,
}

/// The work that a step is asked to do.
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
    /// To encode all of it.
    Draft,
}

/// The facts about a document that an estimate rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Size {
    /// Of its encoding, about.
    pub(crate) bytes: usize,
    /// Of what is parked.
    pub(crate) parked: usize,
    /// Of what is kept aside, and may be taken up by any step.
    pub(crate) aside: usize,
    /// Its encoding is at hand.
    pub(crate) encoded: bool,
    /// The pieces for a client that has nothing are at hand.
    pub(crate) pieces: bool,
}

impl Asked {
    /// Returns the work that a message asks for.
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

    /// Returns true if only the connection that asked has a use for it, so that it is not done for one that is gone.
    pub(crate) fn is_request(self) -> bool {
        match self {
            Self::Everything | Self::Difference | Self::Show => true,
            Self::Little | Self::Update(_) | Self::Parks | Self::Timeout | Self::Draft => false,
        }
    }
}

/// Returns the place for a step.
pub(crate) fn work(asked: Asked, size: &Size) -> Work {
    let copying = size.bytes as f64 * US_PER_COPIED_BYTE;
    let encoding = if size.encoded { 0.0 } else { copying };
    let edit = |bytes: usize| bytes as f64 * US_PER_BYTE;
    // Mostly none of it can come yet, so that it is only looked at.
    let aside = edit(size.aside).min(HEAVY_US / 2.0);
    kind(match asked {
        Asked::Little => 0.0,
        Asked::Update(bytes) => edit(bytes) + aside,
        Asked::Everything if size.pieces => 0.0,
        Asked::Everything => encoding + size.bytes as f64 * US_PER_SCANNED_BYTE,
        Asked::Difference => copying,
        Asked::Parks if size.parked == 0 => 0.0,
        Asked::Parks => edit(size.parked) + aside,
        Asked::Timeout => aside,
        Asked::Draft | Asked::Show => encoding,
    })
}

/// Returns the place to open a document, by the bytes of its snapshot and of the records after it.
pub(crate) fn load(snapshot: usize, tail: usize) -> Work {
    kind(snapshot as f64 * US_PER_SCANNED_BYTE + tail as f64 * US_PER_BYTE)
}

/// Returns the place to make a preview of a park, by the bytes of the document and of the parked edits.
pub(crate) fn show(document: usize, parked: usize) -> Work {
    let loaded = (document + parked) as f64 * US_PER_LOADED_BYTE;
    kind(loaded.max(LONG_US))
}

/// Returns the place to write a snapshot of a document of so many bytes.
pub(crate) fn snapshot(bytes: usize) -> Work {
    kind((bytes as f64 * US_PER_LOADED_BYTE).max(LONG_US))
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
            encoded: true,
            pieces: true,
            ..Size::default()
        }
    }

    #[test]
    fn an_edit_is_weighed_by_its_own_bytes() {
        let edit = |bytes| work(Asked::Update(bytes), &size());
        assert_eq!(edit(30), Work::Short);
        assert_eq!(edit(16 << 10), Work::Short);
        assert_eq!(edit(68 << 10), Work::Long);
        assert_eq!(edit(2 << 20), Work::Heavy);
    }

    #[test]
    fn what_is_at_hand_is_short_and_what_must_be_made_is_not() {
        assert_eq!(work(Asked::Everything, &size()), Work::Short);
        assert_eq!(work(Asked::Difference, &size()), Work::Long);
        let cold = Size {
            encoded: false,
            pieces: false,
            ..size()
        };
        assert_eq!(work(Asked::Everything, &cold), Work::Long);
        assert_eq!(work(Asked::Draft, &cold), Work::Long);
        assert_eq!(work(Asked::Draft, &size()), Work::Short);
        let small = Size {
            bytes: 10_000,
            ..cold
        };
        assert_eq!(work(Asked::Everything, &small), Work::Short);
        assert_eq!(work(Asked::Difference, &small), Work::Short);
    }

    #[test]
    fn what_is_kept_aside_or_parked_counts_for_what_may_take_it_up() {
        assert_eq!(work(Asked::Timeout, &size()), Work::Short);
        assert_eq!(work(Asked::Parks, &size()), Work::Short);
        let full = Size {
            aside: 1 << 20,
            parked: 1 << 20,
            ..size()
        };
        assert_eq!(work(Asked::Timeout, &full), Work::Long);
        assert_eq!(work(Asked::Parks, &full), Work::Heavy);
        assert_eq!(work(Asked::Update(10), &full), Work::Long);
        assert_eq!(work(Asked::Little, &full), Work::Short);
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
        assert_eq!(load(10_000, 30_000), Work::Long);
        assert_eq!(load(30 << 20, 0), Work::Heavy);
        assert_eq!(show(10, 10), Work::Long);
        assert_eq!(show(16 << 20, 10), Work::Heavy);
        assert_eq!(snapshot(100_000), Work::Long);
    }
}
