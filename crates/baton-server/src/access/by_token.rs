//! The authorizers that decide by a token: signed by a known key, or shown to another service.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use baton_auth::{ClaimRules, TokenError};

use super::authorize::{AccessFuture, AccessRequest, Authorize, ServiceCalls};
use super::token_keys::TokenKeys;
use super::webhook_client::{AnswerAge, WebhookClient};

/// The server's own tokens are the only ones, and those were looked at already.
pub(super) struct OwnTokensOnly;

impl Authorize for OwnTokensOnly {
    fn access<'a>(&'a self, _request: AccessRequest<'a>) -> AccessFuture<'a> {
        Box::pin(ready(Err(TokenError::KeyUnknown.into())))
    }

    fn asks_for_tokens(&self) -> bool {
        true
    }

    fn reads_requests(&self) -> bool {
        false
    }

    fn knows_all_documents(&self) -> bool {
        true
    }
}

/// Signed tokens say what their client may do.
pub(super) struct TokenVerifier {
    pub(super) keys: TokenKeys,
    pub(super) rules: ClaimRules,
}

impl Authorize for TokenVerifier {
    fn access<'a>(&'a self, request: AccessRequest<'a>) -> AccessFuture<'a> {
        Box::pin(async move {
            let token = request.token.ok_or(TokenError::Missing)?;
            Ok(Arc::new(self.keys.verify(token, &self.rules).await?))
        })
    }

    fn asks_for_tokens(&self) -> bool {
        true
    }

    fn reads_requests(&self) -> bool {
        false
    }

    fn knows_all_documents(&self) -> bool {
        true
    }

    fn ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.keys.ready())
    }

    fn service_calls(&self) -> ServiceCalls {
        let (key_fetches, key_fetch_failures) = self.keys.fetches();
        ServiceCalls {
            key_fetches,
            key_fetch_failures,
            ..ServiceCalls::default()
        }
    }
}

/// Another service decides, about the document that it is asked for and no other one.
impl Authorize for WebhookClient {
    fn access<'a>(&'a self, request: AccessRequest<'a>) -> AccessFuture<'a> {
        Box::pin(async move {
            let token = request.token.ok_or(TokenError::Missing)?;
            let age = if request.is_fresh {
                AnswerAge::Fresh
            } else {
                AnswerAge::Remembered
            };
            let address = request.caller.address();
            Ok(self.ask(token, request.document, address, age).await?)
        })
    }

    fn asks_for_tokens(&self) -> bool {
        true
    }

    fn reads_requests(&self) -> bool {
        false
    }

    fn forget_answers(&self) {
        Self::forget_answers(self);
    }

    fn service_calls(&self) -> ServiceCalls {
        let (webhook_calls, webhook_failures) = self.counts();
        ServiceCalls {
            webhook_calls,
            webhook_failures,
            ..ServiceCalls::default()
        }
    }
}
