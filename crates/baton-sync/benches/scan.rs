//! Cost of an update before yrs and in it: `cargo bench -p baton-sync --bench scan`.
#![allow(clippy::unwrap_used, reason = "a failure is to stop the run")]

use std::hint::black_box;

use baton_sync::handshake::{Handshake, HandshakeLimits, SyncKind};
use baton_sync::lib0::write_var_uint;
use baton_sync::yrs::{Map, Text, TransactionMut, Update, WriteTxn, updates::decoder::Decode};
use baton_sync::{
    ClientId, Document, DocumentOptions, ReplicaIndex, ScanLimits, StateVector, scan,
};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

fn document(client: u32) -> Document {
    Document::new(&DocumentOptions::new(ClientId::from(client)))
}

/// A person types: updates of single characters, one after the other.
fn keystrokes(count: u32) -> Vec<Vec<u8>> {
    let mut author = document(1_234_567_890);
    let mut updates = Vec::new();
    for at in 0..count {
        let insert = |txn: &mut TransactionMut<'_>| {
            txn.get_or_insert_text("text").insert(txn, at, "a");
        };
        updates.push(author.transact(insert).unwrap().1.unwrap().to_vec());
    }
    updates
}

/// A whole document of about a thousand blocks: map entries and pieces of text.
fn thousand_blocks() -> Vec<u8> {
    thousand_blocks_of(1_234_567_890)
}

fn thousand_blocks_of(client: u32) -> Vec<u8> {
    let mut author = document(client);
    for index in 0..500_u32 {
        let edit = |txn: &mut TransactionMut<'_>| {
            let map = txn.get_or_insert_map("map");
            map.insert(txn, index.to_string(), i64::from(index));
            let text = txn.get_or_insert_text("text");
            text.insert(txn, 0, "a word ");
        };
        author.transact(edit).unwrap();
    }
    author.diff(&StateVector::new()).unwrap().to_vec()
}

fn small(c: &mut Criterion) {
    let updates = keystrokes(1_001);
    let (update, before) = updates.split_last().unwrap();
    let mut state = ReplicaIndex::new();
    let mut typed = document(1);
    for update in before {
        state.absorb(&scan(update).unwrap());
        typed.apply(update).unwrap();
    }
    let scanned = scan(update).unwrap();
    c.bench_function("small/scan", |b| {
        b.iter(|| scan(black_box(update)).unwrap());
    });
    c.bench_function("small/judge", |b| {
        b.iter(|| state.judge(black_box(&scanned)));
    });
    c.bench_function("small/decode by yrs", |b| {
        b.iter(|| Update::decode_v1(black_box(update)).unwrap());
    });
    c.bench_function("small/apply 1000, each scanned, judged and applied", |b| {
        let run = |mut document: Document| {
            for update in before {
                document.apply(update).unwrap();
            }
            document
        };
        b.iter_batched(|| document(1), run, BatchSize::LargeInput);
    });
    c.bench_function("small/known", |b| {
        b.iter(|| typed.apply(black_box(&before[500])).unwrap());
    });
}

fn large(c: &mut Criterion) {
    let update = thousand_blocks();
    let scanned = scan(&update).unwrap();
    let blocks = scanned.blocks().count();
    let empty = ReplicaIndex::new();
    let name = |what: &str| format!("{blocks} blocks, {} bytes/{what}", update.len());
    c.bench_function(&name("scan"), |b| {
        b.iter(|| scan(black_box(&update)).unwrap());
    });
    c.bench_function(&name("judge"), |b| {
        b.iter(|| empty.judge(black_box(&scanned)));
    });
    c.bench_function(&name("decode by yrs"), |b| {
        b.iter(|| Update::decode_v1(black_box(&update)).unwrap());
    });
    c.bench_function(&name("load"), |b| {
        let run = |mut document: Document| {
            document.apply(&update).unwrap();
            document
        };
        b.iter_batched(|| document(1), run, BatchSize::LargeInput);
    });
}

/// As many blocks of two bytes as one update may hold.
fn hostile(c: &mut Criterion) {
    let blocks = ScanLimits::default().blocks;
    let mut update = Vec::new();
    for number in [1, blocks as u64, 1, 0] {
        write_var_uint(&mut update, number);
    }
    update.extend([0, 1].repeat(blocks));
    update.push(0);
    let empty = ReplicaIndex::new();
    c.bench_function(
        "hostile/500,000 collected blocks, scanned and judged",
        |b| {
            b.iter(|| empty.judge(&scan(black_box(&update)).unwrap()));
        },
    );
}

/// A letter that comes again, in a document of a thousand blocks.
fn again(c: &mut Criterion) {
    let letter = keystrokes(1).remove(0);
    let mut document = document(1);
    document.apply(&letter).unwrap();
    document.apply(&thousand_blocks_of(7)).unwrap();
    let letter = Bytes::from(letter);
    c.bench_function("again/a known letter, compared", |b| {
        b.iter(|| {
            let mut handshake = Handshake::new(HandshakeLimits::default());
            handshake.incoming(letter.clone(), SyncKind::Update, black_box(&document))
        });
    });
}

criterion_group!(benches, small, large, hostile, again);
criterion_main!(benches);
