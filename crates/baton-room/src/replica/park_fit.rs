//! Parked edits as they fit the document now, which has changed since they came.

use std::borrow::Cow;

use baton_sync::Replica;
use baton_sync::replica::cut_where_known;
use baton_sync::replica_index::{Judgement, ReplicaIndex};
use baton_sync::scan::OwnedScan;

use super::park::Park;
use super::record::Decision;

/// Returns true if the edits can be applied one after the other.
pub(super) fn fit_together(document: &Replica, park: &Park, decision: Decision) -> bool {
    let mut over = ReplicaIndex::new();
    park.updates.iter().all(|update| {
        let Ok(update) = OwnedScan::new(update.clone()) else {
            return false;
        };
        let index = document.state();
        let fitting = fitting(&update, index, &over, decision);
        // Another client's units under the same clocks are not the first half of this edit.
        let is_same = matches!(fitting, Cow::Borrowed(_))
            || document.contents().agree(index, &over, &update.as_scan());
        let scanned = fitting.as_scan();
        let judgement = index.judge_over(&over, &scanned);
        over.absorb_over(index, &scanned);
        is_same && matches!(judgement, Judgement::Fits | Judgement::Known)
    })
}

/// Returns a parked edit as it is merged: its author, who could cut a block that the document knows
/// in part, may be gone for ever.
pub(super) fn fitting<'u>(
    update: &'u OwnedScan,
    document: &ReplicaIndex,
    over: &ReplicaIndex,
    decision: Decision,
) -> Cow<'u, OwnedScan> {
    match decision {
        Decision::OldMerge => Cow::Borrowed(update),
        _ => cut_where_known(update, document, over),
    }
}
