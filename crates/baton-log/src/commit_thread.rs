//! The commit thread: takes what waits, commits it, and then reports it as durable.
//!
//! The only code that writes to the store. After a failure, including a panic of the store, it is
//! not known what the disk holds. Everything that is not durable is given up, and nothing is
//! accepted until the store was opened again and holds everything that was reported durable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tracing::{error, info, warn};

use crate::commit_plan::CommitPlan;
use crate::commit_queue::{PendingCommit, QueuePhase};
use crate::error::LogError;
use crate::log_state::LogState;
use crate::metrics::LogMetrics;
use crate::position::Position;
use crate::recovery::{check_against, recover};
use crate::store::traits::StoreError;

/// Runs until the log is closed and everything is committed, or until it is closed after a failure.
pub(crate) fn run(state: &LogState) {
    let threshold = state.options.relocate_bytes;
    let mut chores = state.content.read().index.has_chores(threshold);
    while let Some(mut taken) = state.queue.take(chores) {
        let outcome = catch_unwind(AssertUnwindSafe(|| commit(state, &mut taken)));
        let reason = match outcome {
            Ok(Ok(more)) => {
                report_durable(&taken);
                state.queue.done(taken);
                chores = more;
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the commit thread panicked".to_owned(),
        };
        fail(state, taken, reason);
        if recover_store(state) == QueuePhase::Closing {
            break;
        }
        chores = state.content.read().index.has_chores(threshold);
    }
    // Closing the file may write, too; a panic there must not keep the thread from reporting its
    // end.
    let store = state.store.write().take();
    if catch_unwind(AssertUnwindSafe(move || drop(store))).is_err() {
        error!("the store panicked while it was closed; it is repaired at the next start");
    }
    state.room().close(LogError::Closed);
    state.queue.ended();
}

/// Commits what was taken and some tidying. Returns true if there is more to tidy.
fn commit(state: &LogState, taken: &mut PendingCommit) -> Result<bool, StoreError> {
    let threshold = state.options.relocate_bytes;
    let mut commit_state = state.commit.lock();
    let store = state.store.read();
    let Some(store) = &*store else {
        return Err(StoreError::failed("committing", "the store is closed"));
    };
    let mut plan = CommitPlan::new(
        &commit_state,
        &state.content.read().index,
        &**store,
        taken,
        threshold,
    );
    if !plan.is_empty() {
        let batch = std::mem::take(&mut plan.batch);
        let commit = state.metrics.commits();
        store.commit(batch)?;
        let bytes = taken.records.iter().map(|record| record.bytes.len()).sum();
        let records = taken.records.len();
        state
            .metrics
            .committed(records, bytes, commit.began.elapsed());
    }
    let index = &mut state.content.write().index;
    plan.apply(&mut commit_state, index);
    state.look_at_disk(store.bytes_stored(), index.grown());
    Ok(index.has_chores(threshold))
}

/// Reports to each document how far it is durable. The records are sorted by document.
fn report_durable(taken: &PendingCommit) {
    for run in taken.records.chunk_by(|one, next| one.id == next.id) {
        if let Some(last) = run.last() {
            last.watch.advance(last.position);
        }
    }
    // Only content of another log stands beyond the last record.
    for snapshot in taken.snapshots.values() {
        if Position::new(snapshot.at) > snapshot.watch.durable() {
            snapshot.watch.advance(snapshot.at);
        }
    }
}

fn fail(state: &LogState, taken: PendingCommit, reason: String) {
    error!(
        reason,
        "a commit failed; nothing is stored until the store has been opened again"
    );
    LogMetrics::count(&state.metrics.failures);
    let error = Arc::new(LogError::Failed {
        reason: reason.into(),
    });
    let waiting = state.queue.fail(&error);
    state.room().close((*error).clone());
    // Dropped after the room is closed: callers that wait for room must not get that of lost
    // records.
    drop((taken, waiting));
    // Told after the queue refuses: a document opened from now on notices by itself.
    for watch in state.documents.open() {
        watch.fail(&error);
    }
    state.queue.tell_failure(&error);
}

/// Tries to open the store again until that succeeds, or until the log is closed.
fn recover_store(state: &LogState) -> QueuePhase {
    let mut pause = state.options.reopen_after;
    loop {
        if state.queue.pause(pause) == QueuePhase::Closing {
            return QueuePhase::Closing;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| reopen(state)));
        let reason = match outcome {
            Ok(Ok(())) => return QueuePhase::Open,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the store panicked while it was opened again".to_owned(),
        };
        pause = (pause * 2).min(state.options.reopen_at_most);
        warn!(reason, again_in = ?pause, "the store could not be opened again");
        let reason = reason.into();
        state
            .queue
            .fail_again(&Arc::new(LogError::Failed { reason }));
    }
}

/// Opens the store again, and begins a new generation with what it holds.
fn reopen(state: &LogState) -> Result<(), Box<dyn std::error::Error>> {
    let mut commit_state = state.commit.lock();
    let store = state.store.read();
    let store = store.as_ref().ok_or("the store is closed")?;
    store.reopen()?;
    let mut found = recover(&**store)?;
    if found.commit.epoch != commit_state.epoch {
        return Err(format!(
            "the store has epoch {} and had {} before: it is another store",
            found.commit.epoch, commit_state.epoch
        )
        .into());
    }
    let mut content = state.content.write();
    let lost = check_against(&mut found, &content.index);
    *content = found.content;
    *commit_state = found.commit;
    drop(content);
    // Nothing is accepted before the last of these steps.
    let (generation, open) = state.documents.renew(found.documents);
    if let Some(error) = state.queue.failed() {
        for watch in open {
            watch.fail(&error);
        }
    }
    state.renew_room();
    LogMetrics::count(&state.metrics.recoveries);
    info!(lost, "the store was opened again");
    state.queue.recovered(generation);
    Ok(())
}
