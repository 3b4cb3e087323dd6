//! Estimates the time of a step before it begins: a step of over a millisecond goes to the pool.
//!
//! Owns the estimates, which rest on the kind of the step and on bytes. A document is an index and
//! its bytes, so an edit costs as much as its own bytes do, whatever is in the document.

use baton_room::{ConnectionId, Incoming, SyncKind};

/// Time from which on a step is long, in microseconds.
const LONG_US: f64 = 1_000.0;

/// Time from which on a step is heavy, in microseconds.
const HEAVY_US: f64 = 50_000.0;

/// Time for a byte of an edit, in microseconds: 20 KiB are long. 0.02 was measured for the smallest
/// possible blocks and deleted ranges.
const US_PER_BYTE: f64 = 0.05;

/// Time for a byte of a document that is copied, in microseconds.
const US_PER_COPIED_BYTE: f64 = 0.001;

/// Time for a byte of a document that is scanned, in microseconds.
const US_PER_SCANNED_BYTE: f64 = 0.004;

/// Time for a byte of a document that is loaded into the CRDT library, or compacted, in
/// microseconds.
const US_PER_LOADED_BYTE: f64 = 0.02;

/// Time for a byte that is compressed, in microseconds. 0.01 to 0.03 were measured at the default
/// level, and up to 0.06 at the highest.
const US_PER_COMPRESSED_BYTE: f64 = 0.05;

/// The class of a step, by its expected time. It decides where the step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WorkClass {
    /// By the task that asks for it, at once.
    Short,
    /// On the pool.
    Long,
    /// On the pool, but never on all of its threads.
    Heavy,
}

/// The kind of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepKind {
    /// Costs the same whatever the document's size.
    Light,
    /// Takes in an update of so many bytes.
    Update(usize),
    /// Sends everything to the client of this connection, which has nothing.
    FullSync(ConnectionId),
    /// Sends what the client of this connection lacks, which has a part of the document.
    PartialSync(ConnectionId),
    /// Encodes the difference to a part of the document, for another purpose.
    Difference,
    /// May merge parked edits.
    Parks,
    /// Prepares a preview of a park, which is then made beside the document.
    Preview,
    /// Handles deadlines.
    Timeout,
    /// Encodes the whole document.
    Snapshot,
}

/// The type of a channel message.
#[derive(serde::Deserialize)]
struct MessageType {
    #[serde(rename = "type")]
    name: String,
}

/// The sizes that an estimate rests on, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DocumentSize {
    /// Approximate size of the encoded document.
    pub(crate) bytes: usize,
    /// Parked edits.
    pub(crate) parked: usize,
    /// Incomplete updates that are kept aside, and that any step may complete.
    pub(crate) aside: usize,
    /// True if the encoded document is in memory.
    pub(crate) encoded: bool,
    /// True if the messages for a client that has nothing are in memory.
    pub(crate) pieces: bool,
    /// True if what a client lacks has to be compressed for it.
    pub(crate) uncompressed: bool,
}

impl StepKind {
    /// Returns the kind of the step that a message of a connection needs.
    pub(crate) fn of(message: &Incoming<'_>, from: ConnectionId) -> Self {
        match message {
            Incoming::Step1([0] | []) => Self::FullSync(from),
            Incoming::Step1(_) => Self::PartialSync(from),
            Incoming::Sync(SyncKind::Step2 | SyncKind::Update, update) => {
                Self::Update(update.len())
            }
            // JSON may spell any letter of a type as an escape; then the type has to be decoded.
            Incoming::Channel(payload) if payload.contains("\\u") => serde_json::from_str(payload)
                .map_or(Self::Light, |message: MessageType| {
                    Self::named(&message.name)
                }),
            Incoming::Channel(payload) => Self::named(payload),
            Incoming::Awareness(_)
            | Incoming::QueryAwareness
            | Incoming::Barrier(_)
            | Incoming::QueueSent
            | Incoming::Other => Self::Light,
        }
    }

    /// Returns the kind of a channel message in which this text stands.
    fn named(text: &str) -> Self {
        if text.contains("show-park") {
            Self::Preview
        } else if text.contains("park") || text.contains("claim") {
            // A client names a park to merge it; a claim merges the parks of its author.
            Self::Parks
        } else {
            Self::Light
        }
    }

