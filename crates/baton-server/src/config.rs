//! The settings in force: where each comes from, and the checks before the start.
//!
//! Owns the precedence (flag, then `BATON_*`, then the file of `--config`, then a profile or preset
//! that one of them names, then the default) and the checks that need more than one setting. Reads
//! nothing later than at the start.

mod auth;
mod auth_values;
mod base_path;
mod document_names;
mod engine_servers;
mod error;
mod listen;
mod proxies;
mod public_url;
mod ranges;
mod settings;
mod values;
mod web_names;

use std::net::SocketAddr;
#[cfg(feature = "command-line")]
use std::path::Path;

use baton_auth::ClaimRules;
use baton_presence::Timings;
use bytesize::ByteSize;

use self::auth::check_auth;
use self::ranges::check_ranges;

#[cfg(feature = "tokens")]
pub(crate) use self::auth::{claim_rules, has_keys};
pub use self::auth_values::{
    AuthMode, ClaimPreset, CommaList, OrNone, Secret, ServiceUrl, TokenDocuments,
};
pub use self::base_path::{BasePath, InvalidBasePath};
pub use self::document_names::DocumentNames;
pub use self::engine_servers::EngineServers;
pub use self::error::ConfigError;
pub use self::listen::{InvalidListen, Listen};
pub use self::proxies::{InvalidNetwork, Proxies, ProxyHeader};
pub use self::public_url::{InvalidPublicUrl, PublicUrl};
#[cfg(feature = "command-line")]
pub use self::settings::PartialSettings;
pub use self::settings::Settings;
pub use self::values::{
    DocumentMode, EchoMode, InvalidRight, ReadOnlyPolicy, RightsList, SocketAccess, Span, Switch,
    TimingProfile,
};
pub use self::web_names::{FrameAncestors, Hosts, InvalidWebName, Origins};
pub use crate::time_text::InvalidSpan;

/// Most bytes of `max_frame` and `max_aside` together. The queue of the log, which has room for two
/// of the largest records, is counted in 32 bits.
const MAX_FRAME_AND_ASIDE: u64 = 1 << 30;

impl Settings {
    /// Returns the settings in force, from the command line (with its environment) and from the
    /// file that it names.
    ///
    /// # Errors
    /// A mistake of the operator: names the file, line or settings, and says what to do.
    #[cfg(feature = "command-line")]
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

    /// Returns the clocks of heartbeats and locks.
    #[must_use]
    pub fn timings(&self) -> Timings {
        Timings {
            ping_every: self.ping_every.0,
            shaky_after: self.shaky_after.0,
            offline_after: self.offline_after.0,
            beat_every: self.beat_every.0,
            beat_every_idle: self.beat_every_idle.0,
            answer_within: self.answer_within.0,
            offer: self.offer.0,
            offer_again: self.offer_again.0,
            offer_again_most: self.offer_again_most.0,
            grace: self.grace.0,
            ticket_life: self.ticket_life.0,
            recovery: self.recovery.0,
            drain: self.drain.0,
            request: self.request.0,
            idle_yield: self.idle_yield.0,
            idle_warning: self.idle_warning.0,
            take_over_cooldown: self.take_over_cooldown.0,
            client_stop: self.client_stop.0,
            wait_out_lease: self.wait_out_lease == Switch::On,
        }
    }

    /// Sets all clocks of heartbeats and locks.
    pub fn set_timings(&mut self, timings: &Timings) {
        self.ping_every = Span(timings.ping_every);
        self.shaky_after = Span(timings.shaky_after);
        self.offline_after = Span(timings.offline_after);
        self.beat_every = Span(timings.beat_every);
        self.beat_every_idle = Span(timings.beat_every_idle);
        self.answer_within = Span(timings.answer_within);
        self.offer = Span(timings.offer);
        self.offer_again = Span(timings.offer_again);
        self.offer_again_most = Span(timings.offer_again_most);
        self.grace = Span(timings.grace);
        self.ticket_life = Span(timings.ticket_life);
        self.recovery = Span(timings.recovery);
        self.drain = Span(timings.drain);
        self.request = Span(timings.request);
        self.idle_yield = Span(timings.idle_yield);
        self.idle_warning = Span(timings.idle_warning);
        self.take_over_cooldown = Span(timings.take_over_cooldown);
        self.client_stop = Span(timings.client_stop);
        self.wait_out_lease = if timings.wait_out_lease {
            Switch::On
        } else {
            Switch::Off
        };
    }

    /// Sets all names of claims, and what else a preset says about tokens.
    pub fn set_claims(&mut self, preset: ClaimPreset) {
        let rules = match preset {
            ClaimPreset::Baton => ClaimRules::default(),
            ClaimPreset::YSweet => ClaimRules::y_sweet(),
            ClaimPreset::Tiptap => ClaimRules::tiptap(),
        };
        let names = rules.names;
        self.claim_documents = names.documents;
        self.claim_read_only = names.read_only_documents;
        self.claim_permissions = names.permissions;
        self.claim_user_id = names.user_id;
        self.claim_user_name = names.user_name;
        self.claim_user_color = names.user_color;
        self.claim_tenant = names.tenant;
        self.claim_token_id = names.token_id;
        self.token_documents = rules.document_syntax.into();
        self.default_documents = CommaList(rules.default_documents);
        let permissions = rules.default_permissions;
        self.default_permissions = OrNone((!permissions.is_empty()).then_some(permissions));
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
        self.check_cluster()?;
        self.check_tls()
    }

    fn check_cluster(&self) -> Result<(), ConfigError> {
        let contradiction = |what: &str| Err(ConfigError::Contradiction(what.to_owned()));
        if self.cluster_cert.0.is_some() != self.cluster_key.0.is_some() {
            return contradiction(
                "cluster_cert and cluster_key belong together: give both or none",
            );
        }
        let word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        if self.cluster_name.len() > 32
            || self.cluster_name.is_empty()
            || !self.cluster_name.chars().all(word)
        {
            return contradiction("cluster_name has 1 to 32 letters, digits, - and _");
        }
        if self.cluster.is_set() && cfg!(not(feature = "cluster")) {
            return contradiction(
                "this program was built without the feature `cluster`: use one that has it, or leave cluster away",
            );
        }
        Ok(())
    }

    fn check_tls(&self) -> Result<(), ConfigError> {
        let both = self.tls_cert.0.is_some() == self.tls_key.0.is_some();
        if !both {
            let what = "tls_cert and tls_key belong together: give both or none";
            return Err(ConfigError::Contradiction(what.to_owned()));
        }
        if self.tls_cert.0.is_some() && cfg!(not(feature = "tls")) {
            let what = "this program was built without the feature `tls`: use one that has it, or leave tls_cert away";
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

#[cfg(feature = "command-line")]
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

/// Returns the line, its setting and the mistake. The rest of the line is left out: a secret may be
/// in it.
#[cfg(feature = "command-line")]
fn place(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let Some(line) = before.map(|before| before.matches('\n').count()) else {
        return error.message().to_owned();
    };
    let setting = text.lines().nth(line).and_then(|line| line.split_once('='));
    let setting = setting.map(|(name, _)| name.trim());
    let setting = setting.filter(|name| Settings::NAMES.contains(name));
    let setting = setting.map_or(String::new(), |name| format!(" ({name})"));
    format!("line {}{setting}: {}", line + 1, error.message())
}
