//! Access that a token, a webhook or the settings give.

use crate::document_pattern::DocumentPattern;
use crate::identity::{
    IdentityError, MAX_IDENTITY_BYTES, TenantPrefix, TokenUser, check_tenant, check_text,
};
use crate::permissions::{Permission, Permissions};

/// Permissions for the documents that fit a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRule {
    /// Documents that the rule is about.
    pub documents: DocumentPattern,
    /// Permissions on each of them.
    pub permissions: Permissions,
}

/// Rules of one client: its permissions on documents, its user and tenant, and their end.
///
/// A document has the permissions of all rules that it fits. A document that is listed as
/// read-only has [`Permissions::READ`], whatever the rules say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    rules: Vec<DocumentRule>,
    read_only: Vec<DocumentPattern>,
    /// Beginning of the names of all documents that the rules may reach.
    within: Option<Box<str>>,
    user: Option<TokenUser>,
    tenant: Option<Box<str>>,
    issued_at: Option<u64>,
    expires_at: Option<u64>,
    token_id: Option<Box<str>>,
}

impl Access {
    /// Makes an access of these rules, without a user, a tenant or an end.
    #[must_use]
    pub fn new(rules: Vec<DocumentRule>) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// Makes an access with these permissions on every document, for a server without
    /// authentication.
    #[must_use]
    pub fn to_every_document(permissions: Permissions) -> Self {
        let documents = DocumentPattern::every();
        Self::new(vec![DocumentRule {
            documents,
            permissions,
        }])
    }

    /// Sets the documents that may be read and nothing else.
    #[must_use]
    pub fn with_read_only(mut self, documents: Vec<DocumentPattern>) -> Self {
        self.read_only = documents;
        self
    }

    /// Sets the user.
    #[must_use]
    pub fn with_user(mut self, user: TokenUser) -> Self {
        self.user = Some(user);
        self
    }

    /// Sets the tenant, and limits the rules to the tenant's documents if there is a prefix.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] if the name is empty, too long, or has characters that mean something in
    /// names of documents.
    pub fn with_tenant(
        mut self,
        tenant: &str,
        prefix: Option<&TenantPrefix>,
    ) -> Result<Self, IdentityError> {
        check_tenant(tenant)?;
        self.within = prefix.map(|prefix| prefix.of(tenant).into());
        self.tenant = Some(tenant.into());
        Ok(self)
    }

    /// Sets the time at which the token was issued, in Unix milliseconds.
    #[must_use]
    pub fn with_issue_time(mut self, issued_at: u64) -> Self {
        self.issued_at = Some(issued_at);
        self
    }

    /// Sets the time from which on the access counts no more, in Unix milliseconds.
    #[must_use]
    pub fn with_expiry(mut self, expires_at: u64) -> Self {
        self.expires_at = Some(expires_at);
        self
    }

    /// Sets the identity of the token, by which it can be revoked.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] if it is empty, too long, or has control characters.
    pub fn with_token_id(mut self, token_id: &str) -> Result<Self, IdentityError> {
        check_text(token_id, MAX_IDENTITY_BYTES)?;
        self.token_id = Some(token_id.into());
        Ok(self)
    }

    /// Returns the permissions on the document of this name, compared byte for byte.
    ///
    /// Does not look at the time: see [`Access::is_expired`].
    #[must_use]
    pub fn permissions(&self, document: &str) -> Permissions {
        let is_within =
            |within: &str| document.len() > within.len() && document.starts_with(within);
        if self
            .within
            .as_deref()
            .is_some_and(|within| !is_within(within))
        {
            return Permissions::NONE;
        }
        if self.read_only.iter().any(|one| one.matches(document)) {
            return Permissions::READ;
        }
        self.rules
            .iter()
            .filter(|rule| rule.documents.matches(document))
            .fold(Permissions::NONE, |all, rule| all | rule.permissions)
    }

    /// Returns true if the access has [`Permission::Manage`] for every document that exists or will
    /// exist: one rule gives it for all names, and neither a tenant nor a list narrows it.
    #[must_use]
    pub fn manages_every_document(&self) -> bool {
        let is_everywhere = |rule: &DocumentRule| {
            rule.documents.is_every() && rule.permissions.contains(Permission::Manage)
        };
        self.within.is_none() && self.read_only.is_empty() && self.rules.iter().any(is_everywhere)
    }

    /// Returns the user, if the token states one.
    #[must_use]
    pub fn user(&self) -> Option<&TokenUser> {
        self.user.as_ref()
    }

    /// Returns the tenant, if the token states one.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// Returns the time at which the token was issued, in Unix milliseconds, if it states one.
    #[must_use]
    pub fn issued_at(&self) -> Option<u64> {
        self.issued_at
    }

    /// Returns the time from which on the access counts no more, in Unix milliseconds. The leeway
    /// for clocks is in it.
    #[must_use]
    pub fn expires_at(&self) -> Option<u64> {
        self.expires_at
    }

    /// Returns the identity of the token, if it has one.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }

    /// Returns true if the access counts no more at this time, in Unix milliseconds.
    #[must_use]
    pub fn is_expired(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }
}
