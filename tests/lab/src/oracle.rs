//! The verdict: from what was observed to what is wrong with it.
//!
//! Owns the rules for documents; the lock's are in `history`. A function of a [`Record`] and nothing else, so that a
//! recorded run, or one that somebody tampered with, is judged just the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::content::{Contents, Place};
use crate::history::{self, History, Hold};
use crate::record::{Ending, Record, Stored, What};
use crate::verdict::{DocumentVerdict, Verdict};

/// Judges a run.
#[must_use]
pub fn judge(record: &Record) -> Verdict {
    let documents = record.documents.iter().enumerate();
    Verdict {
        scenario: record.scenario.name.clone(),
        seed: record.scenario.seed,
        again: record.scenario.arguments(),
        locks: record.locks,
        unjudged: unjudged(record),
        documents: documents
            .map(|(number, ending)| one(record, number, ending))
            .collect(),
    }
}

fn unjudged(record: &Record) -> Vec<String> {
    let missed = record.moments.iter().filter_map(|moment| {
        let What::Missed { events } = &moment.what else {
            return None;
        };
        let who = &record.people[moment.who?];
        let document = &record.documents[who.document].name;
        let name = &who.name;
        Some(format!(
            "{document}: {name} missed {events} events at {} ms, so the lock's history is not judged: the lab was too slow; take fewer clients, or longer pauses",
            moment.at
        ))
    });
    missed.collect()
}

/// What is known of one element.
#[derive(Debug)]
struct Fate {
    copy: (usize, u32),
    edit: u64,
    place: Place,
    at: u64,
    saved: Option<u64>,
    /// The edit that took it out, the copy in which, and when.
    deleted: Option<(u64, (usize, u32), u64)>,
}

/// What the clients of one document did and were told.
#[derive(Debug, Default)]
struct Story {
    elements: BTreeMap<String, Fate>,
    /// When each edit, by author, was acknowledged.
    saved: BTreeMap<(usize, u64), u64>,
    parked: BTreeSet<(usize, u32)>,
    refused: BTreeSet<(usize, u32)>,
    /// Copies that ended with the power.
    dark: BTreeSet<(usize, u32)>,
    /// Parks that somebody merged.
    merged: usize,
    /// The edits of each copy, in order.
    edits: BTreeMap<(usize, u32), Vec<u64>>,
    /// How many of these, from the first on, were made before the server certainly had to take or to park the first one of
    /// them that it had not acknowledged.
    judged: BTreeMap<(usize, u32), usize>,
}

impl Story {
    fn of(record: &Record, document: usize) -> Self {
        let mut story = Self::default();
        let mut numbers: BTreeMap<(usize, u64), String> = BTreeMap::new();
        // While the server has not been killed, whatever it parks is its author's. A kill may have others bring back what it
        // had not stored yet; then only what was made before the connection is certain to be among what was brought.
        let mut sent: BTreeMap<(usize, u32), usize> = BTreeMap::new();
        let mut killed = false;
        for moment in &record.moments {
            killed |= matches!(moment.what, What::Killed | What::Blackout);
            let Some(who) = moment.who else { continue };
            if record.people[who].document != document {
                continue;
            }
            let copy = (who, moment.copy);
            let made = story.edits.entry(copy).or_default();
            match &moment.what {
                What::Insert { edit, .. } | What::Delete { edit, .. } | What::Touch { edit } => {
                    made.push(*edit);
                }
                What::Closed { .. } => {
                    sent.insert(copy, made.len());
                }
                What::Parked { .. } => {
                    let certain = if killed {
                        sent.get(&copy).copied().unwrap_or_default()
                    } else {
                        made.len()
                    };
                    story.judged.entry(copy).or_insert(certain);
                }
                _ => {}
            }
            match &moment.what {
                What::Insert {
                    edit,
                    element,
                    place,
                    ..
                } => {
                    numbers.insert((who, *edit), element.clone());
                    let fate = Fate {
                        copy,
                        edit: *edit,
                        place: *place,
                        at: moment.at,
                        saved: None,
                        deleted: None,
                    };
                    story.elements.insert(element.clone(), fate);
                }
                What::Delete { edit, element } => {
                    if let Some(fate) = story.elements.get_mut(element) {
                        fate.deleted = Some((*edit, copy, moment.at));
                    }
                }
                What::Saved { edits } => {
                    for edit in edits {
                        story.saved.insert((who, *edit), moment.at);
                        let element = numbers.get(&(who, *edit));
                        if let Some(fate) = element.and_then(|id| story.elements.get_mut(id)) {
                            fate.saved = Some(moment.at);
                        }
                    }
                }
                What::Parked { .. } => {
                    story.parked.insert(copy);
                }
                What::Refused { .. } => {
                    story.refused.insert(copy);
                }
                What::Dark => {
                    story.dark.insert(copy);
                }
                What::Merged { .. } => story.merged += 1,
                _ => {}
            }
        }
        story
    }

