//! What was appended and waits for the disk, and when the next commit is due.
//!
//! One mutex over plain data, held for a push or a take and never while a store works. Owns the
//! order of the log: records leave in the order in which they were pushed. It knows nothing of rows
//! or stores.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use crate::error::LogError;
use crate::format::Standing;
use crate::options::LogOptions;
use crate::shares::Reservation;
use crate::types::{Durability, Health, Position, Urgency};

/// What the commit thread tells about one open document. Lives as long as its handle or as long as
/// something of it waits.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) name: Arc<str>,
    /// How often the log had come back from a failure when the document was opened.
    pub(crate) life: u64,
    told: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    durable: u64,
    failed: Option<Arc<LogError>>,
    /// Made by the first that watches: it is most of what an open document costs.
    sender: Option<watch::Sender<Durability>>,
}

impl Watched {
    pub(crate) fn new(name: Arc<str>, life: u64) -> Watched {
        Watched {
            name,
            life,
            told: Mutex::new(Told {
                durable: 0,
                failed: None,
                sender: None,
            }),
        }
    }

    pub(crate) fn durable(&self) -> Position {
        Position::new(self.told.lock().durable)
    }

    pub(crate) fn failure(&self) -> Option<Arc<LogError>> {
        self.told.lock().failed.clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Durability> {
        let mut told = self.told.lock();
        let now = told.now();
        told.sender
            .get_or_insert_with(|| watch::Sender::new(now))
            .subscribe()
    }

    pub(crate) fn advance(&self, position: u64) {
        let mut told = self.told.lock();
        told.durable = position;
        told.tell();
    }

    pub(crate) fn fail(&self, error: &Arc<LogError>) {
        let mut told = self.told.lock();
        told.failed.get_or_insert_with(|| error.clone());
        told.tell();
    }
}

impl Told {
    fn now(&self) -> Durability {
        match &self.failed {
            Some(error) => Durability::Failed(error.clone()),
            None => Durability::UpTo(Position::new(self.durable)),
        }
    }

    fn tell(&self) {
        if let Some(sender) = &self.sender {
            sender.send_replace(self.now());
        }
    }
}

/// A record that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) id: u64,
    pub(crate) position: u64,
    pub(crate) bytes: Bytes,
    pub(crate) watched: Arc<Watched>,
    /// Counts its bytes in the queue until it is durable.
    pub(crate) _charge: Reservation,
}

/// A snapshot that waits; without bytes, the document is to be erased whole.
#[derive(Debug)]
pub(crate) struct WaitingSnapshot {
    pub(crate) at: u64,
    pub(crate) bytes: Option<Bytes>,
    pub(crate) standing: Standing,
    pub(crate) watched: Arc<Watched>,
}

/// Everything that leaves with one commit.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) records: Vec<Waiting>,
    pub(crate) snapshots: BTreeMap<u64, WaitingSnapshot>,
    through: u64,
}

/// Whether the log is being shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// No more pushes; the thread commits what waits and ends.
    Closing,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Why nothing is accepted at the moment.
    failed: Option<Arc<LogError>>,
    /// The newest failure, also after the log has come back from it.
    last_failure: Option<Arc<LogError>>,
    /// How often the log has come back. What belongs to an earlier life is refused.
    life: u64,
    waiting: Taken,
    bytes: usize,
    due: Option<Instant>,
    /// The shortest delay of what waits.
    due_after: Duration,
    at_once: bool,
    /// Pushes so far, and how many of them are durable.
    pushed: u64,
    committed: u64,
}

/// Told to whoever waits in an async function.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) committed: u64,
    /// How often a commit has failed; what was pushed before is either durable or lost.
    pub(crate) failures: u64,
    /// The thread has ended; nothing more will be committed.
    pub(crate) ended: bool,
}

/// The queue of one log.
#[derive(Debug)]
pub(crate) struct Queue {
    delay: Duration,
    /// For what nobody is told about; never shorter than `delay`.
    unawaited_delay: Duration,
    enough: usize,
    state: Mutex<State>,
    wake: Condvar,
    moved: Condvar,
    progress: watch::Sender<Progress>,
    health: watch::Sender<Health>,
}

impl Queue {
    pub(crate) fn new(options: &LogOptions) -> Queue {
        let state = State {
            phase: Phase::Open,
            failed: None,
            last_failure: None,
            life: 0,
            waiting: Taken::default(),
            bytes: 0,
            due: None,
            due_after: Duration::MAX,
            at_once: false,
            pushed: 0,
            committed: 0,
        };
        Queue {
            delay: options.commit_delay,
            unawaited_delay: options.unawaited_delay.max(options.commit_delay),
            enough: options.commit_bytes,
            state: Mutex::new(state),
            wake: Condvar::new(),
            moved: Condvar::new(),
            progress: watch::Sender::new(Progress::default()),
            health: watch::Sender::new(Health::Good),
        }
    }

