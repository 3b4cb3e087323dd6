//! Attacks on the access to documents, over the real program: none of them gets in, each is told
//! why, and no secret is in the log or the metrics.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod forge;
mod jwks;
mod listening;
mod program;
mod service;
mod tokens;
mod webhook;
