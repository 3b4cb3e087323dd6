//! The history of one document's locks, as its clients saw them.
//!
//! Owns what clients can know: who held what from when until when, how each lock passed on, and the verdict on it. The
//! rules that are checked are in `invariants`.

use std::collections::{BTreeMap, BTreeSet};

use baton_client::{FencingToken, HandoverReason};
use serde::Serialize;

use crate::invariants;
use crate::part::Part;
use crate::record::{Moment, Record, What};

/// How a lock left its holder's hands in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Left {
    /// Given back.
    Released,
    /// Handed to somebody.
    Transfer,
    /// Taken by somebody with the right to.
    TakenOver,
    /// The same user went on in another session.
    Moved,
    /// Somebody's request ran out.
    Requested,
    /// Its holder did nothing for long while somebody waited.
    Idle,
    /// Its holder lost the right to hold it.
    Revoked,
}

impl From<HandoverReason> for Left {
    fn from(reason: HandoverReason) -> Self {
        match reason {
            HandoverReason::Transfer => Self::Transfer,
            HandoverReason::TakenOver => Self::TakenOver,
            HandoverReason::Moved => Self::Moved,
            HandoverReason::Requested => Self::Requested,
            HandoverReason::Idle => Self::Idle,
            HandoverReason::Revoked => Self::Revoked,
        }
    }
}

/// A grant, as its holder saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// Who, by number.
    pub who: usize,
    /// Under which fence.
    pub fence: FencingToken,
    /// Of what.
    pub part: Part,
    /// From when, in milliseconds.
    pub from: u64,
    /// Until when it believed that it may edit: until it gave the lock back, had to stop because it passes on, was told of
    /// its loss, had been without news for too long, or stood still. One that is thawed and may still edit begins anew.
    pub to: u64,
    /// Since when it had wanted the lock, if it had; who has not is passed it when a holder goes offline, or handed it.
    pub asked: Option<u64>,
    /// Until when the server certainly had it, too: the moment when the holder began to give it back, or to hand it over,
    /// if the server then said that it was its to give.
    pub sure_until: Option<u64>,
    /// How it ended; nothing when it was lost, or goes on.
    pub left: Option<Left>,
    /// To whom it was to pass, by number, if its holder was told.
    pub heir: Option<usize>,
}

/// A lock that passed from one to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Handoff {
    /// From whom, and when that one stopped.
    pub from: (usize, u64),
    /// To whom, and when that one could begin.
    pub to: (usize, u64),
    /// What the next one has.
    pub part: Part,
    /// How it left; nothing when it was lost.
    pub left: Option<Left>,
}

/// What the history of a document's locks shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LockVerdict {
    /// Offers seen; one that is told again, to a client that asks again, is one.
    pub offers: usize,
    /// Grants seen.
    pub grants: usize,
    /// Those among them that were not of the whole document.
    pub parts: usize,
    /// Grants that ended by loss.
    pub losses: usize,
    /// How the others ended.
    pub left: BTreeMap<Left, usize>,
    /// From the end of a hold to the next grant of the same or of something in conflict with it, where somebody waited or
    /// had to take over, in milliseconds: the median and the longest.
    pub handoff: Option<(u64, u64)>,
    /// What must not be.
    pub violations: Vec<String>,
}

/// What one document's locks did.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) verdict: LockVerdict,
    pub(crate) holds: Vec<Hold>,
    pub(crate) handoffs: Vec<Handoff>,
}

