//! Basis of a judgement: the document, and the park of the sender's session over it.

use bytes::Bytes;

use super::verdict::{HandshakeError, Verdict};
use crate::document::Document;
use crate::known_blocks::{Clash, KnownBlocks};
use crate::replica::Replica;
use crate::replica_index::{Applicability, Judgement, ReplicaIndex, admitted_part};
use crate::scan::Scan;

/// Basis on which an update is judged.
#[derive(Debug, Clone, Copy)]
pub struct Basis<'a> {
    /// Index of the document.
    pub document: &'a ReplicaIndex,
    /// Index of the edits that the sender's session has parked, laid over the document's.
    pub park: Option<&'a ReplicaIndex>,
    /// The blocks, with which blocks that are known by their clocks are compared. Without them,
    /// they are taken to be the same: for a caller that has clocks only.
    pub contents: Option<KnownBlocks<'a>>,
}

impl<'a> From<&'a ReplicaIndex> for Basis<'a> {
    fn from(document: &'a ReplicaIndex) -> Self {
        Self {
            document,
            park: None,
            contents: None,
        }
    }
}

impl<'a> From<&'a Document> for Basis<'a> {
    fn from(document: &'a Document) -> Self {
        document.replica().into()
    }
}

impl<'a> From<&'a Replica> for Basis<'a> {
    fn from(document: &'a Replica) -> Self {
        Self {
            document: document.state(),
            park: None,
            contents: Some(document.contents()),
        }
    }
}

impl<'a> Basis<'a> {
    pub(super) fn settle<'u, 's>(&self, scan: &'s Scan<'u>) -> Applicability<'u, 's>
    where
        'a: 's,
    {
        match self.park {
            Some(park) => self.document.applicability_over(park, scan),
            None => self.document.applicability(scan),
        }
    }

    /// Checks that an update may be taken, now or later.
    pub(super) fn check(&self, settled: &Applicability<'_, '_>) -> Result<(), HandshakeError> {
        if let Judgement::Refused(refusal) = settled.judgement() {
            return Err(refusal.into());
        }
        Ok(self.compare(settled)?)
    }

    /// Returns the verdict on an update that can be taken as a whole now.
    pub(super) fn whole(&self, update: &Bytes, settled: &Applicability<'_, '_>) -> Option<Verdict> {
        match settled.judgement() {
            Judgement::Known => Some(Verdict::Known(update.clone())),
            Judgement::Fits => Some(Verdict::Admit(update.clone())),
            // A Skip over known units hides nothing: the other blocks are the whole update. Over a
            // park the Skip cannot be cut out, so the update waits.
            Judgement::Gap { missing } if missing.is_empty() && self.park.is_none() => {
                let closed = self.closed_part(settled);
                Some(closed.map_or_else(|| Verdict::Known(update.clone()), Verdict::Admit))
            }
            Judgement::Gap { .. } | Judgement::Astride { .. } | Judgement::Refused(_) => None,
        }
    }

    /// Returns the part of an update with a gap that can be taken now. Over a park there is none: a
    /// park is one piece.
    pub(super) fn closed_part(&self, settled: &Applicability<'_, '_>) -> Option<Bytes> {
        let adds = self.park.is_none() && !settled.adds_nothing();
        adds.then(|| admitted_part(settled).into())
    }

    fn compare(&self, settled: &Applicability<'_, '_>) -> Result<(), Clash> {
        match &self.contents {
            Some(contents) => contents.compare(settled),
            None => Ok(()),
        }
    }
}
