//! The lock machine of `baton-presence` under a model checker: the real [`baton_presence::Fold`], every
//! schedule of a small world around it.
//!
//! ```
//! use baton_model::{Flaw, LockModel, Settings};
//! use stateright::{Checker, Model};
//!
//! let wrong = LockModel(Settings::with(Flaw::HandOverEarly));
//! let checker = wrong.checker().target_max_depth(13).spawn_bfs().join();
//! assert!(checker.discovery("S5").is_some(), "two clients believe that they may edit");
//! ```
//!
//! # What is modelled
//! Two clients (or three), a server whose announcements wait for the disk, crashes that lose what is
//! not durable, a lossy and unordered network with a bound on what is under way, kills, broken
//! connections, resumes, late edits with the fence that they were typed under. Time is ticks: a client
//! stops after one tick of its own clock, which may run at half speed; the server passes on after two,
//! or later. Positions are renamed in their order (`state`), so the number of records has no bound.
//!
//! # What is not
//! The watch with its deadlines (timers just fire, never early), try, cancel, decline, done, parks, rights,
//! tokens for resuming, message duplicates. L1 and L3 are checked as "from here the timers lead there",
//! not over endless runs. A late edit is lost when its connection ends.
//!
//! # How large
//! Two clients without faults: 673,332 states, all of them, in about 10 s on two cores. With a crash and
//! one message under way: about 124,000, all. With a crash or a fault and two messages under way, and with
//! three clients, the depth is bounded; `BATON_MODEL_DEEP=1` goes further.
//!
//! # Map
//! `machine` lists what may happen; `server`, `client`, `messages` do it; `state` is the state and its
//! normal form; `book` and `rules` judge.

mod book;
mod client;
mod flaws;
mod machine;
mod messages;
mod names;
mod places;
mod records;
mod rules;
mod server;
mod state;

pub use book::Book;
pub use client::{Client, Hold, Link};
pub use machine::{Action, LockModel};
pub use messages::{Down, Fences, Message, Up};
pub use places::{Place, Root};
pub use records::{Comings, RecordModel, RecordSettings, RecordState, Wishes};
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
    /// A release, or the word that all is sent, may arrive before the edits that were sent before it.
    ReleaseOvertakes,
    /// Everybody may take over.
    RightsForAll,
    /// A drain is over as soon as it has begun.
    DrainAtOnce,
    /// The server says in the holder's place that it has sent all.
    DrainForHim,
    /// Two scopes conflict only if they are the same.
    EqualScopes,
    /// The newest ticket is served before the oldest.
    Overtake,
    /// The time of a request is never over.
    RequestForEver,
    /// Who holds something may wait for something else.
    WaitWhileHolding,
}

/// Which edits are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FreeEdits {
    /// Only those of a client that believes to hold a lock there.
    No,
    /// Also those of a client that knows of no lock.
    Too,
}

/// What clients do beyond acquiring, claiming and releasing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// They give their lock to somebody.
    Transfer,
    /// They ask for it; the holder does not answer, and its time runs out some day.
    Request,
    /// They take it.
    TakeOver,
    /// Their users do nothing for long, at any time.
    Idle,
}

/// The size of a model with a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Settings {
    /// How many clients.
    pub clients: usize,
    /// What they want.
    pub places: &'static [Place],
    /// What they do.
    pub operations: &'static [Operation],
    /// How many kills, broken connections and half-open reconnects in one run.
    pub faults: u8,
    /// How many crashes of the server in one run.
    pub crashes: u8,
    /// So many messages can be under way; what is beyond is lost.
    pub in_flight: usize,
    /// With so many announcements not yet durable, nothing is recorded.
    pub tail: usize,
    /// Ticks of its own clock after which a client stops editing.
    pub client_stop: u8,
    /// Ticks of silence (of grace, of recovery, of draining) after which the server passes on.
    pub server_pass: u8,
    /// Which edits are made.
    pub free_edits: FreeEdits,
    /// What is wrong.
    pub flaw: Flaw,
}

impl Settings {
    /// Two clients, one lock, two messages under way; nothing fails but the network, and clocks run as
    /// they like.
    #[must_use]
    pub const fn calm() -> Self {
        Self::with(Flaw::None)
    }

    /// As [`Settings::calm`], with something wrong.
    #[must_use]
    pub const fn with(flaw: Flaw) -> Self {
        Self {
            clients: 2,
            places: &[Place::Whole],
            operations: &[],
            faults: 0,
            crashes: 0,
            in_flight: 2,
            tail: 2,
            client_stop: match flaw {
                Flaw::EqualTimeouts => 2,
                _ => 1,
            },
            server_pass: 2,
            free_edits: FreeEdits::No,
            flaw,
        }
    }

    /// As [`Settings::with`], and one process dies or one connection breaks.
    #[must_use]
    pub const fn faulty(flaw: Flaw) -> Self {
        let mut settings = Self::with(flaw);
        settings.faults = 1;
        settings
    }

    /// As [`Settings::with`], and the server dies once, with what is not durable.
    #[must_use]
    pub const fn crashing(flaw: Flaw) -> Self {
        let mut settings = Self::with(flaw);
        settings.crashes = 1;
        settings
    }

    /// As [`Settings::with`], and locks are handed over in these ways.
    #[must_use]
    pub const fn handing_over(flaw: Flaw, operations: &'static [Operation]) -> Self {
        let mut settings = Self::with(flaw);
        settings.operations = operations;
        settings
    }

    /// As [`Settings::with`], with these things to be locked.
    #[must_use]
    pub const fn of_places(flaw: Flaw, places: &'static [Place]) -> Self {
        let mut settings = Self::with(flaw);
        settings.places = places;
        settings
    }
}
