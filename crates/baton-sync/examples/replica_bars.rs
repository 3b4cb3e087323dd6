//! Times of a replica beside those of the same document in yrs, in one run:
//! `cargo run --release -p baton-sync --example replica_bars`
//!
//! Each figure is the median of five. The bars are in `docs/benchmarks.md`.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it measures, prints, and ends where it fails"
)]

use std::time::{Duration, Instant};

use baton_sync::lib0::write_var_uint;
use baton_sync::replica::SyncPiece;
use baton_sync::{ApplyOutcome, ClientId, Document, DocumentOptions, Replica, StateVector};
use baton_testkit::TextAuthor;
use bytes::Bytes;

const ROUNDS: usize = 5;

fn main() {
    row("what", "replica", "yrs beside it", "ratio");
    row("---", "---", "---", "---");
    keystrokes();
    front_inserts();
    deleted_ranges();
    opening();
}

fn row(what: &str, replica: &str, yrs: &str, ratio: &str) {
    println!("| {what} | {replica} | {yrs} | {ratio} |");
}

fn compared(what: &str, replica: Duration, yrs: Duration) {
    let ratio = replica.as_secs_f64() / yrs.as_secs_f64();
    row(
        what,
        &format!("{replica:.2?}"),
        &format!("{yrs:.2?}"),
        &format!("{ratio:.3}"),
    );
}

fn median(mut once: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS).map(|_| once()).collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}

/// A document that yrs has, too.
fn live(start: &[Bytes]) -> Document {
    let mut document = Document::new(&DocumentOptions::new(ClientId::MAX));
    document.read(|_| ()).unwrap();
    for update in start {
        document.apply(update).unwrap();
    }
    document
}

fn replica(start: &[Bytes]) -> Replica {
    let mut replica = Replica::new();
    for update in start {
        replica.apply(update).unwrap();
    }
    replica
}

/// Applies updates to both, behind what is there already.
fn applied(what: &str, start: &[Bytes], updates: &[Bytes]) {
    let ours = median(|| {
        let mut replica = replica(start);
        let began = Instant::now();
        for update in updates {
            assert_eq!(replica.apply(update), Ok(ApplyOutcome::Added));
        }
        began.elapsed()
    });
    let theirs = median(|| {
        let mut document = live(start);
        let began = Instant::now();
        for update in updates {
            assert_eq!(document.apply(update), Ok(ApplyOutcome::Added));
        }
        began.elapsed()
    });
    compared(what, ours, theirs);
}

fn keystrokes() {
    for (name, before) in [("1 KB", 1_000), ("1 MB", 1_000_000), ("50 MB", 50_000_000)] {
        let mut author = TextAuthor::new(7, "t");
        let start = [author.append(&"a".repeat(before))];
        let updates: Vec<Bytes> = (0..20_000).map(|_| author.append("a")).collect();
        applied(
            &format!("20,000 keystrokes behind {name}"),
            &start,
            &updates,
        );
    }
}

fn front_inserts() {
    let [one, other] = [1, 2].map(|client| TextAuthor::new(client, "t").prepend_letters(10_000));
    let what = format!(
        "10,000 concurrent front inserts ({} KiB)",
        other.len() / 1024
    );
    applied(&what, &[one], &[other]);
}

fn deleted_ranges() {
    let start = [TextAuthor::new(7, "t").append(&"a".repeat(1_000_000))];
    let mut update = vec![0, 1];
    write_var_uint(&mut update, 7);
    write_var_uint(&mut update, 500_000);
    for range in 0..500_000 {
        write_var_uint(&mut update, range * 2);
        write_var_uint(&mut update, 1);
    }
    let what = format!("500,000 deleted ranges ({} KiB)", update.len() / 1024);
    applied(&what, &start, &[update.into()]);
}

/// Opening a stored document of 10 MB, and the first bytes for a newcomer.
fn opening() {
    let mut typed = Replica::new();
    for at in 0..10_000_u64 {
        // Each by another client, at the front: nothing can be joined.
        let mut author = TextAuthor::new(1_000_000 + at, "t");
        let update = author.append(&"text of a person ".repeat(58));
        typed.apply(&update).unwrap();
    }
    let stored = typed.everything();
    let load = median(|| {
        let began = Instant::now();
        drop(Replica::load(stored.clone()).unwrap());
        began.elapsed()
    });
    let first = median(|| {
        let began = Instant::now();
        let mut replica = Replica::load(stored.clone()).unwrap();
        let first = replica.pieces(&StateVector::new(), 1 << 20, None).next();
        let elapsed = began.elapsed();
        let first = first.and_then(SyncPiece::into_plain);
        assert!(first.is_some_and(|piece| piece.len() < 2 << 20));
        elapsed
    });
    let rest = median(|| {
        let mut replica = Replica::load(stored.clone()).unwrap();
        let began = Instant::now();
        let pieces = replica.pieces(&StateVector::new(), 1 << 20, None);
        assert!(pieces.count() > 5);
        began.elapsed()
    });
    let megabytes = stored.len() as f64 / 1e6;
    let opened = format!("{load:.2?}");
    row(
        &format!("opening {megabytes:.1} MB, 10,000 authors"),
        &opened,
        "",
        "",
    );
    row(
        "the same with its first piece",
        &format!("{first:.2?}"),
        "",
        "",
    );
    row(
        "all its pieces for a newcomer",
        &format!("{rest:.2?}"),
        "",
        "",
    );
}
