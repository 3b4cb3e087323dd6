//! What a hostile update costs in memory before it is a record: with a counting allocator, for each kind of which the
//! smallest piece is smallest. Beyond what one update may hold it is refused, and costs nothing.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use baton_fuzz::memory::measured;
use baton_sync::handshake::{Handshake, HandshakeError, HandshakeLimits, SyncKind, Verdict};
use baton_sync::lib0::write_var_uint;
use baton_sync::{ReplicaIndex, ScanError, ScanLimits};
use bytes::Bytes;

const MIB: usize = 1 << 20;

fn numbers(out: &mut Vec<u8>, numbers: &[u64]) {
    numbers
        .iter()
        .for_each(|number| write_var_uint(out, *number));
}

/// Blocks of one client, each of these bytes.
fn blocks(count: usize, block: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let mut out = Vec::new();
    numbers(&mut out, &[1, count as u64, 1, 0]);
    (0..count).for_each(|index| out.extend(block(index)));
    out.push(0);
    out
}

/// Client 2 writes into two texts, and client 1 beside the one and the other in turn.
fn alternating(count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    numbers(&mut out, &[2, 2, 2, 0]);
    out.extend([4, 1, 1, b't', 1, b'x', 4, 1, 1, b'u', 1, b'x']);
    numbers(&mut out, &[count as u64, 1, 0]);
    (0..count).for_each(|index| out.extend([0x84, 2, (index % 2) as u8, 1, b'x']));
    out.push(0);
    out
}

fn clients(count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    write_var_uint(&mut out, count as u64);
    for client in (0..count as u64).rev() {
        numbers(&mut out, &[1, client + 1, 0, 0, 1]);
    }
    out.push(0);
    out
}

/// Ranges that are deleted of a text which the update brings itself.
fn ranges(count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    numbers(
        &mut out,
        &[1, 1, 1, 0, 0, 2 * count as u64, 1, 1, count as u64],
    );
    let first = out.len();
    for at in 0..count as u64 {
        numbers(&mut out, &[2 * at, 1]);
    }
    assert!(out.len() > first);
    out
}

/// Values in lists in lists, as deep as may be.
fn values(bytes: usize) -> Vec<u8> {
    let mut deep = [117, 1].repeat(99);
    deep.push(126);
    let count = bytes / deep.len();
    let mut out = Vec::new();
    numbers(&mut out, &[1, 1, 1, 0]);
    out.extend([8, 1, 1, b'a']);
    write_var_uint(&mut out, count as u64);
    out.extend(deep.repeat(count));
    out.push(0);
    out
}

/// The most that was allocated for it at once, and what was said to it.
fn cost(update: Vec<u8>) -> (usize, usize, Verdict) {
    let len = update.len();
    let update = Bytes::from(update);
    let state = ReplicaIndex::new();
    let mut verdict = Verdict::Wait;
    let peak = measured(|| {
        let mut handshake = Handshake::new(HandshakeLimits::default());
        handshake.open();
        verdict = handshake.incoming(update, SyncKind::Update, &state);
    });
    (peak, len, verdict)
}

#[test]
fn what_one_update_may_hold_costs_eight_times_its_bytes_at_most() {
    let limits = ScanLimits::default();
    let kinds: [(&str, Vec<u8>); 6] = [
        ("collected blocks", blocks(limits.blocks, |_| vec![0, 1])),
        (
            "holes",
            blocks(limits.blocks, |at| {
                vec![if at % 2 == 0 { 0 } else { 10 }, 1]
            }),
        ),
        (
            "letters",
            blocks(limits.blocks, |at| match at {
                0 => vec![4, 1, 1, b't', 1, b'x'],
                _ => vec![0x84, 1, 0, 1, b'x'],
            }),
        ),
        ("deleted ranges", ranges(limits.ranges)),
        ("deep values", values(4 * MIB)),
        ("alternating places", alternating(limits.blocks / 2)),
    ];
    for (kind, update) in kinds {
        let (peak, len, verdict) = cost(update);
        let refused = matches!(verdict, Verdict::Refuse(_));
        assert!(!refused, "{kind}: {verdict:.100?}");
        eprintln!(
            "{kind}: {len} bytes cost {peak}, {:.1} times",
            peak as f64 / len as f64
        );
        let most = if kind == "alternating places" { 24 } else { 8 };
        assert!(peak <= most * len, "{kind}: {len} bytes cost {peak}");
    }
    // Of clients with one block each the smallest take 7 bytes. There are few of them.
    let (peak, len, verdict) = cost(clients(limits.clients));
    assert!(matches!(verdict, Verdict::Admit(_)), "{verdict:.100?}");
    eprintln!("clients: {len} bytes cost {peak}");
    assert!(peak <= 24 * MIB, "clients: {len} bytes cost {peak}");
}

#[test]
fn four_megabytes_of_the_smallest_pieces_are_refused_at_no_cost() {
    let kinds = [
        ("blocks", blocks(2 * MIB, |_| vec![0, 1])),
        ("clients of blocks", clients(600_000)),
        ("deleted ranges", ranges(MIB + 1)),
    ];
    for (kind, update) in kinds {
        let (peak, len, verdict) = cost(update);
        let Verdict::Refuse(HandshakeError::Malformed(ScanError::TooMany { what, .. })) = verdict
        else {
            panic!("{kind}: {verdict:.100?}");
        };
        assert_eq!(what, kind);
        assert!(peak <= len, "{kind}: {len} bytes cost {peak}");
    }
}
