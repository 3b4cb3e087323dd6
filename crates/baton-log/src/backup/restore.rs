//! Checks a backup file, and makes a data folder of one.
//!
//! Owns the state of the disk at each moment: a folder is either as it was, or has the whole store
//! under its name. Until then the new store is in a folder of its own, and a data folder that
//! contains it does not open.

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
use crate::store::traits::{Batch, Store, StoreTable};

/// Bytes of rows that are committed together.
const BATCH_BYTES: usize = 8 << 20;

/// The result of a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreSummary {
    /// The content of the backup.
    pub backup: BackupSummary,
    /// The epoch of the new store.
    pub epoch: u32,
    /// The damage of each document that was damaged in the backed-up store already.
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

/// Makes a data folder of a backup. The folder must be missing or empty. The new store has an epoch
/// above the backup's, and at least `least_epoch`, so that locks granted before are void. Blocks.
///
/// The whole backup is checked before anything is written.
///
/// # Errors
/// Those of [`verify_backup`], and [`BackupError::NotEmpty`], [`BackupError::Write`],
/// [`BackupError::Store`], [`BackupError::Log`]. The folder is as it was.
pub fn restore_backup(
    from: &Path,
    folder: &Path,
    least_epoch: u32,
) -> Result<RestoreSummary, BackupError> {
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
        // The first error is returned; a file that cannot be removed adds nothing to it.
        let _ = std::fs::remove_dir_all(folder.join(RESTORING));
        let _ = std::fs::remove_file(folder.join(LOCK_FILE));
        if !there_before {
            let _ = std::fs::remove_dir(folder);
        }
    }
    made
}

/// Opens what a backup holds as a log of its own, in a folder that must be missing or empty, to
/// read it. The epoch is the backup's: nothing must be served from it. Blocks.
///
/// # Errors
/// Those of [`restore_backup`]. The folder may hold a part of the rows; it is the caller's.
pub fn open_backup(from: &Path, folder: &Path) -> Result<Log, BackupError> {
    verify_backup(from)?;
    file_permissions::make_folder(folder).map_err(BackupError::write)?;
    must_be_empty(folder)?;
    fill(from, folder, None)?;
    let log = Log::open_embedded(folder, LogOptions::default()).map_err(Arc::new)?;
    Ok(log)
}

/// Ignores the lock file and the remains of an interrupted restore: they hold no data.
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
) -> Result<RestoreSummary, BackupError> {
    let making = folder.join(RESTORING);
    if making.try_exists().map_err(BackupError::write)? {
        std::fs::remove_dir_all(&making).map_err(BackupError::write)?;
    }
    let epoch = least_epoch.max(backup.epoch.saturating_add(1));
    fill(from, &making, Some(epoch))?;
    let damaged = look(&making, backup, epoch)?;
    let (made, place): (PathBuf, PathBuf) = (making.join(FILE), folder.join(FILE));
    std::fs::rename(made, place).map_err(BackupError::write)?;
    std::fs::remove_dir_all(&making).map_err(BackupError::write)?;
    sync_folders(folder).map_err(BackupError::write)?;
    Ok(RestoreSummary {
        backup: backup.clone(),
        epoch,
        damaged,
    })
}

/// Copies all rows into a new store, with this epoch or the backup's.
fn fill(from: &Path, folder: &Path, epoch: Option<u32>) -> Result<(), BackupError> {
    let store = RedbStore::open(folder, LogOptions::default().cache_bytes)?;
    let (mut batch, mut bytes) = (Batch::default(), 0);
    archive::read(&mut open(from)?, &mut |table, key, mut value| {
        if table == StoreTable::Meta {
            let meta =
                Meta::decode(&value).map_err(|wrong| BackupError::Source { what: wrong.0 })?;
            let epoch = epoch.unwrap_or(meta.epoch);
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

/// Starts a log on the new store, as a server will, and returns the damage that it finds.
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

/// Reads every document of a log, and returns the error of each that does not open. Blocks; for a
/// store that is not in use.
#[must_use]
pub fn check(log: &Log) -> Vec<LogError> {
    let names = log.documents().into_iter().map(|document| document.name);
    let mut wrong: Vec<LogError> = names
        .filter_map(|name| log.open(&name).map(drop).err())
        .collect();
    // A document that has lost its name cannot be opened by name.
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
