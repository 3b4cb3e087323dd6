//! The erasure of a document, by a record or of one that cannot be read.
//!
//! An erased document has no content, but holds that each block was there and is deleted. So a copy
//! that returns, of any kind of client, brings nothing back: all of it is known, and the client is
//! sent the deletion. Only what was never here comes in as new. A new epoch ends all sessions,
//! locks and resume tokens, and tells clients of the channel that their copy is of before.

use std::collections::BTreeMap;

use baton_presence::{LockSettings, LockState};
use baton_sync::compact::rewrite;
use baton_sync::lib0::write_var_uint;
use baton_sync::{History, Replica, StateVector};
use bytes::Bytes;

use super::membership::Membership;
use super::park::ParkReason;
use super::parks::Parks;
use super::snapshot::SnapshotDraft;
use super::stored::{FRESH, Stored};
use crate::error::SnapshotError;

/// An erasure by a record.
#[derive(Debug)]
pub struct Erasure {
    /// Position of the record.
    pub position: u64,
    /// The reason for which the document could not be emptied, if it could not: then nothing of it
    /// is known any more, and an old copy of a client brings its content back.
    pub trouble: Option<SnapshotError>,
}

/// Erases the contents of a document by the record at `position`, in an epoch that is at least
/// `epoch` and later than its own. If `unread`, the proposer has not read it, and nothing of it is
/// known any more.
pub(super) fn erase(
    (document, membership, parks): (&mut Replica, &mut Membership, &mut Parks),
    position: u64,
    epoch: u32,
    unread: bool,
) -> Erasure {
    let epoch = epoch.max(membership.locks().epoch().saturating_add(1));
    let emptied = if unread {
        Ok(Replica::new())
    } else {
        emptied(document, parks)
    };
    let (emptied, trouble) = match emptied {
        Ok(emptied) => (emptied, None),
        Err(error) => (Replica::new(), Some(error)),
    };
    *parks = Parks::restore(Vec::new(), emptied.state());
    *document = emptied;
    let (people, hosts) = (BTreeMap::new(), BTreeMap::new());
    *membership = Membership::restore(LockState::new(settings(epoch)), people, hosts, false);
    Erasure { position, trouble }
}

/// Returns the document without its content and that of its parks.
fn emptied(document: &Replica, parks: &Parks) -> Result<Replica, SnapshotError> {
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
    let emptied = rewrite(&document.everything(), History::Drop);
    let emptied = emptied.map_err(SnapshotError::NotRemoved)?;
    Ok(Replica::load(emptied.encoding().clone())?)
}

const fn settings(epoch: u32) -> LockSettings {
    LockSettings { epoch, ..FRESH }
}

/// Returns the snapshot of a document that cannot be read any more: empty, in this epoch.
///
/// # Errors
/// It could not be encoded: a fault of this crate.
pub fn remnant(epoch: u32) -> Result<Bytes, SnapshotError> {
    let locks = LockState::new(settings(epoch)).snapshot();
    let mut draft = SnapshotDraft {
        position: 0,
        stored: Stored::without_people(Replica::new().everything(), locks),
        history: History::Drop,
    };
    Ok(draft.write_as_it_is()?.bytes)
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
