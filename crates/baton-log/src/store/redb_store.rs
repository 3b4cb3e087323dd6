//! The embedded store: one redb file in a folder, held by one process at a time.
//!
//! Keys are eight big-endian bytes and values are bytes, so the layout does not depend on redb's
//! types. Every commit returns after redb's fsync. redb may panic on a file that was damaged while
//! it was closed; such a panic becomes an error here.
//!
//! A crash while redb creates a file leaves one that redb refuses, and that looks like a damaged
//! one. So a new file is created under another name, and renamed when it is whole. The lock file
//! keeps a second process from doing the same meanwhile.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use parking_lot::RwLock;
use redb::{
    Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable,
    RepairSession, StorageBackend, TableDefinition,
};

use super::data_folder::{FILE, NEW_FILE, RESTORING, lock, sync_folders};
use super::disk_file::{DiskFile, TrackingBackend, UnsyncedWrites, reading};
use super::file_permissions;
use super::traits::{Batch, Store, StoreError, StoreTable, StoreView};

const DOING: &str = "opening the database file";
const DOING_AGAIN: &str = "opening the database file again";

/// Bytes of a block, the unit in which the system counts the space of a file.
const BLOCK: u64 = 512;

type Rows = TableDefinition<'static, [u8; 8], &'static [u8]>;

const fn rows(table: StoreTable) -> Rows {
    TableDefinition::new(match table {
        StoreTable::Meta => "meta",
        StoreTable::Documents => "documents",
        StoreTable::Journal => "journal",
        StoreTable::Snapshots => "snapshots",
    })
}

/// A [`Store`] in a redb file.
pub struct RedbStore {
    /// `None` from a failed reopening until one that succeeds.
    database: RwLock<Option<Database>>,
    opener: DatabaseOpener,
    /// Declared last, so that it is dropped after the database.
    _lock: Option<File>,
}

/// Opens the database, also again after a failure.
struct DatabaseOpener {
    backend: Box<dyn Fn() -> std::io::Result<Box<dyn StorageBackend>> + Send + Sync>,
    /// The file, if the backend is one.
    path: Option<PathBuf>,
    cache_bytes: usize,
    unsynced: UnsyncedWrites,
}

/// The treatment of a file that was not closed properly.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repair {
    /// Refuse it: first the system must drop what it caches of the file.
    Refuse,
    /// Verify and repair it.
    Now,
}

impl RedbStore {
    /// Opens the store in a folder, and creates both if they are missing. Other processes cannot
    /// open it until it is dropped. `cache_bytes` bounds the pages held in memory.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process holds the folder; [`StoreError::Failed`] if the
    /// folder or the file cannot be created, opened or repaired.
    pub fn open(folder: &Path, cache_bytes: usize) -> Result<RedbStore, StoreError> {
        let failed = |error: std::io::Error| {
            let folder = folder.display();
            StoreError::failed("opening the data folder", format!("{folder}: {error}"))
        };
        file_permissions::make_folder(folder).map_err(failed)?;
        let lock = lock(folder)?;
        if folder.join(RESTORING).try_exists().map_err(failed)? {
            return Err(StoreError::failed(
                DOING,
                "a restore into this folder was interrupted; restore again",
            ));
        }
        let path = folder.join(FILE);
        if !path.try_exists().map_err(failed)? {
            let new = folder.join(NEW_FILE);
            file_permissions::make_file(&new).map_err(failed)?;
            drop(DatabaseOpener::of_file(new.clone(), cache_bytes).repaired()?);
            std::fs::rename(&new, &path).map_err(failed)?;
            sync_folders(folder).map_err(failed)?;
        }
        if path.is_dir() {
            return Err(StoreError::failed(
                DOING,
                "a folder has its name; move it away",
            ));
        }
        file_permissions::tighten(&path);
        // Not created here: a file that has vanished, or is empty, is an error.
        if std::fs::metadata(&path).map_err(failed)?.len() == 0 {
            return Err(StoreError::failed(DOING, "the file is empty"));
        }
        let opener = DatabaseOpener::of_file(path.clone(), cache_bytes);
        let database = match opener.open(Repair::Refuse)? {
            Some(database) => database,
            None => {
                tracing::info!(
                    file = %path.display(),
                    "the database was not closed properly; it is verified and repaired"
                );
                let file = DiskFile::open(&path).map_err(failed)?;
                file.forget_cached().map_err(failed)?;
                opener.repaired()?
            }
        };
        Ok(RedbStore {
            database: RwLock::new(Some(database)),
            opener,
            _lock: Some(lock),
        })
    }

