//! What remains of a document that is erased.
//!
//! Owns the snapshot that takes the place of everything. Of the content nothing is in it; it holds that each block was there
//! and is deleted. So the copy of a client that comes back, of whatever kind, brings nothing back: all of it is known, and
//! the client is sent the deletion. Only what was never here comes in as new. A new epoch ends all sessions, locks and
//! resume tokens, and tells clients of the channel that their copy is of before.

use baton_presence::{AutoPass, LockSettings, LockState, Mode, Time};
use baton_sync::lib0::write_var_uint;
use baton_sync::{History, Replica, StateVector};
use bytes::Bytes;

use crate::draft::Draft;
use crate::faults::SnapshotError;
use crate::output::{Ending, Outgoing};
use crate::park::ParkReason;
use crate::room::Room;
use crate::state::Stored;

impl Room {
    /// The epoch of this document: the store's, or a later one since it was erased.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.options.fold.epoch
    }

    /// Tells everybody that the document is erased, and lets them go for good.
    pub fn close_erased(&mut self, now: Time) {
        let reason =
            "the document was erased by who runs the server; open it afresh for an empty one";
        let all: Vec<_> = self.connections.keys().copied().collect();
        for connection in all {
            if self.is_stock(connection) {
                self.send(connection, Outgoing::Denied(reason.to_owned()));
            }
            self.close(connection, Ending::Erased, reason.to_owned(), now);
        }
    }

    /// A snapshot of this document without its content, parks and people, in this epoch, which must be a later one. To be stored
    /// instead of everything.
    ///
    /// # Errors
    /// The document failed; [`remnant`] remains all the same.
    pub fn erased(&self, epoch: u32) -> Result<Bytes, SnapshotError> {
        let everything = self.state.document.difference(&StateVector::new());
        let mut document = Replica::load(everything)?;
        // Their authors may still have them, and bring them again.
        let parks = self.state.parks.iter();
        let sound = parks.filter(|park| park.reason == ParkReason::Locked);
        for update in sound.flat_map(|park| &park.updates) {
            // One that builds on what is nowhere cannot come back either.
            let _not_known = document.apply(update);
        }
        document.apply(&deletion_of_all(&document))?;
        snapshot(document.everything(), epoch)
    }
}

/// A snapshot of a document of which nothing can be read any more: empty, in this epoch.
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
    let mut draft = Draft {
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

/// An update that deletes everything that a document knows.
fn deletion_of_all(document: &Replica) -> Vec<u8> {
    let known: Vec<_> = document.state().vector().iter().collect();
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
