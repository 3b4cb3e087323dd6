//! Claims that RFC 7519 registers: times, audience, issuer.

use serde_json::{Map, Value};

use crate::error::TokenError;

/// Latest time that a claim may state, in Unix seconds: the end of the year 9999.
const MAX_SECONDS: f64 = 253_402_300_799.0;

/// Expectations of the registered claims.
pub(crate) struct RegisteredClaims<'a> {
    pub(crate) audiences: &'a [String],
    pub(crate) issuers: &'a [String],
    pub(crate) leeway_ms: u64,
    pub(crate) expiry_required: bool,
}

/// Times of a token, in Unix milliseconds.
pub(crate) struct TokenTimes {
    pub(crate) issued_at: Option<u64>,
    /// Time from which on the token counts no more, leeway included.
    pub(crate) expires_at: Option<u64>,
}

impl RegisteredClaims<'_> {
    /// Checks the claims at this time, in Unix milliseconds, and returns the token's times.
    pub(crate) fn check(
        &self,
        claims: &Map<String, Value>,
        now: u64,
    ) -> Result<TokenTimes, TokenError> {
        let latest = now.saturating_add(self.leeway_ms);
        let expires_at = time(claims, "exp")?.map(|end| end.saturating_add(self.leeway_ms));
        match expires_at {
            Some(end) if now >= end => return Err(TokenError::Expired),
            None if self.expiry_required => return Err(TokenError::ExpiryMissing),
            _ => {}
        }
        if time(claims, "nbf")?.is_some_and(|start| start > latest) {
            return Err(TokenError::NotYetValid);
        }
        let issued_at = time(claims, "iat")?;
        if issued_at.is_some_and(|issued| issued > latest) {
            return Err(TokenError::IssuedInFuture);
        }
        if !self.audiences.is_empty() && !names_one_of(claims, "aud", self.audiences)? {
            return Err(TokenError::AudienceWrong);
        }
        if !self.issuers.is_empty() && !names_one_of(claims, "iss", self.issuers)? {
            return Err(TokenError::IssuerWrong);
        }
        Ok(TokenTimes {
            issued_at,
            expires_at,
        })
    }
}

fn invalid(claim: &str, problem: &'static str) -> TokenError {
    TokenError::ClaimInvalid {
        claim: claim.to_owned(),
        problem,
    }
}

/// Returns a time in Unix milliseconds; the claim has seconds, perhaps with a fraction.
fn time(claims: &Map<String, Value>, claim: &str) -> Result<Option<u64>, TokenError> {
    let value = match claims.get(claim) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let seconds = value
        .as_f64()
        .filter(|seconds| (0.0..=MAX_SECONDS).contains(seconds));
    let seconds = seconds.ok_or_else(|| invalid(claim, "is no time in Unix seconds"))?;
    // In range: checked above.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Ok(Some((seconds * 1000.0) as u64))
}

/// Returns true if a string, or a list of strings, has one of the names. `iss` is a single string.
fn names_one_of(
    claims: &Map<String, Value>,
    claim: &str,
    names: &[String],
) -> Result<bool, TokenError> {
    match claims.get(claim) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::String(text)) => Ok(names.contains(text)),
        Some(Value::Array(list)) if claim == "aud" => {
            let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            let texts = texts.ok_or_else(|| invalid(claim, "has a value that is no string"))?;
            Ok(texts
                .iter()
                .any(|text| names.iter().any(|name| name == text)))
        }
        Some(_) => Err(invalid(claim, "is no string")),
    }
}
