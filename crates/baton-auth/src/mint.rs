//! Tokens that Baton makes itself, for trying out and for small installations.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::claim_names::{ClaimName, ClaimNames};
use crate::document_pattern::DocumentPattern;
use crate::error::TokenError;
use crate::identity::TokenUser;
use crate::keys::KeyError;
use crate::permissions::Permissions;
use crate::signing_key::SigningKey;
use crate::token::Token;

/// Contents of a token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Documents that the token is for.
    pub documents: Vec<DocumentPattern>,
    /// Permissions on them.
    pub permissions: Permissions,
    /// User that the token is for.
    pub user: Option<TokenUser>,
    /// Tenant that the user belongs to.
    pub tenant: Option<String>,
    /// Time for which the token counts, in milliseconds, rounded up to whole seconds.
    pub lifetime_ms: u64,
    /// Identity of the token.
    pub token_id: Option<String>,
    /// Audience that the token is for.
    pub audience: Option<String>,
    /// Issuer that the token names.
    pub issuer: Option<String>,
    /// Names of the claims, as the server that will read the token has them.
    pub names: ClaimNames,
}

impl NewToken {
    /// Makes the contents of a token without user, tenant, id, audience and issuer.
    #[must_use]
    pub fn new(
        documents: Vec<DocumentPattern>,
        permissions: Permissions,
        lifetime_ms: u64,
    ) -> Self {
        Self {
            documents,
            permissions,
            user: None,
            tenant: None,
            lifetime_ms,
            token_id: None,
            audience: None,
            issuer: None,
            names: ClaimNames::default(),
        }
    }

    fn claims(&self, now: u64) -> Value {
        let names = &self.names;
        let mut claims = Map::new();
        let issued_at = now / 1000;
        let expires_at = now.saturating_add(self.lifetime_ms).div_ceil(1000);
        claims.insert("iat".to_owned(), json!(issued_at));
        claims.insert("exp".to_owned(), json!(expires_at));
        let documents: Vec<String> = self.documents.iter().map(ToString::to_string).collect();
        let permissions: Vec<_> = self.permissions.iter().map(|one| one.word()).collect();
        claims.insert(names.documents.to_string(), json!(documents));
        claims.insert(names.permissions.to_string(), json!(permissions));
        let user = self.user.as_ref();
        let mut set = |name: &ClaimName, value: Option<&str>| {
            value.map(|value| claims.insert(name.to_string(), json!(value)))
        };
        set(&names.user_id, user.map(TokenUser::id));
        set(&names.user_name, user.and_then(TokenUser::name));
        set(&names.user_color, user.and_then(TokenUser::color));
        set(&names.tenant, self.tenant.as_deref());
        set(&names.token_id, self.token_id.as_deref());
        for (name, value) in [("aud", &self.audience), ("iss", &self.issuer)] {
            if let Some(value) = value {
                claims.insert(name.to_owned(), json!(value));
            }
        }
        Value::Object(claims)
    }
}

/// Makes a token that counts from this time on, in Unix milliseconds.
///
/// # Errors
///
/// [`MintError::Key`] if the key cannot sign, [`MintError::Token`] if the token gets too long.
pub fn mint(key: &SigningKey, contents: &NewToken, now: u64) -> Result<Token, MintError> {
    let mut header = json!({"alg": key.algorithm().to_string(), "typ": "JWT"});
    if let Some(id) = key.id() {
        header["kid"] = json!(id);
    }
    let parts = [header, contents.claims(now)].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let message = parts.join(".");
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes())?);
    Ok(Token::new(format!("{message}.{signature}"))?)
}

/// A token could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MintError {
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The token is longer than servers accept.
    #[error(transparent)]
    Token(#[from] TokenError),
}
