//! The mode of authorization, which answers each question for a document.

use std::net::IpAddr;
use std::sync::Arc;

use baton_auth::{Access, ClaimRules, Permissions, TokenError};
use baton_presence::Rights;

use super::denial_counters::DenialCounters;
use super::grant::{AccessDenied, AccessGrant, AccessRequest, ShownToken};
use super::token_keys::TokenKeys;
use super::webhook_client::{AnswerAge, WebhookClient};
use crate::config::{AuthMode, ConfigError, Settings, claim_rules};

/// The one place that decides who may do what; see [`super`].
pub(crate) struct Authorizer {
    mode: Mode,
    denials: DenialCounters,
}

enum Mode {
    /// Every client has this access.
    Everyone(Arc<Access>),
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
        let mode = match settings.auth {
            AuthMode::None => Mode::Everyone(Arc::new(everyone(settings))),
            AuthMode::Jwt => Mode::Tokens(Box::new(TokenVerifier {
                keys: TokenKeys::new(settings)?,
                rules: claim_rules(settings),
            })),
            AuthMode::Webhook => Mode::Webhook(WebhookClient::new(settings)?),
        };
        let denials = DenialCounters::default();
        Ok(Self { mode, denials })
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
        let token = match shown {
            Ok(token) => token.as_ref(),
            Err(denied) if self.asks_for_tokens() => {
                self.denials.note(denied, client);
                return Err(denied.clone());
            }
            Err(_) => None,
        };
        let request = AccessRequest {
            token,
            document,
            client,
        };
        self.authorize(request).await
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
    #[allow(dead_code, reason = "for the enforcement on open connections")]
    pub(crate) async fn recheck(&self, grant: &AccessGrant) -> Result<AccessGrant, AccessDenied> {
        self.decide(grant.request(), AnswerAge::Fresh).await
    }

    async fn decide(
        &self,
        request: AccessRequest<'_>,
        age: AnswerAge,
    ) -> Result<AccessGrant, AccessDenied> {
        let token = || request.token.ok_or(TokenError::Missing);
        let access = match &self.mode {
            Mode::Everyone(access) => Arc::clone(access),
            Mode::Tokens(verifier) => {
                let TokenVerifier { keys, rules } = &**verifier;
                Arc::new(keys.verify(token()?, rules).await?)
            }
            Mode::Webhook(webhook) => {
                let (document, client) = (request.document, request.client);
                webhook.ask(token()?, document, client, age).await?
            }
        };
        AccessGrant::of(request, access)
    }

    /// Returns each reason for a denial with its number since the start.
    pub(crate) fn denials(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.denials.each()
    }

    /// Returns the calls of other services.
    pub(crate) fn service_calls(&self) -> ServiceCalls {
        let mut calls = ServiceCalls::default();
        match &self.mode {
            Mode::Everyone(_) => {}
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
