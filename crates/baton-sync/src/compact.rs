//! Rewrites an encoded document into a smaller one that means the same.
//!
//! Owns the rewriting of an encoded state. It is a pure function of bytes: it asks no document, and
//! yrs has no part in it, because yrs is unsound when it collects garbage in hostile documents. The
//! result has been scanned, judged and compared with the input before the caller gets it.
//!
//! # Changes
//! A document is a set of *units*: an id, the neighbours between which it was inserted (origin and
//! right origin), its parent, and content. In a block of n units each unit but the first has the
//! one before it as its origin, and all have the same right origin. These alone decide the order of
//! units; never content, nor the packing of units into blocks, nor the arrival of two that do not
//! refer to each other: so Yjs converges. Therefore
//!
//! - the content of a deleted unit may be dropped: its place remains (content 1, a length);
//! - two blocks become one if that means the same: same client, the second goes on at the end of
//!   the first, has its last unit as origin, and has the same right origin. A unit between them
//!   came by a reference to a unit of one of them, and splits them again;
//! - units *in* a deleted type can never be seen again, nor any that are put there later. Of them
//!   only the clocks remain (a GC block, which needs no neighbours to become one with the next),
//!   and a block that refers to them becomes nothing as well, in Yjs, in yrs and in
//!   [`crate::replica_index`].
//!
//! If a few deleted units stand in the midst of a block, the heads of three blocks would be longer
//! than their content. Then the content is blanked (spaces, null): no reader shows it, and it is
//! gone all the same.
//!
//! The first two keep every unit in its place, so that an edit made beside it or an undo that puts
//! a copy beside it finds its neighbours. Yjs with garbage collection does the third as well.
//!
//! # Joins
//! Blocks are joined by the rule of Yjs's own `mergeWith`, so that a document that was typed letter
//! by letter is no larger than Yjs would write it. Beyond the above, both have content of one kind
//! that is a row of units (text, values, legacy JSON), or are deleted units, or GC; and the two
//! units that meet are both deleted or both alive. (Two values of one key are never both alive: the
//! index knows the last one.) Contents are put one behind the other as they are: two
//! replacement characters, each of which was half of one character, stay two.
//!
//! # History
//! `Y.snapshot` shows a document as it was, and needs deleted content for it. A document whose
//! users do that is rewritten with [`History::Keep`]: neighbours are joined, and nothing is
//! dropped.

mod check;
mod gc_plan;
mod head;
mod history;
mod split;
mod write;

use bytes::Bytes;

use self::gc_plan::GcPlan;
pub use self::history::History;
use crate::replica_index::{IndexDelta, Judgement, ReplicaIndex};
use crate::scan::{ScanError, scan};

/// An encoded state was not compacted. Nothing has changed; it is as good as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompactError {
    /// The bytes are no update. The fault is the caller's, or the storage's.
    #[error("the encoded state is unsound: {0}")]
    Unsound(#[from] ScanError),
    /// It is an update, but not a whole state: something that it refers to is not in it. The fault
    /// is the caller's.
    #[error("this is no whole state: {0}")]
    NotWhole(Judgement),
    /// The result does not mean the same. This crate's fault: keep the state as it is, and
    /// report it.
    #[error("the compacted state is not the same as the state: {0}")]
    Differs(&'static str),
}

/// Rewrites an encoded state (an update v1 from nothing, such as
/// [`Document::snapshot`](crate::Document::snapshot) returns): neighbouring blocks are joined, and
/// with [`History::Drop`] the content of deleted units goes. The result
///
/// - is never longer, but for deletions that the state implies and does not say. Compacting it
///   again changes nothing;
/// - is admitted by the scanner and fits an empty [`ReplicaIndex`], which then has the same clocks
///   and the same deletions;
/// - has all that is not deleted, byte for byte and with its neighbours, and shows the same in Yjs
///   and in yrs; with [`History::Keep`] it has the deleted content as well;
/// - can take its place anywhere: updates that were made against the one fit the other, and lead to
///   the same document; a client that has the one and hears differences of the other converges.
///
/// It takes any bytes and never panics. Time and memory grow with the length of the input and the
/// number of its blocks, and with nothing that the input claims: measured were 1.5 ms for each
/// megabyte of long texts, up to 2.1 µs and 250 bytes for each block (decision 17).
///
/// # Errors
/// See [`CompactError`]. The first two come before anything is written.
pub fn compact(encoded: &[u8], history: History) -> Result<Bytes, CompactError> {
    rewrite(encoded, history).map(|compacted| compacted.encoding)
}

/// The result of [`rewrite`]. That it means the same has been proved.
#[derive(Debug)]
pub struct Compacted {
    encoding: Bytes,
    index: ReplicaIndex,
}

impl Compacted {
    /// The encoded state.
    #[must_use]
    pub const fn encoding(&self) -> &Bytes {
        &self.encoding
    }

    pub(crate) fn into_parts(self) -> (Bytes, ReplicaIndex) {
        (self.encoding, self.index)
    }
}

/// [`compact`], for a document that is to go on with the compact form, see
/// [`Replica::adopt`](crate::Replica::adopt).
///
/// # Errors
/// As [`compact`].
pub fn rewrite(encoded: &[u8], history: History) -> Result<Compacted, CompactError> {
    let before = scan(encoded)?;
    let nothing = ReplicaIndex::new();
    let walk = nothing.applicability(&before);
    if !matches!(walk.judgement(), Judgement::Fits | Judgement::Known) {
        return Err(CompactError::NotWhole(walk.judgement()));
    }
    let mut known = ReplicaIndex::new();
    known.learn_without_blocks(IndexDelta::of(&walk, &nothing), &before);
    let plan = GcPlan::new(&walk, known.deletes(), history);
    let mut compacted = write::write(&before, &plan);
    compacted.shrink_to_fit();
    drop(walk);
    if compacted == encoded {
        let encoding = Bytes::copy_from_slice(encoded);
        known.store_mut().load(&encoding, &before);
        return Ok(Compacted {
            encoding,
            index: known,
        });
    }
    let mut index =
        check::check(&before, &known, &compacted, history).map_err(CompactError::Differs)?;
    let encoding = Bytes::from(compacted);
    let after = scan(&encoding)?;
    index.store_mut().load(&encoding, &after);
    Ok(Compacted { encoding, index })
}
