//! Whatever the scanner and the state rules admit, yrs takes: a random run over damaged genuine
//! updates and over invented ones that are as odd as the rules allow.
//!
//! `BATON_FUZZ_ROUNDS` and `BATON_FUZZ_SEED` make the run longer or repeat one:
//! `BATON_FUZZ_ROUNDS=20000 cargo test -p baton-sync --release --test admitted -- --nocapture`.
//! Each round is a document of its own. A failure prints the round's seed.
#![allow(clippy::unwrap_used, reason = "a failure is to stop the run")]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use baton_sync::scan::BlockKind;
use baton_sync::yrs::updates::decoder::Decode;
use baton_sync::yrs::{self, GetString, ReadTxn, Transact};
use baton_sync::{
    ApplyError, ApplyOutcome, ClientId, Clock, Document, DocumentOptions, History, Id, Judgement,
    StateVector, compact, scan,
};
use common::invented::invented;
use common::{Dice, session};

const ROUNDS: u64 = 150;
const STEPS: u32 = 60;

#[test]
fn what_is_admitted_is_taken() {
    let setting = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|value| value.parse::<u64>().unwrap())
    };
    let rounds = setting("BATON_FUZZ_ROUNDS").unwrap_or(ROUNDS);
    let first = setting("BATON_FUZZ_SEED").unwrap_or(1);
    let mut tally = Tally::default();
    for seed in first..first + rounds {
        let outcome = catch_unwind(AssertUnwindSafe(|| round(seed, &mut tally)));
        assert!(
            outcome.is_ok(),
            "seed {seed}: run again with BATON_FUZZ_SEED={seed}"
        );
    }
    eprintln!("seeds {first} to {}: {tally:?}", first + rounds - 1);
    // The run is worth something only if all of these happen often.
    for count in [
        tally.unsound,
        tally.known,
        tally.added,
        tally.gap,
        tally.astride,
        tally.refused,
    ] {
        assert!(u64::from(count) > rounds / 10, "{tally:?}");
    }
}

#[derive(Debug, Default)]
struct Tally {
    unsound: u32,
    known: u32,
    added: u32,
    gap: u32,
    astride: u32,
    refused: u32,
}

fn round(seed: u64, tally: &mut Tally) {
    let mut dice = Dice::new(seed);
    dice.through_pairs = true;
    let (peers, steps) = (1 + dice.below(4), 1 + dice.below(40));
    let log = session(&mut dice, peers, steps).log;
    let mut document = document();
    let mut next = 0;
    for _ in 0..STEPS {
        let update = match dice.below(4) {
            0 if next < log.len() => {
                next += 1;
                log[next - 1].clone()
            }
            1 => damaged(&mut dice, &log),
            _ => invented(&mut dice, document.state()),
        };
        if scan(&update).is_ok_and(|scan| scan.is_beyond_yrs()) {
            continue;
        }
        let before = document.state().vector();
        if names_garbage(&document, &update) {
            continue;
        }
        match document.apply(&update) {
            Ok(ApplyOutcome::Added) => {
                tally.added += 1;
                assert_same_as_yrs(&document);
            }
            Ok(ApplyOutcome::Known) => tally.known += 1,
            Err(ApplyError::Unsound(_)) => tally.unsound += 1,
            Err(ApplyError::NotAdmitted(judgement)) => {
                assert_eq!(before, document.state().vector());
                match judgement {
                    Judgement::Gap { .. } => tally.gap += 1,
                    Judgement::Astride { .. } => tally.astride += 1,
                    _ => tally.refused += 1,
                }
                if dice.one_in(2) {
                    take_closed_part(&mut document, &update);
                }
            }
            Err(other) => panic!("{other}\n{update:?}"),
        }
        if dice.one_in(8) {
            pass_on(&mut dice, &document);
        }
        if dice.one_in(12) {
            document = compacted(&document);
        }
    }
    pass_on(&mut dice, &document);
    compacted(&document);
}

/// The document from its compact form: nobody who looks sees another one.
fn compacted(document: &Document) -> Document {
    let everything = document.diff(&StateVector::new()).unwrap();
    let compact = compact(&everything, History::Drop).unwrap();
    assert!(compact.len() <= everything.len());
    let (mut large, mut small) = (self::document(), self::document());
    large.apply(&everything).unwrap();
    small.apply(&compact).unwrap();
    assert_eq!(small.state().vector(), large.state().vector());
    assert_eq!(small.state().deletes(), large.state().deletes());
    assert_same_as_yrs(&small);
    assert_eq!(shown(&compact), shown(&everything), "{everything:?}");
    small
}

