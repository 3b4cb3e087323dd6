//! The backup file: all rows of a store at one moment, which can be checked without a store.
//!
//! Owns the file's format. Rows are copied with their own checksums, so a row that was damaged in
//! the store is damaged in the backup, and counted. Knows no file and no folder; `restore` does.
//!
//! ```text
//! head  "BatonBak" | version u32 | epoch u32 | crc u32 over all before
//! row   table u8, from 1 | key u64 | length u32 | crc u32 over the three and the value | value
//! end   0 u8 | number of rows u64 | crc u32 over every byte before it
//! ```
//! Numbers are little-endian, checksums CRC-32.

use std::io::{Read, Write};

use bytes::Bytes;

use crate::error::BackupError;
use crate::format::codec::BadRow;
use crate::format::journal::JournalRow;
use crate::format::rows::{DocumentRow, Meta, decode_snapshot};
use crate::store::traits::{StoreTable, StoreView};

const MAGIC: &[u8; 8] = b"BatonBak";
const VERSION: u32 = 1;
const END: u8 = 0;

/// The content of a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupSummary {
    /// The epoch of the store that was backed up.
    pub epoch: u32,
    /// Number of documents.
    pub documents: u64,
    /// Number of rows of all tables.
    pub rows: u64,
    /// Length of the file, in bytes.
    pub bytes: u64,
    /// Number of rows that were damaged in the store already. Their documents will not open.
    pub damaged: u64,
}

/// Writes all rows of a view.
pub(crate) fn write(
    view: &dyn StoreView,
    out: &mut dyn Write,
) -> Result<BackupSummary, BackupError> {
    let meta = view
        .get(StoreTable::Meta, Meta::KEY)?
        .ok_or(BackupError::Source {
            what: "the meta row is missing",
        })?;
    let epoch = Meta::decode(&meta)
        .map_err(|BadRow(what)| BackupError::Source { what })?
        .epoch;
    let mut writer = BackupWriter {
        out,
        crc: crc32fast::Hasher::new(),
        summary: BackupSummary {
            epoch,
            ..BackupSummary::default()
        },
    };
    writer.head(epoch)?;
    for table in StoreTable::ALL {
        let mut outcome = Ok(());
        view.scan(table, &mut |key, value| {
            if outcome.is_ok() {
                outcome = writer.row(table, key, value);
            }
        })?;
        outcome?;
    }
    writer.end()
}

struct BackupWriter<'a> {
    out: &'a mut dyn Write,
    crc: crc32fast::Hasher,
    summary: BackupSummary,
}

impl BackupWriter<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.crc.update(bytes);
        self.summary.bytes += bytes.len() as u64;
        self.out.write_all(bytes).map_err(BackupError::write)
    }

    fn head(&mut self, epoch: u32) -> Result<(), BackupError> {
        self.put(&head(VERSION, epoch))
    }

    fn row(&mut self, table: StoreTable, key: u64, value: &[u8]) -> Result<(), BackupError> {
        let number = number(table);
        self.summary.count(table, key, value);
        let len = u32::try_from(value.len()).map_err(|_| BackupError::Source {
            what: "a row is larger than 4 GiB",
        })?;
        self.put(&[number])?;
        self.put(&key.to_le_bytes())?;
        self.put(&len.to_le_bytes())?;
        self.put(&row_crc(number, key, value).to_le_bytes())?;
        self.put(value)
    }

    fn end(mut self) -> Result<BackupSummary, BackupError> {
        self.put(&[END])?;
        self.put(&self.summary.rows.to_le_bytes())?;
        let crc = self.crc.clone().finalize();
        self.put(&crc.to_le_bytes())?;
        self.out.flush().map_err(BackupError::write)?;
        Ok(self.summary)
    }
}

impl BackupSummary {
    fn count(&mut self, table: StoreTable, key: u64, value: &[u8]) {
        self.rows += 1;
        self.documents += u64::from(table == StoreTable::Documents);
        self.damaged += u64::from(verify(table, key, value).is_err());
    }
}

/// Checks everything that the store's own checksums cover.
fn verify(table: StoreTable, key: u64, value: &[u8]) -> Result<(), BadRow> {
    match table {
        StoreTable::Meta => Meta::decode(value).map(drop),
        StoreTable::Documents => DocumentRow::decode(key, value).map(drop),
        StoreTable::Snapshots => decode_snapshot(key, &Bytes::copy_from_slice(value)).map(drop),
        StoreTable::Journal => JournalRow::parse(key, value)?
            .runs()
            .try_for_each(|run| run?.records().map(drop)),
    }
}

