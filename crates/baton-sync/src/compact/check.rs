//! Comparing the rewritten state with the one that it was made from.
//!
//! Owns the proof that nothing is lost: it reads both from their bytes, and trusts nothing that the
//! writer knew but how a text is cut.

use std::ops::Range;

use super::history::History;
use super::split::{Piece, Splitter, units};
use crate::delete_set::DeleteSet;
use crate::replica_index::{Judgement, ReplicaIndex};
use crate::scan::{Block, BlockKind, Content, Id, Parent, Scan, scan};
use crate::state_vector::Clock;

/// Proves that `after` means the same as `before`, of which `known` is the index. Returns the index
/// of `after`.
///
/// # Errors
/// The difference.
pub(super) fn check(
    before: &Scan<'_>,
    known: &ReplicaIndex,
    after: &[u8],
    history: History,
) -> Result<ReplicaIndex, &'static str> {
    let after = scan(after).map_err(|_| "it cannot be read")?;
    let nothing = ReplicaIndex::new();
    let (judgement, delta) = nothing.study(&after);
    if judgement != Judgement::Fits {
        return Err("it does not fit an empty document");
    }
    let mut knows = ReplicaIndex::new();
    knows.learn_without_blocks(delta, &after);
    if !knows.clocks().eq(known.clocks()) {
        return Err("the clocks");
    }
    if knows.deletes() != known.deletes() {
        return Err("the deletions");
    }
    if before.runs().len() != after.runs().len() {
        return Err("the clients");
    }
    let comparison = Comparison {
        before,
        after: &after,
        deletes: known.deletes(),
        history,
    };
    for (old, new) in before.runs().iter().zip(after.runs()) {
        let mut old = Walk::new(old.blocks().map(|index| before.block(old.client, index)));
        for index in new.blocks() {
            comparison.compare(&mut old, &after.block(new.client, index))?;
        }
    }
    Ok(knows)
}

/// Old blocks of one client, of which the first is in use.
struct Walk<'a, I: Iterator<Item = Block<'a>>> {
    rest: I,
    block: Option<Block<'a>>,
    /// The content of `block` from this clock on, if it was cut.
    cut: Option<(Splitter<'a>, Clock)>,
}

impl<'a, I: Iterator<Item = Block<'a>>> Walk<'a, I> {
    fn new(mut rest: I) -> Self {
        let block = rest.next();
        Self {
            rest,
            block,
            cut: None,
        }
    }

    /// Forgets the block if it ends here.
    fn pass(&mut self, clock: Clock) {
        if self
            .block
            .as_ref()
            .is_some_and(|block| block.end() <= clock)
        {
            self.block = self.rest.next();
            self.cut = None;
        }
    }

    /// The units from `start` to before `end`, which are in the block.
    fn piece(&mut self, scan: &Scan<'a>, start: Clock, end: Clock) -> Option<Piece<'a>> {
        let block = self.block.as_ref()?;
        let BlockKind::Item(kind) = block.kind else {
            return None;
        };
        let units = || units(kind, scan.content(block).1);
        if (start, end) == (block.clock, block.end()) {
            return Some(Piece::whole(units()?, block.len));
        }
        if self.cut.is_none() {
            self.cut = Some((Splitter::new(kind, units()?), block.clock));
        }
        let (splitter, at) = self.cut.as_mut()?;
        splitter.take(start - *at);
        *at = end;
        Some(splitter.take(end - start))
    }
}

struct Comparison<'c, 'a, 'n> {
    before: &'c Scan<'a>,
    after: &'n Scan<'n>,
    deletes: &'c DeleteSet,
    history: History,
}