    /// Adds a record, unless the log has ended.
    pub(crate) fn push(&self, record: Waiting, urgency: Urgency) -> Result<(), LogError> {
        let mut state = self.state.lock();
        state.check(record.watched.life)?;
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

    /// Adds a snapshot, in the place of one of the same document that still waits.
    pub(crate) fn push_snapshot(&self, id: u64, snapshot: WaitingSnapshot) -> Result<(), LogError> {
        let mut state = self.state.lock();
        state.check(snapshot.watched.life)?;
        state.waiting.snapshots.insert(id, snapshot);
        state.pushed += 1;
        self.schedule(&mut state, self.unawaited_delay, false);
        Ok(())
    }

    /// Sets the time of the next commit and wakes the thread if that is earlier than it knows.
    fn schedule(&self, state: &mut State, delay: Duration, wake: bool) {
        // Only those with the longest delay can be followed by one that is due earlier.
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

    /// Sleeps until a commit is due and takes what waits; `None` when the log was closed and nothing
    /// waits. With `chores` there is something to tidy, which is due after the delay like a record.
    pub(crate) fn take(&self, chores: bool) -> Option<Taken> {
        let mut state = self.state.lock();
        loop {
            if state.phase == Phase::Closing {
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

    /// What was taken is durable: gives its room back and tells whoever waits.
    pub(crate) fn done(&self, taken: Taken) {
        let mut state = self.state.lock();
        state.committed = taken.through;
        drop(state);
        let through = taken.through;
        // With each record goes its charge, before its durability is told.
        drop(taken);
        self.moved.notify_all();
        self.progress
            .send_modify(|progress| progress.committed = through);
    }

    /// What was taken could not be made durable: it is given up together with what waits, which comes back, and nothing is
    /// accepted.
    pub(crate) fn fail(&self, error: &Arc<LogError>) -> Taken {
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

    /// Tells whoever waits that what was pushed is lost, once every document knows.
    pub(crate) fn tell_failure(&self, error: &Arc<LogError>) {
        let committed = self.state.lock().committed;
        self.moved.notify_all();
        self.progress.send_modify(|progress| {
            progress.committed = committed;
            progress.failures += 1;
        });
        self.health.send_replace(Health::Failed(error.clone()));
    }

    /// The store could not be opened again either.
    pub(crate) fn fail_again(&self, error: &Arc<LogError>) {
        self.state.lock().refuse(error);
        self.health.send_replace(Health::Failed(error.clone()));
    }

    /// Things are accepted again, from documents that were opened in this life.
    pub(crate) fn recovered(&self, life: u64) {
        let mut state = self.state.lock();
        state.failed = None;
        state.life = life;
        drop(state);
        self.health.send_replace(Health::Good);
    }

    /// Sleeps for so long, or until the log is closed.
    pub(crate) fn pause(&self, pause: Duration) -> Phase {
        let until = Instant::now() + pause;
        let mut state = self.state.lock();
        while state.phase == Phase::Open && !self.wake.wait_until(&mut state, until).timed_out() {}
        state.phase
    }

    /// No more pushes; the thread is to commit what waits and to end.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.phase = Phase::Closing;
        drop(state);
        self.wake.notify_one();
        self.moved.notify_all();
    }

    /// The thread's last word.
    pub(crate) fn ended(&self) {
        self.progress.send_modify(|progress| progress.ended = true);
    }

    /// An error if the log is closed, or has failed.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        let state = self.state.lock();
        state.check(state.life)
    }

    /// An error if nothing is accepted from a document that was opened in this life.
    pub(crate) fn check_life(&self, life: u64) -> Result<(), LogError> {
        self.state.lock().check(life)
    }

    /// Why nothing is accepted, unless that is because the log was closed.
    pub(crate) fn failed(&self) -> Option<Arc<LogError>> {
        self.state.lock().failed.clone()
    }

    /// The newest failure, also after the log has come back from it.
    pub(crate) fn last_failure(&self) -> Option<Arc<LogError>> {
        self.state.lock().last_failure.clone()
    }

    /// Whether things are accepted, and each change of that.
    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Pushes so far.
    pub(crate) fn pushed(&self) -> u64 {
        self.state.lock().pushed
    }

    /// Makes the commit of everything pushed so far due at once; `None` if none of it waits.
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

    /// Blocks until the first `through` pushes are durable, or lost with a failure.
    pub(crate) fn wait_for(&self, through: u64) {
        let mut state = self.state.lock();
        while state.committed < through {
            state.at_once |= !state.waiting.is_empty();
            self.wake.notify_one();
            self.moved.wait(&mut state);
        }
    }

    /// Tells how far commits have come.
    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }
}

impl Taken {
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.snapshots.is_empty()
    }
}

impl State {
    fn refuse(&mut self, error: &Arc<LogError>) {
        self.failed = Some(error.clone());
        self.last_failure = Some(error.clone());
    }

    fn check(&self, life: u64) -> Result<(), LogError> {
        let late = (life != self.life).then_some(&self.last_failure);
        match self.failed.as_ref().or(late.and_then(Option::as_ref)) {
            Some(error) => Err((**error).clone()),
            None if self.phase == Phase::Closing => Err(LogError::Closed),
            None => Ok(()),
        }
    }
}
