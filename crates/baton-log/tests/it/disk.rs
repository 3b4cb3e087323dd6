//! A disk in memory for redb, with the system's page cache before it. It stops at a chosen call and
//! then keeps, loses or tears the writes that were not synced. Its syncs can fail while the process
//! lives on, or be held up; it can be full, or have sectors that cannot be read.
//!
//! A sync that fails does what it does on Linux: the pages count as clean afterwards. A reader sees
//! them, no later sync writes them, and when the cache drops them they are gone.

use std::io::{Error, ErrorKind, Result};
use std::ops::Range;
use std::sync::Arc;

use baton_testkit::Random;
use parking_lot::{Condvar, Mutex};
use redb::StorageBackend;

/// The fate of the writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// All are kept, as after `kill -9`.
    Kept,
    /// All are lost, as after a power failure.
    Lost,
    /// Each one is kept, lost or torn at random.
    Mixed(u64),
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Resize(u64),
}

#[derive(Debug, Default)]
struct State {
    /// The bytes that a reader sees now.
    current: Vec<u8>,
    /// The bytes that certainly survive.
    synced: Vec<u8>,
    unsynced: Vec<Change>,
    calls: u64,
    crash_at: Option<u64>,
    fail_syncs: Range<u64>,
    /// Chooses the writes before a failed sync that reach the disk all the same.
    failing: Option<Random>,
    syncs: u64,
    /// Bytes that can still be written.
    room: Option<u64>,
    unreadable: Vec<Range<u64>>,
    held: bool,
    waiting: u64,
}

/// The disk. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    state: Arc<Mutex<State>>,
    moved: Arc<Condvar>,
}

impl Disk {
    /// Makes a disk that holds these bytes.
    pub(crate) fn with(image: Vec<u8>) -> Disk {
        let state = State {
            current: image.clone(),
            synced: image,
            ..State::default()
        };
        Disk {
            state: Arc::new(Mutex::new(state)),
            moved: Arc::default(),
        }
    }

    /// Stops everything at the write, resize or sync with this number; the next one is 1.
    pub(crate) fn crash_at(&self, call: u64) {
        let mut state = self.state.lock();
        state.crash_at = Some(state.calls + call);
    }

    /// Makes every sync fail from the one with this number on; the next one is 1.
    pub(crate) fn fail_syncs_from(&self, sync: u64) {
        let mut state = self.state.lock();
        state.fail_syncs = state.syncs + sync..u64::MAX;
    }

    /// Makes this many syncs fail from the one with this number on. Earlier writes reach the disk
    /// at random.
    pub(crate) fn fail_syncs(&self, sync: u64, count: u64, seed: u64) {
        let mut state = self.state.lock();
        state.fail_syncs = state.syncs + sync..state.syncs + sync + count;
        state.failing = Some(Random::from_seed(seed));
    }

    /// Allows this many more bytes to be written.
    pub(crate) fn full_after(&self, bytes: u64) {
        self.state.lock().room = Some(bytes);
    }

    /// Makes reads of any of these bytes fail.
    pub(crate) fn unreadable(&self, bytes: Vec<Range<u64>>) {
        self.state.lock().unreadable = bytes;
    }

    /// Ends all faults. Writes that the system had only cached stay as they are.
    pub(crate) fn heals(&self) {
        let mut state = self.state.lock();
        state.fail_syncs = 0..0;
        state.room = None;
        state.unreadable = Vec::new();
    }

    /// Drops cached pages that the system takes for written.
    pub(crate) fn evicts(&self) {
        let mut state = self.state.lock();
        let mut image = state.synced.clone();
        for change in &state.unsynced {
            apply(&mut image, change);
        }
        state.current = image;
    }

    /// Holds up syncs until they are released.
    pub(crate) fn holds_syncs(&self) {
        self.state.lock().held = true;
    }

    /// Blocks until a sync is held up.
    pub(crate) fn is_syncing(&self) {
        let mut state = self.state.lock();
        while state.waiting == 0 {
            self.moved.wait(&mut state);
        }
    }

    pub(crate) fn lets_syncs_go(&self) {
        self.state.lock().held = false;
        self.moved.notify_all();
    }

    /// Returns the number of writes, resizes and syncs so far.
    pub(crate) fn calls(&self) -> u64 {
        self.state.lock().calls
    }

    /// Returns the bytes that a reader sees now.
    pub(crate) fn image(&self) -> Vec<u8> {
        self.state.lock().current.clone()
    }

