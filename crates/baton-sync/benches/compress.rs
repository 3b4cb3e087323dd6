//! Size and time of a compressed first sync: `cargo bench -p baton-sync --bench compress`.
//!
//! The texts are the pages of this repository, written as people write: pasted at once, or in words
//! by three people who jump and delete. The boards are maps of shapes, as tldraw keeps them.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failure is to stop the run, and sizes are no times"
)]

use std::hint::black_box;

use baton_sync::compressed_update::{Compression, decompress};
use baton_sync::yrs::{
    Map, MapPrelim, Out, Text, TransactionMut, WriteTxn, Xml, XmlElementPrelim, XmlFragment,
    XmlTextPrelim,
};
use baton_sync::{ClientId, Document, DocumentOptions, StateVector};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Text of people, some of it in tables.
const PROSE: &str = concat!(
    include_str!("../../../docs/operations.md"),
    include_str!("../../../docs/protocol.md"),
    include_str!("../../../docs/locks.md"),
);

/// Bytes that three people write.
const WRITTEN: usize = 250_000;

/// Numbers that look random, always the same.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % end.max(1)
    }

    fn coordinate(&mut self) -> f64 {
        f64::from(self.below(4_000_000)) / 1000.0
    }
}

fn document(client: u32) -> Document {
    Document::new(&DocumentOptions::new(ClientId::from(client)))
}

fn edit(document: &mut Document, edit: impl FnOnce(&mut TransactionMut<'_>)) -> Vec<u8> {
    let update = document.transact(edit).unwrap().1;
    update.map(|update| update.to_vec()).unwrap_or_default()
}

fn everything(document: &Document) -> Vec<u8> {
    document.diff(&StateVector::new()).unwrap().to_vec()
}

fn words() -> Vec<&'static str> {
    let words = PROSE.split_inclusive(' ');
    words.filter(|word| word.is_ascii()).collect()
}

fn pasted() -> Vec<u8> {
    let mut author = document(1_234_567_890);
    edit(&mut author, |txn| {
        txn.get_or_insert_text("text").insert(txn, 0, PROSE);
    });
    everything(&author)
}

/// Three people write words, go elsewhere now and then, and delete a little.
fn written() -> Vec<u8> {
    let (words, mut numbers) = (words(), Numbers(7));
    let mut people = [1_234_567_890, 345_678_901, 2_987_654_321].map(document);
    let mut places = [0_u32; 3];
    let (mut next, mut bytes) = (0, 0);
    while bytes < WRITTEN {
        let who = numbers.below(3) as usize;
        let mut at = places[who];
        let update = edit(&mut people[who], |txn| {
            let text = txn.get_or_insert_text("text");
            let end = text.len(txn);
            if numbers.below(3) == 0 {
                at = numbers.below(end + 1);
            }
            at = at.min(end);
            for _ in 0..=numbers.below(12) {
                let word = words[next % words.len()];
                text.insert(txn, at, word);
                next += 1;
                bytes += word.len();
                at += word.len() as u32;
            }
            if numbers.below(6) == 0 {
                let end = text.len(txn);
                let count = numbers.below(20).min(end);
                text.remove_range(txn, numbers.below(end - count + 1), count);
            }
        });
        places[who] = at;
        for (other, person) in people.iter_mut().enumerate() {
            if other != who {
                person.apply(&update).unwrap();
            }
        }
    }
    everything(&people[0])
}

/// A board: shapes with a dozen properties, moved so many times.
fn board(shapes: u32, moves: u32) -> Vec<u8> {
    let (words, mut numbers) = (words(), Numbers(11));
    let mut author = document(1_234_567_890);
    let mut ids = Vec::new();
    for index in 0..shapes {
        let id = format!("shape:{:08x}{index:04x}", numbers.below(u32::MAX));
        ids.push(id.clone());
        edit(&mut author, |txn| {
            let board = txn.get_or_insert_map("shapes");
            let shape = board.insert(txn, id, MapPrelim::default());
            let kind = ["geo", "arrow", "text", "note"][numbers.below(4) as usize];
            let color = ["black", "blue", "light-red", "yellow"][numbers.below(4) as usize];
            for (name, text) in [("type", kind), ("color", color), ("parentId", "page:page")] {
                shape.insert(txn, name, text);
            }
            for name in ["x", "y", "w", "h"] {
                shape.insert(txn, name, numbers.coordinate());
            }
            shape.insert(txn, "rotation", 0.0);
            shape.insert(txn, "index", format!("a{index}"));
            if matches!(kind, "text" | "note") {
                let from = numbers.below(words.len() as u32 - 30) as usize;
                let to = from + 3 + numbers.below(20) as usize;
                shape.insert(txn, "text", words[from..to].concat());
            }
        });
    }
    for _ in 0..moves {
        let id = &ids[numbers.below(shapes) as usize];
        edit(&mut author, |txn| {
            let board = txn.get_or_insert_map("shapes");
            let Some(Out::YMap(shape)) = board.get(txn, id) else {
                panic!("a shape that is on the board");
            };
            shape.insert(txn, "x", numbers.coordinate());
            shape.insert(txn, "y", numbers.coordinate());
        });
    }
    everything(&author)
}

/// Paragraphs, as an editor of rich text keeps them.
fn rich_text() -> Vec<u8> {
    let (words, mut numbers, mut next) = (words(), Numbers(5), 0);
    let mut author = document(1_234_567_890);
    for index in 0..800 {
        edit(&mut author, |txn| {
            let page = txn.get_or_insert_xml_fragment("prosemirror");
            let paragraph = XmlElementPrelim::empty("paragraph");
            let paragraph = page.insert(txn, index, paragraph);
            paragraph.insert_attribute(txn, "textAlign", "left");
            let text = paragraph.insert(txn, 0, XmlTextPrelim::new(""));
            let mut at = 0;
            for _ in 0..numbers.below(60) + 5 {
                let word = words[next % words.len()];
                text.insert(txn, at, word);
                next += 1;
                at += word.len() as u32;
            }
        });
    }
    everything(&author)
}

fn compress(c: &mut Criterion) {
    let documents = [
        ("text, pasted", pasted()),
        ("text, written by three", written()),
        ("rich text", rich_text()),
        ("board of 6", board(6, 0)),
        ("board of 300", board(300, 0)),
        ("board of 300, 5000 moves", board(300, 5000)),
    ];
    for (name, update) in &documents {
        let mut group = c.benchmark_group(*name);
        group.throughput(Throughput::Bytes(update.len() as u64));
        group.sample_size(20);
        for level in [1, 4, 6, 9] {
            let compression = Compression { level, least: 1 };
            let compressed = compression.compress(update).unwrap();
            let (plain, bytes) = (update.len(), compressed.payload().len());
            let ratio = plain as f64 / bytes as f64;
            println!("{name}, level {level}: {plain} bytes become {bytes}, {ratio:.2} x");
            group.bench_function(format!("compress, level {level}"), |b| {
                b.iter(|| compression.compress(black_box(update)).unwrap());
            });
            if level == Compression::default().level {
                let payload = compressed.payload();
                group.bench_function("decompress", |b| {
                    b.iter(|| decompress(black_box(payload), plain).unwrap());
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, compress);
criterion_main!(benches);