    /// Opens the store on a backend other than a file, for instance one that fails on purpose.
    /// Clones of the backend must share the same storage.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if redb cannot open or repair the storage.
    pub fn with_backend(
        backend: impl StorageBackend + Clone,
        cache_bytes: usize,
    ) -> Result<RedbStore, StoreError> {
        let opener = DatabaseOpener {
            backend: Box::new(move || Ok(Box::new(backend.clone()))),
            path: None,
            cache_bytes,
            unsynced: UnsyncedWrites::default(),
        };
        Ok(RedbStore {
            database: RwLock::new(Some(opener.repaired()?)),
            opener,
            _lock: None,
        })
    }

    /// Returns unused space of the file to the disk. Takes as long as copying the file; nothing
    /// else may use the store meanwhile.
    pub(crate) fn compact(&self) -> Result<(), StoreError> {
        const DOING: &str = "compacting the database file";
        let mut database = self.database.write();
        guarded(DOING, || {
            let Some(database) = database.as_mut() else {
                return Ok(());
            };
            tracing::info!("the store is over its limit of disk space; its file is compacted");
            while database
                .compact()
                .map_err(|error| StoreError::failed(DOING, error))?
            {}
            Ok(())
        })
    }

    fn with<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        guarded(doing, || {
            let database = self.database.read();
            let database = database
                .as_ref()
                .ok_or_else(|| StoreError::failed(doing, "the database is closed"))?;
            work(database).map_err(|error| StoreError::failed(doing, error))
        })
    }
}

impl std::fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedbStore").finish_non_exhaustive()
    }
}

impl DatabaseOpener {
    fn of_file(path: PathBuf, cache_bytes: usize) -> DatabaseOpener {
        let opened = path.clone();
        DatabaseOpener {
            backend: Box::new(move || Ok(Box::new(DiskFile::open(&opened)?))),
            path: Some(path),
            cache_bytes,
            unsynced: UnsyncedWrites::default(),
        }
    }

    /// Returns `None` if the file must be repaired, and `repair` refuses that.
    fn open(&self, repair: Repair) -> Result<Option<Database>, StoreError> {
        let failed = |error: std::io::Error| StoreError::failed(DOING, error);
        let backend = (self.backend)().map_err(failed)?;
        let mut builder = Builder::new();
        builder.set_cache_size(self.cache_bytes);
        if repair == Repair::Refuse {
            builder.set_repair_callback(RepairSession::abort);
        }
        guarded(DOING, || {
            let backend = TrackingBackend::new(backend, self.unsynced.clone());
            let database = match builder.create_with_backend(backend) {
                Err(DatabaseError::RepairAborted) => return Ok(None),
                opened => opened.map_err(|error| StoreError::failed(DOING, error))?,
            };
            make_tables(&database).map_err(|error| StoreError::failed(DOING, error))?;
            Ok(Some(database))
        })
    }

    fn repaired(&self) -> Result<Database, StoreError> {
        self.open(Repair::Now)?
            .ok_or_else(|| StoreError::failed(DOING, "it was not repaired"))
    }