    /// Returns the disk after the crash.
    pub(crate) fn survivor(&self, fate: Fate) -> Vec<u8> {
        let state = self.state.lock();
        let mut image = state.synced.clone();
        let mut random = match fate {
            Fate::Lost => return image,
            Fate::Kept => return state.image(),
            Fate::Mixed(seed) => Random::from_seed(seed),
        };
        for change in &state.unsynced {
            perhaps(&mut image, change, &mut random);
        }
        image
    }
}

/// The change is on the disk, or not, or in part.
fn perhaps(image: &mut Vec<u8>, change: &Change, random: &mut Random) {
    match random.within(0..10) {
        0..4 => apply(image, change),
        4..8 => {}
        _ => tear(image, change, random),
    }
}

fn apply(image: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(offset, bytes) => {
            let (start, end) = (*offset as usize, *offset as usize + bytes.len());
            if image.len() < end {
                image.resize(end, 0);
            }
            image[start..end].copy_from_slice(bytes);
        }
        Change::Resize(len) => image.resize(*len as usize, 0),
    }
}

/// Writes the front, the back, or some of the 512-byte sectors.
fn tear(image: &mut Vec<u8>, change: &Change, random: &mut Random) {
    let Change::Write(offset, bytes) = change else {
        return;
    };
    let cut = random.within(0..=bytes.len());
    match random.within(0..3) {
        0 => apply(image, &Change::Write(*offset, bytes[..cut].to_vec())),
        1 => apply(
            image,
            &Change::Write(offset + cut as u64, bytes[cut..].to_vec()),
        ),
        _ => {
            for (number, sector) in bytes.chunks(512).enumerate() {
                if random.chance(50) {
                    apply(
                        image,
                        &Change::Write(offset + number as u64 * 512, sector.to_vec()),
                    );
                }
            }
        }
    }
}

impl State {
    /// The cached bytes, and the write during which everything stopped.
    fn image(&self) -> Vec<u8> {
        let mut image = self.current.clone();
        for change in &self.unsynced {
            apply(&mut image, change);
        }
        image
    }

    /// Counts the pages as clean; they reach the disk only at random. A new length is not lost.
    fn sync_fails(&mut self) {
        for change in std::mem::take(&mut self.unsynced) {
            match (&change, &mut self.failing) {
                (Change::Resize(_), _) => self.unsynced.push(change),
                (_, Some(random)) => perhaps(&mut self.synced, &change, random),
                (_, None) => {}
            }
        }
    }

    fn call(&mut self) -> Result<()> {
        self.calls += 1;
        match self.crash_at {
            Some(crash) if self.calls >= crash => Err(Error::other("the machine has crashed")),
            _ => Ok(()),
        }
    }

    fn change(&mut self, change: Change) -> Result<()> {
        let alive = self.call();
        // The call during which it crashed may have reached the disk, in part or whole.
        if alive.is_ok() || Some(self.calls) == self.crash_at {
            if alive.is_ok() {
                apply(&mut self.current, &change);
            }
            self.unsynced.push(change);
        }
        alive
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64> {
        Ok(self.state.lock().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let state = self.state.lock();
        let end = offset as usize + out.len();
        let bad = |bad: &Range<u64>| offset < bad.end && end as u64 > bad.start;
        if state.unreadable.iter().any(bad) {
            return Err(Error::other("a sector cannot be read"));
        }
        let found = state.current.get(offset as usize..end);
        out.copy_from_slice(found.ok_or_else(|| Error::other("read beyond the end"))?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.state.lock().change(Change::Resize(len))
    }

    fn sync_data(&self) -> Result<()> {
        let mut state = self.state.lock();
        state.call()?;
        state.syncs += 1;
        state.waiting += 1;
        self.moved.notify_all();
        while state.held {
            self.moved.wait(&mut state);
        }
        state.waiting -= 1;
        if state.fail_syncs.contains(&state.syncs) {
            state.sync_fails();
            return Err(Error::other("the disk could not write"));
        }
        let state = &mut *state;
        for change in state.unsynced.drain(..) {
            apply(&mut state.synced, &change);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        let mut state = self.state.lock();
        if let Some(room) = state.room {
            let len = data.len() as u64;
            let fits = room.min(len);
            state.room = Some(room - fits);
            state.change(Change::Write(offset, data[..fits as usize].to_vec()))?;
            return if fits < len {
                Err(ErrorKind::StorageFull.into())
            } else {
                Ok(())
            };
        }
        state.change(Change::Write(offset, data.to_vec()))
    }
}
