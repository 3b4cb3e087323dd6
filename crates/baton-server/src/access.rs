//! Decides who may do what with which document, for every wire, before registry and disk.
//!
//! [`baton_auth`] reads the tokens; here are the mode, the keys, and the way from
//! permissions to the rights of a session.
//!
//! | module | content |
//! | --- | --- |
//! | `authorizer` | the mode of authorization, which answers each question |
//! | `grant` | the question and its answers |
//! | `denial_counters` | denials by reason |
//! | `own_tokens` | tokens that the server itself gives out or is told |
//! | `request_token` | the places in which a request can show a token |
//! | `token_keys`, `key_fetcher` | keys of the settings: secrets, files, an address |
//! | `webhook_client` | questions to another service |
//! | `service_client` | requests over HTTP, with their limits |

mod authorizer;
mod denial_counters;
mod grant;
mod key_fetcher;
mod own_tokens;
mod request_token;
mod service_client;
mod token_keys;
mod webhook_client;

pub(crate) use authorizer::Authorizer;
#[allow(
    unused_imports,
    reason = "for the wires that show a token in a message"
)]
pub(crate) use grant::AccessRequest;
pub(crate) use grant::{AccessDenied, AccessGrant, ShownToken, shown_token};
pub(crate) use own_tokens::DocumentToken;
pub(crate) use request_token::{agreed_protocol, request_token};
