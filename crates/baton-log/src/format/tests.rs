//! Every row comes back as it was written, and is refused with a bit changed.

use bytes::Bytes;

use super::codec::{NUMBERS_END, RowReader, put_varint};
use super::journal;
use super::rows::{BaseKind, DocumentRow, Meta, VERSION, decode_snapshot, encode_snapshot};

#[test]
fn numbers_of_every_size_come_back() {
    for number in (0..64)
        .flat_map(|bit| [(1u64 << bit) - 1, 1 << bit])
        .chain([u64::MAX])
    {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, number);
        let mut reader = RowReader(&bytes);
        assert_eq!(reader.varint(), Ok(number));
        assert!(reader.0.is_empty());
    }
    assert!(RowReader(&[0xff; 10]).varint().is_err());
    assert!(RowReader(&[0x80]).varint().is_err());
}

#[test]
fn rows_verify_only_under_their_own_key_and_with_every_bit_as_written() {
    let meta = Meta {
        version: VERSION,
        epoch: 3,
        next_commit: 9,
    };
    assert_eq!(Meta::decode(&meta.encode()), Ok(meta));
    let document = DocumentRow {
        base: 7,
        base_kind: BaseKind::Snapshot,
        name: "pläne/a",
    };
    let row = document.encode(5);
    assert_eq!(DocumentRow::decode(5, &row), Ok(document));
    assert!(DocumentRow::decode(6, &row).is_err());
    let snapshot = encode_snapshot(5, 7, b"state");
    assert_eq!(
        decode_snapshot(5, &snapshot),
        Ok((7, Bytes::from_static(b"state")))
    );
    assert!(decode_snapshot(4, &snapshot).is_err());
    for bit in 0..row.len() * 8 {
        let mut bad = row.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(DocumentRow::decode(5, &bad).is_err(), "bit {bit}");
    }
    for bit in 0..snapshot.len() * 8 {
        let mut bad = snapshot.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(decode_snapshot(5, &Bytes::from(bad)).is_err(), "bit {bit}");
    }
}

/// Found by fuzzing: counting on from a position or a commit number near 2^64 overflowed, and
/// numbers would have been used again. Such a row has a correct checksum only if it was forged.
#[test]
fn numbers_that_nothing_can_be_counted_on_from_are_damage() {
    for (number, sound) in [
        (NUMBERS_END - 1, true),
        (NUMBERS_END, false),
        (u64::MAX - 1, false),
    ] {
        let meta = Meta {
            version: VERSION,
            epoch: 1,
            next_commit: number,
        };
        assert_eq!(Meta::decode(&meta.encode()).is_ok(), sound, "{number}");
        let document = DocumentRow {
            base: number,
            base_kind: BaseKind::Erased,
            name: "a",
        };
        assert_eq!(DocumentRow::decode(1, &document.encode(1)).is_ok(), sound);
        let mut row = journal::JournalRowBuilder::new(journal::RowKind::Appended);
        row.run(1, number, &[b"x"]);
        let row = row.finish(1);
        let run = journal::JournalRow::parse(1, &row).unwrap().runs().next();
        assert_eq!(run.unwrap().is_ok(), sound, "{number}");
    }
}

/// The example rows of `docs/storage-format.md`, byte by byte.
#[test]
fn the_written_format_is_the_one_in_the_documentation() {
    let hex = |row: &[u8]| {
        row.iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let page = include_str!("../../../../docs/storage-format.md");
    let mut row = journal::JournalRowBuilder::new(journal::RowKind::Appended);
    row.run(
        1,
        1,
        &[Bytes::from_static(b"one"), Bytes::from_static(b"two!")],
    );
    row.run(2, 300, &[Bytes::from_static(b"x")]);
    for (what, row) in [
        (
            "meta",
            Meta {
                version: 1,
                epoch: 1,
                next_commit: 1,
            }
            .encode(),
        ),
        (
            "document",
            DocumentRow {
                base: 2,
                base_kind: BaseKind::Snapshot,
                name: "notes",
            }
            .encode(1),
        ),
        ("snapshot", encode_snapshot(1, 2, b"onetwo!")),
        ("journal", row.finish(1)),
    ] {
        let hex = hex(&row);
        let found = page.replace([' ', '\n'], "").contains(&hex);
        assert!(found, "the {what} row of the documentation should be {hex}");
    }
}
