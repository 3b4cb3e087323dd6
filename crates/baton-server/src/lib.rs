//! The Baton server: collaborative documents over WebSockets, saved before they are called saved,
//! with presence and an edit lock that passes on.
//!
//! As a program it is `baton serve`. As a library it listens ([`Server::listen`]) or mounts in an
//! axum server of yours ([`Server::router`]):
//!
//! ```
//! use baton_log::{Log, LogOptions};
//! use baton_server::{Server, Settings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let log = Log::in_memory(LogOptions::default())?;
//! let server = Server::new(Settings::default(), log)?;
//! let routes: axum::Router = server.router(); // `.merge` or `.nest` it
//! # drop(routes);
//! server.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Map
//! | folder | what is in it |
//! | --- | --- |
//! | `net` | from a TCP connection to a request: accepting, routes, addresses, origins |
//! | `connection` | one WebSocket: its frames, its session, its send queue and their writer |
//! | `documents` | from a name to its open document, and the pool for its long work |
//! | `limits` | limits on connections, on messages, on loading and on storing |
//! | `ops` | metrics, readiness, the admin socket, rejections, a failed store |
//!
//! Calls go down, and none goes back up: `main` → `net::routes` → `connection::socket` →
//! `connection::session` → `documents::registry` → `documents::document_task` →
//! `documents::open_documents` → `documents::open_document` (room, log and send queues of one
//! document, behind a `documents::gate`). `server` makes the shared state of all requests (`app`).
//! `config` and `clock` are leaves.

mod app;
mod clock;
mod config;
mod connection;
mod documents;
mod limits;
mod net;
mod ops;
mod server;

pub use config::{
    ConfigError, DocumentMode, DocumentNames, FrameAncestors, Hosts, InvalidListen, InvalidNetwork,
    InvalidRight, InvalidWebName, Listen, Origins, PartialSettings, Proxies, ProxyHeader,
    RightsList, Settings, Span, Switch, TimingProfile,
};
pub use connection::close_codes as close;
pub use documents::stored_documents::{EraseError, StoredDocument};
pub use net::listen::bind;
pub use ops::admin_socket::{ADMIN_SOCKET, AdminReply, AdminRequest, AdminSocket, ask_server};
pub use ops::open_files::raise_open_files;
pub use server::{Load, Server};
