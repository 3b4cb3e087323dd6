//! The snapshot that takes the place of an erased document.
//!
//! It has no content, but holds that each block was there and is deleted. So a copy that returns,
//! of any kind of client, brings nothing back: all of it is known, and the client is sent the
//! deletion. Only what was never here comes in as new. A new epoch ends all sessions, locks and
//! resume tokens, and tells clients of the channel that their copy is of before.

use baton_presence::{AutoPass, LockSettings, LockState, Mode};
use baton_sync::lib0::write_var_uint;
use baton_sync::{History, Replica, StateVector};
use bytes::Bytes;

use super::park::ParkReason;
use super::parks::Parks;
use super::snapshot::SnapshotDraft;
use super::stored::Stored;
use crate::error::SnapshotError;

/// Writes the snapshot of this document without its content, parks and people, in a later epoch.
pub(super) fn erased(
    document: &Replica,
    parks: &Parks,
    epoch: u32,
) -> Result<Bytes, SnapshotError> {
    let mut document = Replica::load(document.difference(&StateVector::new()))?;
    // Their authors may still have them, and bring them again.
    let sound = parks
        .iter()
        .filter(|park| park.reason != ParkReason::Quarantined);
    for update in sound.flat_map(|park| &park.updates) {
        // One that builds on blocks which are nowhere cannot come back either.
        let _not_known = document.apply(update);
    }
    document.apply(&deletion_of_all(&document))?;
    snapshot(document.everything(), epoch)
}

/// Returns the snapshot of a document that cannot be read any more: empty, in this epoch.
///
/// # Errors
/// It could not be encoded: a fault of this crate.
pub fn remnant(epoch: u32) -> Result<Bytes, SnapshotError> {
    snapshot(Replica::new().everything(), epoch)
}

fn snapshot(document: Bytes, epoch: u32) -> Result<Bytes, SnapshotError> {
    let fold = LockState::new(LockSettings {
        epoch,
        auto_pass: AutoPass::On,
        mode: Mode::ExclusiveWhenHeld,
    });
    let mut draft = SnapshotDraft {
        position: 0,
        stored: Stored::without_people(document, fold.snapshot()),
        history: History::Drop,
    };
    let written = draft.write()?;
    match written.trouble {
        None => Ok(written.bytes),
        Some(trouble) => Err(SnapshotError::NotRemoved(trouble)),
    }
}

/// Returns an update that deletes everything that a document knows.
fn deletion_of_all(document: &Replica) -> Vec<u8> {
    let known: Vec<_> = document.state().clocks().collect();
    let mut update = Vec::new();
    write_var_uint(&mut update, 0);
    write_var_uint(&mut update, known.len() as u64);
    for (client, clock) in known {
        write_var_uint(&mut update, client.get());
        write_var_uint(&mut update, 1);
        write_var_uint(&mut update, 0);
        write_var_uint(&mut update, u64::from(clock));
    }
    update
}
