//! Bugs to plant: each is made by the harness, between the parts, and must be found by an oracle.
//!
//! Owns their names. None of them is in the product; a harness that finds them is one that would find the product's own.

/// Something that is wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Flaw {
    /// As it should be.
    #[default]
    None,
    /// Now and then one of the others is not sent an edit.
    DropFanOut,
    /// The disk says that a record is durable before it is.
    LieAboutDurability,
    /// A crash takes the newest durable record with it.
    LoseAtCrash,
    /// A snapshot takes the place of one record more than it stands for.
    SnapshotAhead,
    /// Clients are told to stop as late as the server passes the lock on.
    EqualTimeouts,
    /// What a superseded connection still sends counts as sent by the present one.
    DeliverSuperseded,
    /// An edit is written down as the lock holder's, whoever made it.
    SkipFenceCheck,
    /// A frozen page's beats are answered by its network process.
    PongsAreAnswers,
    /// The server's one timer is not set again when the next deadline becomes earlier.
    SleepyDriver,
    /// A restart reads the log without the last claim: the holder is forgotten.
    ForgetHolder,
    /// Now and then two frames of one connection arrive in the wrong order.
    OvertakingFrames,
    /// A holder that is told to stop has no time to send what it has.
    DrainCutShort,
    /// A merge puts all of a park but its last edit into the document.
    MergeLosesLast,
    /// An edit is looked at for the root types that it names; what it puts beside other things is not.
    NamedRootsOnly,
    /// Everybody may take over, and manage.
    EverybodyMay,
    /// Whoever has lost a lock once is never confirmed again.
    NeverConfirmedAgain,
    /// Whoever has missed an offer is never offered the lock again by itself.
    NeverOfferedAgain,
    /// An expired offer takes its waiter's ticket with it, and no change says so.
    LoseTicket,
    /// A room is not told of rights that change while a connection is open.
    RightsStay,
}

impl Flaw {
    /// All that are wrong.
    pub const ALL: [Self; 19] = [
        Self::DropFanOut,
        Self::LieAboutDurability,
        Self::LoseAtCrash,
        Self::SnapshotAhead,
        Self::EqualTimeouts,
        Self::DeliverSuperseded,
        Self::SkipFenceCheck,
        Self::PongsAreAnswers,
        Self::SleepyDriver,
        Self::ForgetHolder,
        Self::OvertakingFrames,
        Self::DrainCutShort,
        Self::MergeLosesLast,
        Self::NamedRootsOnly,
        Self::EverybodyMay,
        Self::NeverConfirmedAgain,
        Self::NeverOfferedAgain,
        Self::LoseTicket,
        Self::RightsStay,
    ];
}
