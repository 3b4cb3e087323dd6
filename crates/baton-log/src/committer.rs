//! The group-commit thread: takes what waits, commits it, and only then says that it is durable.
//!
//! The only code that writes to the store. After any failure, a panic of the store included, nobody can know what the disk
//! holds: everything that is not durable is given up, and nothing is acknowledged before the store was opened again and
//! holds all that ever was.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tracing::{error, info, warn};

use crate::counts::Counts;
use crate::engine::Shared;
use crate::error::LogError;
use crate::plan::Plan;
use crate::queue::{Phase, Taken};
use crate::recovery::recover;
use crate::store::StoreError;

/// Runs until the log is closed and all is committed, or until it is closed after a commit has failed.
pub(crate) fn run(shared: &Shared) {
    let threshold = shared.options.relocate_bytes;
    let mut chores = shared.known.read().index.has_chores(threshold);
    while let Some(mut taken) = shared.queue.take(chores) {
        let outcome = catch_unwind(AssertUnwindSafe(|| commit(shared, &mut taken)));
        let reason = match outcome {
            Ok(Ok(more)) => {
                announce(&taken);
                shared.queue.done(taken);
                chores = more;
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the commit thread panicked".to_owned(),
        };
        fail(shared, taken, reason);
        if come_back(shared) == Phase::Closing {
            break;
        }
        chores = shared.known.read().index.has_chores(threshold);
    }
    // Closing the file may write too; it must not take the last word with it.
    let store = shared.store.write().take();
    if catch_unwind(AssertUnwindSafe(move || drop(store))).is_err() {
        error!("the store panicked while it was closed; it is repaired at the next start");
    }
    shared.room().close();
    shared.queue.ended();
}

/// Commits what was taken and some tidying. Says whether there is more to tidy.
fn commit(shared: &Shared, taken: &mut Taken) -> Result<bool, StoreError> {
    let threshold = shared.options.relocate_bytes;
    let mut engine = shared.engine.lock();
    let store = shared.store.read();
    let Some(store) = &*store else {
        return Err(StoreError::failed("committing", "the store is closed"));
    };
    let mut plan = Plan::new(
        &engine,
        &shared.known.read().index,
        &**store,
        taken,
        threshold,
    );
    if !plan.is_empty() {
        let batch = std::mem::take(&mut plan.batch);
        let commit = shared.counts.commits();
        store.commit(batch)?;
        let bytes = taken.records.iter().map(|record| record.bytes.len()).sum();
        let records = taken.records.len();
        shared
            .counts
            .committed(records, bytes, commit.began.elapsed());
    }
    let index = &mut shared.known.write().index;
    plan.apply(&mut engine, index);
    shared.look_at_disk(store.bytes_stored(), index.grown());
    Ok(index.has_chores(threshold))
}

/// Tells each document how far it is durable. The records are sorted by document.
fn announce(taken: &Taken) {
    for run in taken.records.chunk_by(|one, next| one.id == next.id) {
        if let Some(last) = run.last() {
            last.watched.advance(last.position);
        }
    }
}

fn fail(shared: &Shared, taken: Taken, reason: String) {
    error!(
        reason,
        "a commit failed; nothing is stored until the store could be opened again"
    );
    Counts::count(&shared.counts.failures);
    let error = Arc::new(LogError::Failed {
        reason: reason.into(),
    });
    let waited = shared.queue.fail(&error);
    shared.room().close();
    // After the room is closed: those who wait for it must not be given what is lost.
    drop((taken, waited));
    // After the queue refuses: a document opened from now on finds that out by itself.
    for watched in shared.names.open() {
        watched.fail(&error);
    }
    shared.queue.tell_failure(&error);
}

/// Tries to open the store again until that succeeds, or until the log is closed.
fn come_back(shared: &Shared) -> Phase {
    let mut pause = shared.options.reopen_after;
    loop {
        if shared.queue.pause(pause) == Phase::Closing {
            return Phase::Closing;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| reopen(shared)));
        let reason = match outcome {
            Ok(Ok(())) => return Phase::Open,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the store panicked while it was opened again".to_owned(),
        };
        pause = (pause * 2).min(shared.options.reopen_at_most);
        warn!(reason, again_in = ?pause, "the store could not be opened again");
        let reason = reason.into();
        shared
            .queue
            .fail_again(&Arc::new(LogError::Failed { reason }));
    }
}

/// Opens the store again, and begins a new life on what it holds.
fn reopen(shared: &Shared) -> Result<(), Box<dyn std::error::Error>> {
    let mut engine = shared.engine.lock();
    let store = shared.store.read();
    let store = store.as_ref().ok_or("the store is closed")?;
    store.reopen()?;
    let mut found = recover(&**store)?;
    if found.engine.epoch != engine.epoch {
        return Err(format!(
            "the store has epoch {} and had {} before: it is another one",
            found.engine.epoch, engine.epoch
        )
        .into());
    }
    let mut known = shared.known.write();
    let lost = found.must_hold(&known.index);
    *known = found.known;
    *engine = found.engine;
    drop(known);
    // Nothing is accepted before the last of these steps.
    let (life, open) = shared.names.renew(found.names);
    if let Some(error) = shared.queue.failed() {
        for watched in open {
            watched.fail(&error);
        }
    }
    shared.renew_room();
    Counts::count(&shared.counts.recoveries);
    info!(lost, "the store was opened again and holds what it must");
    shared.queue.recovered(life);
    Ok(())
}