fn head(version: u32, epoch: u32) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.extend_from_slice(&version.to_le_bytes());
    head.extend_from_slice(&epoch.to_le_bytes());
    let crc = crc32fast::hash(&head);
    head.extend_from_slice(&crc.to_le_bytes());
    head
}

fn row_crc(table: u8, key: u64, value: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[table]);
    crc.update(&key.to_le_bytes());
    crc.update(&(value.len() as u64).to_le_bytes());
    crc.update(value);
    crc.finalize()
}

fn number(table: StoreTable) -> u8 {
    table as u8 + 1
}

/// Reads a backup to its end, checks everything, and passes each row to `each`.
///
/// # Errors
/// Those of `each`, and [`BackupError::NotABackup`], [`BackupError::NewerBackup`],
/// [`BackupError::DamagedBackup`], [`BackupError::Read`].
pub(crate) fn read(
    input: &mut dyn Read,
    each: &mut dyn FnMut(StoreTable, u64, Bytes) -> Result<(), BackupError>,
) -> Result<BackupSummary, BackupError> {
    let mut reader = BackupReader {
        input,
        crc: crc32fast::Hasher::new(),
        at: 0,
    };
    let mut summary = BackupSummary {
        epoch: reader.head()?,
        ..BackupSummary::default()
    };
    loop {
        let [table] = reader.array()?;
        if table == END {
            break;
        }
        let known = StoreTable::ALL
            .into_iter()
            .find(|known| number(*known) == table);
        let table = known.ok_or_else(|| reader.damaged("an unknown table"))?;
        let (key, value) = reader.row(table)?;
        summary.count(table, key, &value);
        each(table, key, value)?;
    }
    let rows = u64::from_le_bytes(reader.array()?);
    let expected = reader.crc.clone().finalize();
    if u32::from_le_bytes(reader.array()?) != expected || rows != summary.rows {
        return Err(reader.damaged("the checksum of the whole"));
    }
    summary.bytes = reader.at;
    match reader.array::<1>() {
        Err(BackupError::DamagedBackup { .. }) => Ok(summary),
        Err(error) => Err(error),
        Ok(_) => Err(reader.damaged("something stands behind the end")),
    }
}

struct BackupReader<'a> {
    input: &'a mut dyn Read,
    crc: crc32fast::Hasher,
    at: u64,
}

impl BackupReader<'_> {
    fn damaged(&self, what: &'static str) -> BackupError {
        BackupError::DamagedBackup { at: self.at, what }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BackupError> {
        let mut bytes = [0; N];
        match self.input.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(self.damaged("it ends too early"));
            }
            Err(error) => return Err(BackupError::read(error)),
        }
        self.crc.update(&bytes);
        self.at += N as u64;
        Ok(bytes)
    }

    fn head(&mut self) -> Result<u32, BackupError> {
        let magic: [u8; 8] = self.array().map_err(|_| BackupError::NotABackup)?;
        if &magic != MAGIC {
            return Err(BackupError::NotABackup);
        }
        let version = u32::from_le_bytes(self.array()?);
        let epoch = u32::from_le_bytes(self.array()?);
        let crc: [u8; 4] = self.array()?;
        if head(version, epoch)[16..] != crc {
            return Err(self.damaged("the checksum of its head"));
        }
        if version > VERSION {
            return Err(BackupError::NewerBackup {
                found: version,
                known: VERSION,
            });
        }
        Ok(epoch)
    }

    fn row(&mut self, table: StoreTable) -> Result<(u64, Bytes), BackupError> {
        let key = u64::from_le_bytes(self.array()?);
        let len = u32::from_le_bytes(self.array()?);
        let crc = u32::from_le_bytes(self.array()?);
        // Not allocated beforehand, because a damaged length may be anything.
        let mut value = Vec::new();
        let read = (&mut self.input)
            .take(u64::from(len))
            .read_to_end(&mut value);
        read.map_err(BackupError::read)?;
        self.crc.update(&value);
        self.at += value.len() as u64;
        if value.len() < len as usize {
            return Err(self.damaged("it ends too early"));
        }
        if row_crc(number(table), key, &value) != crc {
            return Err(self.damaged("the checksum of a row"));
        }
        Ok((key, value.into()))
    }
}
