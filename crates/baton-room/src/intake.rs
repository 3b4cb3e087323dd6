//! Intake: the updates and operations of clients, before they are records.
//!
//! Owns the handshake of each connection, updates that are kept aside, answers that came too early,
//! and operations that wait for them. Reads the replicated state and the sessions, and returns
//! reactions: answer, propose or close. Applies nothing, and queues nothing that goes out.

mod barriers;
mod budget;
mod client_ops;
mod early_step2;
mod inbox;
mod inboxes;
mod lock_ops;
mod park_ops;
mod read_only;
mod settlement;
mod unjudged;
mod update_intake;
mod update_stream;

pub use budget::{Budget, BudgetRefusals, Growth, StorageLimit};

pub(crate) use inboxes::{DrainDelay, Inboxes};
pub(crate) use park_ops::{finished_recoveries, next_finished_recovery, own_merges};
pub(crate) use unjudged::{judge_placed, judge_returned, take_update};
pub(crate) use update_intake::Intake;
