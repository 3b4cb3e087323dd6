//! A client of the Baton server for Rust programs: a document that is edited together with others,
//! the people in it, and the edit lock, over a connection that reconnects by itself.
//!
//! A [`Client`] is one *session* in one document. It holds a copy of the document, which can be
//! read at any time and edited when the lock allows it, with or without a connection. Edits made
//! offline are sent with the next connection.
//!
//! ```
//! use baton_client::yrs::{GetString, ReadTxn, Text, WriteTxn};
//! use baton_client::{Client, ClientOptions, Cursor, LockScope, Outcome};
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
//! ann.ready().await?;
//! ann.edit(|txn| txn.get_or_insert_text("body").push(txn, "Dear Ben"))?;
//! ann.saved().await?; // it is on the server's disk
//!
//! let ben = Client::connect(ClientOptions::new(&url, "letter"))?;
//! ben.ready().await?;
//! let body = ben.read(|txn| txn.get_text("body").map(|body| body.get_string(txn)))?;
//! assert_eq!(body.as_deref(), Some("Dear Ben"));
//!
//! // Each sees the other's cursor.
//! ben.awareness().set_cursor("body", Cursor::at(8))?;
//! # let mut events = ann.events();
//! # while ann.awareness().cursor("body", ben.client_id()).is_none() {
//! #     events.recv().await?;
//! # }
//! assert_eq!(ann.awareness().cursor("body", ben.client_id()), Some(Cursor::at(8)));
//!
//! // While Ben holds the lock, Ann may not edit.
//! assert_eq!(ben.lock().acquire().await?, Outcome::Done);
//! ben.granted().await?;
//! assert!(ben.may_edit());
//!
//! // She asks for it, and he hands it over. His edits from before are there.
//! ann.lock().request("may I?").await?;
//! ben.edit(|txn| txn.get_or_insert_text("body").push(txn, ", yours"))?;
//! ben.lock().transfer(ann.session().unwrap_or_default()).await?;
//! ann.granted().await?;
//! let body = ann.read(|txn| txn.get_text("body").map(|body| body.get_string(txn)))?;
//! assert_eq!(body.as_deref(), Some("Dear Ben, yours"));
//! ann.release().await?;
//!
//! // Each may lock a part.
//! let (head, foot) = (LockScope::root("head")?, LockScope::root("foot")?);
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
//! # Permission to edit
//! While the lock is free, every session may edit. [`Client::edit`] refuses while another session
//! has a lock of anything in the document, while an offer has not become a grant, and while a
//! holder has heard nothing from the server for so long that its lock may have passed on.
//! [`Client::permission`] says which, and changes with time alone, too. [`Lock::edit`] asks for a
//! part only. A document may have another [`LockMode`]: there, locks bind no session, or only
//! holders may edit.
//!
//! # Locks
//! A [`Lock`] covers the whole document ([`Client::lock`]) or a [`LockScope`] of it
//! ([`Client::lock_for`]). A session may hold several, each with its own fence and lease. A holder
//! stops editing [`TimingsMs::client_stop`] after it *sent* the last message that the server has
//! confirmed, which is before the server passes the lock on.
//!
//! The client claims an offered lock at once, unless [`ClientOptions::claim`] says to ask. A
//! session gets a lock by waiting for it ([`Lock::hold`]; [`Lock::acquire`] only joins the queue),
//! by a request that the holder cannot put off for ever ([`Lock::request`]), by taking it over, or
//! by moving it from another client of the same user. A holder that has to give its lock up gets
//! [`ClientEvent::Draining`]: this client stops editing there, sends its edits, and reports that it
//! is done, so that none comes too late. The program shows [`ClientEvent::Requested`] and
//! [`ClientEvent::IdleWarning`] to people. Edits count as input; [`Client::touched`] reports other
//! input.
//!
//! # Divergence
//! An edit may still reach the server while another session holds the lock, for instance if it was
//! made offline. The server does not drop it: it sets the edit aside in a *park* and reports that
//! ([`ClientEvent::Parked`]). It cannot take later edits of the same copy either, because they
//! build on the parked one. So the client keeps this copy as a [`Draft`] and continues with a fresh
//! one in the same session ([`ClientEvent::Diverged`]), or stops; see [`DivergencePolicy`].
//!
//! All sessions see parks ([`Client::parks`]). A session that holds what they touch, or that may
//! manage the document, merges or discards them. The parks of an author are merged by the server
//! once the author holds the lock next. The draft is dropped with the decision about its park.
//!
//! # Awareness
//! Each client may show a small JSON object to all others: a name, a colour, a cursor.
//! [`Client::awareness`] sets the own one, returns those of others, and translates cursors, which
//! editors with y-codemirror show. The client states its object again every 15 s and over each new
//! connection; that of another goes when its client leaves, or after 30 s without a sign of it.
//!
//! # Changes
//! [`ClientEvent::Changed`] carries the update of another session, and for the root types of
//! [`ClientOptions::watched_texts`] the steps by which their texts changed.
//!
//! # Connections
//! A lost connection, or ten seconds of silence, starts another attempt after a random delay that
//! grows with each failure. The session continues, and within the server's grace time so do its
//! locks, under the same fences. [`ClientEvent::Closed`] has the [`CloseCause`]: a close code with
//! its meaning, an HTTP status, or a failure of the network. Some are final
//! ([`CloseCause::is_final`]): the client has then ended, and every method that waits returns
//! [`ClientEnded`] with the cause. A server that is busy is left alone for as long as it asks.
//! [`Client::close`] leaves for good and passes the locks on at once; to drop a client is to lose
//! its connection.
//!
//! The feature `rustls` connects to `wss://`, with the certificates of the platform or others
//! (`ClientOptions::with_tls`). [`ClientOptions::with_header`] adds headers for a proxy.
//!
//! # Tokens
//! A server that asks for tokens gets [`ClientOptions::token`], or what a [`TokenSource`] returns.
//! The source is asked before the first connection, when the server says that the token expires
//! soon, and once after a refused token; a second refusal in a row, or the same token again, ends
//! the client. Without a source a program follows [`ClientEvent::TokenExpiring`] with
//! [`Client::refresh_token`]. [`TokenPlacement`] says which part of the handshake has the token.
//!
//! The client's own task answers the server's beats. A program that edits in another task should
//! close its client if that task hangs, for the server cannot see that.
//!
//! # Events
//! [`Client::events`] is a bounded broadcast: a receiver that reads too slowly misses the oldest
//! events, is told so, and asks the client for the present state. A method waits for what a program
//! has to wait for: [`Client::ready`], [`Client::synced`], [`Client::saved`],
//! [`Client::granted`], and the lock operations, which return their outcomes.
//!
//! The example `feed` writes a live feed into a document and survives lost connections and
//! restarts.
//!
//! # Map
//! | module | owns |
//! | --- | --- |
//! | `client`, `lock_handle`, `client_parks` | operations on a session, a lock, the parks |
//! | `awareness_handle` | operations on awareness, and cursors in texts |
//! | `client_state` | the lock around the core, and the wake-ups |
//! | `socket_task` | the task: the open WebSocket, the timer, the questions for tokens |
//! | `transport`, `tls` | the handshake of an attempt; the certificates |
//! | `core` | the client without IO: `core/state` holds the parts |
//! | `core/lifecycle`, `core/receive` | the steps of a connection; the server's frames |
//! | `core/local_copy`, `ack_tracker` | the copy and its sync handshake; its durable edits |
//! | `core/connection`, `backoff` | phases and deadlines; delays between attempts |
//! | `core/pending_requests`, `core/operation` | operations without an answer; their types |
//! | `core/token_state`, `token` | the token at hand and the question for another; their types |
//! | `core/awareness_states` | the states of awareness, with clocks and ends |
//! | `core/parked_edits`, `draft` | parks and drafts |
//! | `core/outputs`, `core/permission_events` | frames, events and answers on their way out |
//! | `core/session_info` | ticket, rights, roster, timings |
//! | `core/lock_messages` | messages about locks |
//! | `lock_tracker`, `lease` | the locks as this session sees them; the time limit of a holder |
//! | `scope` | the scope of a lock |
//! | `dual_clock`, `system_clock` | moments on two clocks; reading the clocks |
//! | [`sans_io`] | the core under public names, for a transport and clocks of your own |
//! | `close_cause` | the meaning of close codes and HTTP statuses |
//! | `options`, `events`, `remote_change`, `error`, `document_url` | public types |
//!
//! `core` and the modules that it uses read no clock and wait for nothing: their tests run whole
//! stories on virtual time.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod ack_tracker;
mod awareness_handle;
mod backoff;
mod client;
mod client_parks;
mod client_state;
mod close_cause;
mod core;
mod document_url;
mod draft;
mod dual_clock;
mod error;
mod events;
mod lease;
mod lock_handle;
mod lock_tracker;
mod options;
mod remote_change;
pub mod sans_io;
mod scope;
mod socket_task;
mod system_clock;
#[cfg(feature = "rustls")]
mod tls;
mod token;
mod transport;

