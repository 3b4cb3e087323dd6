//! Tokens for servers that ask for them, from an issuer that they trust.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use baton_auth::{DocumentPattern, NewToken, Permissions, SigningKey, TokenUser, mint};
use baton_server::{AuthMode, Settings};

use crate::millis;

/// The present, in Unix milliseconds.
#[must_use]
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    u64::try_from(millis).unwrap_or(u64::MAX)
}

/// A token in the making; see [`Pass::token`].
#[derive(Debug, Clone)]
pub struct Pass {
    contents: NewToken,
    issued_ms: u64,
}

impl Pass {
    /// The secret that issuer and server share.
    pub const SECRET: &str = "a secret that only these stories and their servers know";

    /// For the documents of this pattern, for an hour.
    ///
    /// # Panics
    /// When that is no pattern.
    #[must_use]
    pub fn to(documents: &str, permissions: Permissions) -> Self {
        let documents = DocumentPattern::parse(documents).expect("a pattern");
        let hour = 60 * 60 * 1000;
        Self {
            contents: NewToken::new(vec![documents], permissions, hour),
            issued_ms: unix_ms(),
        }
    }

    /// Of this user.
    ///
    /// # Panics
    /// When that is no user.
    #[must_use]
    pub fn of(mut self, user: &str) -> Self {
        self.contents.user = Some(TokenUser::new(user).expect("a user"));
        self
    }

    /// Of this tenant.
    #[must_use]
    pub fn within(mut self, tenant: &str) -> Self {
        self.contents.tenant = Some(tenant.to_owned());
        self
    }

    /// With this id.
    #[must_use]
    pub fn named(mut self, id: &str) -> Self {
        self.contents.token_id = Some(id.to_owned());
        self
    }

    /// That expires in this many seconds, at the end of a whole one.
    #[must_use]
    pub fn lasting(mut self, seconds: u64) -> Self {
        self.contents.lifetime_ms = seconds * 1000;
        self
    }

    /// That was issued so many seconds later than now, by the issuer's clock.
    #[must_use]
    pub fn issued_in(mut self, seconds: u64) -> Self {
        self.issued_ms += seconds * 1000;
        self
    }

    /// When it expires, in Unix milliseconds.
    #[must_use]
    pub fn expires_ms(&self) -> u64 {
        let end = self.issued_ms + self.contents.lifetime_ms;
        end.div_ceil(1000) * 1000
    }

    /// The token.
    ///
    /// # Panics
    /// When it cannot be signed.
    #[must_use]
    pub fn token(&self) -> String {
        let key = SigningKey::from_secret(Self::SECRET.as_bytes()).expect("a key");
        let token = mint(&key, &self.contents, self.issued_ms).expect("a token");
        token.secret_text().to_owned()
    }

    /// Lets a server take these tokens, to the second.
    ///
    /// # Panics
    /// Never.
    pub fn asked_for(settings: &mut Settings) {
        settings.auth = AuthMode::Jwt;
        settings.auth_secret = Self::SECRET.parse().expect("any text");
        settings.auth_leeway = millis(0);
    }
}

/// The time until a moment in Unix milliseconds.
#[must_use]
pub fn time_until(unix_ms_then: u64) -> Duration {
    Duration::from_millis(unix_ms_then.saturating_sub(unix_ms()))
}