/// All characters in the root types, which are read as texts whatever they hold: the array of yrs does
/// not come to an end on some of it. They are sorted, because where a forged block stands that has the
/// same unit to its left and to its right depends in yrs on how units happen to be packed into blocks,
/// so on what came before, and on nothing that could be said of the document.
fn shown(update: &[u8]) -> Vec<Vec<char>> {
    let doc = yrs::Doc::with_options(yrs::Options {
        offset_kind: yrs::OffsetKind::Utf16,
        skip_gc: true,
        cleanup_formatting: false,
        ..yrs::Options::with_guid_and_client_id("reader".into(), yrs::ClientID::new(5))
    });
    let update = yrs::Update::decode_v1(update).unwrap();
    doc.transact_mut().apply_update(update).unwrap();
    let roots = ["text", "map", "array", "xml"].map(|root| doc.get_or_insert_text(root));
    let txn = doc.transact();
    let sorted = |root: &yrs::TextRef| {
        let mut characters: Vec<char> = root.get_string(&txn).chars().collect();
        characters.sort_unstable();
        characters
    };
    roots.iter().map(sorted).collect()
}

fn document() -> Document {
    Document::new(&DocumentOptions::new(ClientId::from(999)))
}

fn take_closed_part(document: &mut Document, update: &[u8]) {
    if let Some(part) = document.state().closed_part(&scan(update).unwrap()) {
        assert_eq!(document.apply(&part), Ok(ApplyOutcome::Added), "{update:?}");
        assert_same_as_yrs(document);
    }
}

/// What a document says to newcomers and to its store is as sound as what it was told.
fn pass_on(dice: &mut Dice, document: &Document) {
    let everything = document.diff(&StateVector::new()).unwrap();
    let mut newcomer = self::document();
    newcomer.apply(&everything).unwrap();
    assert_eq!(newcomer.state().vector(), document.state().vector());
    assert!(newcomer.state().covers(document.state()));
    let options = DocumentOptions::new(ClientId::from(999));
    let loaded = Document::load(&document.snapshot().unwrap(), &options).unwrap();
    assert!(loaded.state().covers(document.state()));
    // A difference from any place, also from the middle of a block or a character.
    let somewhere: StateVector = document
        .state()
        .clocks()
        .map(|(client, clock)| (client, dice.below(clock + 2)))
        .collect();
    let difference = document.diff(&somewhere).unwrap();
    scan(&difference).unwrap();
}

fn assert_same_as_yrs(document: &Document) {
    let (state_map, delete_set) = document
        .read(|txn| {
            let snapshot = txn.snapshot();
            (snapshot.state_map, snapshot.delete_set)
        })
        .unwrap();
    let state = document.state();
    assert_eq!(state.vector().len(), state_map.len());
    for (client, clock) in state_map.iter() {
        assert_eq!(
            state.vector().get(ClientId::new(client.get()).unwrap()),
            *clock
        );
    }
    let theirs: Vec<(u64, Clock, Clock)> = delete_set
        .iter()
        .flat_map(|(client, ranges)| {
            ranges
                .iter()
                .map(move |range| (client.get(), range.start, range.end))
        })
        .collect();
    let ours = state
        .deletes()
        .iter()
        .map(|range| (range.client.get(), range.start, range.end));
    assert_eq!(ours.collect::<Vec<_>>(), theirs);
}

/// Tells whether an update puts a block beside garbage and beside something else. For Yjs it is garbage
/// as well, as it is for the state; yrs 0.28 goes by the other neighbour. Only forged updates, and very
/// old copies, say that of a type that is deleted.
fn names_garbage(document: &Document, update: &[u8]) -> bool {
    let Ok(scanned) = scan(update) else {
        return false;
    };
    let all = document.diff(&StateVector::new()).unwrap();
    let known = scan(&all).unwrap();
    let mut gone: Vec<(Id, Clock)> = Vec::new();
    for block in known.blocks().chain(scanned.blocks()) {
        let is_gone = |id: &Id| {
            gone.iter().any(|(start, end)| {
                start.client == id.client && (start.clock..*end).contains(&id.clock)
            })
        };
        let id = Id {
            client: block.client,
            clock: block.clock,
        };
        if block.kind == BlockKind::Gc || block.references().any(|id| is_gone(&id)) {
            gone.push((id, block.end()));
        }
    }
    let is_gone = |id: Id| {
        gone.iter().any(|(start, end)| {
            start.client == id.client && (start.clock..*end).contains(&id.clock)
        })
    };
    scanned.blocks().any(|block| {
        let both = block.origin.is_some() && block.right_origin.is_some();
        both && block.references().any(is_gone)
    })
}

/// A genuine update with some of its bytes changed.
fn damaged(dice: &mut Dice, log: &[Vec<u8>]) -> Vec<u8> {
    let mut update = log
        .get(dice.below(log.len() as u32 + 1) as usize)
        .cloned()
        .unwrap_or_default();
    for _ in 0..=dice.below(3) {
        let at = dice.below(update.len() as u32 + 1) as usize;
        match dice.below(5) {
            _ if at == update.len() => update.push(dice.bits() as u8),
            0 => update[at] ^= 1 << dice.below(8),
            1 => update[at] = dice.bits() as u8,
            2 => update.truncate(at),
            3 => update.insert(at, dice.below(4) as u8),
            _ => {
                update.remove(at);
            }
        }
    }
    update
}
