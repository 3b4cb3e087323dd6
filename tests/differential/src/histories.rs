//! Checks a replica on one history of stock Yjs clients.

use baton_sync::scan;
use baton_sync::scan::BlockKind;

use crate::intake::Intake;
use crate::knowledge::Knowledge;
use crate::subject::Subject;
use crate::yjs::{Delivery, History, KINDS, Loaded, Yjs};
use crate::yrs_replica::YrsReplica;

/// yrs cannot read these.
const YRS_CANNOT_READ: &[&str] = &["hook", "json"];

/// Edits between the two halves of a character of two units. Replicas of Yjs differ by themselves:
/// one that ever split the character there shows replacement characters, also if nothing of the
/// reason remains. Of such histories only the state vector and the deletions are compared.
const TORN: &str = "torn";

/// One history in so many has torn characters.
const ONE_IS_TORN_IN: u32 = 9;

/// States of clients that a difference is made for.
const DIFFERENCES: usize = 3;

/// The parts of a history that are compared.
#[derive(Clone, Copy)]
struct Scope {
    content: bool,
    with_yrs: bool,
}

/// Totals over histories, for a person to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Histories that were checked.
    pub histories: usize,
    /// Histories of genuine clients on which yrs panicked: they are compared with Yjs alone.
    pub yrs_panics: usize,
    /// Deliveries that were applied.
    pub deliveries: usize,
    /// Bytes of the compacted encodings.
    pub compacted_bytes: usize,
    /// Bytes of the encodings of Yjs with garbage collection.
    pub yjs_bytes: usize,
}

/// Makes the history of this seed and compares the replica with Yjs, and with yrs where it can read
/// the history. `BATON_DIFFERENTIAL_KINDS` leaves only the kinds that it names.
///
/// # Errors
/// The first difference, with the smallest list of deliveries that shows one.
pub fn check<S: Subject>(yjs: &mut Yjs, seed: u32, totals: &mut Totals) -> Result<(), String> {
    let only = std::env::var("BATON_DIFFERENTIAL_KINDS").ok();
    let only = only
        .as_ref()
        .map(|kinds| kinds.split(' ').collect::<Vec<_>>());
    let unwanted = |kind: &&str| only.as_ref().is_some_and(|only| !only.contains(kind));
    // Half of the histories have no kind that yrs cannot read, so that it is compared as well.
    let for_yrs = seed.is_multiple_of(2);
    let torn = seed.is_multiple_of(ONE_IS_TORN_IN);
    let spared: Vec<&str> = KINDS
        .iter()
        .copied()
        .filter(|kind| S::SPARED.contains(kind) || unwanted(kind) || (*kind == TORN && !torn))
        .chain(
            for_yrs
                .then_some(YRS_CANNOT_READ)
                .into_iter()
                .flatten()
                .copied(),
        )
        .collect();
    let scope = Scope {
        content: spared.contains(&TORN),
        with_yrs: YRS_CANNOT_READ.iter().all(|kind| spared.contains(kind)),
    };
    let history = yjs
        .history(seed, &spared)
        .map_err(|error| format!("seed {seed}: {error}"))?;
    check_history::<S>(yjs, &history, scope, totals).map_err(|difference| {
        let deliveries = shrink::<S>(yjs, &history, scope);
        format!("seed {seed}: {difference}\nsmallest deliveries:\n{deliveries}")
    })
}

fn check_history<S: Subject>(
    yjs: &mut Yjs,
    history: &History,
    scope: Scope,
    totals: &mut Totals,
) -> Result<(), String> {
    if history.end.waiting {
        return Err("Yjs itself still waits for something after the last delivery".to_owned());
    }
    let (mut replica, yrs_panicked) = feed::<S>(
        yjs,
        &history.deliveries,
        &history.end.knowledge,
        scope.with_yrs,
    )?;
    totals.histories += 1;
    totals.yrs_panics += usize::from(yrs_panicked);
    totals.deliveries += history.deliveries.len();
    let everything = replica.everything()?;
    for gc in [false, true] {
        let loaded = yjs.load(&[&everything], gc)?;
        same("everything, loaded by Yjs", &loaded, &history.end, scope)?;
    }
    let first = history.states.len().saturating_sub(DIFFERENCES);
    for state in history
        .states
        .iter()
        .take(1)
        .chain(&history.states[first..])
    {
        let difference = replica.difference(&state.vector)?;
        for gc in [false, true] {
            let loaded = yjs.load(&[&state.update, &difference], gc)?;
            same("a difference, applied by Yjs", &loaded, &history.end, scope)?;
        }
    }
    let compacted = S::compacted(&everything)?;
    let loaded = yjs.load(&[&compacted], false)?;
    same("compacted, loaded by Yjs", &loaded, &history.end, scope)?;
    totals.compacted_bytes += compacted.len();
    totals.yjs_bytes += history.collected_bytes;
    let mut again = S::empty();
    again.apply(&compacted)?;
    equal(
        "a replica of the compacted",
        &again.knowledge(),
        &history.end.knowledge,
    )
}

