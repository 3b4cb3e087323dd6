//! The queue of records that wait for the disk, and the time of the next commit.
//!
//! One mutex over plain data, held for a push or a take and never while a store works. Owns the
//! order of the log: records leave in the order of the pushes. Knows nothing of rows or stores.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use crate::document_watch::DocumentWatch;
use crate::error::LogError;
use crate::format::rows::BaseKind;
use crate::options::LogOptions;
use crate::queue_room::Reservation;
use crate::types::{LogHealth, Urgency};

/// A record that is not durable yet.
#[derive(Debug)]
pub(crate) struct QueuedRecord {
    pub(crate) id: u64,
    pub(crate) position: u64,
    pub(crate) bytes: Bytes,
    pub(crate) watch: Arc<DocumentWatch>,
    /// Counts the record's bytes in the queue until it is durable.
    pub(crate) _charge: Reservation,
}

/// A snapshot that is not durable yet. Without bytes, the document is to be erased.
#[derive(Debug)]
pub(crate) struct QueuedSnapshot {
    pub(crate) at: u64,
    pub(crate) bytes: Option<Bytes>,
    pub(crate) base_kind: BaseKind,
    pub(crate) watch: Arc<DocumentWatch>,
}

/// Everything that one commit takes from the queue.
#[derive(Debug, Default)]
pub(crate) struct PendingCommit {
    pub(crate) records: Vec<QueuedRecord>,
    pub(crate) snapshots: BTreeMap<u64, QueuedSnapshot>,
    through: u64,
}

/// The phase of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueuePhase {
    Open,
    /// Nothing more is accepted; the thread commits the rest and ends.
    Closing,
}

#[derive(Debug)]
struct QueueState {
    phase: QueuePhase,
    /// The failure because of which nothing is accepted now.
    failed: Option<Arc<LogError>>,
    /// The newest failure, also after the log has recovered from it.
    last_failure: Option<Arc<LogError>>,
    /// Number of recoveries from a failure. Records of an earlier generation are refused.
    generation: u64,
    waiting: PendingCommit,
    bytes: usize,
    due: Option<Instant>,
    /// The shortest delay of the waiting records.
    due_after: Duration,
    at_once: bool,
    /// Number of pushes so far.
    pushed: u64,
    /// Number of those that are durable, or lost in a failure.
    committed: u64,
}

/// The progress of commits, for async callers that wait.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CommitProgress {
    pub(crate) committed: u64,
    /// Number of failed commits. Records pushed before one are either durable or lost.
    pub(crate) failures: u64,
    /// True once the thread has ended: nothing more will be committed.
    pub(crate) ended: bool,
}

/// The queue of one log.
#[derive(Debug)]
pub(crate) struct CommitQueue {
    delay: Duration,
    /// Delay of records that no caller waits for; never shorter than `delay`.
    unawaited_delay: Duration,
    enough: usize,
    state: Mutex<QueueState>,
    wake: Condvar,
    moved: Condvar,
    progress: watch::Sender<CommitProgress>,
    health: watch::Sender<LogHealth>,
}

impl CommitQueue {
    pub(crate) fn new(options: &LogOptions) -> CommitQueue {
        let state = QueueState {
            phase: QueuePhase::Open,
            failed: None,
            last_failure: None,
            generation: 0,
            waiting: PendingCommit::default(),
            bytes: 0,
            due: None,
            due_after: Duration::MAX,
            at_once: false,
            pushed: 0,
            committed: 0,
        };
        CommitQueue {
            delay: options.commit_delay,
            unawaited_delay: options.unawaited_delay.max(options.commit_delay),
            enough: options.commit_bytes,
            state: Mutex::new(state),
            wake: Condvar::new(),
            moved: Condvar::new(),
            progress: watch::Sender::new(CommitProgress::default()),
            health: watch::Sender::new(LogHealth::Good),
        }
    }

