//! One journal row: the records that a commit made durable, of all documents.
//!
//! ```text
//! head  crc u32 over the rest of the head | kind u8 | directory length u32 | directory
//! body  the records' bytes, run after run
//! foot  roll | roll length u32 | crc u32 over the rest of the foot
//! ```
//! The directory is a list of *runs*, each the consecutive records of one document: `document id
//! varint, first position varint, number of records varint, length of each varint, crc u32 over the
//! run's bytes in the body`. The roll names each run once more: `document id varint, last position
//! varint`. It is at the other end of the row, so that one damaged place cannot hide which records
//! are lost. If the head is damaged, the roll still names the affected documents; if the body is
//! damaged, only the run concerned fails.

use bytes::{BufMut, Bytes, BytesMut};

use super::codec::{BadRow, NUMBERS_END, RowReader, checksum, put_varint};

const HEAD: usize = 9;
const FOOT: usize = 8;

/// The origin of the records of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowKind {
    /// Appended in this commit: every position of a document in an earlier commit is lower.
    Appended = 0,
    /// Copied from earlier rows, whose positions may be lower than those of rows in between.
    Relocated = 1,
}

/// Builds a row, run by run.
pub(crate) struct JournalRowBuilder {
    kind: RowKind,
    directory: Vec<u8>,
    body: Vec<u8>,
    roll: Vec<u8>,
}

impl JournalRowBuilder {
    pub(crate) fn new(kind: RowKind) -> JournalRowBuilder {
        JournalRowBuilder {
            kind,
            directory: Vec::new(),
            body: Vec::new(),
            roll: Vec::new(),
        }
    }

    /// Adds consecutive records of one document. There is at least one.
    pub(crate) fn run<R: AsRef<[u8]>>(&mut self, id: u64, first: u64, records: &[R]) {
        put_varint(&mut self.directory, id);
        put_varint(&mut self.directory, first);
        put_varint(&mut self.directory, records.len() as u64);
        let mut crc = crc32fast::Hasher::new();
        for record in records {
            let record = record.as_ref();
            put_varint(&mut self.directory, record.len() as u64);
            crc.update(record);
            self.body.extend_from_slice(record);
        }
        self.directory.put_u32_le(crc.finalize());
        put_varint(&mut self.roll, id);
        put_varint(&mut self.roll, first + records.len() as u64 - 1);
    }

    /// Returns the bytes so far.
    pub(crate) fn bytes(&self) -> usize {
        self.directory.len() + self.body.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.directory.is_empty()
    }

    /// Returns the finished row, which verifies under this commit number only.
    pub(crate) fn finish(self, commit: u64) -> Bytes {
        let len = HEAD + self.directory.len() + self.body.len() + self.roll.len() + FOOT;
        let mut row = BytesMut::with_capacity(len);
        row.put_u32_le(0);
        row.put_u8(self.kind as u8);
        row.put_u32_le(self.directory.len() as u32);
        row.put_slice(&self.directory);
        let crc = checksum(commit, &[&row[4..]]);
        row[..4].copy_from_slice(&crc.to_le_bytes());
        row.put_slice(&self.body);
        let foot = row.len();
        row.put_slice(&self.roll);
        row.put_u32_le(self.roll.len() as u32);
        let crc = checksum(commit, &[&row[foot..]]);
        row.put_u32_le(crc);
        row.freeze()
    }
}

/// A row whose directory has been verified.
pub(crate) struct JournalRow<'a> {
    pub(crate) kind: RowKind,
    directory: &'a [u8],
    rest: &'a [u8],
}

/// One document's consecutive records in a row. The bytes are not verified before
/// [`records`](StoredRun::records).
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredRun<'a> {
    pub(crate) id: u64,
    pub(crate) first: u64,
    pub(crate) count: u64,
    /// Bytes of all its records.
    pub(crate) bytes: u64,
    lengths: &'a [u8],
    crc: u32,
    body: Option<&'a [u8]>,
}

impl<'a> JournalRow<'a> {
    /// Verifies the head. The body is verified run by run, when it is read.
    pub(crate) fn parse(commit: u64, row: &'a [u8]) -> Result<JournalRow<'a>, BadRow> {
        let mut reader = RowReader(row);
        let crc = reader.u32()?;
        let kind = reader.u8()?;
        let len = reader.u32()? as usize;
        let directory = reader.take(len)?;
        if crc != checksum(commit, &[&row[4..HEAD + len]]) {
            return Err(BadRow("its directory's checksum is wrong"));
        }
        let kind = match kind {
            0 => RowKind::Appended,
            1 => RowKind::Relocated,
            _ => return Err(BadRow("its kind is unknown")),
        };
        Ok(JournalRow {
            kind,
            directory,
            rest: reader.0,
        })
    }

    /// Returns the runs in the order of the row. Ends with an error if the directory is nonsense,
    /// which a verified one never is.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Result<StoredRun<'a>, BadRow>> + use<'a> {
        let (mut reader, rest) = (RowReader(self.directory), self.rest);
        let (mut offset, mut failed) = (0u64, false);
        std::iter::from_fn(move || {
            if reader.0.is_empty() || failed {
                return None;
            }
            let run = next_run(&mut reader, rest, &mut offset);
            failed = run.is_err();
            Some(run)
        })
    }
}