    /// Makes the storage the same as what a reader sees, and opens it.
    fn reopen(&self) -> Result<Database, StoreError> {
        let failed = |error: std::io::Error| StoreError::failed(DOING_AGAIN, error);
        let backend = (self.backend)().map_err(failed)?;
        if backend.len().map_err(failed)? == 0 {
            return Err(StoreError::failed(DOING_AGAIN, "the file is empty"));
        }
        self.unsynced.rewrite(&*backend).map_err(failed)?;
        drop(backend);
        self.repaired()
    }
}

/// Creates the tables of a new file in one transaction, so that a view finds either none or all.
fn make_tables(database: &Database) -> Result<(), redb::Error> {
    if database.begin_read()?.list_tables()?.next().is_some() {
        return Ok(());
    }
    let write = database.begin_write()?;
    for table in StoreTable::ALL {
        write.open_table(rows(table))?;
    }
    write.commit()?;
    Ok(())
}

fn guarded<T>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(StoreError::failed(
            doing,
            format!("the database panicked: {said}"),
        ))
    })
}

impl Store for RedbStore {
    fn view(&self) -> Result<Box<dyn StoreView>, StoreError> {
        let read = self.with("beginning to read", |database| Ok(database.begin_read()?))?;
        Ok(Box::new(RedbView { read }))
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.with("committing", |database| apply(database, &batch))
    }

    /// Closes the database first, which leaves the file marked as not closed properly: redb then
    /// verifies every page.
    fn reopen(&self) -> Result<(), StoreError> {
        let mut database = self.database.write();
        let closing = database.take();
        guarded("closing the database file", move || {
            drop(closing);
            Ok(())
        })
        .unwrap_or_else(|error| tracing::warn!(%error, "the database did not close properly"));
        *database = Some(self.opener.reopen()?);
        Ok(())
    }

    /// Returns the bytes that the system has allocated to the file, which may have holes.
    fn bytes_stored(&self) -> Option<u64> {
        match &self.opener.path {
            Some(path) => Some(path.metadata().ok()?.blocks() * BLOCK),
            None => (self.opener.backend)().ok()?.len().ok(),
        }
    }
}

fn apply(database: &Database, batch: &Batch) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    for table in StoreTable::ALL {
        let puts = batch.puts.iter().filter(|put| put.0 == table);
        let deletes = batch.deletes.iter().filter(|delete| delete.0 == table);
        if puts.clone().next().is_none() && deletes.clone().next().is_none() {
            continue;
        }
        let mut open = write.open_table(rows(table))?;
        for (_, key) in deletes {
            open.remove(key.to_be_bytes())?;
        }
        for (_, key, value) in puts {
            open.insert(key.to_be_bytes(), &value[..])?;
        }
    }
    write.commit()?;
    Ok(())
}

struct RedbView {
    read: ReadTransaction,
}

impl RedbView {
    /// Reads from a table, and hides unreadable sectors from redb.
    fn table<T>(
        &self,
        doing: &'static str,
        table: StoreTable,
        read: impl FnOnce(redb::ReadOnlyTable<[u8; 8], &'static [u8]>) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let (found, unread) = reading(|| {
            guarded(doing, || {
                let open = self.read.open_table(rows(table));
                open.map_err(redb::Error::from)
                    .and_then(read)
                    .map_err(|error| StoreError::failed(doing, error))
            })
        });
        match unread {
            Some(error) => Err(StoreError::failed(doing, error)),
            None => found,
        }
    }
}

impl StoreView for RedbView {
    fn get(&self, table: StoreTable, key: u64) -> Result<Option<Bytes>, StoreError> {
        self.table("reading a row", table, |open| {
            let row = open.get(key.to_be_bytes())?;
            Ok(row.map(|row| Bytes::copy_from_slice(row.value())))
        })
    }

    fn scan(&self, table: StoreTable, each: &mut dyn FnMut(u64, &[u8])) -> Result<(), StoreError> {
        self.table("scanning a table", table, |open| {
            for row in open.iter()? {
                let (key, value) = row?;
                each(u64::from_be_bytes(key.value()), value.value());
            }
            Ok(())
        })
    }
}
