//! When there is a connection: attempts, the watch over a silent server, delays, and the two ways to leave.
//!
//! Owns the phases of the link and what happens between them. Never reads what travels.

use std::time::Duration;

use baton_sync::y_websocket;

use super::{Core, Outgoing};
use crate::error::{Ended, Unanswered};
use crate::events::{Comeback, Event, Status};
use crate::locks::Bar;
use crate::time::Moment;

/// The close code of a client that is done: the lock passes on at once.
const DONE: u16 = 1000;

/// Not one of the codes with a meaning: the server starts the grace time, and a resume within it goes on.
const LEFT_ALONE: u16 = 3000;

/// How long the rest of the outbox and the server's answer to a close frame are waited for.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where the link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No connection is wanted.
    Idle,
    /// Until the next attempt.
    Waiting,
    /// An attempt is under way.
    Connecting,
    /// The socket is open.
    Open,
    /// The socket is open, and serves a copy that was set aside: until all of that is durable, or for
    /// [`RETIREMENT`].
    Retiring,
    /// The last frames and the close frame are on their way.
    Leaving,
    /// For good.
    Over,
}

/// How long a copy that was set aside is waited for to be durable in its park.
const RETIREMENT: Duration = Duration::from_secs(2);

/// What comes after [`Phase::Leaving`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Rest,
    Dial,
    End,
}

/// The link's own facts.
#[derive(Debug)]
pub(super) struct Link {
    phase: Phase,
    /// Counts the attempts: a socket of an earlier one is of no more use.
    attempt: u64,
    /// Attempts that failed since all was well.
    failures: u32,
    retry_at: Duration,
    leave_by: Duration,
    after: After,
    last_heard: Moment,
    silent_after: Duration,
    stage: Stage,
}

/// How far this connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Stage {
    welcomed: bool,
    /// The server's Step1 was answered: each further edit is sent by itself.
    asked: bool,
    /// A Step2 has come.
    synced: bool,
    /// The copy of this connection was set aside after it had sent so many messages.
    retired: Option<u64>,
}

impl Link {
    pub(super) fn new(silent_after: Duration, now: Moment) -> Self {
        Self {
            phase: Phase::Idle,
            attempt: 0,
            failures: 0,
            retry_at: Duration::ZERO,
            leave_by: Duration::ZERO,
            after: After::Rest,
            last_heard: now,
            silent_after,
            stage: Stage::default(),
        }
    }

    pub(super) const fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) const fn is_welcomed(&self) -> bool {
        self.stage.welcomed
    }

    pub(super) const fn is_asked(&self) -> bool {
        self.stage.asked
    }

    pub(super) const fn is_synced(&self) -> bool {
        self.stage.synced
    }

    /// Whether this connection serves a copy that was set aside.
    pub(super) const fn is_retiring(&self) -> bool {
        self.stage.retired.is_some()
    }

    /// Whether this connection serves a copy that was set aside, all of whose messages are among the first so many.
    pub(super) fn is_over_with(&self, messages: u64) -> bool {
        self.stage.retired.is_some_and(|sent| messages >= sent)
    }

    pub(super) fn welcomed(&mut self, silent_after: Duration) {
        self.stage.welcomed = true;
        self.silent_after = silent_after;
        self.all_is_well();
    }

    pub(super) const fn asked(&mut self) {
        self.stage.asked = true;
    }

    pub(super) const fn synced(&mut self) {
        self.stage.synced = true;
        self.all_is_well();
    }

    /// Only both together: a server that welcomes and then sends rubbish must not be come back to at once for ever.
    const fn all_is_well(&mut self) {
        if self.stage.welcomed && self.stage.synced {
            self.failures = 0;
        }
    }
}

impl Core {
    pub(crate) const fn phase(&self) -> Phase {
        self.link.phase
    }

    pub(crate) const fn attempt(&self) -> u64 {
        self.link.attempt
    }

    pub(crate) const fn is_synced(&self) -> bool {
        self.link.is_synced()
    }

    /// In step, and told how the lock is.
    pub(crate) const fn is_ready(&self) -> bool {
        self.link.is_synced() && self.link.is_welcomed()
    }

    /// A connection is wanted.
    pub(crate) fn connect(&mut self, now: Moment) {
        match self.link.phase {
            Phase::Idle => {
                self.link.failures = 0;
                self.dial(now);
            }
            Phase::Leaving if self.link.after == After::Rest => self.link.after = After::Dial,
            _ => {}
        }
    }

    /// None is wanted for now: the server keeps the session, and for the grace time the lock.
    pub(crate) fn disconnect(&mut self, now: Moment) {
        self.leave(now, LEFT_ALONE, After::Rest);
    }

    /// None is wanted any more: the lock passes on at once, so that nobody types into this copy from here on.
    pub(crate) fn close(&mut self, now: Moment) {
        self.locks.bar(Bar::Closed);
        self.leave(now, DONE, After::End);
    }

    fn leave(&mut self, now: Moment, code: u16, after: After) {
        match self.link.phase {
            Phase::Open | Phase::Retiring => {
                self.catch_up();
                self.push(Outgoing::Close(code));
                self.link.phase = Phase::Leaving;
                self.link.leave_by = now.monotonic + FAREWELL;
                self.link.after = after;
            }
            Phase::Leaving if after == After::End => self.link.after = after,
            Phase::Leaving | Phase::Over => {}
            Phase::Idle | Phase::Waiting | Phase::Connecting => {
                self.link.after = after;
                self.left(now, Some(code));
            }
        }
    }

