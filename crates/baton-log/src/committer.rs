//! The group-commit thread: takes what waits, commits it, and only then says that it is durable.
//!
//! The only code that writes to the store. Any failure, a panic of the store included, ends it for
//! good: after a failed fsync nobody can know what the disk holds, so nothing more is acknowledged.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tracing::error;

use crate::engine::Shared;
use crate::error::LogError;
use crate::plan::Plan;
use crate::queue::Taken;
use crate::store::StoreError;

/// Runs until the log is closed and all is committed, or until a commit fails.
pub(crate) fn run(shared: &Shared) {
    let threshold = shared.options.relocate_bytes;
    let mut chores = shared.engine.lock().index.has_chores(threshold);
    while let Some(mut taken) = shared.queue.take(chores) {
        let outcome = catch_unwind(AssertUnwindSafe(|| commit(shared, &mut taken)));
        match outcome {
            Ok(Ok(more)) => {
                announce(&taken);
                shared.queue.done(taken);
                chores = more;
            }
            Ok(Err(error)) => {
                poison(shared, error.to_string());
                break;
            }
            Err(_) => {
                poison(shared, "the commit thread panicked".to_owned());
                break;
            }
        }
    }
    // Closing the file may write too; it must not take the last word with it.
    let store = shared.engine.lock().store.take();
    if catch_unwind(AssertUnwindSafe(move || drop(store))).is_err() {
        error!("the store panicked while it was closed; it is repaired at the next start");
    }
    shared.room.close();
    shared.queue.ended();
}

/// Commits what was taken and some tidying. Says whether there is more to tidy.
fn commit(shared: &Shared, taken: &mut Taken) -> Result<bool, StoreError> {
    let threshold = shared.options.relocate_bytes;
    let mut engine = shared.engine.lock();
    let mut plan = Plan::new(&engine, taken, threshold);
    if !plan.is_empty() {
        let batch = std::mem::take(&mut plan.batch);
        let Some(store) = &mut engine.store else {
            return Err(StoreError::failed("committing", "the store is closed"));
        };
        store.commit(batch)?;
    }
    plan.apply(&mut engine);
    Ok(engine.index.has_chores(threshold))
}

/// Tells each document how far it is durable. The records are sorted by document.
fn announce(taken: &Taken) {
    for run in taken.records.chunk_by(|one, next| one.id == next.id) {
        if let Some(last) = run.last() {
            last.watched.advance(last.position);
        }
    }
}

fn poison(shared: &Shared, reason: String) {
    error!(
        reason,
        "a commit failed; the log takes nothing more until the process starts again"
    );
    let error = Arc::new(LogError::Poisoned {
        reason: reason.into(),
    });
    shared.queue.poison(error.clone());
    shared.room.close();
    // After the queue is poisoned: a document opened from now on finds that out by itself.
    for watched in shared.names.open() {
        watched.fail(&error);
    }
}