/// Puts one document's history together, and checks it.
pub(crate) fn check(record: &Record, document: usize) -> History {
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
    let holds = Hands::watch(&moments, record.millis);
    let handoffs = handoffs(&holds);
    // What a client missed may be the offer of its grant; the verdict says that this was left out.
    let violations = if count(|what| matches!(what, What::Missed { .. })) == 0 {
        invariants::check(record, &moments, &holds)
    } else {
        Vec::new()
    };
    let offers: BTreeSet<_> = moments.iter().filter_map(|moment| offer(moment)).collect();
    let grants = count(|what| matches!(what, What::Granted { kept: false, .. }));
    let wholes =
        count(|what| matches!(what, What::Granted { kept: false, part, .. } if part.is_whole()));
    let mut left = BTreeMap::new();
    for how in holds.iter().filter_map(|hold| hold.left) {
        *left.entry(how).or_default() += 1;
    }
    let verdict = LockVerdict {
        offers: offers.len(),
        grants,
        parts: grants - wholes,
        losses: count(|what| matches!(what, What::Lost { .. })).saturating_sub(drained(&holds)),
        left,
        handoff: spans(&handoffs),
        violations,
    };
    History {
        verdict,
        holds,
        handoffs,
    }
}

/// Whose offer of which fence.
fn offer(moment: &Moment) -> Option<(Option<usize>, FencingToken)> {
    match moment.what {
        What::Offered { fence, .. } => Some((moment.who, fence)),
        _ => None,
    }
}

/// Holds that passed on in order: their holders are told in the end that they have lost them, too.
fn drained(holds: &[Hold]) -> usize {
    let drained = |hold: &&Hold| !matches!(hold.left, None | Some(Left::Released));
    holds.iter().filter(drained).count()
}

/// Whose hands which lock is in, moment by moment.
#[derive(Debug, Default)]
struct Hands {
    open: BTreeMap<(usize, FencingToken), Hold>,
    granted: BTreeMap<(usize, FencingToken), Part>,
    asked: BTreeMap<usize, (Part, u64)>,
    /// When a holder began to give this back, and, once the server has said so, that it was its to give.
    giving: BTreeMap<(usize, FencingToken), u64>,
    sure: BTreeMap<(usize, FencingToken), u64>,
    sessions: BTreeMap<u64, usize>,
    done: Vec<Hold>,
}

impl Hands {
    fn watch(moments: &[&Moment], end: u64) -> Vec<Hold> {
        let mut hands = Self::default();
        for moment in moments {
            if let Some(who) = moment.who {
                hands.sees(who, moment.at, &moment.what, end);
            }
        }
        let Self {
            open,
            sure,
            mut done,
            ..
        } = hands;
        done.extend(open.into_values());
        for hold in &mut done {
            // All of it, if it stood still in between.
            let until = sure.get(&(hold.who, hold.fence));
            let until = until.filter(|until| hold.from < **until);
            hold.sure_until = until.map(|until| hold.to.min(*until));
        }
        done.sort_by_key(|hold| hold.from);
        done
    }

    fn sees(&mut self, who: usize, at: u64, what: &What, end: u64) {
        match what {
            What::Welcome { session, .. } => {
                self.sessions.insert(*session, who);
            }
            What::Asked { part } => {
                let (wanted, since) = self.asked.entry(who).or_insert((part.clone(), at));
                if wanted != part {
                    (*wanted, *since) = (part.clone(), at);
                }
            }
            What::Cancelled => {
                self.asked.remove(&who);
            }
            What::Granted { fence, part, kept } => {
                self.granted.insert((who, *fence), part.clone());
                // One that is kept goes on only if its client may edit: it may be just giving it back.
                if !kept {
                    // Whatever it is a grant of, nobody waits who holds.
                    let asked = self.asked.remove(&who).map(|(_, since)| since);
                    let hold = Hold {
                        asked,
                        ..begun(who, *fence, part, (at, end))
                    };
                    let before = self.open.insert((who, *fence), hold);
                    self.done.extend(before);
                }
            }
            What::Holder { holds } => {
                self.stops(who, at, |fence| !holds.contains(fence));
                self.goes_on(who, holds, (at, end));
            }
            What::Thawed { holds } => self.goes_on(who, holds, (at, end)),
            What::Frozen => self.stops(who, at, |_| true),
            What::Lost { fence, .. } => self.stops(who, at, |one| one == fence),
            What::Draining { fence, reason, to } => {
                self.stops(who, at, |one| one == fence);
                let heir = to.and_then(|session| self.sessions.get(&session));
                self.ended(who, *fence, Left::from(*reason), heir.copied());
            }
            What::Releasing { fence } => {
                self.stops(who, at, |one| one == fence);
                self.giving.insert((who, *fence), at);
            }
            What::HandingOver { fence, .. } => {
                self.giving.insert((who, *fence), at);
            }
            What::Released { fence } => {
                self.gave(who, *fence);
                self.ended(who, *fence, Left::Released, None);
            }
            What::HandedOver { fence } => self.gave(who, *fence),
            _ => {}
        }
    }

