//! The settings in force: where each comes from, and the checks before the start.
//!
//! Owns the precedence (flag, then `BATON_*`, then the file of `--config`, then the default) and
//! the checks that need more than one setting. Reads nothing later than at the start.

mod auth;
mod auth_values;
mod base_path;
mod document_names;
mod error;
mod listen;
mod proxies;
mod public_url;
mod ranges;
mod settings;
mod values;
mod web_names;

use std::net::SocketAddr;
use std::path::Path;

use bytesize::ByteSize;

use self::auth::check_auth;
use self::ranges::check_ranges;

pub(crate) use self::auth::{claim_rules, has_keys};
pub use self::auth_values::{
    AuthMode, ClaimPreset, CommaList, OrNone, Secret, ServiceUrl, TokenDocuments,
};
pub use self::base_path::{BasePath, InvalidBasePath};
pub use self::document_names::DocumentNames;
pub use self::error::ConfigError;
pub use self::listen::{InvalidListen, Listen};
pub use self::proxies::{InvalidNetwork, Proxies, ProxyHeader};
pub use self::public_url::{InvalidPublicUrl, PublicUrl};
pub use self::settings::{PartialSettings, Settings};
pub use self::values::{
    DocumentMode, EchoMode, InvalidRight, ReadOnlyPolicy, RightsList, SocketAccess, Span, Switch,
    TimingProfile,
};
pub use self::web_names::{FrameAncestors, Hosts, InvalidWebName, Origins};

/// Most bytes of `max_frame` and `max_aside` together. The queue of the log, which has room for two
/// of the largest records, is counted in 32 bits.
const MAX_FRAME_AND_ASIDE: u64 = 1 << 30;

impl Settings {
    /// Returns the settings in force, from the command line (with its environment) and from the
    /// file that it names.
    ///
    /// # Errors
    /// A mistake of the operator: names the file, line or settings, and says what to do.
    pub fn resolve(
        command_line: PartialSettings,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let mut settings = Self::default();
        let file = file.map(read).transpose()?.unwrap_or_default();
        // A timing that is set by itself overrides the profile, wherever either is set.
        if let Some(profile) = command_line.profile.or(file.profile) {
            settings.set_timings(&profile.timings());
        }
        // So does a setting about claims.
        if let Some(preset) = command_line.auth_claims.or(file.auth_claims) {
            settings.set_claims(preset);
        }
        settings.take(file);
        settings.take(command_line);
        settings.check()?;
        Ok(settings)
    }

    /// Checks the range of each setting, and that the settings do not contradict each other.
    ///
    /// # Errors
    /// Names the setting and its range, or the settings that contradict each other.
    pub fn check(&self) -> Result<(), ConfigError> {
        check_ranges(self)?;
        check_auth(self)?;
        self.timings()
            .validate()
            .map_err(|error| ConfigError::Contradiction(error.to_string()))?;
        let largest = self
            .max_frame
            .as_u64()
            .saturating_add(self.max_aside.as_u64());
        if largest > MAX_FRAME_AND_ASIDE || self.log_queue.as_u64() > 2 * MAX_FRAME_AND_ASIDE {
            return Err(ConfigError::Contradiction(format!(
                "max_frame ({}) and max_aside ({}) together may be at most {}, and log_queue ({}) at most twice that",
                self.max_frame,
                self.max_aside,
                ByteSize(MAX_FRAME_AND_ASIDE),
                self.log_queue
            )));
        }
        self.check_tls()
    }

    fn check_tls(&self) -> Result<(), ConfigError> {
        let both = self.tls_cert.0.is_some() == self.tls_key.0.is_some();
        if !both {
            let what = "tls_cert and tls_key belong together: give both or none";
            return Err(ConfigError::Contradiction(what.to_owned()));
        }
        if self.tls_cert.0.is_some() && self.listen.socket().is_some() {
            let what = "a Unix socket (listen) has no TLS (tls_cert): let the proxy end it";
            return Err(ConfigError::Contradiction(what.to_owned()));
        }
        Ok(())
    }

    /// Checks that a server which lets every client in is reached only from this machine.
    ///
    /// # Errors
    /// [`ConfigError::Open`]: other machines reach this address, and `open` does not allow that.
    pub fn check_reach(&self, address: SocketAddr) -> Result<(), ConfigError> {
        let is_guarded = self.auth != AuthMode::None || self.open == Switch::On;
        if is_guarded || address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        Err(ConfigError::Open { address })
    }
}

fn read(path: &Path) -> Result<PartialSettings, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    toml::from_str(&text).map_err(|error| ConfigError::Malformed {
        path: path.to_owned(),
        message: place(&text, &error),
    })
}

/// Returns the line and the mistake. The line itself is left out: a secret may be in it.
fn place(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map(|before| before.matches('\n').count() + 1);
    match line {
        Some(line) => format!("line {line}: {}", error.message()),
        None => error.message().to_owned(),
    }
}
