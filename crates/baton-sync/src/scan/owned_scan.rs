//! A scanned update that holds its bytes, so that it can be kept and passed on.

use std::borrow::Cow;

use bytes::Bytes;

use super::borrowed_scan::Scan;
use super::error::ScanError;
use super::limits::ScanLimits;
use super::tables::Tables;

/// An update whose bytes are sound, with these bytes. It is read once, and used as a [`Scan`]
/// wherever one is needed.
#[derive(Clone, Debug)]
pub struct OwnedScan {
    bytes: Bytes,
    tables: Tables,
}

impl OwnedScan {
    /// Reads an update and checks every byte rule. The bytes are shared, not copied.
    ///
    /// # Errors
    /// As [`scan`](super::scan()).
    pub fn new(update: Bytes) -> Result<Self, ScanError> {
        Self::within(update, &ScanLimits::NONE)
    }

    /// [`OwnedScan::new`] of an update from a stranger, within limits.
    ///
    /// # Errors
    /// As [`scan_within`](super::scan_within).
    pub fn within(update: Bytes, limits: &ScanLimits) -> Result<Self, ScanError> {
        let tables = Tables::read(&update, limits)?;
        Ok(Self {
            bytes: update,
            tables,
        })
    }

    /// Returns the bytes of the update.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the scan, which borrows from this one; that costs nothing.
    #[must_use]
    pub fn as_scan(&self) -> Scan<'_> {
        Scan::of(&self.bytes, Cow::Borrowed(&self.tables))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scan;

    #[test]
    fn an_owned_scan_says_what_a_borrowed_one_says() {
        // "hi" in the text "t", of which the first letter is deleted.
        let update = Bytes::from_static(b"\x01\x01\x01\x00\x04\x01\x01t\x02hi\x01\x01\x01\x00\x01");
        let owned = OwnedScan::new(update.clone()).unwrap();
        let (owned, borrowed) = (owned.as_scan(), scan(&update).unwrap());
        assert_eq!(owned.bytes(), borrowed.bytes());
        assert!(owned.inserts().eq(borrowed.inserts()));
        assert_eq!(owned.deletes(), borrowed.deletes());
        assert!(owned.roots().eq(["t"]));
    }

    #[test]
    fn limits_hold_for_an_owned_scan() {
        let update = Bytes::from_static(b"\x01\x01\x01\x00\x04\x01\x01t\x02hi\x00");
        let limits = ScanLimits {
            blocks: 0,
            ..ScanLimits::NONE
        };
        assert!(OwnedScan::within(update, &limits).is_err());
    }
}
