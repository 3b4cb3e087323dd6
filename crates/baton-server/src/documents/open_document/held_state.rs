//! The state of a document while a task, or a piece of work on the pool, holds it.

use std::sync::Arc;

use super::document_state::DocumentState;
use super::error::Gone;
use crate::connection::pending_flushes::PendingFlushes;
use crate::documents::gate::{Gate, Held};
use crate::documents::work_pool::PoolTurn;

/// The state of a document; `None` once the document has left memory.
pub(super) type MaybeState = Option<Box<DocumentState>>;

/// A document's state, held by a task.
pub(super) type HeldState<'a> = Held<MaybeState, &'a Gate<MaybeState>>;

/// A document's state, held by a piece of work that may move to the pool.
pub(super) type OwnedState = Held<MaybeState, Arc<Gate<MaybeState>>>;

/// Does some work on a thread of the pool. What it queues is added to `pending`.
pub(super) async fn run_on_pool<R: Send + 'static>(
    mut held: OwnedState,
    turn: PoolTurn,
    pending: &mut PendingFlushes,
    work: impl FnOnce(&mut MaybeState, &mut PendingFlushes) -> R + Send + 'static,
) -> Result<R, Gone> {
    let working = turn.run(move || {
        let mut pending = PendingFlushes::default();
        let result = work(&mut held, &mut pending);
        drop(held);
        (result, pending)
    });
    let (result, queued) = working.await.map_err(|_| Gone)?;
    pending.append(queued);
    Ok(result)
}
