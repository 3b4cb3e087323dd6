//! Stories of tokens, keys and caches: each attack stands beside the case that passes.

#![allow(clippy::unwrap_used, reason = "a story ends where it goes wrong")]

mod claims;
mod decision_cache;
mod documents;
mod harness;
mod headers;
mod key_cache;
mod keys;
mod minting;
mod patterns;
mod random_bytes;
mod secrecy;
mod tenants;
mod times;
mod webhook;
