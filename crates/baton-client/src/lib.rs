//! A client of the Baton server for Rust programs: a document that is edited together with others, who else is here,
//! and the edit lock, over a connection that comes back by itself.
//!
//! A [`Client`] is one *session* in one document. It holds a copy of the document, which can be read at any time and
//! edited whenever the lock allows it, with or without a connection: what was edited is sent with the next one.
//!
//! ```
//! use baton_client::yrs::{GetString, ReadTxn, Text, WriteTxn};
//! use baton_client::{Client, ClientOptions, Outcome};
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
//! assert_eq!(ben.acquire().await?, Outcome::Done);
//! ben.granted().await?;
//! assert!(ben.may_edit());
//!
//! // She queues, and it is hers when he leaves.
//! ann.acquire().await?;
//! ben.close().await;
//! ann.granted().await?;
//! assert!(ann.may_edit());
//! # ann.close().await;
//! # server.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Who may edit
//! While nobody has the lock, everybody may. [`Client::edit`] refuses when somebody else has it, when an offer has not
//! become a grant yet, and when a holder has been without news of the server for so long that the lock may have passed
//! on: that is [`Client::right`], which changes with time alone, too. An edit that reaches the server under somebody
//! else's lock all the same (made offline, for instance) is not dropped: the server sets it aside and says so
//! ([`Event::Parked`]). The copy has then diverged and sends nothing more; keep it as a draft, and go on with a new
//! [`Client`].
//!
//! A lock that is offered is claimed at once, unless [`ClientOptions::claim`] says to ask.
//!
//! # Connections
//! A lost connection, or ten seconds of silence, starts another attempt after a delay that grows and is drawn at
//! random. The session goes on, and within the server's grace time so does the lock it holds, under the same fence.
//! Some close codes are final (4400 to 4499): the client is then at its end, and whatever waits for it returns
//! [`Ended`]. [`Client::close`] leaves for good and passes the lock on at once; dropping a client is a lost
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
//! | `client` | the handle: each call is a step of the core, or waits for one |
//! | `shared` | the lock around the core, and who wakes whom |
//! | `task` | the shell: a socket, two clocks, a timer |
//! | `core` | the client as a machine without IO, with `core/link` (when there is a connection), `core/receive` (what the server's frames do) and `core/requests` (lock operations asked for) |
//! | `lock`, `lease` | the lock as this session sees it; how long a holder may go on without news |
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