    /// Whether this edit was not acknowledged, and all before it were: what the server said was parked is this, unless it had
    /// taken it. What came after may never have been sent.
    fn is_first_parked(&self, copy: (usize, u32), edit: u64) -> bool {
        let made = self.edits.get(&copy).into_iter().flatten();
        let judged = made.take(self.judged.get(&copy).copied().unwrap_or_default());
        let mut open = judged.filter(|edit| !self.saved.contains_key(&(copy.0, **edit)));
        open.next() == Some(&edit)
    }

    fn gave_up(&self, copy: (usize, u32)) -> bool {
        self.parked.contains(&copy) || self.refused.contains(&copy)
    }
}

fn one(record: &Record, number: usize, ending: &Ending) -> DocumentVerdict {
    let story = Story::of(record, number);
    let History {
        verdict: lock,
        holds,
        ..
    } = history::check(record, number);
    let differences = differences(record, ending);
    let mut verdict = DocumentVerdict {
        name: ending.name.clone(),
        converged: differences.is_empty(),
        differences,
        inserted: story.elements.len(),
        acknowledged: story.saved.len(),
        deleted: 0,
        present: 0,
        parked: 0,
        discarded: 0,
        merged: story.merged,
        drafts: 0,
        unsaved: 0,
        lost: Vec::new(),
        duplicated: Vec::new(),
        undeleted: Vec::new(),
        foreign: Vec::new(),
        unfenced: Vec::new(),
        lock,
    };
    let Some(whole) = reference(ending) else {
        return verdict;
    };
    let mut present: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, id) in whole.elements() {
        *present.entry(id).or_default() += 1;
    }
    for (id, times) in &present {
        if !story.elements.contains_key(*id) {
            verdict.foreign.push((*id).to_owned());
        }
        if *times > 1 {
            verdict
                .duplicated
                .push(format!("{id} is there {times} times"));
        }
    }
    let parks = ending.stored.as_ref().map(Parks::of);
    for (id, fate) in &story.elements {
        let here = present.contains_key(id.as_str());
        let parked = parks.as_ref().map(|parks| parks.of_one(id));
        settle(&mut verdict, &story, record, (id, fate), here, parked);
        for (hold, how, at) in under_lock(&story, fate, here, &holds) {
            verdict.unfenced.push(format!(
                "{id} was {how} at {at} ms and taken in, while {} held {} under {}",
                record.people[hold.who].name,
                if hold.part.is_whole() {
                    "the lock".to_owned()
                } else {
                    hold.part.to_string()
                },
                history::told(hold.fence)
            ));
        }
    }
    verdict
}

/// In how many parks each element stands.
struct Parks<'a>(BTreeMap<&'a str, Parked>);

/// In how many parks an element stands: in open ones, and in discarded ones.
#[derive(Debug, Clone, Copy, Default)]
struct Parked {
    open: usize,
    discarded: usize,
}

impl<'a> Parks<'a> {
    fn of(stored: &'a Stored) -> Self {
        let mut parks: BTreeMap<&str, Parked> = BTreeMap::new();
        for id in &stored.parked {
            parks.entry(id).or_default().open += 1;
        }
        for id in &stored.discarded {
            parks.entry(id).or_default().discarded += 1;
        }
        Self(parks)
    }

    fn of_one(&self, id: &str) -> Parked {
        self.0.get(id).copied().unwrap_or_default()
    }
}

