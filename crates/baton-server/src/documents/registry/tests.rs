use std::time::Duration;

use super::*;
use crate::limits::tenant_sums::TenantFull;

/// Payload of a close frame (RFC 6455, section 5.5), without its code.
const REASON_BYTES: usize = 123;

/// A longer reason is cut where it says what to do.
#[test]
fn the_reason_for_a_refusal_fits_into_a_close_frame() {
    for refused in [
        OpenError::from(NotOpened::TooMany(100_000_000)),
        NotOpened::Closing.into(),
        LoadRefused::Queue(100_000_000).into(),
        LoadRefused::Time(Duration::from_millis(12_345)).into(),
        NewDocumentRefused::Documents(1_000_000_000).into(),
        NewDocumentRefused::Store(1 << 50).into(),
        NewDocumentRefused::from(TenantFull::Documents(1_000_000_000)).into(),
        NewDocumentRefused::from(TenantFull::DocumentsStored(1_000_000_000)).into(),
        NewDocumentRefused::from(TenantFull::Store(1 << 50)).into(),
    ] {
        let reason = refused.to_string();
        assert!(reason.len() <= REASON_BYTES, "{}: {reason}", reason.len());
    }
}
