//! An update with everything that was found out about it, so that it is read once.

use baton_presence::SessionId;
use baton_sync::scan::{OwnedScan, Scan, ScanError, ScanLimits};
use bytes::Bytes;

use super::author::Author;
use super::write_check::{Admission, WriteCheck};

/// An update from a client: its bytes, the scan of them, and the last write check.
///
/// The intake makes it, and it travels with the proposal to the record's position. There the write
/// check is repeated only if another record came in between.
#[derive(Debug, Clone)]
pub(crate) struct CheckedUpdate {
    scan: OwnedScan,
    checked: Option<Checked>,
}

/// A write check, and all that it rests on.
#[derive(Debug, Clone, Copy)]
struct Checked {
    /// The document, the locks and the parks change by records only, so the position of the last
    /// record stands for all three.
    position: u64,
    session: SessionId,
    admission: Admission,
}

impl CheckedUpdate {
    /// Scans an update from a stranger.
    ///
    /// # Errors
    /// The bytes are no update, or hold more than `limits` allow.
    pub(crate) fn read(update: Bytes, limits: &ScanLimits) -> Result<Self, ScanError> {
        let scan = OwnedScan::within(update, limits)?;
        Ok(Self {
            scan,
            checked: None,
        })
    }

    /// Scans an update that was admitted before, or a part of one.
    ///
    /// # Errors
    /// The bytes are no update.
    pub(crate) fn reread(update: Bytes) -> Result<Self, ScanError> {
        Self::read(update, &ScanLimits::NONE)
    }

    pub(crate) const fn bytes(&self) -> &Bytes {
        self.scan.bytes()
    }

    pub(crate) fn scan(&self) -> Scan<'_> {
        self.scan.as_scan()
    }

    pub(crate) const fn owned_scan(&self) -> &OwnedScan {
        &self.scan
    }

    pub(crate) fn into_scan(self) -> OwnedScan {
        self.scan
    }

    /// Returns true if these are the very bytes of this update, not equal ones.
    pub(crate) fn is_of(&self, bytes: &Bytes) -> bool {
        self.bytes().as_ptr() == bytes.as_ptr() && self.bytes().len() == bytes.len()
    }

    /// Checks where the update of this author goes, unless that is known and nothing has moved.
    pub(crate) fn admission(&mut self, author: Author, check: &WriteCheck<'_>) -> Admission {
        if let Some(known) = self.checked
            && known.position == check.position
            && known.session == author.session
        {
            return known.admission;
        }
        let admission = check.admission(author, &self.scan());
        self.checked = Some(Checked {
            position: check.position,
            session: author.session,
            admission,
        });
        admission
    }
}