impl<'a> Comparison<'_, 'a, '_> {
    /// Compares a new block with the old ones that have its units.
    fn compare(
        &self,
        old: &mut Walk<'a, impl Iterator<Item = Block<'a>>>,
        new: &Block<'_>,
    ) -> Result<(), &'static str> {
        let content = match new.kind {
            BlockKind::Item(kind) => Some(self.after.content(new).1).map(|all| (kind, all)),
            BlockKind::Gc | BlockKind::Skip => None,
        };
        // Units of the new block that were not compared yet.
        let mut rest = content.and_then(|(kind, all)| units(kind, all));
        let mut clock = new.clock;
        while clock < new.end() {
            let block = old.block.clone().ok_or("the clocks of a client")?;
            let end = block.end().min(new.end());
            if new.kind != block.kind {
                self.is_dropped(new, &(clock..end))?;
            }
            if matches!(new.kind, BlockKind::Item(_)) && head(&block, clock) != head(new, clock) {
                return Err("the neighbours of a unit");
            }
            if let Some((kind, all)) = content
                && kind != Content::Deleted
            {
                if clock > new.clock {
                    self.may_be_joined(new, clock)?;
                }
                let whole = block.clock == new.clock && block.end() == new.end();
                let same = if let Some(bytes) = rest {
                    rest = self.strip(old, clock..end, bytes);
                    rest.is_some()
                } else {
                    whole && self.before.content(&block).1 == all
                };
                if !same {
                    return Err("the content of a unit");
                }
            }
            clock = end;
            old.pass(clock);
        }
        match rest {
            Some(more) if !more.is_empty() => Err("the content of a unit"),
            _ => Ok(()),
        }
    }

    /// The bytes behind the content of these units, which are of one old block, if they begin with
    /// it. Deleted units may be blanks.
    fn strip<'b>(
        &self,
        old: &mut Walk<'a, impl Iterator<Item = Block<'a>>>,
        clocks: Range<Clock>,
        bytes: &'b [u8],
    ) -> Option<&'b [u8]> {
        let BlockKind::Item(kind) = old.block.as_ref()?.kind else {
            return None;
        };
        let client = old.block.as_ref()?.client;
        let (mut clock, mut rest) = (clocks.start, bytes);
        while clock < clocks.end {
            let past = self.deletes.end_of_range_at(client, clock);
            let end = past.or_else(|| self.deletes.start_of_range_after(client, clock));
            let keeps = self.history == History::Keep;
            let end = end
                .filter(|_| !keeps)
                .map_or(clocks.end, |end| end.min(clocks.end));
            let piece = old.piece(self.before, clock, end)?;
            let blank = past
                .filter(|_| !keeps)
                .and_then(|_| Piece::blank(kind, end - clock));
            rest = piece.strip_from(rest).or_else(|| blank?.strip_from(rest))?;
            clock = end;
        }
        Some(rest)
    }

    /// Checks that these units of a new block, which is of another kind than the old one, are no
    /// more than deleted ones whose content went.
    fn is_dropped(&self, new: &Block<'_>, clocks: &Range<Clock>) -> Result<(), &'static str> {
        let dropped = matches!(new.kind, BlockKind::Gc | BlockKind::Item(Content::Deleted));
        let len = clocks.end - clocks.start;
        if !dropped || self.history == History::Keep {
            return Err("the kind of a unit");
        }
        if !self.deletes.contains(new.client, clocks.start, len) {
            return Err("something is gone that was not deleted");
        }
        Ok(())
    }

    /// Checks that the unit at `clock`, where an old block begins, may be in one block with the
    /// unit before it.
    fn may_be_joined(&self, new: &Block<'_>, clock: Clock) -> Result<(), &'static str> {
        let is_deleted = |clock| self.deletes.contains(new.client, clock, 1);
        if is_deleted(clock) == is_deleted(clock - 1) {
            Ok(())
        } else {
            Err("a deleted unit is joined with one that is not")
        }
    }
}

/// The part of the block that decides where its unit at `clock` is.
fn head<'a>(
    block: &Block<'a>,
    clock: Clock,
) -> (Option<Id>, Option<Id>, Parent<'a>, Option<&'a str>) {
    if clock == block.clock {
        return (block.origin, block.right_origin, block.parent, block.key);
    }
    let origin = Id {
        client: block.client,
        clock: clock - 1,
    };
    (Some(origin), block.right_origin, Parent::Inherited, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(blocks: &[&[u8]], deleted: Range<u8>) -> Vec<u8> {
        let mut out = vec![1, blocks.len() as u8, 1, 0];
        out.extend(blocks.concat());
        match deleted.end - deleted.start {
            0 => out.push(0),
            len => out.extend([1, 1, 1, deleted.start, len]),
        }
        out
    }

    /// The difference that is found between two states that delete the same.
    fn found(
        before: &[&[u8]],
        after: &[&[u8]],
        deleted: Range<u8>,
        history: History,
    ) -> Option<&'static str> {
        let before = update(before, deleted.clone());
        let before = scan(&before).unwrap();
        let mut known = ReplicaIndex::new();
        known.absorb(&before);
        check(&before, &known, &update(after, deleted), history).err()
    }

    const A: &[u8] = b"\x04\x01\x01t\x01a";
    const B: &[u8] = b"\x84\x01\x00\x01b";
    const AB: &[u8] = b"\x04\x01\x01t\x02ab";

    #[test]
    fn joined_blocks_are_the_same() {
        for history in [History::Drop, History::Keep] {
            for deleted in [0..0, 0..2] {
                assert_eq!(found(&[A, B], &[AB], deleted, history), None);
            }
        }
        let third: &[u8] = b"\x84\x01\x01\x01c";
        let cut: &[u8] = b"\x84\x01\x00\x02bc";
        let whole: &[u8] = b"\x04\x01\x01t\x03abc";
        assert_eq!(found(&[A, cut], &[whole], 0..0, History::Drop), None);
        // Cutting says the same as well.
        assert_eq!(found(&[whole], &[A, B, third], 0..0, History::Drop), None);
    }

    #[test]
    fn a_wrong_join_is_found() {
        let drops = |before: &[&[u8]], after: &[&[u8]], deleted| {
            found(before, after, deleted, History::Drop).is_some()
        };
        let other: &[u8] = b"\x04\x01\x01t\x02ax";
        assert!(drops(&[A, B], &[other], 0..0), "content");
        let before_a: &[u8] = b"\xc4\x01\x00\x01\x00\x01b";
        assert!(drops(&[A, before_a], &[AB], 0..0), "neighbours");
        let elsewhere: &[u8] = b"\x04\x01\x01t\x01b";
        assert!(drops(&[A, elsewhere], &[AB], 0..0), "neighbours");
        assert!(drops(&[A, B], &[AB], 0..1), "deletion");
        let value: &[u8] = &[0x88, 1, 0, 1, 121];
        assert!(drops(&[A, value], &[AB], 0..0), "kind");
        // Two replacement characters are not the character that they once were.
        let halves: [&[u8]; 2] = [
            b"\x04\x01\x01t\x03\xef\xbf\xbd",
            b"\x84\x01\x00\x03\xef\xbf\xbd",
        ];
        let pair: &[u8] = b"\x04\x01\x01t\x04\xf0\x9f\x98\x80";
        assert!(drops(&halves, &[pair], 0..0), "halves");

        let keyed: [&[u8]; 2] = [b"\x24\x01\x01t\x01k\x01a", b"\xa4\x01\x00\x01b"];
        let joined: &[u8] = b"\x24\x01\x01t\x01k\x02ab";
        assert!(drops(&keyed, &[joined], 0..0), "two values of one key");
        assert!(!drops(&keyed, &[joined], 0..2));
    }

    #[test]
    fn only_deleted_content_goes_and_none_where_history_is_kept() {
        let gone: &[u8] = b"\x01\x01\x01t\x01";
        let blank: &[u8] = b"\x04\x01\x01t\x02 b";
        for after in [&[gone, B][..], &[blank]] {
            assert_eq!(found(&[AB], after, 0..1, History::Drop), None);
            assert!(found(&[AB], after, 0..1, History::Keep).is_some());
            assert!(found(&[AB], after, 0..0, History::Drop).is_some());
            assert!(found(&[AB], after, 1..2, History::Drop).is_some());
        }
        let other: &[u8] = b"\x04\x01\x01t\x02xb";
        assert!(found(&[AB], &[other], 0..1, History::Drop).is_some());
    }
}
