//! The data folder of a store: its files, its lock, and durable changes of its entries.

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::file_permissions;
use super::traits::StoreError;

/// Name of the database file.
pub(crate) const FILE: &str = "log.redb";

/// Name of the database file while it is being created.
pub(super) const NEW_FILE: &str = "log.redb.new";

/// Name of the file whose lock stands for the folder.
pub(crate) const LOCK_FILE: &str = "log.lock";

/// Name of the folder in which a restore creates the new database. A data folder that contains it
/// is incomplete.
pub(crate) const RESTORING: &str = "restoring";

/// Locks the folder for this process, as long as the returned file lives.
pub(crate) fn lock(folder: &Path) -> Result<File, StoreError> {
    const DOING: &str = "locking the data folder";
    let path = folder.join(LOCK_FILE);
    let failed =
        |error: std::io::Error| StoreError::failed(DOING, format!("{}: {error}", path.display()));
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(file_permissions::FILE)
        .open(&path);
    let file = file.map_err(failed)?;
    file_permissions::tighten(&path);
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            path: folder.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Syncs a folder and its parent: a file is durable under its name only when the entry of its
/// folder is, and so is a new folder.
pub(crate) fn sync_folders(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        let absolute = folder.canonicalize()?;
        File::open(&absolute)?.sync_all()?;
        if let Some(parent) = absolute.parent() {
            File::open(parent)?.sync_all()?;
        }
    }
    Ok(())
}
