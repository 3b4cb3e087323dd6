//! The mode of authorization, which answers each question for a document.

use std::net::IpAddr;
use std::sync::Arc;

use baton_auth::{Access, ClaimRules, Permission, Permissions, Token, TokenError};
use baton_presence::Rights;

use super::denial_counters::DenialCounters;
use super::grant::{AccessDenied, AccessGrant, AccessRequest, ShownToken};
use super::own_tokens::OwnTokens;
use super::token_keys::TokenKeys;
use super::webhook_client::{AnswerAge, WebhookClient};
use crate::clock::unix_ms;
use crate::config::{AuthMode, ConfigError, Settings, claim_rules, has_keys};
use crate::sessions::revocations::Revocations;

/// Name under which a call that concerns all documents is decided.
const EVERY_DOCUMENT: &str = "*";

/// The one place that decides who may do what; see [`super`].
pub(crate) struct Authorizer {
    mode: Mode,
    denials: DenialCounters,
    own: OwnTokens,
    revocations: Arc<Revocations>,
}

enum Mode {
    /// Every client has this access.
    Everyone(Arc<Access>),
    /// The server's own tokens are the only ones.
    OwnTokens,
    /// Signed tokens say what their client may do.
    Tokens(Box<TokenVerifier>),
    /// Another service decides.
    Webhook(WebhookClient),
}

/// Keys and rules for signed tokens.
struct TokenVerifier {
    keys: TokenKeys,
    rules: ClaimRules,
}

/// Calls of the services that authorization depends on, since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ServiceCalls {
    pub(crate) key_fetches: u64,
    pub(crate) key_fetch_failures: u64,
    pub(crate) webhook_calls: u64,
    pub(crate) webhook_failures: u64,
}