    fn stops(&mut self, who: usize, at: u64, which: impl Fn(&FencingToken) -> bool) {
        let ended = self
            .open
            .extract_if(.., |(holder, fence), _| *holder == who && which(fence));
        self.done
            .extend(ended.map(|(_, hold)| Hold { to: at, ..hold }));
    }

    fn goes_on(&mut self, who: usize, holds: &[FencingToken], (at, end): (u64, u64)) {
        for fence in holds {
            if let Some(part) = self.granted.get(&(who, *fence)) {
                self.open
                    .entry((who, *fence))
                    .or_insert_with(|| begun(who, *fence, part, (at, end)));
            }
        }
    }

    fn gave(&mut self, who: usize, fence: FencingToken) {
        if let Some(at) = self.giving.get(&(who, fence)) {
            self.sure.insert((who, fence), *at);
        }
    }

    fn ended(&mut self, who: usize, fence: FencingToken, how: Left, heir: Option<usize>) {
        let of = |hold: &&mut Hold| (hold.who, hold.fence) == (who, fence);
        if let Some(last) = self.done.iter_mut().rev().find(of) {
            last.left = last.left.or(Some(how));
            last.heir = last.heir.or(heir);
        }
    }
}

fn begun(who: usize, fence: FencingToken, part: &Part, (from, to): (u64, u64)) -> Hold {
    Hold {
        who,
        fence,
        part: part.clone(),
        from,
        to,
        asked: None,
        sure_until: None,
        left: None,
        heir: None,
    }
}

/// From whom each got it that has it.
fn handoffs(holds: &[Hold]) -> Vec<Handoff> {
    let (mut first, mut inherited) = (BTreeSet::new(), BTreeSet::new());
    let mut found = Vec::new();
    for (index, next) in holds.iter().enumerate() {
        // What goes on after a time on the ice is no new grant.
        if !first.insert((next.who, next.fence)) {
            continue;
        }
        let mut before = holds[..index].iter().rev();
        let last = before.find(|hold| hold.fence != next.fence && hold.part.conflicts(&next.part));
        let Some(last) = last.filter(|last| last.who != next.who) else {
            continue;
        };
        // What an heir has later it did not get from there.
        let inherits = last.heir == Some(next.who) && inherited.insert((last.who, last.fence));
        // Given up while nobody waited, it was free in between.
        let waited = next.asked.is_some_and(|asked| asked <= last.to);
        if waited || inherits || last.left.is_none() {
            found.push(Handoff {
                from: (last.who, last.to),
                to: (next.who, next.from),
                part: next.part.clone(),
                left: last.left,
            });
        }
    }
    found
}

/// How long they took: the median and the longest.
fn spans(handoffs: &[Handoff]) -> Option<(u64, u64)> {
    let spans = handoffs
        .iter()
        .map(|one| one.to.1.saturating_sub(one.from.1));
    let mut spans: Vec<u64> = spans.collect();
    spans.sort_unstable();
    Some((*spans.get(spans.len() / 2)?, *spans.last()?))
}

/// A fence for people.
pub(crate) fn told(fence: FencingToken) -> String {
    format!("{}:{}", fence.epoch, fence.position)
}
