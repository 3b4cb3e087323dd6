//! The Baton server: collaborative documents over WebSockets, with presence and an edit lock that
//! passes on. An edit is reported as saved only when it is durable.
//!
//! The program is `baton serve`. The library listens by itself ([`Server::listen`]) or mounts in
//! your own axum server ([`Server::router`], [`Server::documents_router`]). Your program may decide
//! who may do what ([`Authorize`]), and read and edit documents by itself ([`Server::document`]).
//! docs/embedding.md has a whole program, and says what each feature adds.
//!
//! ```
//! use baton_server::baton_sync::yrs::{GetString, ReadTxn, Text, WriteTxn};
//! use baton_server::{Server, Settings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let server = Server::open(folder.path(), Settings::default())?;
//! let routes: axum::Router = server.documents_router(); // `.merge` or `.nest` it
//!
//! let letter = server.document("letter").await?;
//! letter.edit(|txn| txn.get_or_insert_text("body").push(txn, "Dear Ben")).await?;
//! // It is on the disk, and those who have it open were sent it.
//! let body = letter.read(|txn| txn.get_text("body").map(|body| body.get_string(txn))).await?;
//! assert_eq!(body.as_deref(), Some("Dear Ben"));
//! # drop(routes);
//! server.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Map
//! | folder | content |
//! | --- | --- |
//! | `net` | from a TCP connection to a request: accept loop, routes, addresses, origins |
//! | `connection` | one WebSocket: its frames, session, send queue and writer |
//! | `documents` | from a name to its open document, snapshots, and the pool for long work |
//! | `hosted` | documents that the embedding program reads and edits by itself |
//! | `access` | who may do what, and the seam for a decision of the program's own |
//! | `cluster` | the other nodes: who is gone, awareness between nodes |
//! | `moving` | all documents from a data folder to a cluster, and back |
//! | `limits` | limits on connections, on messages, on loading and on storing |
//! | `ops` | metrics, readiness, the admin socket, counters of rejections |
//! | `sessions` | the access of open sessions: expiry, revocation, a new look |
//!
//! Calls go one way: `main` → `net::routes` → `connection::socket` → `connection::session` →
//! `documents::registry` → `documents::document_task` → `documents::open_documents` →
//! `documents::open_document` (room, log and send queues of one document, behind a
//! `documents::gate`). `server` creates the state that all requests share (`app`). `config` and
//! `clock` are leaves.

#![cfg_attr(
    not(all(feature = "demo-page", feature = "metrics", feature = "tokens")),
    allow(
        dead_code,
        reason = "counts and settings that only the metrics, the tokens or the page read"
    )
)]

mod access;
mod app;
mod clock;
mod cluster;
mod config;
mod connection;
mod documents;
mod hosted;
mod limits;
#[cfg(feature = "cluster")]
mod moving;
mod net;
mod open_error;
mod ops;
mod server;
mod server_builder;
mod sessions;
mod time_text;

pub use access::{AccessDenied, AccessFuture, AccessRequest, Authorize, Caller, ServiceCalls};
pub use axum;
pub use baton_auth::{Access, IdentityError, Permission, Permissions, Token, TokenUser};
pub use baton_log;
pub use baton_presence;
pub use baton_room;
pub use baton_sync;
pub use bytesize;
#[cfg(feature = "cluster")]
pub use cluster::join::JoinClusterError;
#[cfg(feature = "command-line")]
pub use config::PartialSettings;
pub use config::{
    AuthMode, BasePath, ClaimPreset, CommaList, ConfigError, DocumentMode, DocumentNames, EchoMode,
    EngineServers, FrameAncestors, Hosts, InvalidBasePath, InvalidListen, InvalidNetwork,
    InvalidPublicUrl, InvalidRight, InvalidSpan, InvalidWebName, Listen, OrNone, Origins, Proxies,
    ProxyHeader, PublicUrl, ReadOnlyPolicy, RightsList, Secret, ServiceUrl, Settings, SocketAccess,
    Span, Switch, TimingProfile, TokenDocuments,
};
pub use connection::close_codes as close;
pub use documents::stored_documents::{EraseError, StoredDocument};
pub use hosted::{HostedAuthor, HostedDocument, HostedDocumentEnded, HostedEditError, HostedEvent};
pub use ipnet;
#[cfg(feature = "cluster")]
pub use moving::folder_and_cluster::{Direction, MoveDocumentsError, MovePlan, move_documents};
#[cfg(feature = "cluster")]
pub use moving::move_summary::{Carried, MoveSummary, NotCarried};
pub use net::listener::Listener;
pub use open_error::OpenServerError;
pub use ops::admin_socket::{ADMIN_SOCKET, AdminReply, AdminRequest, AdminSocket, ask_server};
pub use ops::open_files::raise_open_files;
pub use server::{Load, Server};
pub use server_builder::ServerBuilder;
