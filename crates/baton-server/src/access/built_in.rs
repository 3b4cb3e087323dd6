//! The authorizers of the setting `auth`.

use std::future::ready;
use std::sync::Arc;

use baton_auth::{Access, Permissions};
use baton_presence::Rights;

use super::authorize::{AccessFuture, AccessRequest, Authorize};
#[cfg(feature = "tokens")]
use super::by_token::{OwnTokensOnly, TokenVerifier};
#[cfg(feature = "tokens")]
use super::token_keys::TokenKeys;
#[cfg(feature = "tokens")]
use super::webhook_client::WebhookClient;
use crate::config::{AuthMode, ConfigError, Settings};

/// Returns the authorizer that the settings name, and reads the keys that they name.
///
/// # Errors
/// A key cannot be read or used, or the library was built without the feature `tokens`.
pub(super) fn of(settings: &Settings) -> Result<Arc<dyn Authorize>, ConfigError> {
    match settings.auth {
        AuthMode::None => Ok(Arc::new(Everyone(Arc::new(everyone(settings))))),
        #[cfg(feature = "tokens")]
        AuthMode::Jwt if !crate::config::has_keys(settings) => Ok(Arc::new(OwnTokensOnly)),
        #[cfg(feature = "tokens")]
        AuthMode::Jwt => Ok(Arc::new(TokenVerifier {
            keys: TokenKeys::new(settings)?,
            rules: crate::config::claim_rules(settings),
        })),
        #[cfg(feature = "tokens")]
        AuthMode::Webhook => Ok(Arc::new(WebhookClient::new(settings)?)),
        #[cfg(not(feature = "tokens"))]
        AuthMode::Jwt | AuthMode::Webhook => Err(ConfigError::Contradiction(
            "auth is not none, but this program was built without the feature `tokens`: build it with the feature, or give the server an authorizer of your own".to_owned(),
        )),
    }
}

/// Every client has this access.
struct Everyone(Arc<Access>);

impl Authorize for Everyone {
    fn access<'a>(&'a self, _request: AccessRequest<'a>) -> AccessFuture<'a> {
        Box::pin(ready(Ok(Arc::clone(&self.0))))
    }

    fn reads_requests(&self) -> bool {
        false
    }

    fn lets_everyone_in(&self) -> bool {
        true
    }

    fn knows_all_documents(&self) -> bool {
        true
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
