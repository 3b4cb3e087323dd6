//! Rules by which the claims of a verified token become an [`Access`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::access::{Access, DocumentRule};
use crate::claim_names::{ClaimName, ClaimNames};
use crate::document_pattern::DocumentPattern;
use crate::error::TokenError;
use crate::identity::{IdentityError, TenantPrefix, TokenUser};
use crate::permissions::{Permission, Permissions};
use crate::registered_claims::RegisteredClaims;

type Claims = Map<String, Value>;

/// Meaning of the names of documents in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentSyntax {
    /// Names are patterns, see [`DocumentPattern`].
    #[default]
    Patterns,
    /// Names are names: a `*` is a `*`. For issuers that put names from users into tokens.
    Exact,
}

/// Settings for the claims of tokens.
#[derive(Clone, Debug)]
pub struct ClaimRules {
    /// Names of the claims.
    pub names: ClaimNames,
    /// Meaning of the names of documents.
    pub document_syntax: DocumentSyntax,
    /// Documents of a token without the claim for documents. If empty, such a token is refused.
    pub default_documents: Vec<DocumentPattern>,
    /// Permissions of a token without the claim for them. If empty, such a token is refused.
    pub default_permissions: Permissions,
    /// Words of other issuers for permissions. Words that are neither here nor Baton's give none.
    pub permission_words: BTreeMap<String, Permissions>,
    /// Audiences of which a token has to name one. If empty, `aud` is not looked at.
    pub audiences: Vec<String>,
    /// Issuers of which a token has to name one. If empty, `iss` is not looked at.
    pub issuers: Vec<String>,
    /// Difference of clocks that `exp`, `nbf` and `iat` allow for, in milliseconds.
    pub leeway_ms: u64,
    /// Refuses a token without `exp` if true.
    pub expiry_required: bool,
    /// Beginning of the names of a tenant's documents. With it, a token has to name a tenant.
    pub tenant_prefix: Option<TenantPrefix>,
    /// Most documents and patterns in one token.
    pub max_documents: usize,
}

impl Default for ClaimRules {
    fn default() -> Self {
        let words = [
            ("full", Permissions::WRITE),
            ("read-write", Permissions::WRITE),
            ("read-only", Permissions::READ),
            ("readonly", Permissions::READ),
        ];
        Self {
            names: ClaimNames::default(),
            document_syntax: DocumentSyntax::Patterns,
            default_documents: Vec::new(),
            default_permissions: Permissions::NONE,
            permission_words: words.map(|(word, set)| (word.to_owned(), set)).into(),
            audiences: Vec::new(),
            issuers: Vec::new(),
            leeway_ms: 30_000,
            expiry_required: true,
            tenant_prefix: None,
            max_documents: 256,
        }
    }
}

impl ClaimRules {
    /// Rules for tokens with y-sweet's words, whose document is one exact name.
    #[must_use]
    pub fn y_sweet() -> Self {
        Self {
            names: ClaimNames::y_sweet(),
            document_syntax: DocumentSyntax::Exact,
            ..Self::default()
        }
    }

    /// Rules for tokens for Tiptap's hosted Hocuspocus: documents of `allowedDocumentNames` may be
    /// written, and a token without it counts for every document.
    #[must_use]
    pub fn tiptap() -> Self {
        Self {
            names: ClaimNames::tiptap(),
            default_documents: vec![DocumentPattern::every()],
            default_permissions: Permissions::WRITE,
            ..Self::default()
        }
    }

    /// Reads the claims of a token whose signature was verified. The time is in Unix milliseconds.
    pub(crate) fn access(&self, claims: &Claims, now: u64) -> Result<Access, TokenError> {
        let registered = RegisteredClaims {
            audiences: &self.audiences,
            issuers: &self.issuers,
            leeway_ms: self.leeway_ms,
            expiry_required: self.expiry_required,
        };
        let times = registered.check(claims, now)?;
        let mut access = self.documents(claims)?;
        if let Some(issued_at) = times.issued_at {
            access = access.with_issue_time(issued_at);
        }
        if let Some(expires_at) = times.expires_at {
            access = access.with_expiry(expires_at);
        }
        if let Some(user) = self.user(claims)? {
            access = access.with_user(user);
        }
        let name = &self.names.token_id;
        if let Some(id) = identity(claims, name)? {
            let with_id = access.with_token_id(&id);
            access = with_id.map_err(|error| unusable(name, error))?;
        }
        let name = &self.names.tenant;
        match identity(claims, name)? {
            Some(tenant) => access
                .with_tenant(&tenant, self.tenant_prefix.as_ref())
                .map_err(|error| unusable(name, error)),
            None if self.tenant_prefix.is_some() => Err(TokenError::TenantMissing {
                claim: name.as_str().to_owned(),
            }),
            None => Ok(access),
        }
    }

