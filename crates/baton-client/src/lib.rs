//! A client of the Baton server for Rust programs: a document that is edited together with others, who else is here,
//! and the edit lock, over a connection that comes back by itself.
//!
//! A [`Client`] is one *session* in one document. It holds a copy of the document, which can be read at any time and
//! edited whenever the lock allows it, with or without a connection: what was edited is sent with the next one.
//!
//! ```
//! use baton_client::yrs::{GetString, ReadTxn, Text, WriteTxn};
//! use baton_client::{Client, ClientOptions, Outcome, Scope};
//! # use baton_log::{Log, LogOptions};
//! # use baton_server::{Server, Settings};
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = Server::new(Settings::default(), Log::in_memory(LogOptions::default())?)?;
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let url = format!("ws://{}/ws", listener.local_addr()?);
//! # let serving = server.clone();
//! # tokio::spawn(async move { serving.listen(listener).await });
//!
//! let ann = Client::connect(ClientOptions::new(&url, "letter"))?;
//! ann.synced().await?;
//! ann.edit(|txn| txn.get_or_insert_text("body").push(txn, "Dear Ben"))?;
//! ann.saved().await?; // it is on the server's disk
//!
//! let ben = Client::connect(ClientOptions::new(&url, "letter"))?;
//! ben.synced().await?;
//! let body = ben.read(|txn| txn.get_text("body").map(|body| body.get_string(txn)))?;
//! assert_eq!(body.as_deref(), Some("Dear Ben"));
//!
//! // While Ben holds the lock, Ann may not edit.
//! assert_eq!(ben.lock().acquire().await?, Outcome::Done);
//! ben.granted().await?;
//! assert!(ben.may_edit());
//!
//! // She asks for it, and he hands it over. What he edited before is there.
//! ann.lock().request("may I?").await?;
//! ben.edit(|txn| txn.get_or_insert_text("body").push(txn, ", yours"))?;
//! ben.lock().transfer(ann.session().unwrap_or_default()).await?;
//! ann.granted().await?;
//! let body = ann.read(|txn| txn.get_text("body").map(|body| body.get_string(txn)))?;
//! assert_eq!(body.as_deref(), Some("Dear Ben, yours"));
//! ann.release().await?;
//!
//! // Each may have a part for itself.
//! let (head, foot) = (Scope::root("head")?, Scope::root("foot")?);
//! ann.lock_for(&head).acquire().await?;
//! ben.lock_for(&foot).acquire().await?;
//! ann.lock_for(&head).granted().await?;
//! ben.lock_for(&foot).granted().await?;
//! ann.lock_for(&head).edit(|txn| txn.get_or_insert_text("head").push(txn, "A letter"))?;
//! assert!(!ben.lock_for(&head).may_edit());
//! # ann.close().await;
//! # ben.close().await;
//! # server.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Who may edit
//! While nobody has a lock, everybody may. [`Client::edit`] refuses when somebody else has one of anything in the
//! document, when an offer has not become a grant yet, and when a holder has been without news of the server for so long
//! that the lock may have passed on: that is [`Client::right`], which changes with time alone, too. [`Lock::edit`] asks
//! for a part only. A document may have another [`Mode`]: there, locks bind nobody, or only holders write.
//!
//! # Locks
//! A [`Lock`] is had for the whole document ([`Client::lock`]) or for a [`Scope`] of it ([`Client::lock_for`]). A session
//! may hold several, each with a fence and a lease of its own: a holder stops editing [`TimingsMs::client_stop`] after
//! it *sent* the last thing that the server confirmed, which is before the server passes the lock on.
//!
//! A lock that is offered is claimed at once, unless [`ClientOptions::claim`] says to ask. It comes by waiting for it
//! ([`Lock::acquire`]), by a request that the holder cannot put off for ever ([`Lock::request`]), by taking it over, or
//! by moving it from another client of the same user. Who has to give it up is told [`Event::Draining`]: this client
//! stops editing there, sends what was edited, and says that it is done, so that nothing comes too late.
//! [`Event::Requested`] and [`Event::IdleWarning`] are for the program to show; edits count as input, and
//! [`Client::touched`] tells of other input.
//!
//! # When an edit comes too late
//! An edit that reaches the server under somebody else's lock all the same (made offline, for instance) is not dropped:
//! the server sets it aside in a *park* and says so ([`Event::Parked`]). What is edited on top of it cannot be taken
//! either, so the client keeps this copy as a [`Draft`] and goes on in the same session with a fresh one
//! ([`Event::Diverged`]; or it stops, see [`Divergence`]). Parks are seen by all ([`Client::parks`]); who holds what they
//! touch, or may manage the document, merges or discards them, and their author's come in by themselves when the author
//! holds the lock next. The draft is dropped with its park's decision.
//!
//! # Connections
//! A lost connection, or ten seconds of silence, starts another attempt after a delay that grows and is drawn at
//! random. The session goes on, and within the server's grace time so do the locks it holds, under the same fences.
//! Some close codes are final (4400 to 4499): the client is then at its end, and whatever waits for it returns
//! [`Ended`]. [`Client::close`] leaves for good and passes the locks on at once; dropping a client is a lost
//! connection.
//!
//! Beats are answered from the client's own task. A program that edits in another task and may hang there should close
//! its client, for the server cannot see that.
//!
//! # Events
//! [`Client::events`] is a bounded broadcast: whoever reads too slowly misses the oldest, is told so, and asks the
//! client for the present state. What has to be waited for has a method that waits: [`Client::synced`],
//! [`Client::saved`], [`Client::granted`], and the lock operations, which return what became of them.
//!
//! The example `feed` writes a live feed into a document and survives what can be survived.
//!
//! # Map
//! | module | owns |
//! | --- | --- |
//! | `client`, `handle`, `parks` | the handles, of a session, of a lock, of its parks: each call is a step of the core, or waits for one |
//! | `shared` | the lock around the core, and who wakes whom |
//! | `task` | the shell: a socket, two clocks, a timer |
//! | `core` | the client as a machine without IO, with `core/link` (when there is a connection), `core/receive` (what the server's frames do), `core/locking` (offers, drains, beats), `core/requests` (operations asked for) and `core/parting` (parks, drafts, the fresh copy) |
//! | `locks`, `lease` | the locks as this session sees them; how long a holder may go on without news |
//! | `scope` | what a lock covers |
//! | `draft` | a copy that was set aside |
//! | `saves` | what is durable, by counting |
//! | `backoff`, `time`, `address` | delays; two clocks side by side; percent-encoding |
//! | [`machine`] | the core under public names, for a transport and clocks of one's own |
//! | `options`, `events`, `error` | the types that go in and out |
//!
//! `core` and all below it read no clock and wait for nothing: their tests run whole stories on virtual time.

mod address;
mod backoff;
mod client;
mod core;
mod draft;
mod error;
mod events;
mod handle;
mod lease;
mod locks;
pub mod machine;
mod options;
mod parks;
mod saves;
mod scope;
mod shared;
mod task;
mod time;

pub use backoff::Backoff;
pub use baton_sync::channel::{
    DrainReason, ErrorCode, Fence, GrantState, GrantView, LockView, Mode, Outcome, ParkPart,
    ParkReason, ParkState, ParkView, PartKind, Peer, PeerState, Right, TimingsMs, User, Waiter,
};
pub use baton_sync::{self, yrs};
pub use client::{Client, ConnectError};
pub use draft::{Draft, Kept};
pub use error::{AddressError, EditError, Ended, NotShown, Unanswered};
pub use events::{Comeback, EditRight, Event, Requested, Standing, Status, Visibility};
pub use handle::Lock;
pub use options::{Claim, ClientOptions, Divergence, Role, Ticket, UserKey, UserKeyError};
pub use parks::ParkContent;
pub use scope::{Scope, ScopeError};
