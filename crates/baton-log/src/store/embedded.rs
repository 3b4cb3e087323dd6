//! The embedded store: one redb file in a folder, held by one process at a time.
//!
//! Keys are eight big-endian bytes, values are bytes, so nothing of the layout rests on redb's own
//! types. Every commit returns after redb's fsync. redb may panic on a file that was damaged while
//! it was closed; such a panic is turned into an error here, so that no caller has to expect one.
//!
//! A crash while redb makes a new file leaves one that redb refuses, and that cannot be told from a
//! damaged one. So a new file is made under another name and renamed when it is whole; the lock file
//! keeps a second process from doing the same meanwhile.

use std::fs::{File, TryLockError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bytes::Bytes;
use redb::{
    Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable,
    StorageBackend, TableDefinition,
};

use super::{Batch, Store, StoreError, Table, View};

/// The database's name in the data folder, its name while it is being made, and the name of the
/// file whose lock stands for the folder.
const FILE: &str = "log.redb";
const NEW_FILE: &str = "log.redb.new";
const LOCK_FILE: &str = "log.lock";

type Rows = TableDefinition<'static, [u8; 8], &'static [u8]>;

const fn rows(table: Table) -> Rows {
    TableDefinition::new(match table {
        Table::Meta => "meta",
        Table::Documents => "documents",
        Table::Journal => "journal",
        Table::Snapshots => "snapshots",
    })
}

/// A [`Store`] in a redb file.
#[derive(Debug)]
pub struct RedbStore {
    database: Database,
    /// Dropped after the database.
    _lock: Option<File>,
}

impl RedbStore {
    /// Opens the store in a folder, making both if they are missing, and keeps everybody else out
    /// until it is dropped. `cache_bytes` bounds the pages held in memory.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process holds the folder; [`StoreError::Failed`] when the
    /// folder or the file cannot be made, opened or repaired.
    pub fn open(folder: &Path, cache_bytes: usize) -> Result<RedbStore, StoreError> {
        let failed = |error: std::io::Error| StoreError::failed("opening the data folder", error);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let lock = lock(folder)?;
        let mut builder = Builder::new();
        builder.set_cache_size(cache_bytes);
        let path = folder.join(FILE);
        if !path.try_exists().map_err(failed)? {
            let new = folder.join(NEW_FILE);
            File::create(&new).map_err(failed)?;
            drop(RedbStore::build(|| builder.create(&new))?);
            std::fs::rename(&new, &path).map_err(failed)?;
            sync_folders(folder).map_err(failed)?;
        }
        // Never creates: a file that vanished since is an error.
        let mut store = RedbStore::build(|| builder.open(&path))?;
        store._lock = Some(lock);
        Ok(store)
    }

    /// Opens the store on a backend other than a file, for instance one that fails on purpose.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when redb cannot open or repair what the backend holds.
    pub fn with_backend(
        backend: impl StorageBackend,
        cache_bytes: usize,
    ) -> Result<RedbStore, StoreError> {
        RedbStore::build(|| {
            Builder::new()
                .set_cache_size(cache_bytes)
                .create_with_backend(backend)
        })
    }

    fn build(
        open: impl FnOnce() -> Result<Database, DatabaseError>,
    ) -> Result<RedbStore, StoreError> {
        const DOING: &str = "opening the database file";
        guarded(DOING, || {
            let database = open().map_err(|error| match error {
                DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: FILE.into() },
                other => StoreError::failed(DOING, other),
            })?;
            make_tables(&database).map_err(|error| StoreError::failed(DOING, error))?;
            Ok(RedbStore {
                database,
                _lock: None,
            })
        })
    }
}

/// Takes the folder for this process, as long as the file lives.
fn lock(folder: &Path) -> Result<File, StoreError> {
    const DOING: &str = "locking the data folder";
    let failed = |error: std::io::Error| StoreError::failed(DOING, error);
    let path = folder.join(LOCK_FILE);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            path: folder.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Makes the tables of a new file, all in one transaction, so that a view finds either none or all.
fn make_tables(database: &Database) -> Result<(), redb::Error> {
    if database.begin_read()?.list_tables()?.next().is_some() {
        return Ok(());
    }
    let write = database.begin_write()?;
    for table in Table::ALL {
        write.open_table(rows(table))?;
    }
    write.commit()?;
    Ok(())
}

/// A file is durable under its name only when the folder's entry is, and so for a new folder.
fn sync_folders(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        let absolute = folder.canonicalize()?;
        File::open(&absolute)?.sync_all()?;
        if let Some(parent) = absolute.parent() {
            File::open(parent)?.sync_all()?;
        }
    }
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
    fn view(&self) -> Result<Box<dyn View>, StoreError> {
        const DOING: &str = "beginning to read";
        guarded(DOING, || {
            let read = self
                .database
                .begin_read()
                .map_err(|error| StoreError::failed(DOING, error))?;
            Ok(Box::new(RedbView { read }) as Box<dyn View>)
        })
    }

    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        guarded("committing", || {
            apply(&self.database, &batch).map_err(|error| StoreError::failed("committing", error))
        })
    }
}

fn apply(database: &Database, batch: &Batch) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    for table in Table::ALL {
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

impl View for RedbView {
    fn get(&self, table: Table, key: u64) -> Result<Option<Bytes>, StoreError> {
        const DOING: &str = "reading a row";
        guarded(DOING, || {
            let open = self
                .read
                .open_table(rows(table))
                .map_err(|error| StoreError::failed(DOING, error))?;
            let row = open
                .get(key.to_be_bytes())
                .map_err(|error| StoreError::failed(DOING, error))?;
            Ok(row.map(|row| Bytes::copy_from_slice(row.value())))
        })
    }

    fn scan(&self, table: Table, each: &mut dyn FnMut(u64, &[u8])) -> Result<(), StoreError> {
        const DOING: &str = "scanning a table";
        guarded(DOING, || {
            let open = self
                .read
                .open_table(rows(table))
                .map_err(|error| StoreError::failed(DOING, error))?;
            for row in open
                .iter()
                .map_err(|error| StoreError::failed(DOING, error))?
            {
                let (key, value) = row.map_err(|error| StoreError::failed(DOING, error))?;
                each(u64::from_be_bytes(key.value()), value.value());
            }
            Ok(())
        })
    }
}
