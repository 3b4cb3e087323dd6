//! The history of one document's lock, as its clients saw it, checked against the invariants.
//!
//! Owns what clients can know: grants, offers, losses and views in the order in which each client saw them. Times of
//! different clients are of one clock, but news travels, so nothing here compares two clients' times more finely than
//! [`TOLERANCE`]; and where a server's clocks let an old holder believe longer than its grant lasts, that is added.

use std::collections::{BTreeMap, BTreeSet};

use baton_client::Fence;
use serde::Serialize;

use crate::record::{Moment, Record, What};

/// Milliseconds by which two clients may seem to hold the lock at once: the stamp of an event waits for its task's turn.
pub(crate) const TOLERANCE: u64 = 500;

/// A grant, as its holder saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// Who, by number.
    pub who: usize,
    /// Under which fence.
    pub fence: Fence,
    /// From when, in milliseconds.
    pub from: u64,
    /// Until when it believed that it may edit: until it gave the lock back, was told of its loss, had been without news
    /// for too long, or stood still. One that is thawed and may still edit begins anew.
    pub to: u64,
    /// Since when it had wanted the lock, if it had; who has not is passed it when a holder goes offline.
    pub asked: Option<u64>,
    /// When it began to give it back, if the server then said that it was its to give: until then the server had it, too.
    pub sure_until: Option<u64>,
}

/// What a lock's history shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LockVerdict {
    /// Offers seen; one that is told again, to a client that asks again, is one.
    pub offers: usize,
    /// Grants seen.
    pub grants: usize,
    /// Grants that ended by loss.
    pub losses: usize,
    /// From the end of a hold to the next grant, where somebody waited or had to take over, in milliseconds: the median and
    /// the longest.
    pub handoff: Option<(u64, u64)>,
    /// What must not be.
    pub violations: Vec<String>,
}

/// Checks one document's lock.
pub(crate) fn check(record: &Record, document: usize) -> (LockVerdict, Vec<Hold>) {
    let moments: Vec<&Moment> = record
        .moments
        .iter()
        .filter(|moment| {
            moment
                .who
                .is_some_and(|who| record.people[who].document == document)
        })
        .collect();
    let count = |is: fn(&What) -> bool| moments.iter().filter(|moment| is(&moment.what)).count();
    let holds = holds(&moments, record.millis);
    let mut violations = Vec::new();
    // What a client missed may be the offer of its grant; the verdict says that this was left out.
    if count(|what| matches!(what, What::Missed { .. })) == 0 {
        fences_grow(record, &moments, &mut violations);
        one_session_a_fence(record, &moments, &mut violations);
        views_grow(&moments, &mut violations);
        no_overlap(record, &holds, &mut violations);
    }
    let offers: BTreeSet<_> = moments.iter().filter_map(|moment| offer(moment)).collect();
    let verdict = LockVerdict {
        offers: offers.len(),
        grants: count(|what| matches!(what, What::Granted { kept: false, .. })),
        losses: count(|what| matches!(what, What::Lost { .. })),
        handoff: handoff(&holds),
        violations,
    };
    (verdict, holds)
}

/// Whose offer of which fence.
fn offer(moment: &Moment) -> Option<(Option<usize>, Fence)> {
    match moment.what {
        What::Offered { fence } => Some((moment.who, fence)),
        _ => None,
    }
}