    /// Returns true if only the connection that asked has a use for the result. Such a step is not
    /// done for a connection that is gone.
    pub(crate) fn is_request(self) -> bool {
        match self {
            Self::FullSync(_) | Self::PartialSync(_) | Self::Difference | Self::Preview => true,
            Self::Light | Self::Update(_) | Self::Parks | Self::Timeout | Self::Snapshot => false,
        }
    }
}

/// Returns the class of a step.
pub(crate) fn classify(step: StepKind, size: &DocumentSize) -> WorkClass {
    let copying = size.bytes as f64 * US_PER_COPIED_BYTE;
    let encoding = if size.encoded { 0.0 } else { copying };
    let edit = |bytes: usize| bytes as f64 * US_PER_BYTE;
    let compressing = if size.uncompressed {
        size.bytes as f64 * US_PER_COMPRESSED_BYTE
    } else {
        0.0
    };
    // Mostly none of it is complete yet, so that it is only looked at.
    let aside = edit(size.aside).min(HEAVY_US / 2.0);
    class(match step {
        StepKind::Light => 0.0,
        StepKind::Update(bytes) => edit(bytes) + aside,
        StepKind::FullSync(_) if size.pieces => compressing,
        StepKind::FullSync(_) => encoding + compressing + size.bytes as f64 * US_PER_SCANNED_BYTE,
        // Mostly little of it is lacking.
        StepKind::PartialSync(_) => copying + compressing.min(HEAVY_US / 2.0),
        StepKind::Difference => copying,
        StepKind::Parks if size.parked == 0 => 0.0,
        StepKind::Parks => edit(size.parked) + aside,
        StepKind::Timeout => aside,
        StepKind::Snapshot | StepKind::Preview => encoding,
    })
}

/// Returns the class of opening a document with so many bytes of snapshot and of records after it.
pub(crate) fn load(snapshot: usize, tail: usize) -> WorkClass {
    class(snapshot as f64 * US_PER_SCANNED_BYTE + tail as f64 * US_PER_BYTE)
}

/// Returns the class of making a preview of a park, by the bytes of document and parked edits.
pub(crate) fn preview(document: usize, parked: usize) -> WorkClass {
    let loaded = (document + parked) as f64 * US_PER_LOADED_BYTE;
    class(loaded.max(LONG_US))
}

/// Returns the class of writing a snapshot of a document of so many bytes.
pub(crate) fn snapshot(bytes: usize) -> WorkClass {
    class((bytes as f64 * US_PER_LOADED_BYTE).max(LONG_US))
}