pub use crate::core::operation::ParkContent;
pub use awareness_handle::{ClientAwareness, Cursor};
pub use backoff::Backoff;
pub use baton_sync::control_channel::{
    ErrorCode, FencingToken, GrantStatus, GrantView, HandoverReason, LockMode, LockView, Outcome,
    ParkCause, ParkPart, ParkStatus, ParkView, PartKind, PeerStatus, PeerView, Right, TimingsMs,
    User, Waiter,
};
pub use baton_sync::document::{TextChange, TextDelta};
pub use baton_sync::{self, ClientId, yrs};
pub use bytes;
pub use client::Client;
pub use close_cause::{CloseCause, CloseMeaning};
pub use draft::{Draft, DraftLocation};
pub use error::{
    AddressError, AwarenessStateError, ClientEnded, ConnectError, CursorError, EditError,
    HeaderError, HoldError, OperationError, ShowParkError,
};
pub use events::{
    AwarenessChange, ClientEvent, ConnectionStatus, EditPermission, LockRequest, LockStatus,
    ReconnectPolicy, Visibility,
};
pub use lock_handle::Lock;
pub use options::{
    ClaimPolicy, ClientOptions, ClientRole, DivergencePolicy, ResumeTicket, UserSecret,
    UserSecretError,
};
pub use remote_change::RemoteChange;
#[cfg(feature = "rustls")]
pub use rustls;
pub use scope::{LockScope, LockScopeError};
pub use serde_json;
#[cfg(feature = "rustls")]
pub use tls::{TlsConfig, TlsError};
pub use token::{ClientToken, ClientTokenError, TokenPlacement, TokenSource, TokenSourceError};
