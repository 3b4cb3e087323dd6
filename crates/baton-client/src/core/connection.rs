//! The connection's phases: attempts, delays, silence of the server, and the ways to leave.
//!
//! Owns the phase and its deadlines. Reads no frames, and sends none: the core acts on the answers.

use std::time::Duration;

use rand::rngs::SmallRng;

use crate::backoff::Backoff;
use crate::close_cause::CloseCause;
use crate::dual_clock::Moment;

/// Longest wait for the last frames to leave and for the server's answer to a close frame.
const FAREWELL: Duration = Duration::from_secs(2);

/// Longest wait for a copy that was set aside to become durable in its park.
const RETIREMENT: Duration = Duration::from_secs(2);

/// Longest wait for a token of the program.
const TOKEN_WAIT: Duration = Duration::from_secs(30);

/// Longest wait for which a server may ask with `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// The state of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionPhase {
    /// The program wants no connection.
    Idle,
    /// The next attempt waits for its delay.
    Waiting,
    /// The next attempt waits for a token of the program.
    AwaitingToken,
    /// A connection attempt is under way.
    Connecting,
    /// The socket is open.
    Open,
    /// The socket is open, and serves only a copy that was set aside: until all of that copy is
    /// durable in its park, or for two seconds.
    Retiring,
    /// The last frames and the close frame are being sent.
    Leaving,
    /// The client has ended for good.
    Over,
}

/// The next step after [`ConnectionPhase::Leaving`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterLeaving {
    /// Stay disconnected until the program asks.
    StayIdle,
    /// Connect again at once.
    Reconnect,
    /// End the client.
    End,
}

/// The next step of a client that leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaveStep {
    /// A close frame is to be sent, and its answer waited for.
    SendClose,
    /// There is no open socket: the connection is gone at once.
    AlreadyGone,
    /// The client is leaving already, or has ended.
    Nothing,
}

/// A deadline of the connection that has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PassedDeadline {
    /// The delay before the next attempt is over.
    Retry,
    /// The program's source gave no token.
    Token,
    /// The copy that was set aside had its time to become durable.
    Retirement,
    /// The server sent nothing for too long.
    Silence,
    /// The server did not answer the close frame.
    Farewell,
}

/// The connection, or the attempt at one, and what it is for.
#[derive(Debug)]
pub(super) struct Connection {
    phase: ConnectionPhase,
    /// Counts the attempts, so that a socket of an earlier one is recognised as stale.
    attempt: u64,
    /// Failed attempts since the last healthy connection.
    failures: u32,
    backoff: Backoff,
    retry_at: Duration,
    token_by: Duration,
    leave_by: Duration,
    after_leaving: AfterLeaving,
    last_heard: Moment,
    /// Longest silence of the server before it welcomes this client.
    silent_before_welcome: Duration,
    silent_after: Duration,
    welcomed: bool,
    /// Sync messages that the copy of this connection had sent when it was set aside.
    retired_after: Option<u64>,
}

impl Connection {
    pub(super) const fn new(backoff: Backoff, silent_after: Duration, now: Moment) -> Self {
        Self {
            phase: ConnectionPhase::Idle,
            attempt: 0,
            failures: 0,
            backoff,
            retry_at: Duration::ZERO,
            token_by: Duration::ZERO,
            leave_by: Duration::ZERO,
            after_leaving: AfterLeaving::StayIdle,
            last_heard: now,
            silent_before_welcome: silent_after,
            silent_after,
            welcomed: false,
            retired_after: None,
        }
    }

    pub(super) const fn phase(&self) -> ConnectionPhase {
        self.phase
    }

    pub(super) const fn attempt(&self) -> u64 {
        self.attempt
    }

    pub(super) const fn after_leaving(&self) -> AfterLeaving {
        self.after_leaving
    }

    pub(super) const fn is_welcomed(&self) -> bool {
        self.welcomed
    }

    /// Returns true if the socket is open and this client is not leaving.
    pub(super) const fn is_open(&self) -> bool {
        matches!(
            self.phase,
            ConnectionPhase::Open | ConnectionPhase::Retiring
        )
    }

    /// Returns true if this connection serves a copy that was set aside.
    pub(super) const fn is_retiring(&self) -> bool {
        self.retired_after.is_some()
    }

    /// Returns true if this connection serves a copy that was set aside, and its first `messages`
    /// sync messages include all of that copy's.
    pub(super) fn carried_all_of_retired(&self, messages: u64) -> bool {
        self.retired_after.is_some_and(|sent| messages >= sent)
    }

    /// Notes that the program wants a connection. Returns true if an attempt is to be started.
    pub(super) fn connect(&mut self) -> bool {
        match self.phase {
            ConnectionPhase::Idle => {
                self.failures = 0;
                true
            }
            ConnectionPhase::Leaving if self.after_leaving == AfterLeaving::StayIdle => {
                self.after_leaving = AfterLeaving::Reconnect;
                false
            }
            _ => false,
        }
    }

    /// Waits for a token before the next attempt.
    pub(super) fn await_token(&mut self, now: Moment) {
        self.phase = ConnectionPhase::AwaitingToken;
        self.token_by = now.monotonic + TOKEN_WAIT;
    }

