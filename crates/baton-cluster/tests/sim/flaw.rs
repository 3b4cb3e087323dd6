//! Bugs to plant: each is made by the shell or the engine of the simulation, between the machines.

/// Something that is wrong on purpose, and breaks one rule of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// An unknown answer counts as stored.
    UnknownIsStored,
    /// A batch with an unknown answer is appended again under new ids.
    ResendUnderNewIds,
    /// The writer believes that the engine knows ids for longer than it does.
    ResendPastTheWindow,
    /// The engine stores a batch in part, and says that the rest is a duplicate.
    SplitBatch,
    /// A message that a consumer lost is not noticed.
    IgnoreGap,
    /// A snapshot is loaded without its table of duplicates.
    ForgetTable,
    /// A tail without the own mark counts as one with it.
    TrustStaleTail,
    /// Marks of snapshots in a tail are not looked at.
    IgnoreMarks,
    /// Messages that come while a document is opened are not kept.
    DropBuffer,
    /// The object is believed to be stored without a look.
    NoReadBack,
    /// What a snapshot replaces is purged before its mark is stored.
    PurgeBeforeMark,
    /// A snapshot says that it has a record more than it has.
    SnapshotAhead,
    /// A node that missed purged messages goes on.
    IgnoreHole,
    /// Leases age in an outage.
    LeasesAgeInOutages,
    /// A node is called lost without an acknowledgement after its lapse.
    LostWithoutAnswer,
    /// A lease is not renewed.
    NoRenewal,
    /// A lost end is not proclaimed.
    IgnoreLostTail,
    /// What was lost is not offered.
    NoOffers,
    /// What was lost is appended as new records.
    OffersAreNew,
    /// Documents are not opened again when an incarnation begins.
    KeepDocuments,
}

impl Flaw {
    /// All that are wrong.
    pub(crate) const ALL: [Self; 20] = [
        Self::UnknownIsStored,
        Self::ResendUnderNewIds,
        Self::ResendPastTheWindow,
        Self::SplitBatch,
        Self::IgnoreGap,
        Self::ForgetTable,
        Self::TrustStaleTail,
        Self::IgnoreMarks,
        Self::DropBuffer,
        Self::NoReadBack,
        Self::PurgeBeforeMark,
        Self::SnapshotAhead,
        Self::IgnoreHole,
        Self::LeasesAgeInOutages,
        Self::LostWithoutAnswer,
        Self::NoRenewal,
        Self::IgnoreLostTail,
        Self::NoOffers,
        Self::OffersAreNew,
        Self::KeepDocuments,
    ];
}
