//! Heartbeats, a roster, and an edit lock that passes to the next live peer when its holder goes
//! offline. No socket, no task, no clock: time comes in as an argument, everything comes out as data.
//!
//! Whether somebody is alive can only be told with a clock; who holds a lock must be the same on every
//! replay of a log. So there are two halves, and they meet in a record:
//!
//! - the [`Watch`] is told what is heard and answered, and when. It has **one next deadline**
//!   ([`Watch::poll_timeout`]), and at [`Watch::handle_timeout`] it *proposes*: ping that one, beat
//!   this one, this one is lost, that offer has run out;
//! - the [`Fold`] is told records at growing positions, and *decides*: who is here, who waits, who
//!   holds the lock under which [`Fence`]. It knows no time, and ignores what has been overtaken.
//!
//! The caller stands between the two. It appends a proposal to its log, applies it, tells the watch
//! what followed ([`Watch::follow`]), and announces the changes once the record is durable. With no
//! log and one process, as below, that is a loop of ten lines.
//!
//! # An example
//!
//! Two sessions; the first holds the lock and falls silent; the lock passes to the other.
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
//! // Applies one record, and lets whoever is offered the lock claim it.
//! let mut record = |fold: &mut Fold, watch: &mut Watch, now, event| {
//!     let mut events = vec![event];
//!     while let Some(event) = events.pop() {
//!         let mut changes = Vec::new();
//!         position += 1;
//!         fold.apply(position, &event, &mut changes);
//!         watch.follow(fold, &changes, now);
//!         for change in changes {
//!             if let Change::Offered { to, fence } = change {
//!                 events.push(Event::Claim { session: to, fence });
//!             }
//!         }
//!     }
//! };
//!
//! for session in [anna, ben] {
//!     let (voice, standing) = (Voice::Lock, Standing::Writer);
//!     watch.attached(session, voice, now);
//!     record(&mut fold, &mut watch, now, Event::Joined { session, voice, standing });
//! }
//! record(&mut fold, &mut watch, now, Event::Acquire { session: anna });
//! assert!(matches!(fold.may_write(anna), WriteRight::Holder(_)));
//! assert!(matches!(fold.may_write(ben), WriteRight::Refused { .. }));
//!
//! // Anna's tab freezes: pongs go on, nobody answers the beats. Ben is well.
//! while now < Time::from_millis(10_100) {
//!     now = watch.poll_timeout().expect("a watch with sessions has a deadline");
//!     let mut proposals = Vec::new();
//!     watch.handle_timeout(now, &fold, &mut proposals);
//!     for proposal in proposals {
//!         match proposal {
//!             Proposal::Record(event) => record(&mut fold, &mut watch, now, event),
//!             Proposal::Ping { session } => watch.heard(session, now),
//!             Proposal::Beat { session, n } if session == ben => {
//!                 watch.answered(session, n, now);
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//! assert!(matches!(fold.may_write(anna), WriteRight::Refused { .. }));
//! assert!(matches!(fold.may_write(ben), WriteRight::Holder(_)));
//! assert_eq!(watch.health(anna, now), Health::Offline);
//! # Ok::<(), TimingsError>(())
//! ```
//!
//! `cargo run -p baton-presence --example handoff` prints a longer story.
//!
//! # What the caller must do
//!
//! - Give each session an id that is never used again, and give records positions that grow. A later
//!   id has joined later: the lock passes to the smallest.
//! - Call [`Watch::follow`] after each record, with the changes of that record.
//! - Announce nothing before its record is durable. [`Watch::confirmed`] is the exception: it may be
//!   said at once, and takes care of itself.
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
//! | `ids`, `event` | the vocabulary: sessions, fences; what a record says, what follows |
//! | `fold` | a record in, changes out; what can be asked of the state |
//! | `comings`, `asks`, `passing` | its steps: who comes and goes; what sessions ask for; how the lock moves on |
//! | `roster`, `queue`, `lock` | its state: peers, tickets, the one lock of the whole document |
//! | `snapshot` | the state as plain data, checked before it is believed |
//! | `time` | moments, and all time limits with the check that they fit each other |
//! | `watch`, `visits` | what is heard; what happens when a deadline comes up |
//! | `seat`, `seats`, `deadlines` | what is known of one session; the table of them; the heap |
//!
//! # What it does not do
//!
//! No tokens, users or rights (the caller checks them before a record is made), no awareness, no
//! parking of refused edits. With the feature `serde`, the plain data can be serialized.

mod asks;
mod comings;
mod deadlines;
mod draining;
mod event;
mod fold;
mod grants;
mod ids;
mod passing;
mod queue;
mod requests;
mod roster;
mod scope;
mod seat;
mod seats;
mod snapshot;
mod time;
mod timers;
mod visits;
mod watch;

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
