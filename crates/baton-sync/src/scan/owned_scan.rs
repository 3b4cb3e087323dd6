//! A scan that holds the bytes it is about, so that it can be kept and passed on.

use std::borrow::Cow;

use bytes::Bytes;

use super::{Scan, ScanError, ScanLimits, Tables};

/// An update whose bytes are sound, with those bytes: read once, and used as a [`Scan`] wherever
/// one is wanted.
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

    /// [`OwnedScan::new`] of an update from a stranger, which may hold so much.
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

    /// The update itself.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The scan, which borrows from this; it costs nothing.
    #[must_use]
    pub fn as_scan(&self) -> Scan<'_> {
        Scan {
            bytes: &self.bytes,
            tables: Cow::Borrowed(&self.tables),
        }
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
