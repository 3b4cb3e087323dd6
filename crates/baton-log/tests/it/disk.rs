//! A disk in memory for redb that stops at a chosen call and then keeps, loses or tears whatever
//! had not been synced, or whose syncs fail while the process lives on.

use std::io::{Error, Result};
use std::sync::Arc;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redb::StorageBackend;

/// What becomes of the writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// As after `kill -9`: the system still has them all.
    Kept,
    /// As after a power failure of a disk that wrote nothing behind our back.
    Lost,
    /// Each one kept, lost or torn by chance.
    Mixed(u64),
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Resize(u64),
}

#[derive(Debug, Default)]
struct State {
    /// What a reader sees now.
    current: Vec<u8>,
    /// What surely survives.
    synced: Vec<u8>,
    unsynced: Vec<Change>,
    calls: u64,
    crash_at: Option<u64>,
    fail_syncs_from: Option<u64>,
    syncs: u64,
}

/// Clones share the disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    state: Arc<Mutex<State>>,
}

impl Disk {
    /// A disk that holds these bytes.
    pub(crate) fn with(image: Vec<u8>) -> Disk {
        let state = State {
            current: image.clone(),
            synced: image,
            ..State::default()
        };
        Disk {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Everything stops at the write, resize or sync with this number, the next one being 1.
    pub(crate) fn crash_at(&self, call: u64) {
        let mut state = self.state.lock();
        state.crash_at = Some(state.calls + call);
    }

    /// Every sync fails from the one with this number on, the next one being 1.
    pub(crate) fn fail_syncs_from(&self, sync: u64) {
        let mut state = self.state.lock();
        state.fail_syncs_from = Some(state.syncs + sync);
    }

    /// Writes, resizes and syncs so far.
    pub(crate) fn calls(&self) -> u64 {
        self.state.lock().calls
    }

    /// What a reader sees now.
    pub(crate) fn image(&self) -> Vec<u8> {
        self.state.lock().current.clone()
    }

    /// What is left after the crash.
    pub(crate) fn survivor(&self, fate: Fate) -> Vec<u8> {
        let state = self.state.lock();
        let mut image = state.synced.clone();
        let mut chance = match fate {
            Fate::Lost => return image,
            Fate::Kept => None,
            Fate::Mixed(seed) => Some(StdRng::seed_from_u64(seed)),
        };
        for change in &state.unsynced {
            let Some(chance) = &mut chance else {
                apply(&mut image, change);
                continue;
            };
            match chance.random_range(0..10) {
                0..4 => apply(&mut image, change),
                4..8 => {}
                _ => tear(&mut image, change, chance),
            }
        }
        image
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
fn tear(image: &mut Vec<u8>, change: &Change, chance: &mut StdRng) {
    let Change::Write(offset, bytes) = change else {
        return;
    };
    let cut = chance.random_range(0..=bytes.len());
    match chance.random_range(0..3) {
        0 => apply(image, &Change::Write(*offset, bytes[..cut].to_vec())),
        1 => apply(
            image,
            &Change::Write(offset + cut as u64, bytes[cut..].to_vec()),
        ),
        _ => {
            for (number, sector) in bytes.chunks(512).enumerate() {
                if chance.random_bool(0.5) {
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
        if state
            .fail_syncs_from
            .is_some_and(|from| state.syncs >= from)
        {
            return Err(Error::other("the disk could not write"));
        }
        state.synced = state.current.clone();
        state.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        let mut state = self.state.lock();
        state.change(Change::Write(offset, data.to_vec()))
    }
}