/// Delivers, and compares the state vector and the deletions wherever nothing waits. Returns the
/// replica, and whether yrs panicked meanwhile: Yjs is the reference alone then.
fn feed<S: Subject>(
    yjs: &mut Yjs,
    deliveries: &[Delivery],
    end: &Knowledge,
    with_yrs: bool,
) -> Result<(S, bool), String> {
    let mut intake = Intake::<S, Vec<u8>>::new();
    let mut reference = YrsReplica::new();
    // yrs integrates past a Skip and may panic later: then it hears of all of it at the end.
    let has_skip = deliveries.iter().any(|delivery| has_skip(&delivery.update));
    let mut failed = None;
    for (index, Delivery { update, after }) in deliveries.iter().enumerate() {
        let taken = |update: &Vec<u8>| {
            if with_yrs
                && !has_skip
                && let Err(error) = reference.apply(update)
            {
                failed.get_or_insert(error);
            }
        };
        let cut = |update: &Vec<u8>, vector: &_| yjs.cut(update, vector);
        intake.deliver(update.clone(), cut, taken)?;
        if let Some(after) = after {
            if intake.is_waiting() {
                return Err(format!("delivery {index} waits, and Yjs lacks nothing"));
            }
            let place = format!("after delivery {index}");
            equal(&place, &intake.replica().knowledge(), after)?;
        }
    }
    if intake.is_waiting() {
        return Err("deliveries still wait after the last".to_owned());
    }
    equal("at the end", &intake.replica().knowledge(), end)?;
    if let Some(error) = failed.filter(|_| !reference.has_panicked()) {
        return Err(format!("yrs: {error}"));
    }
    if with_yrs && has_skip {
        reference.apply(&intake.replica_mut().everything()?)?;
    }
    if with_yrs && !reference.has_panicked() {
        equal("yrs at the end", &reference.knowledge()?, end)?;
    }
    Ok((intake.into_replica(), reference.has_panicked()))
}

fn has_skip(update: &[u8]) -> bool {
    scan(update).is_ok_and(|scan| scan.blocks().any(|block| block.kind == BlockKind::Skip))
}

fn same(place: &str, found: &Loaded, expected: &Loaded, scope: Scope) -> Result<(), String> {
    if found.waiting {
        return Err(format!("{place}: Yjs waits for something"));
    }
    equal(place, &found.knowledge, &expected.knowledge)?;
    if !scope.content || found.content == expected.content {
        return Ok(());
    }
    Err(format!(
        "{place}: it shows\n{}\nand not\n{}",
        found.content, expected.content
    ))
}

fn equal(place: &str, found: &Knowledge, expected: &Knowledge) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{place}: {found:?}\nand Yjs: {expected:?}"))
}

/// Leaves out deliveries as long as the rest lacks nothing and still shows a difference.
fn shrink<S: Subject>(yjs: &mut Yjs, history: &History, scope: Scope) -> String {
    let mut updates: Vec<Vec<u8>> = history
        .deliveries
        .iter()
        .map(|delivery| delivery.update.clone())
        .collect();
    let mut last = String::from("none without the states of clients");
    let mut index = 0;
    let mut whole = fails::<S>(yjs, &updates, scope).inspect(|found| last.clone_from(found));
    while index < updates.len() && whole.is_some() {
        let mut fewer = updates.clone();
        fewer.remove(index);
        match fails::<S>(yjs, &fewer, scope) {
            Some(difference) => {
                updates = fewer;
                last.clone_from(&difference);
                whole = Some(difference);
            }
            None => index += 1,
        }
    }
    let hex = |update: &Vec<u8>| update.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<String> = updates.iter().map(hex).collect();
    format!("{}\n{last}", lines.join("\n"))
}

/// The difference that these updates show in their order, if any.
fn fails<S: Subject>(yjs: &mut Yjs, updates: &[Vec<u8>], scope: Scope) -> Option<String> {
    let end = yjs.load(updates, false).ok().filter(|end| !end.waiting)?;
    let deliveries = updates.iter().map(|update| Delivery {
        update: update.clone(),
        after: None,
    });
    let history = History {
        deliveries: deliveries.collect(),
        states: Vec::new(),
        end,
        collected_bytes: 0,
    };
    check_history::<S>(yjs, &history, scope, &mut Totals::default()).err()
}
