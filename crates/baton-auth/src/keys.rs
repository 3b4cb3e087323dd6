//! Keys that verify tokens.

mod key_set;
mod verification_key;

pub use key_set::{KeySet, MAX_JWKS_BYTES, MAX_KEYS};
pub(crate) use verification_key::check_secret;
pub use verification_key::{KeyAlgorithm, KeyError, MIN_RSA_BITS, MIN_SECRET_BYTES};
