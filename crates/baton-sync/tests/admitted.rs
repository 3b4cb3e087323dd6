//! Whatever the scanner and the state rules admit, yrs takes: a random run over damaged genuine
//! updates and over invented ones that are as odd as the rules allow.
//!
//! `BATON_FUZZ_ROUNDS` and `BATON_FUZZ_SEED` make the run longer or repeat one:
//! `BATON_FUZZ_ROUNDS=20000 cargo test -p baton-sync --release --test admitted -- --nocapture`.
//! Each round is a document of its own. A failure prints the round's seed.
#![allow(clippy::unwrap_used, reason = "a failure is to stop the run")]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use baton_sync::lib0::{write_var_string, write_var_uint};
use baton_sync::scan::BlockKind;
use baton_sync::yrs::updates::decoder::Decode;
use baton_sync::yrs::{self, GetString, ReadTxn, Transact};
use baton_sync::{
    Applied, ApplyError, ClientId, Clock, Document, DocumentOptions, Id, Judgement, State,
    StateVector, compact, scan,
};
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
        let before = document.state().vector().clone();
        if names_garbage(&document, &update) {
            continue;
        }
        if names_garbage(&document, &update) {
            continue;
        }
        match document.apply(&update) {
            Ok(Applied::Added) => {
                tally.added += 1;
                assert_same_as_yrs(&document);
            }
            Ok(Applied::Known) => tally.known += 1,
            Err(ApplyError::Unsound(_)) => tally.unsound += 1,
            Err(ApplyError::NotAdmitted(judgement)) => {
                assert_eq!(&before, document.state().vector());
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
    let compact = compact(&everything).unwrap();
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
    Document::new(&DocumentOptions {
        client: ClientId::from(999),
    })
}

fn take_closed_part(document: &mut Document, update: &[u8]) {
    if let Some(part) = document.state().closed_part(&scan(update).unwrap()) {
        assert_eq!(document.apply(&part), Ok(Applied::Added), "{update:?}");
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
    let options = DocumentOptions {
        client: ClientId::from(999),
    };
    let loaded = Document::load(&document.snapshot().unwrap(), &options).unwrap();
    assert!(loaded.state().covers(document.state()));
    // A difference from any place, also from the middle of a block or a character.
    let somewhere: StateVector = document
        .state()
        .vector()
        .iter()
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
            _ if at == update.len() => update.push(dice.next() as u8),
            0 => update[at] ^= 1 << dice.below(8),
            1 => update[at] = dice.next() as u8,
            2 => update.truncate(at),
            3 => update.insert(at, dice.below(4) as u8),
            _ => {
                update.remove(at);
            }
        }
    }
    update
}

/// An update of few blocks by few clients, that mostly goes on where the document ends and refers
/// to what is there, but to anything that is there.
fn invented(dice: &mut Dice, state: &State) -> Vec<u8> {
    let mut clocks: Vec<(u64, Clock)> = state
        .vector()
        .iter()
        .map(|(client, clock)| (client.get(), clock))
        .collect();
    for client in [1, 2, 3] {
        if !clocks.iter().any(|(known, _)| *known == client) {
            clocks.push((client, 0));
        }
    }
    clocks.sort_unstable();
    let mut writers: Vec<usize> = (0..clocks.len()).filter(|_| dice.one_in(3)).collect();
    writers.truncate(3);
    let mut sections = Vec::new();
    for writer in &writers {
        let mut blocks = Vec::new();
        let (client, start) = clocks[*writer];
        let shift = if dice.one_in(12) { dice.below(3) } else { 0 };
        let start = if dice.one_in(2) {
            start + shift
        } else {
            start.saturating_sub(shift)
        };
        clocks[*writer].1 = start;
        let count = 1 + dice.below(4);
        for _ in 0..count {
            let len = write_block(dice, &clocks, &mut blocks);
            clocks[*writer].1 += len;
        }
        sections.push((client, start, count, blocks));
    }
    let mut out = Vec::new();
    write_var_uint(&mut out, sections.len() as u64);
    for (client, start, count, blocks) in sections.iter().rev() {
        write_var_uint(&mut out, u64::from(*count));
        write_var_uint(&mut out, *client);
        write_var_uint(&mut out, u64::from(*start));
        out.extend_from_slice(blocks);
    }
    write_deletes(dice, &clocks, &mut out);
    out
}