    /// Adds a record.
    pub(crate) fn push(&self, record: QueuedRecord, urgency: Urgency) -> Result<(), LogError> {
        let mut state = self.state.lock();
        state.check(record.watch.generation())?;
        let before = state.bytes;
        state.bytes += record.bytes.len();
        state.waiting.records.push(record);
        state.pushed += 1;
        let enough = before < self.enough && state.bytes >= self.enough;
        let now = urgency == Urgency::Now && !state.at_once;
        state.at_once |= now;
        let delay = match urgency {
            Urgency::Unawaited => self.unawaited_delay,
            Urgency::Soon | Urgency::Now => self.delay,
        };
        self.schedule(&mut state, delay, enough || now);
        Ok(())
    }

    /// Adds a snapshot, replacing one of the same document that still waits.
    pub(crate) fn push_snapshot(&self, id: u64, snapshot: QueuedSnapshot) -> Result<(), LogError> {
        let mut state = self.state.lock();
        state.check(snapshot.watch.generation())?;
        state.waiting.snapshots.insert(id, snapshot);
        state.pushed += 1;
        self.schedule(&mut state, self.unawaited_delay, false);
        Ok(())
    }

    /// Sets the time of the next commit, and wakes the thread if that is earlier than it knows.
    fn schedule(&self, state: &mut QueueState, delay: Duration, wake: bool) {
        // A later push can be due earlier only if it has a shorter delay.
        let sooner = delay < state.due_after;
        if state.due.is_none() || sooner {
            let due = Instant::now() + delay;
            state.due = Some(state.due.map_or(due, |before| before.min(due)));
            state.due_after = delay;
            self.wake.notify_one();
        } else if wake {
            self.wake.notify_one();
        }
    }

    /// Sleeps until a commit is due and takes what waits. Returns `None` if the log was closed and
    /// nothing waits. With `chores` there is something to tidy, which is due after the delay like a
    /// record.
    pub(crate) fn take(&self, chores: bool) -> Option<PendingCommit> {
        let mut state = self.state.lock();
        loop {
            if state.phase == QueuePhase::Closing {
                if state.waiting.is_empty() {
                    return None;
                }
                break;
            }
            if chores && state.due.is_none() {
                state.due = Some(Instant::now() + self.unawaited_delay);
                state.due_after = self.unawaited_delay;
            }
            if state.at_once || state.bytes >= self.enough {
                break;
            }
            match state.due {
                None => self.wake.wait(&mut state),
                Some(due) if due <= Instant::now() => break,
                Some(due) => {
                    self.wake.wait_until(&mut state, due);
                }
            }
        }
        state.bytes = 0;
        state.due = None;
        state.due_after = Duration::MAX;
        state.at_once = false;
        let mut taken = std::mem::take(&mut state.waiting);
        taken.through = state.pushed;
        Some(taken)
    }

    /// Reports what was taken as durable, and gives its room back.
    pub(crate) fn done(&self, taken: PendingCommit) {
        let mut state = self.state.lock();
        state.committed = taken.through;
        drop(state);
        let through = taken.through;
        // Dropping a record gives its room back, before its durability is reported.
        drop(taken);
        self.moved.notify_all();
        self.progress
            .send_modify(|progress| progress.committed = through);
    }

    /// Gives up what was taken and what waits, after a failed commit, and refuses everything from
    /// now on. Returns what waited.
    pub(crate) fn fail(&self, error: &Arc<LogError>) -> PendingCommit {
        let mut state = self.state.lock();
        state.refuse(error);
        let dropped = std::mem::take(&mut state.waiting);
        state.bytes = 0;
        state.due = None;
        state.due_after = Duration::MAX;
        state.at_once = false;
        state.committed = state.pushed;
        dropped
    }

    /// Reports that everything pushed so far is lost, after every document was told.
    pub(crate) fn tell_failure(&self, error: &Arc<LogError>) {
        let committed = self.state.lock().committed;
        self.moved.notify_all();
        self.progress.send_modify(|progress| {
            progress.committed = committed;
            progress.failures += 1;
        });
        self.health.send_replace(LogHealth::Failed(error.clone()));
    }

