//! Comparing what was written with what it was made from.
//!
//! Owns the proof that nothing is lost: it reads both from their bytes, and trusts nothing that the
//! writer knew but how a text is cut.

use super::cut::Cutter;
use crate::delete_set::DeleteSet;
use crate::scan::{Block, BlockKind, Content, Id, Parent, Scan, scan};
use crate::state::{Judgement, State};
use crate::state_vector::Clock;

/// Whether `after` means what `before` does, which makes a document know `known`: then what a
/// document knows that is made of it. The error says what differs.
pub(super) fn check(before: &Scan<'_>, known: &State, after: &[u8]) -> Result<State, &'static str> {
    let after = scan(after).map_err(|_| "it cannot be read")?;
    let nothing = State::new();
    let settled = nothing.settle(&after);
    if settled.judgement() != Judgement::Fits {
        return Err("it does not fit an empty document");
    }
    let mut knows = State::new();
    knows.learn(settled.lesson(&nothing), &after);
    if knows.vector() != known.vector() {
        return Err("the clocks");
    }
    if knows.deletes() != known.deletes() {
        return Err("the deletions");
    }
    if before.runs().len() != after.runs().len() {
        return Err("the clients");
    }
    for (old, new) in before.runs().iter().zip(after.runs()) {
        let mut old = Walk::new(old.blocks().map(|index| before.block(old.client, index)));
        for index in new.blocks() {
            compare(
                before,
                &mut old,
                &after,
                &after.block(new.client, index),
                known.deletes(),
            )?;
        }
    }
    Ok(knows)
}

/// Blocks, of which the first is in use.
struct Walk<'a, I: Iterator<Item = Block<'a>>> {
    rest: I,
    block: Option<Block<'a>>,
    /// The content of `block` from this clock on, if it was cut.
    cut: Option<(Cutter<'a>, Clock)>,
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

    /// The content of the units from `start` to before `end`, which are in the block.
    fn cut(&mut self, scan: &Scan<'a>, start: Clock, end: Clock) -> Option<Vec<u8>> {
        let block = self.block.as_ref()?;
        if self.cut.is_none() {
            let BlockKind::Item(kind) = block.kind else {
                return None;
            };
            let cutter = Cutter::new(kind, scan.content(block).1)?;
            self.cut = Some((cutter, block.clock));
        }
        let (cutter, at) = self.cut.as_mut()?;
        cutter.skip(start - *at);
        *at = end;
        Some(cutter.take(end - start))
    }
}

/// Compares a new block with the old ones that have its units.
fn compare<'a>(
    before: &Scan<'a>,
    old: &mut Walk<'a, impl Iterator<Item = Block<'a>>>,
    after: &Scan<'_>,
    new: &Block<'_>,
    deletes: &DeleteSet,
) -> Result<(), &'static str> {
    let mut clock = new.clock;
    while clock < new.end() {
        let block = old.block.clone().ok_or("the clocks of a client")?;
        let end = block.end().min(new.end());
        let deleted = deletes.contains(new.client, clock, end - clock);
        match new.kind {
            BlockKind::Skip => return Err("a hole"),
            BlockKind::Gc if !deleted => return Err("something is gone that was not deleted"),
            BlockKind::Gc => {}
            BlockKind::Item(_) if head(&block, clock) != head(new, clock) => {
                return Err("the neighbours of a unit");
            }
            BlockKind::Item(Content::Deleted) if !deleted => {
                return Err("the content of a unit that was not deleted");
            }
            BlockKind::Item(Content::Deleted) => {}
            BlockKind::Item(content) => {
                let whole = block.clock == new.clock && block.end() == new.end();
                let same = if whole {
                    block.kind == new.kind && before.content(&block).1 == after.content(new).1
                } else {
                    new.clock == clock
                        && new.end() == end
                        && block.kind == BlockKind::Item(content)
                        && old.cut(before, clock, end).as_deref() == Some(after.content(new).1)
                };
                if !same {
                    return Err("the content of a unit");
                }
            }
        }
        clock = end;
        old.pass(clock);
    }
    Ok(())
}

/// What decides where the unit is that the block has at `clock`.
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
