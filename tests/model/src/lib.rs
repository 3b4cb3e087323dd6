//! The locks of `baton-presence` under a model checker: the real [`baton_presence::LockState`], every schedule
//! of a small world around it.
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
//! # Two models
//! [`RecordModel`]: **every order of records**. Two or three sessions, the whole document and parts of it (also
//! a part of a part, and several at once), everything that a session, a timer or a start of the server can
//! put on record, also what is late, mistaken or not allowed; no network, no time, no client. Whatever is
//! found here holds for every surrounding: S1, S2, S7 (the right to take over, the same user for a move), S8,
//! S9, S10 (both: nobody waits while he holds, and nobody waits for himself), S11 with its exception, L1 to
//! L3, and that the changes tell the whole story.
//!
//! [`LockModel`]: **the fold in a world**. Two clients (or three), a server whose announcements wait for the
//! disk, crashes that lose what is not durable, a lossy and unordered network with a bound on what is under
//! way, kills, broken connections, resumes, late edits with the fence that they were typed under, transfers,
//! requests, take-overs, idle holders, drains with an edit in flight. Time is ticks: a client stops after one
//! tick of its own clock, which may run at half speed; the server passes on after two, or later: from the last
//! sign of life, and (strict profile) from the loss of a connection or the begin of a drain. It adds S3, S5 and S6. S5 has one exception, as documented: a lock that is
//! taken over from a holder who is *away* is not waited for.
//!
//! In both, positions are renamed in their order (`names`), so the number of records has no bound. The
//! checker's own book (`book`) follows the changes only; it has its own idea of which scopes are in conflict
//! (`places`) and of who began to wait when.
//!
//! # How the liveness rules are checked
//! Not over endless runs, but as "from here, without anybody's help": from *every* state the timers fire, who
//! is well claims, and within four steps for each peer and lock each live waiter has what he wants, unless it
//! is with somebody who is well and was not asked (L1); or without that exception, if holders give back (L2,
//! nobody starves). L1 also with the waiter as the only one who is well. L3: the timer of each timed state
//! ends it, or marks it while nobody could take it. The bounds in seconds are checked elsewhere, against the
//! watch.
//!
//! # What is not modelled
//! The watch with its deadlines (timers just fire, never early; a request and the patience with an idle holder
//! may end at any time); the cooldown of take-overs; parks (S4, L4: an edit is applied or parked, what becomes
//! of the park is elsewhere); modes other than the default; tokens for resuming; message duplicates. A late edit
//! is lost when its connection ends. On the wire the word of a loss comes before later confirmations on the
//! same connection; here words overtake each other, and a confirmation names the fences that it is for. With
//! several clients and operations at once the network model is bounded in depth.
//!
//! # How large
//! To the end in every run (states): records of two sessions and one lock 10,600, with a stock client 40,958, of
//! two sessions, two regions and the whole with silences 57,066; network: two clients without faults 1,039,357,
//! with a crash and one message under way 299,109, with two scopes and one message under way 113,439. To the
//! end with `BATON_MODEL_DEEP=1`: records of two sessions with everything and two regions 389,290, of three
//! sessions with everything and one lock 145,681, of three sessions with two regions and the whole (acquire,
//! claim, release) 1,796,062. The rest is bounded in depth; the tests print how far (handoffs with a crash and
//! one message under way, deep: 711,401 states to depth 40).
//!
//! # Map
//! `records` is the one model; `machine` lists what may happen in the other, `server`, `client`, `messages` do
//! it, `state` is its state, `properties` what is asked of it. `names` is the normal form, `places` the scopes,
//! `book` and `rules` judge, `flaws` are those of the server.

mod book;
mod client;
mod flaws;
mod machine;
mod messages;
mod names;
mod places;
mod properties;
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
    /// The server does not remember across a restart what was locked, only by whom.
    ForgetScopes,
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
    /// Who loses the right to lock keeps what it holds.
    RevokedKeeps,
    /// Who holds something may wait for something else.
    WaitWhileHolding,
    /// The pause after a missed offer is never over.
    NeverAgain,
    /// The grace, and the time of a drain, are all that is waited for.
    GraceAlone,
    /// That a loss was told is never noticed.
    ForgetToTell,
    /// The checker does not know of the exception of S11; so it must find that it is used.
    NoException,
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
    /// Ticks of silence (of recovery) after which the server passes on, and of its holder's lease after
    /// which it does when a connection is lost or a drain not answered.
    pub server_pass: u8,
    /// Ticks of grace, and of draining, for which it waits at least.
    pub grace: u8,
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
            grace: 2,
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

    /// As [`Settings::faulty`], with a grace and a drain that are over at once, so that only the lease
    /// counts: the default profile, as far as a tick can tell.
    #[must_use]
    pub const fn graceless(flaw: Flaw) -> Self {
        let mut settings = Self::faulty(flaw);
        settings.grace = 0;
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