fn class(us: f64) -> WorkClass {
    if us < LONG_US {
        WorkClass::Short
    } else if us < HEAVY_US {
        WorkClass::Long
    } else {
        WorkClass::Heavy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: ConnectionId = ConnectionId(7);
    const FULL: StepKind = StepKind::FullSync(CLIENT);
    const PARTIAL: StepKind = StepKind::PartialSync(CLIENT);

    fn size() -> DocumentSize {
        DocumentSize {
            bytes: 2 << 20,
            encoded: true,
            pieces: true,
            ..DocumentSize::default()
        }
    }

    #[test]
    fn an_edit_is_weighed_by_its_own_bytes() {
        let edit = |bytes| classify(StepKind::Update(bytes), &size());
        assert_eq!(edit(30), WorkClass::Short);
        assert_eq!(edit(16 << 10), WorkClass::Short);
        assert_eq!(edit(68 << 10), WorkClass::Long);
        assert_eq!(edit(2 << 20), WorkClass::Heavy);
    }

    #[test]
    fn what_is_at_hand_is_short_and_what_must_be_made_is_not() {
        assert_eq!(classify(FULL, &size()), WorkClass::Short);
        assert_eq!(classify(StepKind::Difference, &size()), WorkClass::Long);
        let cold = DocumentSize {
            encoded: false,
            pieces: false,
            ..size()
        };
        assert_eq!(classify(FULL, &cold), WorkClass::Long);
        assert_eq!(classify(StepKind::Snapshot, &cold), WorkClass::Long);
        assert_eq!(classify(StepKind::Snapshot, &size()), WorkClass::Short);
        let small = DocumentSize {
            bytes: 10_000,
            ..cold
        };
        assert_eq!(classify(FULL, &small), WorkClass::Short);
        assert_eq!(classify(StepKind::Difference, &small), WorkClass::Short);
    }

    #[test]
    fn compressing_counts_until_it_is_done() {
        let class = |kind, bytes, uncompressed| {
            let size = DocumentSize {
                bytes,
                uncompressed,
                ..size()
            };
            classify(kind, &size)
        };
        assert_eq!(class(FULL, 10_000, true), WorkClass::Short);
        assert_eq!(class(FULL, 200_000, true), WorkClass::Long);
        assert_eq!(class(FULL, 200_000, false), WorkClass::Short);
        assert_eq!(class(FULL, 2 << 20, true), WorkClass::Heavy);
        assert_eq!(class(FULL, 2 << 20, false), WorkClass::Short);
        assert_eq!(class(PARTIAL, 10_000, true), WorkClass::Short);
        assert_eq!(class(PARTIAL, 200_000, false), WorkClass::Short);
        assert_eq!(class(PARTIAL, 2 << 20, true), WorkClass::Long);
        assert_eq!(class(StepKind::Light, 2 << 20, true), WorkClass::Short);
    }

    #[test]
    fn what_is_kept_aside_or_parked_counts_for_what_may_take_it_up() {
        assert_eq!(classify(StepKind::Timeout, &size()), WorkClass::Short);
        assert_eq!(classify(StepKind::Parks, &size()), WorkClass::Short);
        let full = DocumentSize {
            aside: 1 << 20,
            parked: 1 << 20,
            ..size()
        };
        assert_eq!(classify(StepKind::Timeout, &full), WorkClass::Long);
        assert_eq!(classify(StepKind::Parks, &full), WorkClass::Heavy);
        assert_eq!(classify(StepKind::Update(10), &full), WorkClass::Long);
        assert_eq!(classify(StepKind::Light, &full), WorkClass::Short);
    }

    #[test]
    fn a_message_is_weighed_by_what_it_asks_for() {
        let of = |message: &Incoming<'_>| StepKind::of(message, CLIENT);
        assert_eq!(of(&Incoming::Step1(&[0])), FULL);
        assert_eq!(of(&Incoming::Step1(&[1, 1, 1])), PARTIAL);
        let show = Incoming::Channel("{\"type\":\"show-park\",\"nonce\":1,\"id\":2}");
        assert_eq!(of(&show), StepKind::Preview);
        assert!(StepKind::Preview.is_request());
        let claim = Incoming::Channel("{\"type\":\"claim\",\"fence\":\"1.2\"}");
        assert_eq!(of(&claim), StepKind::Parks);
        let beat = Incoming::Channel("{\"type\":\"answer\",\"n\":1}");
        assert_eq!(of(&beat), StepKind::Light);
        assert!(FULL.is_request() && PARTIAL.is_request());
        assert!(!StepKind::Update(1).is_request());
    }

    /// A client that spelled the type of a message with escapes had its long work done by the thread
    /// that serves other clients: the estimate looked for the plain word, and the room decodes JSON.
    #[test]
    fn an_escaped_message_type_is_weighed_like_a_plain_one() {
        let of = |payload| StepKind::of(&Incoming::Channel(payload), CLIENT);
        assert_eq!(
            of(r#"{"type":"cl\u0061im","fence":"1.2"}"#),
            StepKind::Parks
        );
        assert_eq!(
            of(r#"{"type":"show-p\u0061rk","nonce":1,"id":2}"#),
            StepKind::Preview
        );
        assert_eq!(
            of(r#"{"t\u0079pe":"\u0063laim","fence":"1.2"}"#),
            StepKind::Parks
        );
        assert_eq!(of(r#"{"type":"note","text":"\u0000"}"#), StepKind::Light);
        assert_eq!(of(r#"{"type":"\u"#), StepKind::Light);
    }

    #[test]
    fn opening_showing_and_snapshots_are_weighed_by_their_bytes() {
        assert_eq!(load(10_000, 0), WorkClass::Short);
        assert_eq!(load(10_000, 30_000), WorkClass::Long);
        assert_eq!(load(30 << 20, 0), WorkClass::Heavy);
        assert_eq!(preview(10, 10), WorkClass::Long);
        assert_eq!(preview(16 << 20, 10), WorkClass::Heavy);
        assert_eq!(snapshot(100_000), WorkClass::Long);
    }
}