    /// Notes that the store could not be opened again either.
    pub(crate) fn fail_again(&self, error: &Arc<LogError>) {
        self.state.lock().refuse(error);
        self.health.send_replace(LogHealth::Failed(error.clone()));
    }

    /// Accepts pushes again, from documents opened in this generation.
    pub(crate) fn recovered(&self, generation: u64) {
        let mut state = self.state.lock();
        state.failed = None;
        state.generation = generation;
        drop(state);
        self.health.send_replace(LogHealth::Good);
    }

    /// Sleeps for this long, or until the log is closed.
    pub(crate) fn pause(&self, pause: Duration) -> QueuePhase {
        let until = Instant::now() + pause;
        let mut state = self.state.lock();
        while state.phase == QueuePhase::Open
            && !self.wake.wait_until(&mut state, until).timed_out()
        {}
        state.phase
    }

    /// Accepts nothing more; the thread commits the rest and ends.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.phase = QueuePhase::Closing;
        drop(state);
        self.wake.notify_one();
        self.moved.notify_all();
    }

    /// Reports that the thread has ended.
    pub(crate) fn ended(&self) {
        self.progress.send_modify(|progress| progress.ended = true);
    }

    /// Returns an error if the log is closed, or has failed.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        let state = self.state.lock();
        state.check(state.generation)
    }

    /// Returns an error if documents opened in this generation may push nothing.
    pub(crate) fn check_generation(&self, generation: u64) -> Result<(), LogError> {
        self.state.lock().check(generation)
    }

    /// Returns the failure because of which nothing is accepted now.
    pub(crate) fn failed(&self) -> Option<Arc<LogError>> {
        self.state.lock().failed.clone()
    }

    /// Returns the newest failure, also after the log has recovered from it.
    pub(crate) fn last_failure(&self) -> Option<Arc<LogError>> {
        self.state.lock().last_failure.clone()
    }

    /// Subscribes to the health of the log.
    pub(crate) fn health(&self) -> watch::Receiver<LogHealth> {
        self.health.subscribe()
    }

    /// Returns the number of pushes so far.
    pub(crate) fn pushed(&self) -> u64 {
        self.state.lock().pushed
    }

    /// Makes a commit of everything pushed so far due at once. Returns the number of pushes, or
    /// `None` if all are durable.
    pub(crate) fn hurry(&self) -> Option<u64> {
        let mut state = self.state.lock();
        if state.committed >= state.pushed {
            return None;
        }
        if !state.waiting.is_empty() {
            state.at_once = true;
            self.wake.notify_one();
        }
        Some(state.pushed)
    }

    /// Blocks until the first `through` pushes are durable, or lost in a failure.
    pub(crate) fn wait_for(&self, through: u64) {
        let mut state = self.state.lock();
        while state.committed < through {
            state.at_once |= !state.waiting.is_empty();
            self.wake.notify_one();
            self.moved.wait(&mut state);
        }
    }

    /// Subscribes to the progress of commits.
    pub(crate) fn progress(&self) -> watch::Receiver<CommitProgress> {
        self.progress.subscribe()
    }
}

impl PendingCommit {
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.snapshots.is_empty()
    }
}

impl QueueState {
    fn refuse(&mut self, error: &Arc<LogError>) {
        self.failed = Some(error.clone());
        self.last_failure = Some(error.clone());
    }

    fn check(&self, generation: u64) -> Result<(), LogError> {
        let late = (generation != self.generation).then_some(&self.last_failure);
        match self.failed.as_ref().or(late.and_then(Option::as_ref)) {
            Some(error) => Err((**error).clone()),
            None if self.phase == QueuePhase::Closing => Err(LogError::Closed),
            None => Ok(()),
        }
    }
}
