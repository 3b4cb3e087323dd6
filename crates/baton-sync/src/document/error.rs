//! Errors of a document.

use crate::replica::Rejected;
use crate::replica_index::Judgement;
use crate::scan::ScanError;

/// An update was not applied. Except for [`ApplyError::Broken`] the document is as before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The bytes are unsound. The sender is at fault, and asking again is of no use.
    #[error("unsound update: {0}")]
    Unsound(#[from] ScanError),
    /// The update may not be applied now, or never, as the judgement tells; it is neither
    /// [`Judgement::Known`] nor [`Judgement::Fits`]. On a gap, ask the sender.
    #[error("the update does not fit: {0}")]
    NotAdmitted(Judgement),
    /// The scanner admitted the update, and yrs could not decode it. This crate is at fault: keep
    /// the update and report it.
    #[error("yrs cannot read an update that the scanner admitted: {0}")]
    Undecodable(String),
    /// The document cannot be used any more.
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl From<Rejected> for ApplyError {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Unsound(error) => Self::Unsound(error),
            Rejected::NotAdmitted(judgement) => Self::NotAdmitted(judgement),
        }
    }
}

/// yrs failed in this document, which now refuses everything: make it again from its log, without
/// the record that broke it. The caller is not at fault; nothing else is affected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the document is broken and must be made again: {reason}")]
pub struct Broken {
    reason: String,
}

impl Broken {
    pub(super) const fn new(reason: String) -> Self {
        Self { reason }
    }
}