    pub(super) const fn dial(&mut self, now: Moment) {
        self.phase = ConnectionPhase::Connecting;
        self.attempt += 1;
        self.last_heard = now;
        self.silent_after = self.silent_before_welcome;
    }

    /// Notes that the socket of this attempt is open. Returns false if no attempt was under way.
    pub(super) fn opened(&mut self, now: Moment) -> bool {
        let expected = self.phase == ConnectionPhase::Connecting;
        if expected {
            self.phase = ConnectionPhase::Open;
            self.last_heard = now;
        }
        expected
    }

    pub(super) const fn heard(&mut self, now: Moment) {
        self.last_heard = now;
    }

    pub(super) const fn welcomed(&mut self, silent_after: Duration) {
        self.welcomed = true;
        self.silent_after = silent_after;
    }

    /// Forgets the failed attempts: the next attempt follows after the shortest delays.
    pub(super) const fn reset_failures(&mut self) {
        self.failures = 0;
    }

    /// Begins to leave.
    pub(super) fn leave(&mut self, now: Moment, after: AfterLeaving) -> LeaveStep {
        match self.phase {
            ConnectionPhase::Open | ConnectionPhase::Retiring => {
                self.phase = ConnectionPhase::Leaving;
                self.leave_by = now.monotonic + FAREWELL;
                self.after_leaving = after;
                LeaveStep::SendClose
            }
            ConnectionPhase::Leaving => {
                if after == AfterLeaving::End {
                    self.after_leaving = after;
                }
                LeaveStep::Nothing
            }
            ConnectionPhase::Over => LeaveStep::Nothing,
            ConnectionPhase::Idle
            | ConnectionPhase::Waiting
            | ConnectionPhase::AwaitingToken
            | ConnectionPhase::Connecting => {
                self.after_leaving = after;
                LeaveStep::AlreadyGone
            }
        }
    }

    /// Notes that the copy of this connection was set aside after it had sent `sent` messages.
    pub(super) fn retire(&mut self, now: Moment, sent: u64) {
        self.retired_after = Some(sent);
        if self.phase == ConnectionPhase::Open {
            self.phase = ConnectionPhase::Retiring;
            self.leave_by = now.monotonic + RETIREMENT;
        }
    }

    /// Draws the delay before the next attempt, after one that failed or a connection that ended
    /// for this cause. A time that the server asks for comes on top, so that its clients do not all
    /// return at once.
    pub(super) fn schedule_retry(
        &mut self,
        now: Moment,
        cause: &CloseCause,
        rng: &mut SmallRng,
    ) -> Duration {
        let asked = cause.retry_after().unwrap_or_default();
        let drawn = self.backoff.delay(self.failures, cause.code(), rng);
        let delay = asked.min(MAX_RETRY_AFTER) + drawn;
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now.monotonic + delay;
        delay
    }

    /// Forgets the connection and goes to the `next` phase. Returns true if there was a connection
    /// or an attempt at one.
    pub(super) fn drop_to(&mut self, next: ConnectionPhase) -> bool {
        let before = self.phase;
        self.phase = next;
        self.welcomed = false;
        self.retired_after = None;
        !matches!(
            before,
            ConnectionPhase::Idle
                | ConnectionPhase::Waiting
                | ConnectionPhase::AwaitingToken
                | ConnectionPhase::Over
        )
    }

    /// Returns the time from now until the next deadline, or `None` if there is none.
    pub(super) fn next_deadline(&self, now: Moment) -> Option<Duration> {
        let leave = self.leave_by.saturating_sub(now.monotonic);
        let silent = self
            .silent_after
            .saturating_sub(now.since(&self.last_heard));
        match self.phase {
            ConnectionPhase::Waiting => Some(self.retry_at.saturating_sub(now.monotonic)),
            ConnectionPhase::AwaitingToken => Some(self.token_by.saturating_sub(now.monotonic)),
            ConnectionPhase::Connecting | ConnectionPhase::Open => Some(silent),
            ConnectionPhase::Retiring => Some(leave.min(silent)),
            ConnectionPhase::Leaving => Some(leave),
            ConnectionPhase::Idle | ConnectionPhase::Over => None,
        }
    }

    /// Returns the deadline that has passed, if one has.
    pub(super) fn passed_deadline(&self, now: Moment) -> Option<PassedDeadline> {
        match self.phase {
            ConnectionPhase::Waiting if now.monotonic >= self.retry_at => {
                Some(PassedDeadline::Retry)
            }
            ConnectionPhase::AwaitingToken if now.monotonic >= self.token_by => {
                Some(PassedDeadline::Token)
            }
            ConnectionPhase::Retiring if now.monotonic >= self.leave_by => {
                Some(PassedDeadline::Retirement)
            }
            ConnectionPhase::Connecting | ConnectionPhase::Open | ConnectionPhase::Retiring
                if now.since(&self.last_heard) >= self.silent_after =>
            {
                Some(PassedDeadline::Silence)
            }
            ConnectionPhase::Leaving if now.monotonic >= self.leave_by => {
                Some(PassedDeadline::Farewell)
            }
            _ => None,
        }
    }
}
