//! One of each for the tests of the workspace.
//!
//! Each part beyond the random numbers is behind a feature, so that the tests of a small crate do
//! not build what they do not use.
//!
//! | module | feature | holds |
//! | --- | --- | --- |
//! | [`Random`] | | random numbers from a seed |
//! | [`HocuspocusFraming`] | `hocuspocus` | frames of a y-websocket client, as a Hocuspocus server has them |
//! | [`LockAccount`] | `locks` | an account of a document's locks, which judges each record |
//! | [`LoggedRoom`] | `room` | a driver of a room: log, disk and clock |
//! | [`Proxy`] | `network` | a bad network between clients and a server |
//! | [`TextAuthor`] | `updates` | Yjs updates made byte by byte |
//! | [`websocket`] | `network` | a WebSocket client as bytes |

#[cfg(feature = "hocuspocus")]
mod hocuspocus_framing;
#[cfg(feature = "locks")]
mod lock_account;
#[cfg(feature = "room")]
mod logged_room;
#[cfg(feature = "network")]
mod proxy;
mod random;
#[cfg(feature = "updates")]
mod text_author;
#[cfg(feature = "network")]
pub mod websocket;

#[cfg(feature = "hocuspocus")]
pub use hocuspocus_framing::{HocuspocusFraming, Translated};
#[cfg(feature = "locks")]
pub use lock_account::{Area, BrokenRule, Lock, LockAccount, Phase, Step};
#[cfg(feature = "room")]
pub use logged_room::{Disk, LoggedRoom};
#[cfg(feature = "network")]
pub use proxy::{Direction, Proxy};
pub use random::Random;
#[cfg(feature = "updates")]
pub use text_author::TextAuthor;
