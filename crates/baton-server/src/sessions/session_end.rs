//! The reasons for which the server ends a session because of its access.

use baton_room::Ending;

use crate::access::AccessDenied;
use crate::connection::close_codes;
use crate::ops::rejection_counters::Rejection;

/// A reason, with the words for the session's client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    /// Its token has expired.
    Expired,
    /// Its token or its user was revoked, or an operator ended it.
    Revoked,
    /// Its token gives no access to the document any more.
    Denied(AccessDenied),
    /// Its token now states another user or tenant than the one that others were shown.
    OtherIdentity,
}

impl SessionEnd {
    /// Returns the reason for machines, which has a close code.
    pub(crate) fn ending(&self) -> Ending {
        match self {
            Self::Expired | Self::OtherIdentity => Ending::Expired,
            Self::Revoked => Ending::Unauthorized,
            Self::Denied(denied) if denied.code == close_codes::FORBIDDEN => Ending::Forbidden,
            Self::Denied(_) => Ending::Unauthorized,
        }
    }

    /// Returns the reason for people.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Expired => "the token has expired; connect again with a new one".to_owned(),
            Self::Revoked => {
                "the access was revoked; ask the owner of the document for a new one".to_owned()
            }
            Self::Denied(denied) => denied.text.clone(),
            Self::OtherIdentity => {
                "the token is now another user's; connect again to be shown as that one".to_owned()
            }
        }
    }

    /// Returns the reason under which it is counted.
    pub(crate) fn rejection(&self) -> Rejection {
        match self {
            Self::Expired => Rejection::SessionExpired,
            Self::Revoked => Rejection::SessionRevoked,
            Self::Denied(_) | Self::OtherIdentity => Rejection::SessionDenied,
        }
    }
}
