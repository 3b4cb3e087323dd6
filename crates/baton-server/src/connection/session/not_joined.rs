//! The reason for which a connection did not get into a document.

use crate::connection::close_codes;
use crate::sessions::session_end::SessionEnd;

/// The reason for which a connection did not get into a document: close code and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotJoined {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

impl NotJoined {
    /// Returns a refusal for the moment.
    pub(super) fn unavailable(reason: &str) -> Self {
        Self {
            code: close_codes::UNAVAILABLE,
            reason: reason.to_owned(),
        }
    }
}

impl From<&SessionEnd> for NotJoined {
    fn from(end: &SessionEnd) -> Self {
        Self {
            code: close_codes::code(end.ending()),
            reason: end.text(),
        }
    }
}
