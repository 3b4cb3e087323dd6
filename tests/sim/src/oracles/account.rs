//! S1, S2, S6, S8, S9 and S11 of the durable records, as the account of the testkit follows them.

use baton_presence::{LockState, Scope};
use baton_testkit::{BrokenRule, LockAccount, Step};

use super::Oracle;
use crate::book::event;
use crate::seen::{Kept, Seen};
use crate::world::World;

/// Follows each durable record.
#[derive(Debug, Default)]
pub(super) struct Account {
    locks: LockAccount<Scope>,
    broken: Option<BrokenRule>,
}

impl Oracle for Account {
    fn invariant(&self) -> &'static str {
        self.broken.map_or("S1", BrokenRule::name)
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        let Seen::Durable { records } = seen else {
            return Ok(());
        };
        records.iter().try_for_each(|kept| self.follow(kept))?;
        let about_presence = |kept: &&Kept| event(kept.position, &kept.record).is_some();
        let last = records.iter().rev().find(about_presence);
        // Later records are not durable yet, and not known to the account.
        let state = &world.book.fold;
        if last.is_some_and(|kept| Some(kept.position) == state.position()) {
            return self.compare_queue(state);
        }
        Ok(())
    }
}

impl Account {
    /// Compares the lock's queue with the wishes that were recorded and not served, in their order:
    /// no ticket is lost without a word, and no session waits that was told that it does not.
    fn compare_queue(&mut self, state: &LockState) -> Result<(), String> {
        let wishes = self.locks.waits();
        let queue: Vec<_> = state
            .waiters()
            .map(|(session, scope)| (session, scope.clone()))
            .collect();
        if queue == wishes {
            return Ok(());
        }
        let told = format!("{wishes:?} wait, and the queue is {queue:?}");
        self.broken = Some(BrokenRule::OldestFirst);
        Err(told)
    }

    fn follow(&mut self, kept: &Kept) -> Result<(), String> {
        let Some(event) = event(kept.position, &kept.record) else {
            return Ok(());
        };
        let step = Step {
            position: kept.position,
            event: &event,
            changes: &kept.changes,
            announced: None,
            gives_way: kept.gives_way,
        };
        let followed = self.locks.follow(&step, |_, _| Ok::<_, BrokenRule>(()));
        followed.map_err(|rule| {
            self.broken = Some(rule);
            let (position, changes, locks) = (kept.position, &kept.changes, &self.locks);
            format!("record {position}, {event:?}, gave {changes:?}, while {locks:?}")
        })
    }
}