    /// The connection that was being left is gone.
    fn left(&mut self, now: Moment, code: Option<u16>) {
        let reason = "closed by this client".to_owned();
        match self.link.after {
            After::End => self.finish(code, reason),
            after => {
                self.drop_connection(Phase::Idle);
                let comeback = Comeback::WhenAsked;
                self.tell(Event::Closed {
                    code,
                    reason,
                    comeback,
                });
                if after == After::Dial {
                    self.connect(now);
                }
            }
        }
    }

    fn dial(&mut self, now: Moment) {
        self.link.phase = Phase::Connecting;
        self.link.attempt += 1;
        self.link.last_heard = now;
        self.link.silent_after = self.options.silent_after;
        self.tell(Event::Status(Status::Connecting));
    }

    /// The socket of this attempt is open.
    pub(crate) fn opened(&mut self, now: Moment) {
        if self.link.phase != Phase::Connecting {
            return;
        }
        self.link.phase = Phase::Open;
        self.link.last_heard = now;
        self.tell(Event::Status(Status::Connected));
        let hello = self.hello();
        self.say(&hello);
        self.locks.hello_sent(now);
        self.send(y_websocket::step1(self.document.state().vector()));
    }

    /// The copy of this connection was set aside after so many messages; nothing that comes for it counts any more.
    pub(super) fn retire(&mut self, now: Moment, sent: u64) {
        self.link.stage.asked = false;
        self.link.stage.synced = false;
        self.link.stage.retired = Some(sent);
        self.asking = false;
        if self.link.phase == Phase::Open {
            self.link.phase = Phase::Retiring;
            self.link.leave_by = now.monotonic + RETIREMENT;
        }
    }

    /// Another connection takes the place of one that is retiring. The server knows the session by its hello, and lets
    /// the old one go: in between nobody is gone, and no lock is lost.
    pub(super) fn renew(&mut self, now: Moment) {
        if self.link.phase == Phase::Retiring {
            self.drop_connection(Phase::Connecting);
            self.dial(now);
        }
    }

    /// Something came, whatever it is.
    pub(crate) const fn heard(&mut self, now: Moment) {
        self.link.last_heard = now;
    }

    /// The connection, or the attempt, is over.
    pub(crate) fn lost(&mut self, now: Moment, code: Option<u16>, reason: String) {
        match self.link.phase {
            Phase::Connecting | Phase::Open | Phase::Retiring => {}
            Phase::Leaving => return self.left(now, code),
            Phase::Idle | Phase::Waiting | Phase::Over => return,
        }
        if code.is_some_and(|code| (4400..4500).contains(&code)) {
            return self.finish(code, reason);
        }
        let delay = self
            .options
            .backoff
            .delay(self.link.failures, code, &mut self.dice);
        self.link.failures = self.link.failures.saturating_add(1);
        self.link.retry_at = now.monotonic + delay;
        self.drop_connection(Phase::Waiting);
        let comeback = Comeback::After(delay);
        self.tell(Event::Closed {
            code,
            reason,
            comeback,
        });
    }

    /// What belongs to one connection is forgotten.
    fn drop_connection(&mut self, next: Phase) {
        let before = self.link.phase;
        self.link.phase = next;
        self.link.stage = Stage::default();
        self.outbox.clear();
        self.outbox_bytes = 0;
        self.behind = None;
        self.asking = false;
        self.saves.connection_over();
        self.locks.disconnected();
        self.abandon_requests();
        if !matches!(before, Phase::Idle | Phase::Waiting | Phase::Over) {
            self.tell(Event::Status(Status::Disconnected));
        }
    }

    /// The end of this client. What waits will wait in vain.
    pub(super) fn finish(&mut self, code: Option<u16>, reason: String) {
        if self.link.phase == Phase::Over {
            return;
        }
        self.drop_connection(Phase::Over);
        self.locks.bar(Bar::Closed);
        self.ticket = None;
        for nonce in std::mem::take(&mut self.requests).into_keys() {
            self.turn.answers.push((nonce, Err(Unanswered::Closed)));
        }
        self.ended = Some(Ended::Closed {
            code,
            reason: reason.clone(),
        });
        let comeback = Comeback::Never;
        self.tell(Event::Closed {
            code,
            reason,
            comeback,
        });
    }

    /// How long from now until [`Core::timeout`] is due; `None` if only a frame or a wish can change anything.
    pub(crate) fn next_timeout(&self, now: Moment) -> Option<Duration> {
        let link = &self.link;
        let leave = link.leave_by.saturating_sub(now.monotonic);
        let silent = link
            .silent_after
            .saturating_sub(now.since(&link.last_heard));
        let of_link = match link.phase {
            Phase::Waiting => Some(link.retry_at.saturating_sub(now.monotonic)),
            Phase::Connecting | Phase::Open => Some(silent),
            Phase::Retiring => Some(leave.min(silent)),
            Phase::Leaving => Some(leave),
            Phase::Idle | Phase::Over => None,
        };
        let of_lease = self.locks.next_expiry(now);
        [of_link, of_lease].into_iter().flatten().min()
    }

    /// Time has passed. (That the lease has run out shows in the next [`Core::turn`].)
    pub(crate) fn timeout(&mut self, now: Moment) {
        let link = &self.link;
        match link.phase {
            Phase::Waiting if now.monotonic >= link.retry_at => self.dial(now),
            Phase::Retiring if now.monotonic >= link.leave_by => self.renew(now),
            Phase::Connecting | Phase::Open | Phase::Retiring
                if now.since(&link.last_heard) >= link.silent_after =>
            {
                let reason = "nothing came from the server for too long".to_owned();
                self.lost(now, None, reason);
            }
            Phase::Leaving if now.monotonic >= link.leave_by => self.left(now, None),
            _ => {}
        }
    }
}