fn next_run<'a>(
    reader: &mut RowReader<'a>,
    rest: &'a [u8],
    offset: &mut u64,
) -> Result<StoredRun<'a>, BadRow> {
    const NONSENSE: BadRow = BadRow("its directory makes no sense");
    let (id, first, count) = (reader.varint()?, reader.varint()?, reader.varint()?);
    let start = reader.0;
    let mut bytes = 0u64;
    for _ in 0..count {
        bytes = bytes.checked_add(reader.varint()?).ok_or(NONSENSE)?;
    }
    let lengths = &start[..start.len() - reader.0.len()];
    let crc = reader.u32()?;
    let end = offset.checked_add(bytes).ok_or(NONSENSE)?;
    let numbers = 1..NUMBERS_END;
    if !numbers.contains(&count) || !numbers.contains(&first) {
        return Err(NONSENSE);
    }
    let body = rest.get(*offset as usize..end as usize);
    *offset = end;
    Ok(StoredRun {
        id,
        first,
        count,
        bytes,
        lengths,
        crc,
        body,
    })
}

impl<'a> StoredRun<'a> {
    /// Returns the position after the last record.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.count
    }

    /// Returns the verified records in order.
    pub(crate) fn records(&self) -> Result<Vec<&'a [u8]>, BadRow> {
        let body = self.body.ok_or(BadRow("it is too short"))?;
        if crc32fast::hash(body) != self.crc {
            return Err(BadRow("the checksum of its records is wrong"));
        }
        let (mut lengths, mut body) = (RowReader(self.lengths), RowReader(body));
        (0..self.count)
            .map(|_| body.take(lengths.varint()? as usize))
            .collect()
    }
}

/// Returns the documents of a row with their last positions, from its foot alone.
pub(crate) fn roll(commit: u64, row: &[u8]) -> Result<Vec<(u64, u64)>, BadRow> {
    const WRONG: BadRow = BadRow("its roll's checksum is wrong");
    let (front, crc) = row.split_last_chunk::<4>().ok_or(WRONG)?;
    let (front, len) = front.split_last_chunk::<4>().ok_or(WRONG)?;
    let start = front
        .len()
        .checked_sub(u32::from_le_bytes(*len) as usize)
        .ok_or(WRONG)?;
    if u32::from_le_bytes(*crc) != checksum(commit, &[&front[start..], len]) {
        return Err(WRONG);
    }
    let mut reader = RowReader(&front[start..]);
    let mut documents = Vec::new();
    while !reader.0.is_empty() {
        documents.push((reader.varint()?, reader.varint()?));
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Bytes {
        let mut row = JournalRowBuilder::new(RowKind::Appended);
        row.run(1, 10, &[b"a".as_slice(), b"", b"ccc"]);
        row.run(700, 1, &[[7u8; 300]]);
        row.finish(42)
    }

    #[test]
    fn a_row_gives_back_its_runs() {
        let bytes = sample();
        let row = JournalRow::parse(42, &bytes).unwrap();
        let runs: Vec<_> = row.runs().map(Result::unwrap).collect();
        assert_eq!(row.kind, RowKind::Appended);
        assert_eq!(
            (runs[0].id, runs[0].first, runs[0].end(), runs[0].bytes),
            (1, 10, 13, 4)
        );
        assert_eq!(runs[0].records().unwrap(), [b"a".as_slice(), b"", b"ccc"]);
        assert_eq!(runs[1].records().unwrap(), [[7u8; 300].as_slice()]);
        assert_eq!(roll(42, &bytes).unwrap(), [(1, 12), (700, 1)]);
        assert!(JournalRow::parse(43, &bytes).is_err() && roll(43, &bytes).is_err());
    }

    #[test]
    fn one_wrong_bit_is_seen_and_never_hides_whose_records_are_lost() {
        let bytes = sample();
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            let head = JournalRow::parse(42, &bad);
            let roll = roll(42, &bad);
            assert!(head.is_ok() || roll.is_ok(), "bit {bit}");
            let whole = head.is_ok_and(|row| row.runs().all(|run| run.unwrap().records().is_ok()));
            assert!(!whole || roll.is_err(), "bit {bit} went unseen");
        }
    }

    #[test]
    fn a_row_that_was_cut_short_is_an_error_and_no_panic() {
        let bytes = sample();
        let foot = 5 + FOOT;
        for len in 0..bytes.len() {
            if let Ok(row) = JournalRow::parse(42, &bytes[..len]) {
                let whole = row.runs().all(|run| run.unwrap().records().is_ok());
                assert_eq!(whole, len >= bytes.len() - foot, "cut to {len}");
            }
            assert!(roll(42, &bytes[..len]).is_err());
        }
    }
}
