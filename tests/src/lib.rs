//! The harness for stories about Baton over real sockets.
//!
//! A story has a server and some clients. The server is the library in this process ([`TestServer`], on a free port and a
//! folder of its own, with settings that the story chooses), or the real program as a child ([`ServerProcess`], which can
//! be killed). A client is a [`RawClient`]: one WebSocket that behaves as a published Yjs provider does, with a document
//! behind it, and that speaks Baton's channel when its [`Join`] says so. The harness does not use Baton's own client
//! package, so that a mistake cannot hide by being made on both sides; a few stories do.
//!
//! ```
//! use baton_tests::{Join, TestServer, converge};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let server = TestServer::start().await;
//! let ada = server.connect(Join::stock("notes")).await;
//! let bob = server.connect(Join::member("notes", "Bob")).await;
//! ada.types("hello");
//! bob.sees("hello").await;
//! bob.types(" world");
//! bob.is_saved().await;
//! converge(&[&ada, &bob]).await;
//! server.stop().await;
//! # }
//! ```
//!
//! # Rules of the house
//! Every wait has a deadline ([`WAIT`]) and ends in a panic that says what was waited for. Nothing sleeps for luck: that
//! something does *not* happen is shown by something later that does. Every task and process ends with its owner.
//!
//! # Map
//! [`TestServer`] (`server`) and [`ServerProcess`] (`process`) are the two kinds of server, `programs` finds the program; `join` says who comes in,
//! `inbox` is what a client knows and how it answers, `client` its connection. A
//! [`Proxy`](baton_testkit::Proxy) is a bad network between the two; a [`HolderProcess`] (`holder`) can die and freeze, and a [`Loss`] ([`losses`]) is a way in which a holder
//! goes, with the time that the lock takes to pass on. Servers over one [`SharedLog`] (`shared_log`) are the nodes of a cluster
//! without its engine; with `BATON_STORIES_NODES=3` every [`TestServer`] is three of them, but for stories that begin with
//! [`one_machine!`] (`story_nodes`). A
//! [`WildSocket`] (`wild`) sends what no proper client would. Leaves: [`http`], [`certificates`], [`within`],
//! [`Pass`], which makes the tokens that a server asks for. A [`HocuspocusClient`] (`hocuspocus`) speaks that wire. [`hosted`] has what the
//! program itself does with a document.

pub mod certificates;
mod client;
mod hocuspocus;
mod holder;
pub mod hosted;
pub mod http;
mod inbox;
mod join;
pub mod losses;
mod pass;
mod process;
mod programs;
mod running_node;
mod server;
mod shared_log;
mod story_nodes;
mod wait;
mod wild;

pub use client::{Ended, RawClient, Refused, converge};
pub use hocuspocus::HocuspocusClient;
pub use holder::HolderProcess;
pub use inbox::{Known, LockState, Seen};
pub use join::{Beats, Join, Manners, Memory};
pub use losses::Loss;
pub use pass::{Pass, time_until, unix_ms};
pub use process::{Failure, ServerProcess};
pub use programs::{command_on, program};
pub use server::{Stopped, TestServer, millis};
pub use shared_log::{SharedLog, SharedNode};
pub use story_nodes::{OneMachine, is_left_out, nodes_of_a_story};
pub use wait::{WAIT, within};
pub use wild::WildSocket;