    /// Combines the claims for documents and permissions.
    fn documents(&self, claims: &Claims) -> Result<Access, TokenError> {
        let name = &self.names.documents;
        let mut found = Vec::new();
        match name.find(claims) {
            Some(Value::Object(each)) => {
                for (text, words) in each {
                    let permissions = self.words(words, name)?;
                    found.push((self.pattern(text, name)?, permissions));
                }
            }
            Some(list) => {
                let patterns = self.patterns(list, name)?;
                // A token with an empty list needs no permissions.
                if !patterns.is_empty() {
                    let permissions = self.common_permissions(claims)?;
                    found.extend(patterns.into_iter().map(|pattern| (pattern, permissions)));
                }
            }
            None if !self.default_documents.is_empty() => {
                let permissions = self.common_permissions(claims)?;
                let defaults = self.default_documents.iter().cloned();
                found.extend(defaults.map(|pattern| (pattern, permissions)));
            }
            None => {}
        }
        let name = &self.names.read_only_documents;
        let read_only = match name.find(claims) {
            Some(list) => self.patterns(list, name)?,
            None => Vec::new(),
        };
        if found.is_empty() && read_only.is_empty() {
            let claim = self.names.documents.as_str().to_owned();
            return Err(TokenError::DocumentsMissing { claim });
        }
        if found.len() + read_only.len() > self.max_documents {
            let limit = self.max_documents;
            return Err(TokenError::DocumentsTooMany { limit });
        }
        let rule = |(documents, permissions)| DocumentRule {
            documents,
            permissions,
        };
        let rules = found.into_iter().map(rule).collect();
        Ok(Access::new(rules).with_read_only(read_only))
    }

    /// Reads the claim for the permissions on all documents of the token.
    fn common_permissions(&self, claims: &Claims) -> Result<Permissions, TokenError> {
        let name = &self.names.permissions;
        let permissions = match name.find(claims) {
            Some(words) => self.words(words, name)?,
            None => self.default_permissions,
        };
        if permissions.is_empty() {
            let claim = name.as_str().to_owned();
            return Err(TokenError::PermissionsMissing { claim });
        }
        Ok(permissions)
    }

    /// Reads permissions from a list of words or a string of words. Unknown words give nothing.
    fn words(&self, value: &Value, claim: &ClaimName) -> Result<Permissions, TokenError> {
        let texts = strings(value).ok_or_else(|| TokenError::ClaimInvalid {
            claim: claim.as_str().to_owned(),
            problem: "has permissions that are no list of words and no string",
        })?;
        let words = texts.iter().flat_map(|text| text.split([' ', ',']));
        Ok(words
            .map(|word| match self.permission_words.get(word) {
                Some(set) => *set,
                None => Permission::from_word(word).map_or(Permissions::NONE, Permissions::from),
            })
            .fold(Permissions::NONE, |all, one| all | one))
    }

    fn patterns(
        &self,
        value: &Value,
        claim: &ClaimName,
    ) -> Result<Vec<DocumentPattern>, TokenError> {
        let texts = strings(value).ok_or_else(|| TokenError::ClaimInvalid {
            claim: claim.as_str().to_owned(),
            problem: "has documents that are no list of strings and no string",
        })?;
        if texts.len() > self.max_documents {
            let limit = self.max_documents;
            return Err(TokenError::DocumentsTooMany { limit });
        }
        let patterns = texts.into_iter().map(|text| self.pattern(text, claim));
        patterns.collect()
    }

    fn pattern(&self, text: &str, claim: &ClaimName) -> Result<DocumentPattern, TokenError> {
        let parsed = match self.document_syntax {
            DocumentSyntax::Patterns => DocumentPattern::parse(text),
            DocumentSyntax::Exact => DocumentPattern::exact(text),
        };
        parsed.map_err(|error| TokenError::ClaimInvalid {
            claim: claim.as_str().to_owned(),
            problem: error.problem(),
        })
    }

    /// Reads the claims for the user. A name or color without an identity is left out.
    fn user(&self, claims: &Claims) -> Result<Option<TokenUser>, TokenError> {
        let names = &self.names;
        let Some(id) = identity(claims, &names.user_id)? else {
            return Ok(None);
        };
        let mut user = TokenUser::new(&id).map_err(|error| unusable(&names.user_id, error))?;
        if let Some(name) = text(claims, &names.user_name)? {
            let named = user.with_name(name);
            user = named.map_err(|error| unusable(&names.user_name, error))?;
        }
        if let Some(color) = text(claims, &names.user_color)? {
            let colored = user.with_color(color);
            user = colored.map_err(|error| unusable(&names.user_color, error))?;
        }
        Ok(Some(user))
    }
}

fn unusable(claim: &ClaimName, error: IdentityError) -> TokenError {
    TokenError::ClaimInvalid {
        claim: claim.as_str().to_owned(),
        problem: error.problem(),
    }
}

/// Returns the strings of a string or of a list of strings.
fn strings(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn text<'a>(claims: &'a Claims, name: &ClaimName) -> Result<Option<&'a str>, TokenError> {
    match name.find(claims) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(TokenError::ClaimInvalid {
            claim: name.as_str().to_owned(),
            problem: "is no string",
        }),
    }
}

/// Returns a string, or a whole number in decimal digits: many databases number their users.
fn identity(claims: &Claims, name: &ClaimName) -> Result<Option<String>, TokenError> {
    match name.find(claims) {
        Some(Value::Number(number)) if number.is_u64() || number.is_i64() => {
            Ok(Some(number.to_string()))
        }
        _ => Ok(text(claims, name)?.map(str::to_owned)),
    }
}
