//! The duties of a caller, done: a lock state, its failure detector and the positions of one
//! document, for a program without a log.
//!
//! Owns the order: each record has the next position, is followed by the detector, and is settled
//! before the next one. Knows no clock and no connection, as the halves it is made of.

mod output;
mod session_options;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub use output::{DriverError, DriverOutput};
pub use session_options::SessionOptions;

use crate::{
    BeatVerdict, Change, ClientKind, Event, FailureDetector, LockSettings, LockSnapshot, LockState,
    Proposal, Scope, SessionHealth, SessionId, Time, Timings, TimingsError,
};

/// Heartbeats, roster and locks of one document in one process, with all duties done.
///
/// The caller tells it who came, from which session something came, and who went; carries out its
/// outputs; and
/// calls [`Driver::handle_timeout`] when [`Driver::poll_timeout`] says so. Nothing is stored: a
/// program that keeps records in a log uses [`LockState`] and [`FailureDetector`] themselves.
///
/// The front page of this crate has an example.
#[derive(Debug, Clone)]
pub struct Driver {
    lock_state: LockState,
    detector: FailureDetector,
    position: u64,
    last_session: u64,
    /// Sessions for which the driver answers, each with the beat that it owes an answer.
    plain: BTreeMap<SessionId, Option<u64>>,
    outputs: VecDeque<DriverOutput>,
}

impl Driver {
    /// Creates the driver of an empty document.
    ///
    /// # Errors
    /// The timings do not fit each other. The configuration is at fault.
    pub fn new(settings: LockSettings, timings: Timings) -> Result<Self, TimingsError> {
        Ok(Self {
            lock_state: LockState::new(settings),
            detector: FailureDetector::new(timings)?,
            position: 0,
            last_session: 0,
            plain: BTreeMap::new(),
            outputs: VecDeque::new(),
        })
    }

    /// Goes on after a restart, with the snapshot that [`LockState::snapshot`] gave. No session has
    /// a connection: each comes by [`Driver::attach`], or its locks pass on.
    ///
    /// # Errors
    /// The snapshot contradicts itself, or the timings do not fit each other.
    pub fn restore(
        snapshot: &LockSnapshot,
        timings: Timings,
        now: Time,
    ) -> Result<Self, DriverError> {
        let lock_state = LockState::restore(snapshot).map_err(DriverError::Snapshot)?;
        let detector = FailureDetector::new(timings).map_err(DriverError::Timings)?;
        let newest = lock_state
            .peers()
            .next_back()
            .map_or(0, |peer| peer.session.0);
        let mut driver = Self {
            position: lock_state.position().unwrap_or(0),
            last_session: newest,
            lock_state,
            detector,
            plain: BTreeMap::new(),
            outputs: VecDeque::new(),
        };
        driver.apply(Event::Restarted, now);
        Ok(driver)
    }

    /// Lets a session in over a connection, and returns its id, which is never used again.
    pub fn join(&mut self, member: SessionOptions, now: Time) -> SessionId {
        self.last_session += 1;
        let session = SessionId(self.last_session);
        self.connect(session, member.speaks_for_itself, now);
        let joined = Event::Joined {
            session,
            client_kind: ClientKind::LockAware,
            role: member.role,
            rights: member.rights,
            user: member.user,
        };
        self.apply(joined, now);
        session
    }

    /// Gives a known session another connection: it goes on with its locks. Returns false if it is
    /// known no more; then it joins. The caller has made sure that it is the same client.
    pub fn attach(&mut self, session: SessionId, member: SessionOptions, now: Time) -> bool {
        if self.lock_state.peer(session).is_none() {
            return false;
        }
        self.connect(session, member.speaks_for_itself, now);
        let resumed = Event::Resumed {
            session,
            fences: Vec::new(),
            rights: member.rights,
        };
        self.apply(resumed, now);
        true
    }

    /// Notes that anything came from the session.
    pub fn heard(&mut self, session: SessionId, now: Time) {
        self.detector.heard(session, now);
        if let Some(beat) = self.plain.get_mut(&session).and_then(Option::take) {
            self.detector.answered(session, beat, Duration::ZERO, now);
        }
    }

    /// Notes that the client of the session answered a beat, after its user had done nothing for
    /// `idle`.
    pub fn answered(
        &mut self,
        session: SessionId,
        beat: u64,
        idle: Duration,
        now: Time,
    ) -> BeatVerdict {
        self.detector.answered(session, beat, idle, now)
    }

    /// Notes that the session's connection broke. It has its grace to come back
    /// ([`Driver::attach`]).
    pub fn disconnected(&mut self, session: SessionId, now: Time) {
        self.detector.detached(session, now);
        self.apply(Event::Disconnected { session }, now);
    }

