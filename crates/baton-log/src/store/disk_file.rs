//! The file under redb. Bytes that a failed sync has left uncertain are never trusted, and one
//! sector that cannot be read does not make the whole file unusable.
//!
//! Owns the list of writes since the last successful sync. After a failed sync the system may cache
//! pages that are not on the disk and that no later sync writes ("fsyncgate"): a reader sees them,
//! and after a power cut they are gone. [`UnsyncedWrites::rewrite`] writes all of them again, as a
//! reader sees them now, and syncs. Only then a read shows what is on the disk, and redb's own
//! checksums can tell a whole commit from a part of one.
//!
//! Knows nothing of pages, tables or rows.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Error, Result};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use redb::StorageBackend;

/// Number of attempts to read a sector.
const READ_TRIES: usize = 3;

/// Most bytes rewritten at a time.
const REWRITE_BYTES: usize = 1 << 20;

thread_local! {
    /// `Some` while this thread only reads, with the first error that it met.
    static READING: RefCell<Option<Option<Error>>> = const { RefCell::new(None) };
}

/// Runs a function that only reads. A sector that cannot be read is an error here, but not to redb,
/// which would refuse every later call because of it, commits included.
pub(crate) fn reading<T>(read: impl FnOnce() -> T) -> (T, Option<Error>) {
    READING.set(Some(None));
    let value = read();
    (value, READING.take().flatten())
}

/// Notes the error if this thread only reads.
fn excuse(error: Error) -> Result<()> {
    READING.with_borrow_mut(|reading| match reading {
        Some(first) => {
            first.get_or_insert(error);
            Ok(())
        }
        None => Err(error),
    })
}

/// A file as redb wants one. Locks are taken for the folder, not here.
#[derive(Debug)]
pub(crate) struct DiskFile(File);

impl DiskFile {
    /// Opens an existing file.
    pub(crate) fn open(path: &Path) -> Result<DiskFile> {
        let file = File::options().read(true).write(true).open(path)?;
        Ok(DiskFile(file))
    }

    /// Makes sure that reads from now on come from the disk: syncs the writes of an earlier
    /// process, and drops what the system caches of the file. If a sync had failed in that process,
    /// only the disk has the truth.
    pub(crate) fn forget_cached(&self) -> Result<()> {
        self.0.sync_data()?;
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&self.0, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(())
    }
}

impl StorageBackend for DiskFile {
    fn len(&self) -> Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.0.write_all_at(data, offset)
    }
}

/// Writes that are not known to be on the disk. Outlives the database that wrote them.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnsyncedWrites {
    ranges: Arc<Mutex<Vec<(u64, usize)>>>,
}

impl UnsyncedWrites {
    /// Writes the uncertain bytes again, and syncs them. Afterwards the disk has what a reader
    /// sees.
    pub(crate) fn rewrite(&self, backend: &dyn StorageBackend) -> Result<()> {
        let ranges = self.ranges.lock().clone();
        let end = backend.len()?;
        let mut page = Vec::new();
        for (offset, len) in ranges {
            let mut at = offset;
            // Bytes beyond the end were cut off, or never written.
            let until = (offset + len as u64).min(end);
            while at < until {
                page.resize(REWRITE_BYTES.min((until - at) as usize), 0);
                backend.read(at, &mut page)?;
                backend.write(at, &page)?;
                at += page.len() as u64;
            }
        }
        backend.sync_data()?;
        self.ranges.lock().clear();
        Ok(())
    }
}

/// A backend that records unsynced writes, and hides read errors from redb on threads that only
/// read.
#[derive(Debug)]
pub(crate) struct TrackingBackend {
    inner: Box<dyn StorageBackend>,
    unsynced: UnsyncedWrites,
}

impl TrackingBackend {
    pub(crate) fn new(inner: Box<dyn StorageBackend>, unsynced: UnsyncedWrites) -> TrackingBackend {
        TrackingBackend { inner, unsynced }
    }
}

impl StorageBackend for TrackingBackend {
    fn len(&self) -> Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let mut outcome = self.inner.read(offset, out);
        for _ in 1..READ_TRIES {
            if outcome.is_ok() {
                break;
            }
            outcome = self.inner.read(offset, out);
        }
        // An error would make redb refuse everything from now on. Zeros are safe: no page begins
        // with a zero.
        outcome.or_else(|error| {
            out.fill(0);
            excuse(error)
        })
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> Result<()> {
        let before = self.unsynced.ranges.lock().len();
        self.inner.sync_data()?;
        // Writes made during the sync may have missed it.
        self.unsynced.ranges.lock().drain(..before);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.unsynced.ranges.lock().push((offset, data.len()));
        self.inner.write(offset, data)
    }

    fn close(&self) -> Result<()> {
        self.inner.close()
    }
}
