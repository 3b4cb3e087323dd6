//! Skeleton of the front page (prose, map and doctest come with the code).

pub mod awareness;
pub mod channel;
pub mod delete_set;
pub mod document;
pub mod handshake;
pub mod lib0;
pub mod scan;
pub mod state;
pub mod state_vector;
pub mod y_websocket;

pub use delete_set::DeleteSet;
pub use document::{Applied, ApplyError, Broken, Document, DocumentOptions, yrs};
pub use scan::{Id, IdRange, Scan, ScanError, scan};
pub use state::{Judgement, State};
pub use state_vector::{ClientId, Clock, StateVector};