fn holds(moments: &[&Moment], end: u64) -> Vec<Hold> {
    let mut open: BTreeMap<usize, Hold> = BTreeMap::new();
    let mut granted: BTreeMap<usize, Fence> = BTreeMap::new();
    let mut asked: BTreeMap<usize, u64> = BTreeMap::new();
    let mut done = Vec::new();
    for moment in moments {
        let Some(who) = moment.who else { continue };
        match &moment.what {
            What::Asked => {
                asked.entry(who).or_insert(moment.at);
            }
            What::Cancelled => {
                asked.remove(&who);
            }
            What::Granted { fence, kept } => {
                granted.insert(who, *fence);
                // One that is kept goes on only if its client may edit: it may be just giving it back.
                if !kept {
                    let hold = Hold {
                        asked: asked.remove(&who),
                        ..begun(who, *fence, moment.at, end)
                    };
                    done.extend(open.insert(who, hold));
                }
            }
            What::Holder { holds: true } | What::Thawed { holds: true } => {
                if let Some(fence) = granted.get(&who) {
                    open.entry(who)
                        .or_insert_with(|| begun(who, *fence, moment.at, end));
                }
            }
            What::Holder { holds: false }
            | What::Lost { .. }
            | What::Releasing { .. }
            | What::Frozen => {
                if let Some(mut hold) = open.remove(&who) {
                    hold.to = moment.at;
                    done.push(hold);
                }
            }
            What::Released { fence } => {
                // All of it, if it stood still in between.
                let ended = done.iter_mut();
                for hold in ended.filter(|hold| hold.who == who && hold.fence == *fence) {
                    hold.sure_until = Some(hold.to);
                }
            }
            _ => {}
        }
    }
    done.extend(open.into_values());
    done.sort_by_key(|hold| hold.from);
    done
}

fn begun(who: usize, fence: Fence, from: u64, end: u64) -> Hold {
    Hold {
        who,
        fence,
        from,
        to: end,
        asked: None,
        sure_until: None,
    }
}

/// What a client is granted anew has a greater fence than all it was granted before, and was offered to it.
fn fences_grow(record: &Record, moments: &[&Moment], violations: &mut Vec<String>) {
    let mut last: BTreeMap<usize, Fence> = BTreeMap::new();
    let mut offered: BTreeSet<(usize, Fence)> = BTreeSet::new();
    for moment in moments {
        let Some(who) = moment.who else { continue };
        let name = &record.people[who].name;
        match moment.what {
            What::Offered { fence } => {
                offered.insert((who, fence));
            }
            What::Granted { fence, kept } => {
                let before = last.insert(who, fence);
                if !kept && before.is_some_and(|before| before >= fence) {
                    violations.push(format!(
                        "fence: {name} was granted {} after {}, which is not less",
                        told(fence),
                        before.map_or_else(String::new, told)
                    ));
                }
                if !kept && !offered.contains(&(who, fence)) {
                    violations.push(format!(
                        "offer: {name} was granted {} without an offer of it",
                        told(fence)
                    ));
                }
            }
            _ => {}
        }
    }
}

fn one_session_a_fence(record: &Record, moments: &[&Moment], violations: &mut Vec<String>) {
    let mut owners: BTreeMap<Fence, usize> = BTreeMap::new();
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
    let mut by_version: BTreeMap<u64, BTreeSet<Fence>> = BTreeMap::new();
    for moment in moments {
        if let What::View { version, fences } = &moment.what {
            by_version.entry(*version).or_default().extend(fences);
        }
    }
    let mut known: BTreeMap<Fence, u64> = BTreeMap::new();
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

fn no_overlap(record: &Record, holds: &[Hold], violations: &mut Vec<String>) {
    for (index, first) in holds.iter().enumerate() {
        for second in &holds[index + 1..] {
            let until = first.to.min(second.to);
            if second.from >= first.to {
                continue;
            }
            let together = until.saturating_sub(second.from);
            if first.who != second.who && together > TOLERANCE + record.overlap {
                violations.push(format!(
                    "overlap: {} (under {}) and {} (under {}) held the lock together for {together} ms from {} ms on",
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

fn handoff(holds: &[Hold]) -> Option<(u64, u64)> {
    let pairs = holds.iter().zip(holds.iter().skip(1));
    let mut gaps: Vec<u64> = pairs
        .filter(|(first, second)| {
            // Given back while nobody waited, it was free in between.
            let waited = second.asked.is_some_and(|asked| asked <= first.to);
            first.who != second.who && (waited || first.sure_until.is_none())
        })
        .map(|(first, second)| second.from.saturating_sub(first.to))
        .collect();
    gaps.sort_unstable();
    Some((*gaps.get(gaps.len() / 2)?, *gaps.last()?))
}

/// A fence for people.
pub(crate) fn told(fence: Fence) -> String {
    format!("{}:{}", fence.epoch, fence.position)
}
