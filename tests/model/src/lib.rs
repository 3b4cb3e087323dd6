//! The lock machine of `baton-presence` under a model checker.

mod book;
mod client;
mod machine;
mod messages;
mod rules;
mod server;
mod state;

pub use book::Book;
pub use client::{Client, Link};
pub use machine::{Action, LockModel};
pub use messages::{Down, Message, Up};
pub use rules::Rule;
pub use state::{Replica, State};

/// A way to build it that is known to be wrong, in the model's server, client or network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// As it should be.
    None,
    /// An offer makes the holder at once, without its claim.
    NoClaim,
    /// The client's lease counts from when the confirmation came, not from when the answer was sent.
    LeaseFromReceipt,
    /// The client stops as late as the server passes on.
    EqualTimeouts,
    /// The server does not remember across a restart who held the lock.
    ForgetHolder,
    /// The server passes on when the holder is only shaky.
    HandOverEarly,
    /// A write is applied whatever fence it carries.
    NoFenceCheck,
    /// A release starts the fences from the beginning.
    FenceReset,
    /// Answers are confirmed to one who has lost the lock and has not been told yet.
    ConfirmToTheLoser,
    /// What follows from a record is said before the record is durable.
    AnnounceEarly,
    /// A release may arrive before the edits that were sent before it.
    ReleaseOvertakes,
}

/// Which edits are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FreeEdits {
    /// Only those of a client that believes to hold the lock.
    No,
    /// Also those of a client that knows of no lock.
    Too,
}

/// The size of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Settings {
    /// How many clients.
    pub clients: usize,
    /// How many kills, broken connections and half-open reconnects in one run.
    pub faults: u8,
    /// How many crashes of the server in one run.
    pub crashes: u8,
    /// With so many messages under way, nobody starts a conversation; answers are still given.
    pub in_flight: usize,
    /// With so many announcements not yet durable, nothing is recorded.
    pub tail: usize,
    /// Ticks of its own clock after which a client stops editing.
    pub client_stop: u8,
    /// Ticks of silence (of grace, of recovery) after which the server passes on.
    pub server_pass: u8,
    /// Which edits are made.
    pub free_edits: FreeEdits,
    /// What is wrong.
    pub flaw: Flaw,
}

impl Settings {
    /// Two clients.
    #[must_use]
    pub const fn small(flaw: Flaw) -> Self {
        Self {
            clients: 2,
            faults: 1,
            crashes: 0,
            in_flight: 2,
            tail: 2,
            client_stop: if matches!(flaw, Flaw::EqualTimeouts) {
                2
            } else {
                1
            },
            server_pass: 2,
            free_edits: FreeEdits::No,
            flaw,
        }
    }
}
