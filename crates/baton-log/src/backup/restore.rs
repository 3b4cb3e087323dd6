//! Backups in files and folders: checking one, and making a data folder of one.
//!
//! Owns what is on the disk at each moment: a folder is either as it was, or has the whole store under its name. What is being made
//! stands in a folder of its own until then, and a data folder with that in it does not open.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backup::archive::{self, BackupSummary};
use crate::error::{BackupError, LogError};
use crate::format::rows::Meta;
use crate::log::Log;
use crate::options::LogOptions;
use crate::store::data_folder::{FILE, LOCK_FILE, RESTORING, lock, sync_folders};
use crate::store::file_permissions;
use crate::store::redb_store::RedbStore;
use crate::store::traits::{Batch, Store, Table};

/// Bytes of rows that are committed together.
const BATCH_BYTES: usize = 8 << 20;

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// What the backup held.
    pub backup: BackupSummary,
    /// The epoch of the new store.
    pub epoch: u32,
    /// Documents that were damaged in the backed-up store already, each with what is wrong.
    pub damaged: Vec<String>,
}

/// Reads a backup to its end and checks every checksum in it.
///
/// # Errors
/// [`BackupError::Read`], [`BackupError::NotABackup`], [`BackupError::NewerBackup`],
/// [`BackupError::DamagedBackup`].
pub fn verify_backup(file: &Path) -> Result<BackupSummary, BackupError> {
    archive::read(&mut open(file)?, &mut |_, _, _| Ok(()))
}

fn open(file: &Path) -> Result<impl Read, BackupError> {
    Ok(BufReader::new(File::open(file).map_err(BackupError::read)?))
}

/// Makes a data folder of a backup. The folder must not be there, or be empty. The new store has an epoch above the
/// backup's, at least `least_epoch`, so that what was granted before counts for nothing. Blocks.
///
/// The whole backup is checked before anything is written.
///
/// # Errors
/// As [`verify_backup`], and [`BackupError::NotEmpty`], [`BackupError::Write`], [`BackupError::Store`],
/// [`BackupError::Log`]. The folder is as it was.
pub fn restore_backup(
    from: &Path,
    folder: &Path,
    least_epoch: u32,
) -> Result<Restored, BackupError> {
    let backup = verify_backup(from)?;
    let there_before = folder.try_exists().map_err(BackupError::write)?;
    if there_before {
        must_be_empty(folder)?;
    }
    file_permissions::make_folder(folder).map_err(BackupError::write)?;
    let made = lock(folder)
        .map_err(BackupError::from)
        .and_then(|_lock| make(from, folder, &backup, least_epoch));
    if made.is_err() {
        // Whatever cannot be removed is told by the error that brought us here.
        let _ = std::fs::remove_dir_all(folder.join(RESTORING));
        let _ = std::fs::remove_file(folder.join(LOCK_FILE));
        if !there_before {
            let _ = std::fs::remove_dir(folder);
        }
    }
    made
}

/// The lock and the remains of a restore that was cut off are nothing that could be lost.
fn must_be_empty(folder: &Path) -> Result<(), BackupError> {
    for entry in std::fs::read_dir(folder).map_err(BackupError::read)? {
        let name = entry.map_err(BackupError::read)?.file_name();
        if name != LOCK_FILE && name != RESTORING {
            return Err(BackupError::NotEmpty {
                path: folder.to_owned(),
            });
        }
    }
    Ok(())
}

fn make(
    from: &Path,
    folder: &Path,
    backup: &BackupSummary,
    least_epoch: u32,
) -> Result<Restored, BackupError> {
    let making = folder.join(RESTORING);
    if making.try_exists().map_err(BackupError::write)? {
        std::fs::remove_dir_all(&making).map_err(BackupError::write)?;
    }
    let epoch = least_epoch.max(backup.epoch.saturating_add(1));
    fill(from, &making, epoch)?;
    let damaged = look(&making, backup, epoch)?;
    let (made, place): (PathBuf, PathBuf) = (making.join(FILE), folder.join(FILE));
    std::fs::rename(made, place).map_err(BackupError::write)?;
    std::fs::remove_dir_all(&making).map_err(BackupError::write)?;
    sync_folders(folder).map_err(BackupError::write)?;
    Ok(Restored {
        backup: backup.clone(),
        epoch,
        damaged,
    })
}

fn fill(from: &Path, folder: &Path, epoch: u32) -> Result<(), BackupError> {
    let store = RedbStore::open(folder, LogOptions::default().cache_bytes)?;
    let (mut batch, mut bytes) = (Batch::default(), 0);
    archive::read(&mut open(from)?, &mut |table, key, mut value| {
        if table == Table::Meta {
            let meta =
                Meta::decode(&value).map_err(|wrong| BackupError::Source { what: wrong.0 })?;
            value = Meta { epoch, ..meta }.encode();
        }
        bytes += value.len() + 64;
        batch.puts.push((table, key, value));
        if bytes >= BATCH_BYTES {
            bytes = 0;
            store.commit(std::mem::take(&mut batch))?;
        }
        Ok(())
    })?;
    store.commit(batch)?;
    Ok(())
}

/// Starts a log on what was made, as a server will.
fn look(folder: &Path, backup: &BackupSummary, epoch: u32) -> Result<Vec<String>, BackupError> {
    let log = Log::open_embedded(folder, LogOptions::default()).map_err(Arc::new)?;
    if log.epoch() != epoch || log.document_count() as u64 != backup.documents {
        return Err(BackupError::Source {
            what: "the restored store does not hold what the backup does",
        });
    }
    if backup.damaged == 0 {
        return Ok(Vec::new());
    }
    Ok(check(&log).iter().map(LogError::to_string).collect())
}

/// Reads every document of a log, and gives the error of each that does not open. Blocks; for a store that nobody uses.
#[must_use]
pub fn check(log: &Log) -> Vec<LogError> {
    let names = log.documents().into_iter().map(|document| document.name);
    let mut wrong: Vec<LogError> = names
        .filter_map(|name| log.open(&name).map(drop).err())
        .collect();
    // Those that have lost their names are opened by none.
    for lost in log.damaged() {
        let told = wrong
            .iter()
            .any(|error| error.to_string() == lost.to_string());
        if !told {
            wrong.push(lost);
        }
    }
    wrong
}
