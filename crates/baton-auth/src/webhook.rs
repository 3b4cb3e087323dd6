//! The webhook's request and answer.
//!
//! The server sends one POST with [`WebhookRequest::body`] and no redirects. The service answers
//! with status 200 and one of these, or with 401 or 403 to refuse:
//!
//! ```json
//! {"allow": true, "permissions": ["write", "lock"],
//!  "user": {"id": "u1", "name": "Ada", "color": "#a03"},
//!  "tenant": "acme", "expires_at": 1800000000, "token_id": "t7"}
//! {"allow": false}
//! ```
//!
//! `allow` and `permissions` are required; times are in Unix seconds. The answer is about the
//! document that was asked for and no other one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::{Access, DocumentRule};
use crate::document_pattern::DocumentPattern;
use crate::error::TokenError;
use crate::identity::{IdentityError, TenantPrefix, TokenUser};
use crate::permissions::{Permission, Permissions};
use crate::strict_json::parse_object;
use crate::token::Token;

/// Longest answer of a webhook, in bytes.
pub const MAX_WEBHOOK_ANSWER_BYTES: usize = 16 * 1024;

/// Question to the webhook.
#[derive(Clone, Copy, Debug)]
pub struct WebhookRequest<'a> {
    /// Token that the client sent, of whatever form.
    pub token: &'a Token,
    /// Name of the document, byte for byte as it is on the wire.
    pub document: &'a str,
    /// Network address of the client, without the port.
    pub address: &'a str,
}

#[derive(Serialize)]
struct RequestBody<'a> {
    token: &'a str,
    document: &'a str,
    address: &'a str,
}

impl WebhookRequest<'_> {
    /// Returns the body of the POST, which has the token in it: never log it.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let body = RequestBody {
            token: self.token.secret_text(),
            document: self.document,
            address: self.address,
        };
        // Strings always serialize.
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// Reads the answer to this question. The time is in Unix milliseconds. A request that got no
    /// answer is [`TokenError::WebhookUnavailable`].
    ///
    /// # Errors
    ///
    /// [`TokenError::WebhookRefused`] if the service refused, another [`TokenError`] if it failed
    /// or its answer is no valid one. Neither opens the document.
    pub fn parse_answer(
        &self,
        status: u16,
        body: &[u8],
        tenant_prefix: Option<&TenantPrefix>,
        now: u64,
    ) -> Result<Access, TokenError> {
        match status {
            200 => {}
            401 | 403 => return Err(TokenError::WebhookRefused),
            408 | 429 | 500..=599 => return Err(TokenError::WebhookUnavailable),
            _ => return Err(invalid("its status is none of 200, 401 and 403")),
        }
        if body.len() > MAX_WEBHOOK_ANSWER_BYTES {
            return Err(invalid("it is longer than 16 KiB"));
        }
        let object = parse_object(body);
        let object = object.ok_or(invalid("it is no JSON object with each key once"))?;
        let answer: AnswerBody = serde_json::from_value(Value::Object(object))
            .map_err(|_| invalid("a field is missing or of the wrong type"))?;
        if !answer.allow {
            return Err(TokenError::WebhookRefused);
        }
        answer.access(self.document, tenant_prefix, now)
    }
}

/// Words as a list or as one string.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct AnswerBody {
    allow: bool,
    permissions: Option<Words>,
    user: Option<AnswerUser>,
    tenant: Option<String>,
    expires_at: Option<u64>,
    token_id: Option<String>,
}

#[derive(Deserialize)]
struct AnswerUser {
    id: String,
    name: Option<String>,
    color: Option<String>,
}

impl AnswerBody {
    fn access(
        self,
        document: &str,
        tenant_prefix: Option<&TenantPrefix>,
        now: u64,
    ) -> Result<Access, TokenError> {
        let permissions = permissions(self.permissions)?;
        let documents = DocumentPattern::exact(document)
            .map_err(|_| invalid("no document of the asked name can exist"))?;
        let mut access = Access::new(vec![DocumentRule {
            documents,
            permissions,
        }]);
        if let Some(user) = self.user {
            let user = user.checked();
            access = access.with_user(user.map_err(|_| invalid("`user` cannot be used"))?);
        }
        if let Some(id) = self.token_id {
            let with_id = access.with_token_id(&id);
            access = with_id.map_err(|_| invalid("`token_id` cannot be used"))?;
        }
        match self.tenant {
            Some(tenant) => {
                let with_tenant = access.with_tenant(&tenant, tenant_prefix);
                access = with_tenant.map_err(|_| invalid("`tenant` cannot be used"))?;
            }
            None if tenant_prefix.is_some() => return Err(invalid("`tenant` is missing")),
            None => {}
        }
        if let Some(seconds) = self.expires_at {
            access = access.with_expiry(seconds.saturating_mul(1000));
        }
        if access.is_expired(now) {
            return Err(TokenError::Expired);
        }
        Ok(access)
    }
}

impl AnswerUser {
    fn checked(&self) -> Result<TokenUser, IdentityError> {
        let mut user = TokenUser::new(&self.id)?;
        if let Some(name) = &self.name {
            user = user.with_name(name)?;
        }
        if let Some(color) = &self.color {
            user = user.with_color(color)?;
        }
        Ok(user)
    }
}

/// Reads the permissions. Unlike in a token, an unknown word is an error: the operator wrote it.
fn permissions(words: Option<Words>) -> Result<Permissions, TokenError> {
    let words = match words {
        Some(Words::One(text)) => vec![text],
        Some(Words::Many(list)) => list,
        None => return Err(invalid("`permissions` is missing")),
    };
    let words = words.iter().flat_map(|text| text.split([' ', ',']));
    let known: Option<Permissions> = words
        .filter(|word| !word.is_empty())
        .map(Permission::from_word)
        .collect();
    match known {
        Some(known) if !known.is_empty() => Ok(known),
        Some(_) => Err(invalid("`permissions` is empty")),
        None => Err(invalid("`permissions` has an unknown word")),
    }
}

fn invalid(problem: &'static str) -> TokenError {
    TokenError::WebhookAnswerInvalid { problem }
}
