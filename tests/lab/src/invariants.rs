//! What must hold of one document's locks, whatever the network did.
//!
//! Owns the invariants. Times of different clients are of one clock, but news travels, so what two clients *believe* is
//! compared no more finely than [`TOLERANCE`], and where a server's clocks let an old holder believe longer than its grant
//! lasts, that is added. What is *certain* of both is compared exactly.

use std::collections::{BTreeMap, BTreeSet};

use baton_client::FencingToken;

use crate::history::{Hold, told};
use crate::part::Part;
use crate::record::{Moment, Record, Shown, What};

/// Milliseconds by which two clients may seem to hold the lock at once: the stamp of an event waits for its task's turn.
pub(crate) const TOLERANCE: u64 = 500;

/// All that is wrong, a line each.
pub(crate) fn check(record: &Record, moments: &[&Moment], holds: &[Hold]) -> Vec<String> {
    let mut violations = Vec::new();
    fences_grow(record, moments, &mut violations);
    one_session_a_fence(record, moments, &mut violations);
    views_grow(moments, &mut violations);
    views_agree(moments, &mut violations);
    no_overlap(record, holds, &mut violations);
    fences_follow(record, holds, &mut violations);
    violations
}

/// What a client is granted anew has a greater fence than all it was granted before, and was offered to it.
fn fences_grow(record: &Record, moments: &[&Moment], violations: &mut Vec<String>) {
    let mut last: BTreeMap<usize, FencingToken> = BTreeMap::new();
    let mut offered: BTreeMap<(usize, FencingToken), &Part> = BTreeMap::new();
    for moment in moments {
        let Some(who) = moment.who else { continue };
        let name = &record.people[who].name;
        match &moment.what {
            What::Offered { fence, part } => {
                offered.insert((who, *fence), part);
            }
            What::Granted { fence, part, kept } => {
                let (fence, kept) = (*fence, *kept);
                let before = last.insert(who, fence);
                if !kept && before.is_some_and(|before| before >= fence) {
                    violations.push(format!(
                        "fence: {name} was granted {} after {}, which is not less",
                        told(fence),
                        before.map_or_else(String::new, told)
                    ));
                }
                match offered.get(&(who, fence)) {
                    _ if kept => {}
                    None => violations.push(format!(
                        "offer: {name} was granted {} without an offer of it",
                        told(fence)
                    )),
                    Some(of) if *of != part => violations.push(format!(
                        "offer: {name} was offered {of} under {} and granted {part}",
                        told(fence)
                    )),
                    Some(_) => {}
                }
            }
            _ => {}
        }
    }
}

fn one_session_a_fence(record: &Record, moments: &[&Moment], violations: &mut Vec<String>) {
    let mut owners: BTreeMap<FencingToken, usize> = BTreeMap::new();
    for moment in moments {
        if let (Some(who), What::Granted { fence, .. }) = (moment.who, &moment.what) {
            let owner = *owners.entry(*fence).or_insert(who);
            if owner != who {
                violations.push(format!(
                    "fence: {} was granted to {} and to {}",
                    told(*fence),
                    record.people[owner].name,
                    record.people[who].name
                ));
            }
        }
    }
}

/// A fence that a newer view shows, and no older one did, is greater than all that the older ones showed.
fn views_grow(moments: &[&Moment], violations: &mut Vec<String>) {
    let mut by_version: BTreeMap<u64, BTreeSet<FencingToken>> = BTreeMap::new();
    for moment in moments {
        if let What::View { version, grants } = &moment.what {
            let fences = grants.iter().map(|grant| grant.fence);
            by_version.entry(*version).or_default().extend(fences);
        }
    }
    let mut known: BTreeMap<FencingToken, u64> = BTreeMap::new();
    for (version, fences) in by_version {
        let greatest = known.last_key_value().map(|(fence, at)| (*fence, *at));
        for fence in fences {
            if let Some((before, older)) = greatest
                && before > fence
                && !known.contains_key(&fence)
            {
                violations.push(format!(
                    "fence: the lock at {version} shows {}, which is new, at {older} it showed {}",
                    told(fence),
                    told(before)
                ));
            }
            known.entry(fence).or_insert(version);
        }
    }
}

/// What the server shows as held or offered at the same time is not in conflict.
fn views_agree(moments: &[&Moment], violations: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for moment in moments {
        let What::View { version, grants } = &moment.what else {
            continue;
        };
        for (index, first) in grants.iter().enumerate() {
            let against =
                |second: &&Shown| second.fence != first.fence && first.part.conflicts(&second.part);
            // Everybody is shown the same.
            for second in grants[index + 1..].iter().filter(against) {
                if seen.insert((first.fence, second.fence)) {
                    violations.push(format!(
                        "conflict: the locks at {version} show {} (under {}) and {} (under {})",
                        first.part,
                        told(first.fence),
                        second.part,
                        told(second.fence)
                    ));
                }
            }
        }
    }
}

/// No two hold at once what is in conflict: not for long, as they believe, and not at all, as is certain.
fn no_overlap(record: &Record, holds: &[Hold], violations: &mut Vec<String>) {
    for (index, first) in holds.iter().enumerate() {
        for second in &holds[index + 1..] {
            // Holds are in order of their beginnings.
            if second.from >= first.to {
                continue;
            }
            let until = first.to.min(second.to);
            let together = until.saturating_sub(second.from);
            let certain = (first.sure_until.zip(second.sure_until))
                .is_some_and(|(one, other)| second.from < one.min(other));
            let long = together > TOLERANCE + record.overlap;
            if first.who != second.who && (certain || long) && first.part.conflicts(&second.part) {
                let what = match (first.part.is_whole(), second.part.is_whole()) {
                    (true, true) => "the lock".to_owned(),
                    _ => format!("{} and {}", first.part, second.part),
                };
                violations.push(format!(
                    "overlap: {} (under {}) and {} (under {}) held {what} together for {together} ms from {} ms on",
                    record.people[first.who].name,
                    told(first.fence),
                    record.people[second.who].name,
                    told(second.fence),
                    second.from
                ));
            }
        }
    }
}

/// Of two that were certainly held one after the other, the later one has the greater fence.
fn fences_follow(record: &Record, holds: &[Hold], violations: &mut Vec<String>) {
    let sure: Vec<&Hold> = holds
        .iter()
        .filter(|hold| hold.sure_until.is_some())
        .collect();
    for (index, first) in sure.iter().enumerate() {
        for second in &sure[index + 1..] {
            if first.from < second.from
                && first.fence > second.fence
                && first.part.conflicts(&second.part)
            {
                violations.push(format!(
                    "fence: {} held {} under {} from {} ms on, and {} held {} under {} before",
                    record.people[second.who].name,
                    second.part,
                    told(second.fence),
                    second.from,
                    record.people[first.who].name,
                    first.part,
                    told(first.fence)
                ));
            }
        }
    }
}
