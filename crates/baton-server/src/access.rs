//! Decides who may do what with which document, for every wire, before registry and disk.
//!
//! [`baton_auth`] reads the tokens; here are the mode, the keys, and the way from
//! permissions to the rights of a session.
//!
//! | module | content |
//! | --- | --- |
//! | `authorizer` | answers each question: own tokens, revocations, and the decider |
//! | `authorize` | the trait of a decider, and the question |
//! | `built_in`, `by_token` | the modes of the setting `auth` as deciders |
//! | `grant`, `denied` | the two answers |
//! | `denial_counters` | denials by reason |
//! | `own_tokens` | tokens that the server itself gives out or is told |
//! | `request_token` | the places in which a request can show a token |
//! | `token_keys`, `key_fetcher` | keys of the settings: secrets, files, an address |
//! | `webhook_client` | questions to another service |
//! | `service_client` | requests over HTTP, with their limits |

mod authorize;
mod authorizer;
mod built_in;
#[cfg(feature = "tokens")]
mod by_token;
mod denial_counters;
mod denied;
mod grant;
#[cfg(feature = "tokens")]
mod key_fetcher;
#[cfg(feature = "tokens")]
mod own_tokens;
mod request_token;
#[cfg(feature = "tokens")]
mod service_client;
#[cfg(feature = "tokens")]
mod token_keys;
#[cfg(feature = "tokens")]
mod webhook_client;

pub use authorize::{AccessFuture, AccessRequest, Authorize, Caller, ServiceCalls};
pub(crate) use authorizer::Authorizer;
pub use denied::AccessDenied;
pub(crate) use grant::{AccessGrant, ShownToken, shown_token};
#[cfg(feature = "tokens")]
pub(crate) use own_tokens::DocumentToken;
pub(crate) use request_token::{agreed_protocol, request_token};
