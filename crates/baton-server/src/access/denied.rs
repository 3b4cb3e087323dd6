//! The answer to a client that may not open a document.

use baton_auth::TokenError;

use crate::connection::close_codes;

/// The answer to a client that may not open the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct AccessDenied {
    /// Close code: 44xx is final, 45xx means that the client may try again.
    pub(crate) code: u16,
    /// Reason in a few bytes, for a close frame and a metric. Names no secret.
    pub(crate) reason: &'static str,
    /// Reason for people: whose fault it is and what to do. Names no secret.
    pub(crate) text: String,
}

impl AccessDenied {
    /// The client may not open the document, and another token would not help (close code 4403).
    /// `text` is the reason for people: whose fault it is and what to do, without a secret.
    #[must_use]
    pub fn forbidden(text: impl Into<String>) -> Self {
        Self {
            code: close_codes::FORBIDDEN,
            reason: "forbidden",
            text: text.into(),
        }
    }

    /// The client is not known: it has to sign in first (close code 4401).
    #[must_use]
    pub fn unauthorized(text: impl Into<String>) -> Self {
        Self {
            code: close_codes::UNAUTHORIZED,
            reason: "unauthorized",
            text: text.into(),
        }
    }

    /// It cannot be decided at the moment: the client may try again by itself (close code 4504).
    #[must_use]
    pub fn undecided(text: impl Into<String>) -> Self {
        Self {
            code: close_codes::UNDECIDED,
            reason: "undecided",
            text: text.into(),
        }
    }

    /// Returns true if the same client may be let in later without its doing.
    pub(crate) fn is_temporary(&self) -> bool {
        self.code >= close_codes::UNAVAILABLE
    }

    /// Returns the answer to a client whose token or user was revoked.
    pub(crate) fn revoked() -> Self {
        Self {
            code: close_codes::UNAUTHORIZED,
            reason: "revoked",
            text: "the token was revoked; ask its issuer for a new one".to_owned(),
        }
    }

    /// Returns the answer to a client that shows a token of another user or tenant on a connection
    /// whose user others were shown.
    pub(crate) fn other_party() -> Self {
        Self {
            code: close_codes::FORBIDDEN,
            reason: "other-user",
            text: "the token is another user's or tenant's; connect anew with it".to_owned(),
        }
    }

    /// Returns the answer to a caller whose token does not manage every document.
    pub(super) fn not_every_document() -> Self {
        Self {
            code: close_codes::FORBIDDEN,
            reason: "not-an-operator",
            text: "the token does not have `manage` for every document (`*`); ask its issuer for one that has"
                .to_owned(),
        }
    }

    /// Returns the answer to a client whose token is for other documents.
    pub(super) fn not_this_document() -> Self {
        Self {
            code: close_codes::FORBIDDEN,
            reason: "document-not-granted",
            text: "the token is not for this document; ask its issuer for one that is".to_owned(),
        }
    }

    /// Returns the answer to a caller whose token does not let it manage the document.
    pub(super) fn not_a_manager() -> Self {
        Self {
            code: close_codes::FORBIDDEN,
            reason: "not-a-manager",
            text: "the token does not let its owner manage this document; show the server token, or one with the permission manage".to_owned(),
        }
    }
}

impl From<TokenError> for AccessDenied {
    fn from(error: TokenError) -> Self {
        let code = match &error {
            TokenError::WebhookRefused => close_codes::FORBIDDEN,
            error if error.is_temporary() => close_codes::UNDECIDED,
            _ => close_codes::UNAUTHORIZED,
        };
        Self {
            code,
            reason: error.reason(),
            text: error.to_string(),
        }
    }
}