    /// Notes that the session left in order: its locks pass on at once.
    pub fn leave(&mut self, session: SessionId, now: Time) {
        self.apply(Event::Done { session }, now);
    }

    /// Asks for a lock of this scope; the session waits in the queue if it is not free.
    pub fn acquire(&mut self, session: SessionId, scope: Scope, now: Time) {
        self.apply(Event::Acquire { session, scope }, now);
    }

    /// Takes the locks in this scope from their holders. Needs
    /// [`Rights::TAKE_OVER`](crate::Rights::TAKE_OVER).
    ///
    /// # Errors
    /// The time that the session has to wait after another session's take-over. Nothing changed.
    pub fn take_over(
        &mut self,
        session: SessionId,
        scope: Scope,
        now: Time,
    ) -> Result<(), Duration> {
        self.detector.take_over_ready(session, now)?;
        self.apply(Event::TakeOver { session, scope }, now);
        Ok(())
    }

    /// Gives all locks of a session back, and its place in the queue.
    pub fn release(&mut self, session: SessionId, now: Time) {
        let held: Vec<_> = self.lock_state.held_by(session).collect();
        let fences: Vec<_> = held.iter().map(|grant| grant.fence).collect();
        for fence in fences {
            self.apply(Event::Release { session, fence }, now);
        }
        self.apply(Event::Cancel { session }, now);
    }

    /// Applies any other event, such as a claim, a transfer or a change of the mode.
    pub fn apply(&mut self, event: Event, now: Time) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let mut changes = Vec::new();
            self.position += 1;
            self.lock_state.apply(self.position, &event, &mut changes);
            self.detector.follow(&self.lock_state, &changes, now);
            for change in changes {
                events.extend(self.follow_up(&change));
                if let Change::Gone { session } = change {
                    self.plain.remove(&session);
                }
                if change != Change::Unsettled {
                    self.outputs.push_back(DriverOutput::Changed(change));
                }
            }
        }
    }

    /// Returns the next effect.
    pub fn next_output(&mut self) -> Option<DriverOutput> {
        self.outputs.pop_front()
    }

    /// Returns the time at which [`Driver::handle_timeout`] wants to be called; `None` while no
    /// session is watched. Any other call may make it earlier.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.detector.poll_timeout()
    }

    /// Does what is due. An early call does nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        let mut proposals = Vec::new();
        // Nothing waits for a disk: what was applied is told in this order.
        let told = self.position;
        self.detector
            .handle_timeout(now, &self.lock_state, told, &mut proposals);
        for proposal in proposals {
            self.carry_out(proposal, now);
        }
    }

    /// Returns who is here, who waits, and who holds a lock.
    #[must_use]
    pub const fn lock_state(&self) -> &LockState {
        &self.lock_state
    }

    /// Returns the time limits, and what is left of them.
    #[must_use]
    pub const fn detector(&self) -> &FailureDetector {
        &self.detector
    }

    /// Returns the health of a session.
    #[must_use]
    pub fn health(&self, session: SessionId, now: Time) -> SessionHealth {
        self.detector.health(session, now)
    }

    fn connect(&mut self, session: SessionId, speaks_for_itself: bool, now: Time) {
        self.detector.attached(session, ClientKind::LockAware, now);
        if speaks_for_itself {
            self.plain.remove(&session);
        } else {
            self.plain.insert(session, None);
        }
    }

    /// Returns the record that a change asks of the driver.
    fn follow_up(&self, change: &Change) -> Option<Event> {
        let is_plain = |session| self.plain.contains_key(session);
        match change {
            Change::Unsettled => Some(Event::Settle),
            Change::Offered { to, fence, .. } if is_plain(to) => Some(Event::Claim {
                session: *to,
                fence: *fence,
            }),
            Change::Draining { by, fence, .. } if is_plain(by) => Some(Event::Drained {
                session: *by,
                fence: *fence,
            }),
            _ => None,
        }
    }

    fn carry_out(&mut self, proposal: Proposal, now: Time) {
        let output = match proposal {
            Proposal::Record(event) => return self.apply(event, now),
            Proposal::Ping { session } => DriverOutput::Ping { session },
            Proposal::Beat {
                session,
                n,
                confirmed,
            } => match self.plain.get_mut(&session) {
                Some(owed) => {
                    *owed = Some(n);
                    DriverOutput::Ping { session }
                }
                None => DriverOutput::Beat {
                    session,
                    n,
                    confirmed,
                },
            },
            Proposal::Health { session, health } => DriverOutput::Health { session, health },
            Proposal::IdleWarning {
                session,
                fence,
                left,
            } => DriverOutput::IdleWarning {
                session,
                fence,
                left,
            },
            Proposal::Dead { session } => {
                self.outputs.push_back(DriverOutput::Close { session });
                return self.disconnected(session, now);
            }
        };
        self.outputs.push_back(output);
    }
}
