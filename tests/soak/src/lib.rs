//! Long runs of a real server: what it holds must be, at the end, what it held at the beginning.
//! And many handoffs at once.
//!
//! ```sh
//! cargo run --release -p baton-soak -- --minutes 10
//! cargo run --release -p baton-soak --bin handoff
//! ```
//!
//! | file | what it owns |
//! | --- | --- |
//! | `member` | a client of Baton's channel that costs little: thousands of them fit into one process |
//! | `layout` | the locks of the handoff's measurement: who holds what, who dies |
//! | `arrivals` | clients that are told to come again, and come again |
//! | `scenes` | what a server has to go through |
//! | `sample` | what it holds at a moment |
//! | `verdict` | whether that is what it held before |
//! | `findings` | the files of a run: samples, progress, the server's log |
//! | `run` | a whole run |
//!
//! README.md says what is done, what is sampled, and what it must come back to.

pub mod arrivals;
pub mod findings;
pub mod layout;
pub mod member;
pub mod run;
pub mod sample;
pub mod scenes;
pub mod verdict;
