//! Reasons for which a token is refused.

use thiserror::Error;

/// Party that has to act before a refused request can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultParty {
    /// The program or user that sent the token: it needs another token, or a later attempt.
    Client,
    /// The program that issued the token: it signs claims that this server cannot accept.
    Issuer,
    /// The operator of this server: a setting or the answer of the own webhook is wrong.
    Operator,
    /// A service that this server depends on: the JWKS address or the webhook does not answer.
    Service,
}

/// Reason for which a token gives no access.
///
/// No variant holds any part of a token. Names of claims are those of the settings.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The client sent no token, or an empty one.
    #[error("no token was sent; connect with a token of the issuer of this server")]
    Missing,
    /// The token is longer than the limit.
    #[error("the token is longer than {limit} bytes; the issuer should put fewer claims into it")]
    TooLarge {
        /// Longest accepted token, in bytes.
        limit: usize,
    },
    /// The token is no JWT in compact form.
    #[error("the token is malformed: {problem}; send the token exactly as its issuer made it")]
    Malformed {
        /// Fixed description of the fault.
        problem: &'static str,
    },
    /// The header lists extensions that a verifier must understand.
    #[error("the token's header has critical extensions; its issuer should leave out `crit`")]
    CriticalHeader,
    /// The header names an algorithm that no key of this server has.
    #[error(
        "the token's algorithm is not that of a key of this server; its issuer should sign with HS256, RS256, ES256 or EdDSA and the key that this server knows"
    )]
    AlgorithmRefused,
    /// The header names a key that this server does not know.
    #[error(
        "the token is signed with a key that this server does not know; its issuer should publish the key, or this server's keys are to be updated"
    )]
    KeyUnknown,
    /// The header names no key and too many keys could fit.
    #[error(
        "the token names no key and more than {limit} keys could fit; its issuer should set `kid`"
    )]
    KeyAmbiguous {
        /// Number of keys that are tried for one token.
        limit: usize,
    },
    /// The signature is not that of the header and claims under the key.
    #[error(
        "the token's signature is wrong: it was altered, or signed with another key; ask the issuer for a new token"
    )]
    SignatureInvalid,
    /// The token has expired.
    #[error("the token has expired; ask the issuer for a new one")]
    Expired,
    /// The time from which on the token counts is in the future.
    #[error(
        "the token is not valid yet; try later, or compare the issuer's clock with this server's"
    )]
    NotYetValid,
    /// The time at which the token was issued is in the future.
    #[error("the token was issued in the future; compare the issuer's clock with this server's")]
    IssuedInFuture,
    /// The token never expires, and the settings require an expiry.
    #[error("the token has no `exp`; its issuer should set one")]
    ExpiryMissing,
    /// The token is meant for other services.
    #[error("the token is for another audience; ask the issuer for one for this server")]
    AudienceWrong,
    /// The token comes from an issuer that the settings do not list.
    #[error("the token is of another issuer; ask an issuer that this server trusts")]
    IssuerWrong,
    /// A claim has a value that cannot be used.
    #[error("the claim `{claim}` {problem}; the token's issuer should correct it")]
    ClaimInvalid {
        /// Name of the claim, as the settings have it.
        claim: String,
        /// Fixed description of the fault.
        problem: &'static str,
    },
    /// The token names no document.
    #[error("the token names no document in `{claim}`; its issuer should list the documents")]
    DocumentsMissing {
        /// Name of the claim, as the settings have it.
        claim: String,
    },
    /// The token names more documents than the limit.
    #[error("the token names more than {limit} documents; its issuer should use a pattern")]
    DocumentsTooMany {
        /// Largest number of documents and patterns of one token.
        limit: usize,
    },
    /// The token gives no permission that this server knows.
    #[error(
        "the token gives no permission in `{claim}`; its issuer should list `read`, `write`, `lock`, `take-over` or `manage`"
    )]
    PermissionsMissing {
        /// Name of the claim, as the settings have it.
        claim: String,
    },
    /// The settings limit a tenant to documents of its own and the token has no tenant.
    #[error("the token names no tenant in `{claim}`; its issuer should set it")]
    TenantMissing {
        /// Name of the claim, as the settings have it.
        claim: String,
    },
    /// No keys were fetched yet, or the last ones are too old.
    #[error("this server has no current keys to check tokens with; try again later")]
    KeysUnavailable,
    /// The webhook refused the request.
    #[error("access was refused by the authorization service; ask the owner of the document")]
    WebhookRefused,
    /// The webhook did not answer in time, or answered with a failure.
    #[error("the authorization service is not available; try again later")]
    WebhookUnavailable,
    /// The webhook answered with something that is no valid answer.
    #[error(
        "the authorization service's answer is invalid: {problem}; this server's operator should correct the service"
    )]
    WebhookAnswerInvalid {
        /// Fixed description of the fault.
        problem: &'static str,
    },
}

impl TokenError {
    /// Returns the code of this case for metrics and machines. Codes never change.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "token-missing",
            Self::TooLarge { .. } => "token-too-large",
            Self::Malformed { .. } => "token-malformed",
            Self::CriticalHeader => "critical-header",
            Self::AlgorithmRefused => "algorithm-refused",
            Self::KeyUnknown => "key-unknown",
            Self::KeyAmbiguous { .. } => "key-ambiguous",
            Self::SignatureInvalid => "signature-invalid",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::IssuedInFuture => "issued-in-future",
            Self::ExpiryMissing => "expiry-missing",
            Self::AudienceWrong => "audience-wrong",
            Self::IssuerWrong => "issuer-wrong",
            Self::ClaimInvalid { .. } => "claim-invalid",
            Self::DocumentsMissing { .. } => "documents-missing",
            Self::DocumentsTooMany { .. } => "documents-too-many",
            Self::PermissionsMissing { .. } => "permissions-missing",
            Self::TenantMissing { .. } => "tenant-missing",
            Self::KeysUnavailable => "keys-unavailable",
            Self::WebhookRefused => "webhook-refused",
            Self::WebhookUnavailable => "webhook-unavailable",
            Self::WebhookAnswerInvalid { .. } => "webhook-answer-invalid",
        }
    }

    /// Returns the party that has to act.
    #[must_use]
    pub fn fault(&self) -> FaultParty {
        match self {
            Self::Missing
            | Self::Malformed { .. }
            | Self::SignatureInvalid
            | Self::Expired
            | Self::NotYetValid
            | Self::AudienceWrong
            | Self::IssuerWrong
            | Self::WebhookRefused => FaultParty::Client,
            Self::TooLarge { .. }
            | Self::CriticalHeader
            | Self::AlgorithmRefused
            | Self::KeyUnknown
            | Self::KeyAmbiguous { .. }
            | Self::IssuedInFuture
            | Self::ExpiryMissing
            | Self::ClaimInvalid { .. }
            | Self::DocumentsMissing { .. }
            | Self::DocumentsTooMany { .. }
            | Self::PermissionsMissing { .. }
            | Self::TenantMissing { .. } => FaultParty::Issuer,
            Self::WebhookAnswerInvalid { .. } => FaultParty::Operator,
            Self::KeysUnavailable | Self::WebhookUnavailable => FaultParty::Service,
        }
    }

    /// Returns true if the same token may succeed later without the client's doing.
    ///
    /// The server closes such a connection with a code that lets the client try again.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self.fault(), FaultParty::Service | FaultParty::Operator)
    }
}
