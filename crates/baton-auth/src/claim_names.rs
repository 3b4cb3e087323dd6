//! Names under which an issuer's tokens hold what Baton needs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

/// Longest name of a claim, in bytes.
pub const MAX_CLAIM_NAME_BYTES: usize = 256;

/// Most dots in the name of a claim.
pub const MAX_CLAIM_NAME_DOTS: usize = 8;

/// Name of a claim: a full name, or a path of names with dots between them.
///
/// `app.documents` is the claim of this full name if there is one, otherwise `documents` in the
/// object `app`. A URL such as `https://example.com/documents` is a full name like any other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClaimName(Box<str>);

/// A text in the settings cannot be the name of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a claim's name has 1 to 256 bytes, no control characters, and at most 8 dots")]
pub struct ClaimNameError;

impl ClaimName {
    /// Takes a name.
    ///
    /// # Errors
    ///
    /// [`ClaimNameError`] if it is empty, longer than [`MAX_CLAIM_NAME_BYTES`], has control
    /// characters, or more than [`MAX_CLAIM_NAME_DOTS`] dots.
    pub fn new(name: &str) -> Result<Self, ClaimNameError> {
        let dots = name.bytes().filter(|byte| *byte == b'.').count();
        let fits = (1..=MAX_CLAIM_NAME_BYTES).contains(&name.len());
        if !fits || dots > MAX_CLAIM_NAME_DOTS || name.chars().any(char::is_control) {
            return Err(ClaimNameError);
        }
        Ok(Self(name.into()))
    }

    /// Names that stand in this file.
    fn known(name: &'static str) -> Self {
        Self(name.into())
    }

    /// Returns the name as the settings have it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the claim, or `None` if there is none or it is `null`.
    pub(crate) fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        find(claims, &self.0)
    }
}

/// Looks for the full name first, then for each way to cut it at a dot.
fn find<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = object.get(name) {
        return (!value.is_null()).then_some(value);
    }
    name.match_indices('.').find_map(|(at, _)| {
        let inner = object.get(&name[..at])?.as_object()?;
        find(inner, &name[at + 1..])
    })
}

impl fmt::Display for ClaimName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ClaimName {
    type Err = ClaimNameError;

    fn from_str(name: &str) -> Result<Self, ClaimNameError> {
        Self::new(name)
    }
}

impl TryFrom<String> for ClaimName {
    type Error = ClaimNameError;

    fn try_from(name: String) -> Result<Self, ClaimNameError> {
        Self::new(&name)
    }
}

impl From<ClaimName> for String {
    fn from(name: ClaimName) -> Self {
        name.0.into()
    }
}

/// Names of the claims that Baton reads, beside the registered `exp`, `nbf`, `iat`, `aud`, `iss`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimNames {
    /// Documents: a string, a list of strings, or an object of documents with their permissions.
    pub documents: ClaimName,
    /// Documents that may only be read: a string or a list of strings.
    pub read_only_documents: ClaimName,
    /// Permissions: a list of words, or a string of words with spaces or commas between them.
    pub permissions: ClaimName,
    /// Identity of the user: a string or a whole number.
    pub user_id: ClaimName,
    /// Name of the user that others see.
    pub user_name: ClaimName,
    /// Color of the user that others see.
    pub user_color: ClaimName,
    /// Tenant that the user belongs to: a string or a whole number.
    pub tenant: ClaimName,
    /// Identity of the token.
    pub token_id: ClaimName,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            documents: ClaimName::known("documents"),
            read_only_documents: ClaimName::known("read_only_documents"),
            permissions: ClaimName::known("permissions"),
            user_id: ClaimName::known("sub"),
            user_name: ClaimName::known("name"),
            user_color: ClaimName::known("color"),
            tenant: ClaimName::known("tenant"),
            token_id: ClaimName::known("jti"),
        }
    }
}

impl ClaimNames {
    /// Names in tokens with y-sweet's words: `doc_id` and `authorization`.
    #[must_use]
    pub fn y_sweet() -> Self {
        Self {
            documents: ClaimName::known("doc_id"),
            permissions: ClaimName::known("authorization"),
            ..Self::default()
        }
    }

    /// Names in tokens for Tiptap's hosted Hocuspocus: `allowedDocumentNames` and
    /// `readonlyDocumentNames`.
    #[must_use]
    pub fn tiptap() -> Self {
        Self {
            documents: ClaimName::known("allowedDocumentNames"),
            read_only_documents: ClaimName::known("readonlyDocumentNames"),
            ..Self::default()
        }
    }
}
