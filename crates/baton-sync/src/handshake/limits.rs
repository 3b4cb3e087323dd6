//! Bounds of one connection's handshake.

use crate::scan::ScanLimits;

/// Bounds of one connection's handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// Bytes that may be kept aside, each update counted with 96 more. An update beyond it is not
    /// taken; the client is asked for it again when it may fit.
    pub aside_bytes: usize,
    /// Bounds of one update.
    pub update: ScanLimits,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self {
            aside_bytes: 1024 * 1024,
            update: ScanLimits::default(),
        }
    }
}
