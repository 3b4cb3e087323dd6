//! Heartbeats, a roster, and edit locks that pass to the next live peer when their holder goes
//! offline. No socket, no task, no clock: time comes in as an argument, everything comes out as data.
//!
//! A lock covers a [`Scope`]: the whole document, or some paths in it. Those that do not conflict are
//! held side by side, each under a [`Fence`] of its own.
//!
//! Whether somebody is alive can only be told with a clock; who holds a lock must be the same on every
//! replay of a log. So there are two halves, and they meet in a record:
//!
//! - the [`Watch`] is told what is heard and answered, and when. It has **one next deadline**
//!   ([`Watch::poll_timeout`]), and at [`Watch::handle_timeout`] it *proposes*: ping that one, beat
//!   this one, this one is lost, that offer has run out;
//! - the [`Fold`] is told records at growing positions, and *decides*: who is here, who waits, who
//!   holds what under which fence. It knows no time, and ignores what has been overtaken.
//!
//! The caller stands between the two. It appends a proposal to its log, applies it, tells the watch
//! what followed ([`Watch::follow`]), and announces the changes once the record is durable. With no
//! log and one process, as below, that is a loop of ten lines.
//!
//! # An example
//!
//! Two sessions; one holds a region and hands it over; the other falls silent, and the first gets it
//! back.
//!
//! ```
//! use std::time::Duration;
//! use baton_presence::*;
//!
//! let (anna, ben) = (SessionId(1), SessionId(2));
//! let mut fold = Fold::new(FoldSettings::default());
//! let mut watch = Watch::new(Timings::default())?;
//! let mut position = 0;
//! let mut now = Time::ZERO;
//!
//! // Applies one record, and lets whoever is offered a lock claim it, and who is to stop, stop.
//! let mut record = |fold: &mut Fold, watch: &mut Watch, now, event| {
//!     let mut events = vec![event];
//!     while let Some(event) = events.pop() {
//!         let mut changes = Vec::new();
//!         position += 1;
//!         fold.apply(position, &event, &mut changes);
//!         watch.follow(fold, &changes, now);
//!         for change in changes {
//!             match change {
//!                 Change::Offered { to: session, fence, .. } => {
//!                     events.push(Event::Claim { session, fence });
//!                 }
//!                 Change::Draining { by: session, fence, .. } => {
//!                     events.push(Event::Drained { session, fence });
//!                 }
//!                 Change::Unsettled => events.push(Event::Settle),
//!                 _ => {}
//!             }
//!         }
//!     }
//! };
//!
//! for session in [anna, ben] {
//!     let (voice, standing) = (Voice::Lock, Standing::Writer);
//!     let (rights, user) = (Rights::NONE, None);
//!     watch.attached(session, voice, now);
//!     let joined = Event::Joined { session, voice, standing, rights, user };
//!     record(&mut fold, &mut watch, now, joined);
//! }
//! let scope = Scope::of([["text", "introduction"]])?;
//! record(&mut fold, &mut watch, now, Event::Acquire { session: anna, scope });
//! assert!(matches!(fold.may_write(anna, ["text"]), WriteRight::Holder(_)));
//! assert!(matches!(fold.may_write(ben, ["text"]), WriteRight::Refused { .. }));
//! assert_eq!(fold.may_write(ben, ["drawing"]), WriteRight::Free);
//!
//! let fence = fold.holds(anna).next().expect("Anna's lock").fence;
//! record(&mut fold, &mut watch, now, Event::Transfer { session: anna, fence, to: ben });
//! assert!(matches!(fold.may_write(ben, ["text"]), WriteRight::Holder(_)));
//!
//! // Ben's tab freezes: pongs go on, nobody answers the beats. Anna is well.
//! while now < Time::from_millis(10_100) {
//!     now = watch.poll_timeout().expect("a watch with sessions has a deadline");
//!     let mut proposals = Vec::new();
//!     // There is no disk to wait for: whatever follows from a record is told at once.
//!     let told = fold.position().unwrap_or_default();
//!     watch.handle_timeout(now, &fold, told, &mut proposals);
//!     for proposal in proposals {
//!         match proposal {
//!             Proposal::Record(event) => record(&mut fold, &mut watch, now, event),
//!             Proposal::Ping { session } => watch.heard(session, now),
//!             Proposal::Beat { session, n, .. } if session == anna => {
//!                 watch.answered(session, n, Duration::ZERO, now);
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//! assert!(matches!(fold.may_write(ben, ["text"]), WriteRight::Refused { .. }));
//! assert!(matches!(fold.may_write(anna, ["text"]), WriteRight::Holder(_)));
//! assert_eq!(watch.health(ben, now), Health::Offline);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `cargo run -p baton-presence --example handoff` prints a longer story.
//!
//! # What the caller must do
//!
//! - Give each session an id that is never used again, and give records positions that grow. A later
//!   id has joined later: the lock passes to the smallest.
//! - Call [`Watch::follow`] after each record, with the changes of that record.
//! - Append [`Event::Settle`] when a record said [`Change::Unsettled`]: a record makes one offer.
//! - Announce nothing before its record is durable. A beat is the exception: it goes out at once, and what it confirms takes care
//!   of itself, by the position that [`Watch::handle_timeout`] asks for.
//! - Check a write with [`Fold::may_write`] in the same step in which it is applied and logged.
//! - After a start: [`Fold::restore`], replay, apply [`Event::Restarted`], follow it with a new watch.
//!
//! # What a client must do
//!
//! Stop editing [`Timings::client_stop`] after it **sent** the last answer that was confirmed (or the
//! *first* claim, or the hello of the resume, that gave it the lock), by its own clock; and when it is
//! told that it has lost the lock; and when it finds itself in another session than before.
//!
//! # The map
//!
//! | file | what it owns |
//! | --- | --- |
//! | `ids`, `scope`, `event` | the vocabulary: sessions, fences, paths; what a record says, what follows |
//! | `fold` | a record in, changes out; what can be asked of the state |
//! | `comings`, `asks`, `requests`, `draining` | its steps: who comes and goes; what sessions ask for |
//! | `passing`, `turns` | how locks move on, and what each record ends with; whose turn it is |
//! | `roster`, `queue`, `grants` | its state: peers, tickets, locks |
//! | `places` | the search for scopes in conflict |
//! | `snapshot` | the state as plain data, checked before it is believed |
//! | `time` | moments, and all time limits with the check that they fit each other |
//! | `watch`, `visits` | what is heard; what happens when a deadline comes up |
//! | `timers`, `pauses` | what of each lock must end, and when; who is offered one again, and when |
//! | `words` | what a session has to hear before its answers are confirmed |
//! | `seat`, `seats`, `deadlines` | what is known of one session; the table of them; the heap |
//!
//! # What it does not do
//!
//! No tokens (the caller checks them before a record is made), no notes to requests, no awareness, no
//! parking of refused edits, no wall clock. With the feature `serde`, the plain data can be serialized.

mod asks;
mod comings;
mod deadlines;
mod draining;
mod event;
mod fold;
mod grants;
mod ids;
mod passing;
mod pauses;
mod places;
mod queue;
mod requests;
mod roster;
mod scope;
mod seat;
mod seats;
mod snapshot;
mod time;
mod timers;
mod turns;
mod visits;
mod watch;
mod words;

pub use event::{Change, Event, Loss, OfferEnd, Refusal};
pub use fold::{Fold, FoldSettings};
pub use grants::{DrainReason, Due, Grant, GrantState, Passing, WriteRight};
pub use ids::{AutoPass, Fence, Mode, Rights, SessionId, Standing, Ticket, UserKey, Voice};
pub use roster::{Missed, Peer, Presence};
pub use scope::{MAX_PATHS, MAX_SEGMENT_BYTES, MAX_SEGMENTS, Path, Scope, ScopeError};
pub use seat::{Answer, Health};
pub use snapshot::{FoldSnapshot, SnapshotError};
pub use time::{Time, Timings, TimingsError};
pub use watch::{Proposal, Watch, WatchLoad};
pub use words::Words;