/// Says where one element ended.
fn settle(
    verdict: &mut DocumentVerdict,
    story: &Story,
    record: &Record,
    (id, fate): (&String, &Fate),
    here: bool,
    parked: Option<Parked>,
) {
    if let Some((edit, copy, _)) = fate.deleted {
        let acknowledged = story.saved.contains_key(&(copy.0, edit));
        if !here {
            verdict.deleted += 1;
        } else if acknowledged && !story.gave_up(copy) {
            verdict.undeleted.push(id.clone());
        } else {
            // What took it out is in a park, or never got there.
            verdict.present += 1;
        }
        return;
    }
    let saved = match fate.saved {
        Some(at) => format!("acknowledged at {at} ms"),
        None => "never acknowledged".to_owned(),
    };
    let by = &record.people[fate.copy.0].name;
    let told = if story.gave_up(fate.copy) {
        "was told that this copy had diverged"
    } else {
        "was told nothing"
    };
    let counted = |verdict: &mut DocumentVerdict| match parked {
        Some(Parked { discarded: 1.., .. }) => verdict.discarded += 1,
        _ => verdict.parked += 1,
    };
    match (here, parked.map(|parked| parked.open + parked.discarded)) {
        (true, Some(1..)) => verdict
            .duplicated
            .push(format!("{id} is in the document and in a park")),
        (false, Some(2..)) => verdict.duplicated.push(format!("{id} is in two parks")),
        (true, _) => verdict.present += 1,
        (false, Some(1)) if story.gave_up(fate.copy) => counted(verdict),
        // It would have been told, had it lasted.
        (false, Some(1)) if fate.saved.is_none() && story.dark.contains(&fate.copy) => {
            counted(verdict);
        }
        (false, Some(1)) => verdict
            .lost
            .push(format!("{id} is in a park, and {by} was not told")),
        // Where nobody can look into the parks, what was told has to do.
        (false, None) if story.parked.contains(&fate.copy) && fate.saved.is_some() => {
            verdict.parked += 1;
        }
        (false, _) if story.refused.contains(&fate.copy) => verdict.drafts += 1,
        (false, Some(0)) if story.is_first_parked(fate.copy, fate.edit) => {
            verdict.lost.push(format!(
                "{id}, made by {by} at {} ms; {by} was told that it is parked, and it is neither in a park nor in the document",
                fate.at
            ));
        }
        (false, _) if story.parked.contains(&fate.copy) && fate.saved.is_none() => {
            verdict.drafts += 1;
        }
        (false, _) if fate.saved.is_none() && story.dark.contains(&fate.copy) => {
            verdict.unsaved += 1;
        }
        (false, _) => verdict.lost.push(format!(
            "{id}, made by {by} at {} ms, {saved}; {by} {told}",
            fate.at
        )),
    }
}

/// The holds of somebody else that certainly lasted from before an edit to after its acknowledgement, and which edit: for
/// what put the element in, and for what took it out.
fn under_lock<'a>(
    story: &Story,
    fate: &Fate,
    here: bool,
    holds: &'a [Hold],
) -> Vec<(&'a Hold, &'static str, u64)> {
    let root = fate.place.root();
    let mut found = Vec::new();
    let mut judge = |(who, copy): (usize, u32), how, at, saved: Option<u64>| {
        let Some(saved) = saved.filter(|_| !story.gave_up((who, copy))) else {
            return;
        };
        let reaches = |hold: &&Hold| hold.from < at && hold.part.reaches(root);
        let own = |hold: &&Hold| hold.who == who && at <= hold.to;
        let own: Vec<&Hold> = holds.iter().filter(reaches).filter(own).collect();
        let mut certain = holds.iter().filter(reaches).filter(|hold| {
            // Who holds another path below the same root may write there as well.
            let beside = own.iter().any(|own| !own.part.conflicts(&hold.part));
            hold.who != who && !beside && hold.sure_until.is_some_and(|until| saved < until)
        });
        found.extend(certain.next().map(|hold| (hold, how, at)));
    };
    if here {
        judge(fate.copy, "made", fate.at, fate.saved);
    } else if let Some((edit, copy, at)) = fate.deleted {
        let saved = story.saved.get(&(copy.0, edit)).copied();
        judge(copy, "taken out", at, saved);
    }
    found
}

/// What everything is compared with: what a newcomer got, else what is stored, else the first copy.
fn reference(ending: &Ending) -> Option<&Contents> {
    let stored = ending.stored.as_ref().map(|stored| &stored.contents);
    let first = || ending.copies.iter().find_map(|copy| copy.contents.as_ref());
    ending.newcomer.as_ref().or(stored).or_else(first)
}

fn differences(record: &Record, ending: &Ending) -> Vec<String> {
    let mut found = Vec::new();
    if ending.newcomer.is_none() {
        found.push("a newcomer could not come".to_owned());
    }
    let Some(whole) = reference(ending) else {
        return found;
    };
    for (number, newcomer) in (2..).zip(&ending.elsewhere) {
        match newcomer {
            None => found.push(format!("a newcomer could not come to node {number}")),
            Some(contents) => {
                if let Some(difference) = contents.difference(whole) {
                    found.push(format!("what a newcomer to node {number} got {difference}"));
                }
            }
        }
    }
    for copy in &ending.copies {
        let name = &record.people[copy.who].name;
        match &copy.contents {
            None => found.push(format!("the copy of {name} cannot be read")),
            Some(contents) => {
                if let Some(difference) = contents.difference(whole) {
                    found.push(format!("the copy of {name} {difference}"));
                }
            }
        }
        if copy.unsaved {
            found.push(format!("{name} still waits for an acknowledgement"));
        }
    }
    if let Some(stored) = &ending.stored {
        if let Some(difference) = stored.contents.difference(whole) {
            found.push(format!("what is stored {difference}"));
        }
        if stored.unreadable > 0 {
            found.push(format!("{} parks cannot be read", stored.unreadable));
        }
    }
    found
}
