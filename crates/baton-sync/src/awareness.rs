//! Awareness of one document, as a server keeps it: the people who are here, with names, colours
//! and cursors.
//!
//! Owns the table of entries (client id, clock, state) with their owners, which are the connections
//! that stated them. It never reads a clock (a [`Stamp`] comes in), interprets a state only as far
//! as it is JSON, and never sends: each step returns the payloads to be sent, encoded once.
//!
//! # Rules beyond those of clients
//! Clients that follow y-protocols accept an entry if its clock is newer, or if it is a removal at
//! the clock that they know. From that follow the ghosts and the flicker for which servers are
//! blamed, and the rules here:
//!
//! - **An entry belongs to a connection.** Clients broadcast again the entries of others, so
//!   receiving an entry proves nothing. The first connection to state a client id owns it.
//!   Statements of other connections about it are ignored: silently at a known clock, counted at a
//!   newer one ([`AwarenessOutcome::spoofed`]). Tabs of one browser relay each other's entries, so
//!   a few are normal.
//! - **A connection's own id is stronger than a relayed one.** The published providers open with a
//!   sole entry. It is the connection's own if no connection had stated that id before, or once its
//!   client has answered the question below. The id claimed in Baton's hello is its own, too
//!   ([`Awareness::claim`]). A tab may have relayed the entry of another tab whose connection was
//!   not up yet; that connection then takes its entry over.
//! - **Removal at the last clock.** The entries of a connection that ends are removed at the clock
//!   that every client knows, not at a raised one. Otherwise the same client, coming back with the
//!   clock that it had, would be ignored until its next renewal.
//! - **A newcomer is asked to state its entry again.** The answer to a connection's first statement
//!   of its own id is a removal of it at that clock, for that connection alone. y-protocols answers
//!   a removal of its own live state by raising the clock and stating it again. That clock is newer
//!   for every client, also for those that know the old one from before a lost connection or a
//!   restart of the server. An id that was removed is not shown before that, so that an old state
//!   which another client repeats cannot rise as a ghost.
//! - **After a rejoin there is a roll call.** The published provider drops the states of others
//!   when its connection ends, but remembers their clocks. It would not see them again until they
//!   renew themselves (15 s). So all owners are asked, once, half a second later
//!   ([`Awareness::stale`]).
//! - **The same question keeps a hidden tab visible**: its timers are throttled, its message
//!   handler is not.
//!
//! | file | owns |
//! | --- | --- |
//! | `document_awareness` | the steps: a message, a connection's end, the roll call |
//! | `statement_rules` | the decision about one statement |
//! | `entry_table` | entries, owners, tombstones, and the sums over them |
//! | `announcements`, `payload` | payloads made from entries; their bytes |
//! | `latest_entries` | many payloads made into one |
//! | `user_stamp` | the user in a state, in place of what its client says |
//! | `limits`, `error`, `outcome` | bounds, faults and results |

mod announcements;
mod document_awareness;
mod entry_table;
mod error;
mod latest_entries;
mod limits;
mod outcome;
mod payload;
mod statement_rules;
mod user_stamp;

pub use document_awareness::Awareness;
pub use error::{AwarenessError, AwarenessRefusal};
pub use latest_entries::LatestEntries;
pub use limits::{AwarenessLimits, CLOCK_END, STRANGERS_CLOCK_END, Stamp};
pub use outcome::{AwarenessOutcome, OwnerRemoval, StaleEntries};
pub use payload::{Statement, decode, encode, nothing};
pub use user_stamp::UserStamp;
