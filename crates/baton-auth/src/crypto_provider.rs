//! The implementation of signatures, named in one place.
//!
//! The library's process-wide default is not used: it panics when another crate of the same
//! program enables a second implementation.

pub(crate) use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER as PROVIDER;
