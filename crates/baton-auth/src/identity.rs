//! Identities that a token states: its user and its tenant.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Longest identity of a user, a token or a name shown to others, in bytes.
pub const MAX_IDENTITY_BYTES: usize = 256;

/// Longest color of a user, in bytes.
pub const MAX_COLOR_BYTES: usize = 64;

/// Longest name of a tenant, in bytes.
pub const MAX_TENANT_BYTES: usize = 128;

/// Place in [`TenantPrefix`] where the tenant's name goes.
const TENANT_PLACE: &str = "{tenant}";

/// Longest template of a [`TenantPrefix`], in bytes.
const MAX_PREFIX_BYTES: usize = 256;

/// A text cannot be an identity, a name, a color or a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The text is empty.
    #[error("is empty")]
    Empty,
    /// The text is over its limit.
    #[error("is too long")]
    TooLong,
    /// The text has a control character, or one that turns the direction of writing.
    #[error("has a control character")]
    ControlCharacter,
    /// A tenant has a character that means something in names and patterns of documents.
    #[error("has `/`, `\\` or `*`, or is `.` or `..`")]
    NotATenant,
}

impl IdentityError {
    /// Returns the fault as the end of a sentence that begins with the name of the claim.
    pub(crate) fn problem(self) -> &'static str {
        match self {
            Self::Empty => "is empty",
            Self::TooLong => "is too long",
            Self::ControlCharacter => "has a control character",
            Self::NotATenant => "has `/`, `\\` or `*`, or is `.` or `..`",
        }
    }
}

/// Returns true for characters that hide or reorder what a reader sees.
fn is_deceptive(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Checks a text that is shown or compared.
pub(crate) fn check_text(text: &str, limit: usize) -> Result<(), IdentityError> {
    if text.is_empty() {
        return Err(IdentityError::Empty);
    }
    if text.len() > limit {
        return Err(IdentityError::TooLong);
    }
    if text.chars().any(is_deceptive) {
        return Err(IdentityError::ControlCharacter);
    }
    Ok(())
}

/// Checks the name of a tenant, which becomes a part of names of documents.
pub(crate) fn check_tenant(tenant: &str) -> Result<(), IdentityError> {
    check_text(tenant, MAX_TENANT_BYTES)?;
    if tenant.contains(['/', '\\', '*']) || matches!(tenant, "." | "..") {
        return Err(IdentityError::NotATenant);
    }
    Ok(())
}

/// User that a token or webhook states. The server shows it to others in place of what the
/// client says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUser {
    id: Box<str>,
    name: Option<Box<str>>,
    color: Option<Box<str>>,
}

impl TokenUser {
    /// Takes the identity of a user, at most [`MAX_IDENTITY_BYTES`] long.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] if it is empty, too long, or has control characters.
    pub fn new(id: &str) -> Result<Self, IdentityError> {
        check_text(id, MAX_IDENTITY_BYTES)?;
        let id = id.into();
        let (name, color) = (None, None);
        Ok(Self { id, name, color })
    }

    /// Sets the name that others see, at most [`MAX_IDENTITY_BYTES`] long.
    ///
    /// # Errors
    ///
    /// As [`TokenUser::new`].
    pub fn with_name(mut self, name: &str) -> Result<Self, IdentityError> {
        check_text(name, MAX_IDENTITY_BYTES)?;
        self.name = Some(name.into());
        Ok(self)
    }

    /// Sets the color that others see, at most [`MAX_COLOR_BYTES`] long.
    ///
    /// # Errors
    ///
    /// As [`TokenUser::new`].
    pub fn with_color(mut self, color: &str) -> Result<Self, IdentityError> {
        check_text(color, MAX_COLOR_BYTES)?;
        self.color = Some(color.into());
        Ok(self)
    }

    /// Returns the identity, which the issuer keeps unique.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the name that others see.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the color that others see, as the issuer wrote it.
    #[must_use]
    pub fn color(&self) -> Option<&str> {
        self.color.as_deref()
    }
}

/// Template for the beginning of the names of a tenant's documents, such as `{tenant}/`.
///
/// A `/` follows the tenant's name, so that tenant `a` has no part in documents of tenant `ab`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantPrefix {
    before: Box<str>,
    after: Box<str>,
}

/// A text in the settings cannot be a [`TenantPrefix`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a tenant prefix has `{{tenant}}/` exactly once, at most 256 bytes, no `*` and no control characters"
)]
pub struct TenantPrefixError;

impl TenantPrefix {
    /// Parses a template.
    ///
    /// # Errors
    ///
    /// [`TenantPrefixError`] if it has not exactly one `{tenant}`, followed by `/`, has a `*` or a
    /// control character, or is too long.
    pub fn parse(template: &str) -> Result<Self, TenantPrefixError> {
        let (before, after) = template.split_once(TENANT_PLACE).ok_or(TenantPrefixError)?;
        let is_special = |c: char| c == '*' || c.is_control();
        if !after.starts_with('/')
            || after.contains(TENANT_PLACE)
            || template.len() > MAX_PREFIX_BYTES
            || template.contains(is_special)
        {
            return Err(TenantPrefixError);
        }
        Ok(Self {
            before: before.into(),
            after: after.into(),
        })
    }

    /// Returns the tenant to which the document of this name belongs, if it belongs to one.
    #[must_use]
    pub fn tenant_of<'a>(&self, document: &'a str) -> Option<&'a str> {
        let rest = document.strip_prefix(&*self.before)?;
        // A tenant has no `/`, and the template has one behind it.
        let (tenant, _) = rest.split_once('/')?;
        let name = rest[tenant.len()..].strip_prefix(&*self.after)?;
        (!name.is_empty() && check_tenant(tenant).is_ok()).then_some(tenant)
    }

    /// Returns the prefix of a tenant whose name was checked.
    pub(crate) fn of(&self, tenant: &str) -> String {
        format!("{}{tenant}{}", self.before, self.after)
    }
}

impl FromStr for TenantPrefix {
    type Err = TenantPrefixError;

    fn from_str(template: &str) -> Result<Self, TenantPrefixError> {
        Self::parse(template)
    }
}

impl fmt::Display for TenantPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{TENANT_PLACE}{}", self.before, self.after)
    }
}
