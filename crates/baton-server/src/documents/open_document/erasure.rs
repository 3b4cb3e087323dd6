//! The end of a document that is erased while it is in memory.
//!
//! Owns the order: everybody is told and let go, then what remains takes the place of everything in the log, in one step.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use baton_log::{LogError, Reservation};
use baton_room::{ERASED, Ending, OVERHEAD, SnapshotError, remnant};

use super::document_state::DocumentState;
use super::{Acquired, Gone, OpenDocument};
use crate::connection::pending_flushes::PendingFlushes;
use crate::documents::work_cost::StepKind;

/// Why a document was not erased. It is as it was, but for its connections, which come again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotErased {
    #[error(transparent)]
    Gone(#[from] Gone),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

impl OpenDocument {
    /// Erases it, in an epoch that is at least `epoch` and later than its own, and takes it out of memory. It is erased for
    /// good when the log has been flushed. Takes as long as loading and encoding it does, on the pool.
    pub(crate) async fn erase(self: &Arc<Self>, epoch: u32) -> Result<(), NotErased> {
        let reservation = self.reserve_patiently(OVERHEAD).await;
        match self
            .acquire(StepKind::Snapshot, &mut PendingFlushes::default())
            .await?
        {
            Acquired::Inline(mut held) => self.erase_held(&mut held, reservation, epoch),
            Acquired::OnPool(mut held, turn) => {
                let hosted = Arc::clone(self);
                let erasing = turn.run(move || hosted.erase_held(&mut held, reservation, epoch));
                erasing.await.map_err(|_| Gone)?
            }
        }
    }

    fn erase_held(
        &self,
        held: &mut Option<Box<DocumentState>>,
        reservation: Reservation,
        epoch: u32,
    ) -> Result<(), NotErased> {
        let mut pending = PendingFlushes::default();
        self.step_in(held, reservation, &mut pending, |room, now| {
            room.close_all(Ending::Erased, ERASED, now);
        })?;
        pending.flush();
        let state = held.as_mut().ok_or(Gone)?;
        let epoch = epoch.max(state.room.state().epoch().saturating_add(1));
        // A document that fails can be erased all the same.
        let remains = state.room.state().erased(epoch).or_else(|error| {
            tracing::error!(document = %self.name, %error, "a document is erased without what tells old copies that they are");
            remnant(epoch)
        })?;
        state.log.erase_leaving(remains)?;
        if let Some(state) = held.take() {
            state.end();
        }
        self.connections.store(0, Ordering::Relaxed);
        self.wake.notify_one();
        Ok(())
    }
}
