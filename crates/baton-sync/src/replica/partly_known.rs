//! Updates with a block of which a document knows the first units already.
//!
//! Owns the cut behind these units, for a reader who cannot ask the author for it.

use std::borrow::Cow;

use super::pieces::PieceCutter;
use crate::replica_index::ReplicaIndex;
use crate::scan::{OwnedScan, Run};

/// Returns the update as it is to be judged by `base` with `over` laid over it: itself, or, if one
/// of its blocks is known in part, without the units that are known.
///
/// For a caller who cannot ask the author to cut the block, such as that of a stored update. Units
/// are taken to be the same by their clocks.
#[must_use]
pub fn cut_where_known<'u>(
    update: &'u OwnedScan,
    base: &ReplicaIndex,
    over: &ReplicaIndex,
) -> Cow<'u, OwnedScan> {
    let scan = update.as_scan();
    let known = |client| base.clock(client).max(over.clock(client));
    let is_astride = |run: &Run| {
        let (blocks, known) = (run.blocks(), known(run.client));
        let first = scan.first_past(blocks.clone(), known);
        blocks.contains(&first) && scan.clock(first) < known && !scan.is_skip(first)
    };
    if !scan.runs().iter().any(is_astride) {
        return Cow::Borrowed(update);
    }
    let clients = scan.runs().iter().map(|run| run.client);
    let vector = clients.map(|client| (client, known(client))).collect();
    let cutter = PieceCutter::new(update.clone(), vector, usize::MAX);
    let piece = cutter.and_then(|mut cutter| cutter.next());
    let cut = piece.and_then(|piece| OwnedScan::new(piece).ok());
    cut.map_or(Cow::Borrowed(update), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::replica_index::Judgement;
    use crate::scan::scan;

    /// Client 1 writes this into the text "t".
    fn written(text: &str) -> OwnedScan {
        let head = [1, 1, 1, 0, 4, 1, 1, b't', text.len() as u8];
        let update = [&head[..], text.as_bytes(), &[0]].concat();
        OwnedScan::new(Bytes::from(update)).unwrap()
    }

    #[test]
    fn a_block_that_is_known_in_part_is_cut_there() {
        let (mut index, over) = (ReplicaIndex::new(), ReplicaIndex::new());
        index.absorb(&written("ab").as_scan());
        let update = written("abcd");
        assert!(matches!(
            index.judge(&update.as_scan()),
            Judgement::Astride { .. }
        ));
        let cut = cut_where_known(&update, &index, &over);
        assert_eq!(cut.bytes()[..], *b"\x01\x01\x01\x02\x84\x01\x01\x02cd\x00");
        assert_eq!(index.judge(&cut.as_scan()), Judgement::Fits);
        // The same if the units are known to what is laid over.
        let cut = cut_where_known(&update, &over, &index);
        assert_eq!(over.judge_over(&index, &cut.as_scan()), Judgement::Fits);
    }

    #[test]
    fn an_update_is_as_it_came_if_no_block_of_it_is_known_in_part() {
        let (mut index, over) = (ReplicaIndex::new(), ReplicaIndex::new());
        let update = written("ab");
        let is_as_it_came = |index: &ReplicaIndex, update| {
            matches!(cut_where_known(update, index, &over), Cow::Borrowed(_))
        };
        assert!(is_as_it_came(&index, &update));
        index.absorb(&update.as_scan());
        assert!(is_as_it_came(&index, &update));
        let behind = OwnedScan::new(Bytes::from_static(b"\x01\x01\x01\x02\x84\x01\x01\x01c\x00"));
        assert!(is_as_it_came(&index, &behind.unwrap()));
    }

    #[test]
    fn deletions_stay_with_a_cut_update() {
        let mut index = ReplicaIndex::new();
        index.absorb(&written("ab").as_scan());
        let deletes = b"\x01\x01\x01\x00\x04\x01\x01t\x04abcd\x01\x01\x01\x01\x02";
        let update = OwnedScan::new(Bytes::from_static(deletes)).unwrap();
        let cut = cut_where_known(&update, &index, &ReplicaIndex::new());
        let whole = scan(deletes).unwrap();
        assert_eq!(cut.as_scan().deletes(), whole.deletes());
        assert_eq!(index.judge(&cut.as_scan()), Judgement::Fits);
    }
}
