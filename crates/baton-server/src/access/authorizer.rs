//! The mode of authorization, which answers each question for a document.

use std::sync::Arc;

use baton_auth::{Access, Permission, Token, TokenError};

use super::authorize::{AccessRequest, Authorize, Caller, ServiceCalls};
use super::built_in;
use super::denial_counters::DenialCounters;
use super::denied::AccessDenied;
use super::grant::{AccessGrant, ShownToken};
#[cfg(feature = "tokens")]
use super::own_tokens::OwnTokens;
use crate::clock::unix_ms;
use crate::config::{ConfigError, Settings};
use crate::sessions::revocations::Revocations;

/// Name under which a call that concerns all documents is decided.
const EVERY_DOCUMENT: &str = "*";

/// The one place that decides who may do what; see [`super`].
pub(crate) struct Authorizer {
    decider: Arc<dyn Authorize>,
    denials: DenialCounters,
    #[cfg(feature = "tokens")]
    own: OwnTokens,
    revocations: Arc<Revocations>,
}

impl Authorizer {
    /// Returns the authorizer of these settings, and reads the keys that they name.
    ///
    /// # Errors
    /// A key cannot be read or used. Nothing was started.
    pub(crate) fn new(settings: &Settings) -> Result<Self, ConfigError> {
        Self::by(settings, built_in::of(settings)?)
    }

    /// Returns the authorizer of a server on which `decider` decides.
    ///
    /// # Errors
    /// A key of the server's own tokens cannot be read or used. Nothing was started.
    pub(crate) fn by(
        settings: &Settings,
        decider: Arc<dyn Authorize>,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            decider,
            denials: DenialCounters::default(),
            #[cfg(feature = "tokens")]
            own: OwnTokens::new(settings)?,
            revocations: Arc::new(Revocations::new(settings)),
        })
    }

    /// Returns the tokens that the server itself gives out.
    #[cfg(feature = "tokens")]
    pub(crate) const fn own(&self) -> &OwnTokens {
        &self.own
    }

    /// Returns the list of revoked tokens, which counts for every decision.
    pub(crate) const fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    /// Returns true if a client has to show a token.
    pub(crate) fn asks_for_tokens(&self) -> bool {
        self.decider.asks_for_tokens()
    }

    /// Returns true if every client has the same access, so that a caller proves nothing.
    pub(crate) fn lets_everyone_in(&self) -> bool {
        self.decider.lets_everyone_in()
    }

    /// Returns true if it decides by the heads of requests.
    pub(crate) fn reads_requests(&self) -> bool {
        self.decider.reads_requests()
    }

    /// Waits until the first fetch of keys has ended, so that clients which are already waiting
    /// when the server starts are not sent away.
    pub(crate) async fn ready(&self) {
        self.decider.ready().await;
    }

    /// Decides about one client and one document with the token of the client's request.
    ///
    /// # Errors
    /// The client may not open the document, or its token cannot be used. Nothing changed.
    pub(crate) async fn admit(
        &self,
        shown: &ShownToken,
        document: &str,
        caller: &Caller,
    ) -> Result<AccessGrant, AccessDenied> {
        let request = self.request(shown, document, caller)?;
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
        caller: &Caller,
    ) -> Result<Arc<Access>, AccessDenied> {
        let request = self.request(shown, document, caller)?;
        let access = self.access(request).await;
        let managed = access.and_then(|access| {
            let may = access.permissions(document).contains(Permission::Manage);
            may.then_some(access)
                .ok_or_else(AccessDenied::not_a_manager)
        });
        managed.inspect_err(|denied| self.denials.note(denied, caller.address()))
    }

    fn request<'a>(
        &self,
        shown: &'a ShownToken,
        document: &'a str,
        caller: &'a Caller,
    ) -> Result<AccessRequest<'a>, AccessDenied> {
        let token = match shown {
            Ok(token) => token.as_ref(),
            Err(denied) if self.asks_for_tokens() => {
                self.denials.note(denied, caller.address());
                return Err(denied.clone());
            }
            Err(_) => None,
        };
        Ok(AccessRequest::new(token, document, caller))
    }

    /// Decides about one client and one document.
    ///
    /// # Errors
    /// The client may not open the document. Nothing changed.
    pub(crate) async fn authorize(
        &self,
        request: AccessRequest<'_>,
    ) -> Result<AccessGrant, AccessDenied> {
        let decided = self.decide(request).await;
        if let Err(denied) = &decided {
            self.denials.note(denied, request.caller.address());
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
        if grant.is_own() {
            return Ok(grant.clone());
        }
        self.decide(AccessRequest {
            is_fresh: true,
            ..grant.request()
        })
        .await
    }

    /// Counts a denial that its caller decided.
    pub(crate) fn note_denial(&self, denied: &AccessDenied, caller: &Caller) {
        self.denials.note(denied, caller.address());
    }

    /// Forgets what another service answered, so that it is asked again.
    pub(crate) fn forget_answers(&self) {
        self.decider.forget_answers();
    }

    /// Decides about a call that concerns all documents.
    ///
    /// # Errors
    /// The token does not manage every document. Nothing changed.
    pub(crate) async fn authorize_operator(
        &self,
        token: Option<&Token>,
        caller: &Caller,
    ) -> Result<(), AccessDenied> {
        let request = AccessRequest::new(token, EVERY_DOCUMENT, caller);
        let found = self.access(request).await;
        let decided = found.and_then(|access| {
            let is_operator = if self.decider.knows_all_documents() {
                access.manages_every_document()
            } else {
                let permissions = access.permissions(EVERY_DOCUMENT);
                permissions.contains(Permission::Manage)
            };
            is_operator
                .then_some(())
                .ok_or_else(AccessDenied::not_every_document)
        });
        if let Err(denied) = &decided {
            self.denials.note(denied, caller.address());
        }
        decided
    }

    async fn decide(&self, request: AccessRequest<'_>) -> Result<AccessGrant, AccessDenied> {
        let access = self.access(request).await?;
        AccessGrant::of(request, access)
    }

    /// Returns the access of a client to all documents, unless its token is revoked.
    async fn access(&self, request: AccessRequest<'_>) -> Result<Arc<Access>, AccessDenied> {
        let access = self.found_access(request).await?;
        if self.revocations.covers(&access, request.token, unix_ms()) {
            return Err(AccessDenied::revoked());
        }
        Ok(access)
    }

    async fn found_access(&self, request: AccessRequest<'_>) -> Result<Arc<Access>, AccessDenied> {
        if self.decider.asks_for_tokens() {
            let token = request.token.ok_or(TokenError::Missing)?;
            if let Some(access) = self.own_access(token)? {
                return Ok(Arc::new(access));
            }
        }
        self.decider.access(request).await
    }

    /// Returns the access of a token that the server itself gave out.
    #[cfg(feature = "tokens")]
    fn own_access(&self, token: &Token) -> Result<Option<Access>, TokenError> {
        self.own.access(token, unix_ms())
    }

    /// No token is one that the server itself gave out.
    #[cfg(not(feature = "tokens"))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "as with the feature"
    )]
    const fn own_access(&self, _token: &Token) -> Result<Option<Access>, TokenError> {
        Ok(None)
    }

    /// Returns each reason for a denial with its number since the start.
    pub(crate) fn denials(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.denials.each()
    }

    /// Returns the calls of other services.
    pub(crate) fn service_calls(&self) -> ServiceCalls {
        self.decider.service_calls()
    }
}

#[cfg(test)]
mod tests;
