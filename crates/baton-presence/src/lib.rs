//! Heartbeats, a roster, and edit locks that pass to the next live peer when their holder goes
//! offline. No socket, no task, no clock: time comes in as an argument, everything comes out as
//! data.
//!
//! A **document** is the thing that the sessions share: a text, a board, a machine, the turn to
//! speak in a chat. This crate never looks into it.
//!
//! A lock covers a [`Scope`]: the whole document, or some paths in it. Locks that do not conflict
//! are held side by side, each under a [`Fence`] of its own.
//!
//! Detecting a silent client needs a clock. The holder of a lock must be the same on every replay
//! of a log, which has none. So there are two halves, and a record connects them:
//!
//! - the **failure detector** ([`FailureDetector`]) is told what is received, and when. It has one
//!   next deadline ([`FailureDetector::poll_timeout`]), and at [`FailureDetector::handle_timeout`]
//!   it *proposes*: ping this session, beat that one, declare this one lost, end that offer;
//! - the **lock state** ([`LockState`]) is told records at growing positions, and *decides*: which
//!   sessions are present, which wait, and which hold a lock under which fence. It knows no time,
//!   and ignores proposals that were overtaken.
//!
//! The caller connects them. It appends a proposal to its log, applies it, tells the failure
//! detector the changes ([`FailureDetector::follow`]), and announces the changes once the record is
//! durable. A program without a log has no such duties: a [`Driver`] has both halves in it.
//!
//! # Example
//!
//! Two sessions of clients that know nothing of locks; all that comes from them is a sign of life.
//! One holds a lock and falls silent, and the other gets it.
//!
//! ```
//! use baton_presence::{
//!     Change, Driver, DriverOutput, LockSettings, Scope, SessionHealth, SessionOptions, Time,
//!     Timings, WriteRight,
//! };
//!
//! let mut driver = Driver::new(LockSettings::default(), Timings::default())?;
//! let mut now = Time::ZERO;
//! let anna = driver.join(SessionOptions::plain(), now);
//! let ben = driver.join(SessionOptions::plain(), now);
//!
//! let scope = Scope::of([["text", "introduction"]])?;
//! driver.acquire(anna, scope.clone(), now);
//! driver.acquire(ben, scope, now);
//! let may_write = |driver: &Driver, session| {
//!     matches!(driver.lock_state().may_write(session, ["text"]), WriteRight::Holder(_))
//! };
//! assert!(may_write(&driver, anna) && !may_write(&driver, ben));
//! assert_eq!(driver.lock_state().may_write(ben, ["drawing"]), WriteRight::Free);
//!
//! // Anna's line is dead, and Ben answers: the lock passes to him.
//! let mut told = Vec::new();
//! while !may_write(&driver, ben) {
//!     now = driver.poll_timeout().expect("two sessions are watched");
//!     driver.handle_timeout(now);
//!     while let Some(output) = driver.next_output() {
//!         match output {
//!             DriverOutput::Ping { session } if session == ben => driver.heard(ben, now),
//!             DriverOutput::Changed(change) => told.push(change),
//!             _ => {}
//!         }
//!     }
//! }
//! assert_eq!(driver.health(anna, now), SessionHealth::Offline);
//! assert!(told.contains(&Change::Lost { session: anna }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `cargo run -p baton-presence --example chat` is a chat over plain TCP in which one speaks at a
//! time.
//!
//! `cargo run -p baton-presence --example handoff` prints a longer story, of the two halves.
//!
//! # Duties of the caller of the two halves
//!
//! - Give each session an id that is never used again, and give records growing positions. A later
//!   id joined later; without waiters the lock passes to the smallest.
//! - Call [`FailureDetector::follow`] after each record, with the changes of that record.
//! - Append [`Event::Settle`] after a record with [`Change::Unsettled`]: one record makes one
//!   offer.
//! - Announce no change before its record is durable. Beats are the exception and go out at once.
//!   The position given to [`FailureDetector::handle_timeout`] keeps them from confirming too much.
//! - Check a write with [`LockState::may_write`] in the same step in which it is applied and
//!   logged.
//! - After a start: [`LockState::restore`], replay, apply [`Event::Restarted`], follow it with a
//!   new failure detector.
//!
//! # Duties of a client
//!
//! A client stops editing [`Timings::client_stop`], by its own clock, after it **sent** the last
//! answer that was confirmed. The *first* claim, or the hello of the resume, that gave it the lock
//! counts like an answer. It also stops when it is told that it lost the lock, and when it finds
//! itself in another session than before.
//!
//! # Modules
//!
//! | module | content |
//! | --- | --- |
//! | `ids`, `scope`, `peer`, `grant` | vocabulary: sessions, fences, paths; one peer, one lock |
//! | `event`, `change` | what a record says; what follows from it |
//! | `snapshot` | the lock state as plain data, checked before it is restored |
//! | `time`, `timings` | moments; all time limits, and the check that they fit each other |
//! | `lock_state` | the lock state: records in, changes out; all questions about it |
//! | `failure_detector` | the failure detector: heartbeats and time in, proposals out |
//! | `driver` | both, with the duties of their caller, for a program without a log |
//!
//! | in `lock_state/` | content |
//! | --- | --- |
//! | `state` | the one private state, made of `roster`, `waiters` and `grant_table` |
//! | `dispatch`, `step` | event to rule; the changes of one record while it is applied |
//! | `membership` | rules: join, silence, disconnect, resume, leave, restart |
//! | `lock_requests` | rules: acquire, try, cancel, claim, decline, release |
//! | `handover_requests` | rules: a waiter's request to the holder, the yield of an idle holder |
//! | `handoff` | rules: transfer, take-over, move-here, drain |
//! | `revocation` | rules: other rights, and the locks that end with them |
//! | `succession`, `turns` | rules: end of a grant and next offer; order among the waiters |
//! | `tickets`, `answers` | parts that several rules share |
//! | `scope_index`, `hint` | search for scopes in conflict; search hints that are no state |
//!
//! | in `failure_detector/` | content |
//! | --- | --- |
//! | `proposal`, `health` | its proposals; its verdicts |
//! | `session_liveness` | one session, from `connection_liveness` and `editor_liveness` |
//! | `watched_sessions` | all sessions: the `session_table`, and the heap of `deadlines` |
//! | `timeouts` | the check of one session when its deadline comes up |
//! | `lock_deadlines` | all deadlines of locks: `lock_timers`, `offer_pauses`, `requester_timers` |
//! | `lock_timers` | time limits of offers, graces, drains, requests and idle holders |
//! | `offer_pauses` | pauses of waiters that missed an offer |
//! | `requester_timers` | patience with requesters that are gone |
//! | `frequent_beats` | the sessions that are beaten often |
//! | `stop_notices` | notices that must be sent before answers are confirmed |
//! | `server_stall` | silences that the server itself slept through |
//! | `take_over_cooldown` | pause between take-overs of different sessions |
//!
//! # Not covered
//!
//! Resume tokens (the caller checks them before it makes a record), notes to requests, awareness,
//! parked edits, wall clocks. With the feature `serde` the plain data can be serialized.

mod change;
mod driver;
mod event;
mod failure_detector;
mod grant;
mod ids;
mod lock_state;
mod peer;
mod scope;
mod snapshot;
mod time;
mod timings;

pub use change::{Change, LockRefusal, LossReason, OfferEnd};
pub use driver::{Driver, DriverError, DriverOutput, SessionOptions};
pub use event::Event;
pub use failure_detector::{
    BeatVerdict, DetectorLoad, FailureDetector, Proposal, SessionHealth, StopNotices,
};
pub use grant::{DrainReason, Grant, GrantState, Lateness, SuccessionKind, WriteRight};
pub use ids::{AutoPass, ClientKind, Fence, Mode, Rights, SessionId, SessionRole, Ticket, UserKey};
pub use lock_state::{LockSettings, LockState};
pub use peer::{MissedOffer, Peer, Presence};
pub use scope::{MAX_PATHS, MAX_SEGMENT_BYTES, MAX_SEGMENTS, Path, Scope, ScopeError};
pub use snapshot::{LockSnapshot, LockSnapshotError};
pub use time::Time;
pub use timings::{Timings, TimingsError};
