//! Decides from a token who may do what with which document.
//!
//! Pure: no clock, no socket, no file, no runtime. Time comes in as Unix milliseconds; what has to
//! be fetched goes out as a request that the caller carries out.
//!
//! | module | content |
//! | --- | --- |
//! | `token`, `error` | the secret text; reasons to refuse it, none of which quotes it |
//! | `keys` | keys from a secret, PEM or a JSON Web Key Set, each for one algorithm |
//! | `verify`, `crypto_provider` | signature first, then claims |
//! | `claim_names`, `claim_rules`, `registered_claims` | claims of an issuer as an access |
//! | `access`, `permissions`, `document_pattern`, `identity` | the result |
//! | `key_cache` | keys from an address: refresh, retry, keep while the address fails |
//! | `webhook`, `decision_cache` | another service decides; answers are remembered |
//! | `signing_key`, `mint` | keys and tokens for trying out |
//!
//! # A token from the making to the answer
//!
//! ```
//! use baton_auth::{
//!     ClaimRules, DocumentPattern, NewToken, Permission, Permissions, SigningKey, TokenError,
//!     TokenUser, mint, verify,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = 1_800_000_000_000;
//! // 32 bytes from the system's random numbers, in a real program.
//! let key = SigningKey::from_ed25519_seed([7; 32])?;
//! let documents = vec![DocumentPattern::parse("team/*")?];
//! let mut contents = NewToken::new(documents, Permissions::WRITE, 60 * 60 * 1000);
//! contents.user = Some(TokenUser::new("u1")?.with_name("Ada")?);
//! let token = mint(&key, &contents, now)?;
//!
//! let keys = key.key_set()?;
//! let access = verify(&token, &keys, &ClaimRules::default(), now)?;
//! assert_eq!(access.permissions("team/plan").to_string(), "read write");
//! assert!(!access.permissions("team/plan").contains(Permission::Lock));
//! assert!(access.permissions("other/plan").is_empty());
//! assert!(access.permissions("team/deep/plan").is_empty());
//! assert_eq!(access.user().map(TokenUser::id), Some("u1"));
//!
//! // An hour, and 30 seconds for clocks that differ.
//! let later = now + 60 * 60 * 1000 + 30_000;
//! assert!(access.is_expired(later));
//! let again = verify(&token, &keys, &ClaimRules::default(), later);
//! assert_eq!(again, Err(TokenError::Expired));
//! # Ok(())
//! # }
//! ```

mod access;
mod claim_names;
#[cfg_attr(
    not(feature = "tokens"),
    expect(
        dead_code,
        reason = "the settings have the rules, and only tokens are read by them"
    )
)]
mod claim_rules;
#[cfg(feature = "tokens")]
mod crypto_provider;
mod decision_cache;
mod document_pattern;
mod error;
mod identity;
#[cfg(feature = "tokens")]
mod key_cache;
#[cfg(feature = "tokens")]
mod keys;
#[cfg(feature = "tokens")]
mod mint;
mod permissions;
mod registered_claims;
#[cfg(feature = "tokens")]
mod signing_key;
mod strict_json;
mod token;
#[cfg(feature = "tokens")]
mod verify;
mod webhook;

pub use access::{Access, DocumentRule};
pub use claim_names::{
    ClaimName, ClaimNameError, ClaimNames, MAX_CLAIM_NAME_BYTES, MAX_CLAIM_NAME_DOTS,
};
pub use claim_rules::{ClaimRules, DocumentSyntax};
pub use decision_cache::{DecisionCache, DecisionCacheLimits, DecisionKey};
pub use document_pattern::{DocumentPattern, MAX_EXACT_BYTES, MAX_GLOB_BYTES, PatternError};
pub use error::{FaultParty, TokenError};
pub use identity::{
    IdentityError, MAX_COLOR_BYTES, MAX_IDENTITY_BYTES, MAX_TENANT_BYTES, TenantPrefix,
    TenantPrefixError, TokenUser,
};
#[cfg(feature = "tokens")]
pub use key_cache::{KeyCache, KeyCacheTimings};
#[cfg(feature = "tokens")]
pub use keys::{
    KeyAlgorithm, KeyError, KeySet, MAX_JWKS_BYTES, MAX_KEYS, MIN_RSA_BITS, MIN_SECRET_BYTES,
};
#[cfg(feature = "tokens")]
pub use mint::{MintError, NewToken, mint};
pub use permissions::{Permission, Permissions, UnknownPermission};
#[cfg(feature = "tokens")]
pub use signing_key::{SigningKey, secret_from_random};
pub use token::{MAX_TOKEN_BYTES, Token, TokenFingerprint};
#[cfg(feature = "tokens")]
pub use verify::verify;
pub use webhook::{MAX_WEBHOOK_ANSWER_BYTES, WebhookRequest};