impl Authorizer {
    /// Returns the authorizer of these settings, and reads the keys that they name.
    ///
    /// # Errors
    /// A key cannot be read or used. Nothing was started.
    pub(crate) fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let own = OwnTokens::new(settings)?;
        let mode = match settings.auth {
            AuthMode::None => Mode::Everyone(Arc::new(everyone(settings))),
            AuthMode::Jwt if !has_keys(settings) => Mode::OwnTokens,
            AuthMode::Jwt => Mode::Tokens(Box::new(TokenVerifier {
                keys: TokenKeys::new(settings)?,
                rules: claim_rules(settings),
            })),
            AuthMode::Webhook => Mode::Webhook(WebhookClient::new(settings)?),
        };
        Ok(Self {
            mode,
            denials: DenialCounters::default(),
            own,
            revocations: Arc::new(Revocations::new(settings)),
        })
    }

    /// Returns the tokens that the server itself gives out.
    pub(crate) const fn own(&self) -> &OwnTokens {
        &self.own
    }

    /// Returns the list of revoked tokens, which counts for every decision.
    pub(crate) const fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    /// Returns true if a client has to show a token.
    pub(crate) fn asks_for_tokens(&self) -> bool {
        !matches!(self.mode, Mode::Everyone(_))
    }

    /// Waits until the first fetch of keys has ended, so that clients which are already waiting
    /// when the server starts are not sent away.
    pub(crate) async fn ready(&self) {
        if let Mode::Tokens(verifier) = &self.mode {
            verifier.keys.ready().await;
        }
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
        let request = self.request(shown, document, client)?;
        self.authorize(request).await
    }

    /// Returns the access of a caller that may manage the document, with the token of its request.
    /// It may lack every other permission.
    ///
    /// # Errors
    /// The caller may not manage the document, or its token cannot be used. Nothing changed.
    pub(crate) async fn admit_manager(
        &self,
        shown: &ShownToken,
        document: &str,
        client: IpAddr,
    ) -> Result<Arc<Access>, AccessDenied> {
        let request = self.request(shown, document, client)?;
        let access = self.access(request, AnswerAge::Remembered).await;
        let managed = access.and_then(|access| {
            let may = access.permissions(document).contains(Permission::Manage);
            may.then_some(access)
                .ok_or_else(AccessDenied::not_a_manager)
        });
        managed.inspect_err(|denied| self.denials.note(denied, client))
    }

    fn request<'a>(
        &self,
        shown: &'a ShownToken,
        document: &'a str,
        client: IpAddr,
    ) -> Result<AccessRequest<'a>, AccessDenied> {
        let token = match shown {
            Ok(token) => token.as_ref(),
            Err(denied) if self.asks_for_tokens() => {
                self.denials.note(denied, client);
                return Err(denied.clone());
            }
            Err(_) => None,
        };
        Ok(AccessRequest {
            token,
            document,
            client,
        })
    }

    /// Decides about one client and one document.
    ///
    /// # Errors
    /// The client may not open the document. Nothing changed.
    pub(crate) async fn authorize(
        &self,
        request: AccessRequest<'_>,
    ) -> Result<AccessGrant, AccessDenied> {
        let decided = self.decide(request, AnswerAge::Remembered).await;
        if let Err(denied) = &decided {
            self.denials.note(denied, request.client);
        }
        decided
    }

    /// Decides anew about a client that was granted a document before: its token may have expired
    /// or may be revoked. Answers that the server remembers do not count.
    ///
    /// # Errors
    /// The client may no longer use the document (44xx), or that cannot be found out now (45xx).
    /// The grant of before stays as it was.
    pub(crate) async fn recheck(&self, grant: &AccessGrant) -> Result<AccessGrant, AccessDenied> {
        self.decide(grant.request(), AnswerAge::Fresh).await
    }

    /// Counts a denial that its caller decided.
    pub(crate) fn note_denial(&self, denied: &AccessDenied, client: IpAddr) {
        self.denials.note(denied, client);
    }

    /// Forgets what another service answered, so that it is asked again.
    pub(crate) fn forget_answers(&self) {
        if let Mode::Webhook(webhook) = &self.mode {
            webhook.forget_answers();
        }
    }

    /// Decides about a call that concerns all documents.
    ///
    /// # Errors
    /// The token does not manage every document. Nothing changed.
    pub(crate) async fn authorize_operator(
        &self,
        token: Option<&Token>,
        client: IpAddr,
    ) -> Result<(), AccessDenied> {
        let request = AccessRequest {
            token,
            document: EVERY_DOCUMENT,
            client,
        };
        let found = self.access(request, AnswerAge::Remembered).await;
        let decided = found.and_then(|access| {
            let is_operator = match &self.mode {
                Mode::Everyone(_) | Mode::OwnTokens | Mode::Tokens(_) => {
                    access.manages_every_document()
                }
                // An answer is about the document that was asked for and no other one.
                Mode::Webhook(_) => {
                    let permissions = access.permissions(EVERY_DOCUMENT);
                    permissions.contains(Permission::Manage)
                }
            };
            is_operator
                .then_some(())
                .ok_or_else(AccessDenied::not_every_document)
        });
        if let Err(denied) = &decided {
            self.denials.note(denied, client);
        }
        decided
    }

    async fn decide(
        &self,
        request: AccessRequest<'_>,
        age: AnswerAge,
    ) -> Result<AccessGrant, AccessDenied> {
        let access = self.access(request, age).await?;
        AccessGrant::of(request, access)
    }

    /// Returns the access of a client to all documents, unless its token is revoked.
    async fn access(
        &self,
        request: AccessRequest<'_>,
        age: AnswerAge,
    ) -> Result<Arc<Access>, AccessDenied> {
        let access = self.found_access(request, age).await?;
        if self.revocations.covers(&access, request.token, unix_ms()) {
            return Err(AccessDenied::revoked());
        }
        Ok(access)
    }

    async fn found_access(
        &self,
        request: AccessRequest<'_>,
        age: AnswerAge,
    ) -> Result<Arc<Access>, AccessDenied> {
        if let Mode::Everyone(access) = &self.mode {
            return Ok(Arc::clone(access));
        }
        let token = request.token.ok_or(TokenError::Missing)?;
        if let Some(access) = self.own.access(token, unix_ms())? {
            return Ok(Arc::new(access));
        }
        match &self.mode {
            Mode::Everyone(access) => Ok(Arc::clone(access)),
            Mode::OwnTokens => Err(TokenError::KeyUnknown.into()),
            Mode::Tokens(verifier) => {
                let TokenVerifier { keys, rules } = &**verifier;
                Ok(Arc::new(keys.verify(token, rules).await?))
            }
            Mode::Webhook(webhook) => {
                let (document, client) = (request.document, request.client);
                Ok(webhook.ask(token, document, client, age).await?)
            }
        }
    }

    /// Returns each reason for a denial with its number since the start.
    pub(crate) fn denials(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.denials.each()
    }

    /// Returns the calls of other services.
    pub(crate) fn service_calls(&self) -> ServiceCalls {
        let mut calls = ServiceCalls::default();
        match &self.mode {
            Mode::Everyone(_) | Mode::OwnTokens => {}
            Mode::Tokens(verifier) => {
                (calls.key_fetches, calls.key_fetch_failures) = verifier.keys.fetches();
            }
            Mode::Webhook(webhook) => {
                (calls.webhook_calls, calls.webhook_failures) = webhook.counts();
            }
        }
        calls
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