/// Some unit that is there, or will be after this update; seldom another.
fn write_id(dice: &mut Dice, clocks: &[(u64, Clock)], out: &mut Vec<u8>) {
    let (client, clock) = *dice.pick(clocks);
    write_var_uint(out, client);
    let near = clock.saturating_sub(1 + dice.below(5));
    let past = u32::from(dice.one_in(30) || clock == 0);
    let any = dice.below(clock + past);
    write_var_uint(out, u64::from(if dice.one_in(3) { near } else { any }));
}

fn write_block(dice: &mut Dice, clocks: &[(u64, Clock)], out: &mut Vec<u8>) -> Clock {
    if dice.one_in(25) {
        let len = 1 + dice.below(3);
        out.extend([if dice.one_in(6) { 10 } else { 0 }, len as u8]);
        return len;
    }
    let content = *dice.pick(&[1, 3, 4, 4, 4, 5, 6, 7, 7, 8, 8, 9]);
    let flags = *dice.pick(&[0x00, 0x80, 0x80, 0x40, 0xc0, 0xc0, 0x20, 0xa0, 0x60, 0xe0]);
    out.push(content | flags);
    if flags & 0x80 != 0 {
        write_id(dice, clocks, out);
    }
    if flags & 0x40 != 0 {
        write_id(dice, clocks, out);
    }
    if flags & 0xc0 == 0 {
        if dice.one_in(2) {
            out.push(1);
            write_var_string(out, dice.word(&["text", "map", "array", "xml"]));
        } else {
            out.push(0);
            write_id(dice, clocks, out);
        }
        if flags & 0x20 != 0 {
            write_var_string(out, dice.word(&["k", "key", ""]));
        }
    }
    write_content(dice, content, out)
}

fn write_content(dice: &mut Dice, content: u8, out: &mut Vec<u8>) -> Clock {
    let few = 1 + dice.below(4);
    match content {
        1 => {
            out.push(few as u8);
            return few;
        }
        3 => out.extend([2, 1, 2]),
        4 => {
            let text = *dice.pick(&["a", "ab", "😀", "a😀b", "ö", "hello"]);
            write_var_string(out, text);
            return text.encode_utf16().count() as Clock;
        }
        5 => write_var_string(out, "{\"a\":1}"),
        6 => {
            write_var_string(out, dice.word(&["bold", "href"]));
            write_var_string(out, dice.word(&["true", "null", "\"x\""]));
        }
        7 => match *dice.pick(&[0, 1, 2, 3, 4, 6]) {
            3 => {
                out.push(3);
                write_var_string(out, "p");
            }
            kind => out.push(kind),
        },
        8 => {
            out.push(few as u8);
            for _ in 0..few {
                common::any(dice, 2).encode(out);
            }
            return few;
        }
        _ => {
            write_var_string(out, "sub");
            out.extend([118, 1]);
            write_var_string(out, "autoLoad");
            out.push(120);
        }
    }
    1
}

fn write_deletes(dice: &mut Dice, clocks: &[(u64, Clock)], out: &mut Vec<u8>) {
    let deleters: Vec<_> = clocks
        .iter()
        .filter(|(_, clock)| *clock > 0 && dice.one_in(4))
        .copied()
        .collect();
    write_var_uint(out, deleters.len() as u64);
    for (client, clock) in deleters {
        write_var_uint(out, client);
        let mut ranges = Vec::new();
        let mut at = dice.below(clock);
        while at < clock && ranges.len() < 3 {
            let len = 1 + dice.below((clock - at).min(4));
            let past = u32::from(dice.one_in(30));
            ranges.push((at, len + past));
            at += len + past + dice.below(8);
        }
        write_var_uint(out, ranges.len() as u64);
        for (start, len) in ranges {
            write_var_uint(out, u64::from(start));
            write_var_uint(out, u64::from(len));
        }
    }
}
