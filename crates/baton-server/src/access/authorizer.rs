//! The mode of authorization, which answers each question for a document.

use std::net::IpAddr;
use std::sync::Arc;

use baton_auth::{Access, ClaimRules, KeySet, Permissions, TokenError, verify};
use baton_presence::Rights;

use super::grant::{AccessDenied, AccessGrant, AccessRequest, ShownToken};
use super::token_keys::read_keys;
use crate::clock::unix_ms;
use crate::config::{AuthMode, ConfigError, Settings, claim_rules};

/// The one place that decides who may do what; see [`super`].
pub(crate) struct Authorizer {
    mode: Mode,
}

enum Mode {
    /// Every client has this access.
    Everyone(Arc<Access>),
    /// Signed tokens say what their client may do.
    Tokens(Box<TokenVerifier>),
}

/// Keys and rules for signed tokens.
struct TokenVerifier {
    keys: KeySet,
    rules: ClaimRules,
}

impl Authorizer {
    /// Returns the authorizer of these settings, and reads the keys that they name.
    ///
    /// # Errors
    /// A key cannot be read or used. Nothing was started.
    pub(crate) fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let mode = match settings.auth {
            AuthMode::None => Mode::Everyone(Arc::new(everyone(settings))),
            AuthMode::Jwt => Mode::Tokens(Box::new(TokenVerifier {
                keys: read_keys(settings)?,
                rules: claim_rules(settings),
            })),
            AuthMode::Webhook => {
                let text = "auth is webhook, which is not built in yet".to_owned();
                return Err(ConfigError::Contradiction(text));
            }
        };
        Ok(Self { mode })
    }

    /// Returns true if a client has to show a token.
    pub(crate) fn asks_for_tokens(&self) -> bool {
        !matches!(self.mode, Mode::Everyone(_))
    }

    /// Decides about one client and one document.
    ///
    /// # Errors
    /// The client may not open the document. Nothing changed.
    pub(crate) async fn authorize(
        &self,
        request: AccessRequest<'_>,
    ) -> Result<AccessGrant, AccessDenied> {
        let access = match &self.mode {
            Mode::Everyone(access) => Arc::clone(access),
            Mode::Tokens(verifier) => {
                let token = request.token.ok_or(TokenError::Missing)?;
                let TokenVerifier { keys, rules } = &**verifier;
                Arc::new(verify(token, keys, rules, unix_ms())?)
            }
        };
        AccessGrant::of(request, access)
    }

    /// Decides about one client and one document with the token of the client's request.
    ///
    /// # Errors
    /// The client may not open the document, or its token cannot be used. Nothing changed.
    pub(crate) async fn admit(
        &self,
        shown: &ShownToken,
        document: &str,
        client: IpAddr,
    ) -> Result<AccessGrant, AccessDenied> {
        let token = match shown {
            Ok(token) => token.as_ref(),
            Err(denied) if self.asks_for_tokens() => return Err(denied.clone()),
            Err(_) => None,
        };
        let request = AccessRequest {
            token,
            document,
            client,
        };
        self.authorize(request).await
    }

    /// Decides anew about a client that was granted a document before: its token may have expired
    /// or may be revoked, and what the server remembers of it does not count.
    ///
    /// # Errors
    /// The client may no longer use the document, or that cannot be found out now. The grant of
    /// before stays as it was.
    #[allow(dead_code, reason = "for the enforcement on open connections")]
    pub(crate) async fn recheck(&self, grant: &AccessGrant) -> Result<AccessGrant, AccessDenied> {
        self.authorize(grant.request()).await
    }
}

/// Returns the access of every client of a server without authentication.
fn everyone(settings: &Settings) -> Access {
    let rights = settings.rights.0;
    let more = [
        (Rights::TAKE_OVER, Permissions::TAKE_OVER),
        (Rights::MANAGE, Permissions::MANAGE),
    ];
    let permissions = more
        .into_iter()
        .filter(|(right, _)| rights.contains(*right))
        .fold(Permissions::LOCK, |all, (_, more)| all | more);
    Access::to_every_document(permissions)
}

#[cfg(test)]
mod tests;
