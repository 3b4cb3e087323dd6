//! Every setting by name: its meaning, its default, and the three places it can come from.
//!
//! Owns the names, defaults and the precedence (flag, then `BATON_*`, then the file of `--config`, then default) and
//! the checks that need more than one setting. Never reads anything later than start-up.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use baton_presence::{Mode, Rights, Timings};
use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

/// A length of time, written like `500ms`, `5s` or `1m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_duration(text).map(Span)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(self.0))
    }
}

/// On or off, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// A set of timings; each of them can be set by itself as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// For the open internet
    Default,
    /// A lock passes on only when its holder has certainly stopped, by clocks that run up to 1.4 times as fast as another
    Strict,
    /// For local networks and tests: about a fifth of the default times
    Fast,
}

impl Profile {
    /// The timings that it stands for.
    #[must_use]
    pub fn timings(self) -> Timings {
        match self {
            Self::Default => Timings::default(),
            Self::Strict => Timings::strict(),
            Self::Fast => Timings::fast(),
        }
    }
}

/// What locks mean in a new document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentMode {
    /// Locks are advisory: everybody may write
    Open,
    /// What nobody holds may be written by all, the rest by its holder only
    ExclusiveWhenHeld,
    /// Only a holder may write
    Required,
}

impl From<DocumentMode> for Mode {
    fn from(mode: DocumentMode) -> Self {
        match mode {
            DocumentMode::Open => Self::Open,
            DocumentMode::ExclusiveWhenHeld => Self::ExclusiveWhenHeld,
            DocumentMode::Required => Self::Required,
        }
    }
}

/// Rights, written like `take-over,manage`, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RightsList(pub Rights);

/// A word that is no right. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no right; there are take-over and manage, with a comma between them, or none")]
pub struct NoRight(String);

impl FromStr for RightsList {
    type Err = NoRight;

    fn from_str(text: &str) -> Result<Self, NoRight> {
        let mut rights = Rights::NONE;
        if text.trim() == "none" {
            return Ok(Self(rights));
        }
        for word in text.split(',').map(str::trim) {
            rights = rights.and(match word {
                "take-over" => Rights::TAKE_OVER,
                "manage" => Rights::MANAGE,
                other => return Err(NoRight(other.to_owned())),
            });
        }
        Ok(Self(rights))
    }
}

impl std::fmt::Display for RightsList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = [(Rights::TAKE_OVER, "take-over"), (Rights::MANAGE, "manage")];
        let has = |(right, _): &&(Rights, &str)| self.0.contains(*right);
        let words: Vec<_> = words.iter().filter(has).map(|(_, word)| *word).collect();
        f.write_str(if words.is_empty() { "none" } else { "" })?;
        f.write_str(&words.join(","))
    }
}

impl<'de> Deserialize<'de> for RightsList {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for RightsList {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Why the settings cannot be used. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file of `--config` could not be read.
    #[error(
        "the configuration file {path} cannot be read: {source}; check the path given to --config"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file of `--config` is not as it should be.
    #[error("the configuration file {path} is wrong: {message}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where, and what.
        message: String,
    },
    /// Two settings contradict each other.
    #[error("the settings contradict each other: {0}")]
    Contradiction(String),
}

macro_rules! settings {
    ($( $(#[doc = $doc:literal])* $name:ident : $ty:ty = $default:expr ; )*) => {
        /// The settings in force.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        pub struct Settings {
            $( $(#[doc = $doc])* pub $name: $ty, )*
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $( $name: $default, )* }
            }
        }

        /// The settings that one source gives: the command line with its environment, or a file.
        #[derive(Debug, Clone, Default, PartialEq, Deserialize, clap::Args)]
        #[serde(default, deny_unknown_fields)]
        pub struct Given {
            $( $(#[doc = $doc])* #[arg(long)] pub $name: Option<$ty>, )*
        }

        impl Settings {
            fn take(&mut self, given: Given) {
                $( if let Some(value) = given.$name { self.$name = value; } )*
            }

            /// Names of all settings, as in a configuration file.
            pub const NAMES: &'static [&'static str] = &[ $( stringify!($name), )* ];
        }
    };
}

settings! {
    /// Address and port to listen on; port 0 takes a free one
    listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080));
    /// Folder of the embedded store; made if it is not there
    data: PathBuf = PathBuf::from("data");

    /// Largest WebSocket message, in bytes; over it: close 4413
    max_frame: ByteSize = ByteSize::mib(64);
    /// Open connections in all; over it: refused with HTTP 503
    max_connections: usize = 20_000;
    /// Open connections to one document; over it: close 1013
    max_connections_per_document: usize = 5_000;
    /// Open connections from one address; over it: refused with HTTP 429
    max_connections_per_address: usize = 10_000;
    /// Documents in memory; over it: close 1013 until one becomes idle
    max_documents: usize = 100_000;
    /// Documents being loaded at the same time; further ones wait their turn
    max_loads: usize = 16;
    /// Longest document name, in bytes; over it: close 4404
    max_document_name: usize = 1024;
    /// Bytes queued for one connection, beside its first sync; over it: its updates wait in the document, else close 1013
    max_outbox: ByteSize = ByteSize::mib(1);
    /// How long a connection for which updates wait may read nothing; over it: close 1013
    max_behind: Span = Span(Duration::from_secs(30));
    /// Messages that one connection may send in a second, in the long run; faster ones wait
    max_messages_per_second: u32 = 2_000;
    /// Largest awareness entry, in bytes; larger ones are refused
    max_awareness_entry: ByteSize = ByteSize::kib(64);
    /// Awareness entries that one connection may own; further ones are refused
    max_awareness_entries: usize = 64;
    /// Incomplete updates kept aside for one connection; over it: an error, and the update is refused
    max_aside: ByteSize = ByteSize::mib(1);
    /// Parked edits of one session; over it: the edit is refused with an error
    max_parked_per_session: ByteSize = ByteSize::mib(10);
    /// Open parks in one document; over it: the edit is refused with an error
    max_parks: usize = 100;
    /// Discarded parks of one document, each at least 16 KiB; over it: nothing more can be discarded
    max_discarded_parks: ByteSize = ByteSize::mib(20);
    /// Locks that one session may have at once; over it: refused
    max_locks_per_session: usize = 32;
    /// Locks that there may be in one document at once; over it: refused
    max_locks: usize = 500;
    /// Bytes of the paths of all locks and tickets of one document; over it: refused
    max_lock_bytes: ByteSize = ByteSize::kib(256);
    /// From accepting a connection to its first message; over it: closed
    handshake_timeout: Span = Span(Duration::from_secs(10));

    /// Longest wait of an update for company before its commit; twice that where nobody is told that it is saved
    commit_delay: Span = Span(Duration::from_millis(25));
    /// Bytes that make a commit at once
    commit_bytes: ByteSize = ByteSize::kib(256);
    /// Bytes accepted and not yet durable; over it: readers wait
    log_queue: ByteSize = ByteSize::mib(64);
    /// Bytes of records after which an open document gets a new snapshot, when it outgrew its last one
    compact_after: ByteSize = ByteSize::mib(1);
    /// Free space on the disk of the data folder below which /readyz warns
    disk_low: ByteSize = ByteSize::mib(256);
    /// Whether /metrics is served
    metrics: Switch = Switch::On;
    /// How long a document without connections stays in memory
    unload_after: Span = Span(Duration::from_secs(30));
    /// A document that nobody typed in for that long keeps only its encoded bytes in memory.
    rest_after: Span = Span(Duration::from_mins(1));
    /// Time over which an orderly stop spreads the closing of connections, so that clients do not come again all at once
    drain_over: Span = Span(Duration::from_secs(1));
    /// Deadline of an orderly stop
    shutdown_deadline: Span = Span(Duration::from_secs(10));

    /// What every connection may do beside editing: take-over, manage, both with a comma between, or none
    rights: RightsList = RightsList(Rights::ALL);
    /// What locks mean in a new document; changed later by whoever may manage it
    mode: DocumentMode = DocumentMode::ExclusiveWhenHeld;

    /// The timings below, unless they are set by themselves
    profile: Profile = Profile::Default;
    /// Protocol ping to every connection
    ping_every: Span = Span(Duration::from_secs(5));
    /// Silence after which a peer is shown shaky
    shaky_after: Span = Span(Duration::from_secs(6));
    /// Silence after which a peer is offline
    offline_after: Span = Span(Duration::from_secs(10));
    /// Application beat to the lock's holder and the first in its queue
    beat_every: Span = Span(Duration::from_secs(2));
    /// Application beat to every other client of the lock protocol
    beat_every_idle: Span = Span(Duration::from_secs(5));
    /// Age of a beat beyond which its answer does not count
    answer_within: Span = Span(Duration::from_secs(5));
    /// How long an offer of the lock stands
    offer: Span = Span(Duration::from_secs(2));
    /// How long a holder's lost connection is waited for (0 to 60 s)
    grace: Span = Span(Duration::from_secs(5));
    /// How long the ticket and session of a lost connection are kept
    ticket_life: Span = Span(Duration::from_secs(30));
    /// How long a holder is waited for after the server started again
    recovery: Span = Span(Duration::from_secs(10));
    /// How long a holder that hands its lock on has to send what it has
    drain: Span = Span(Duration::from_secs(3));
    /// How long a holder may keep what somebody requests
    request: Span = Span(Duration::from_secs(30));
    /// How long a holder may be without input while somebody waits
    idle_yield: Span = Span(Duration::from_secs(90));
    /// How long before that it is warned
    idle_warning: Span = Span(Duration::from_secs(15));
    /// How long after a take-over nobody else takes over
    take_over_cooldown: Span = Span(Duration::from_secs(60));
    /// When a holder must stop editing, counted from its last confirmed answer
    client_stop: Span = Span(Duration::from_secs(7));
    /// Whether the lock of a holder gone offline passes also to somebody who did not queue
    auto_pass: Switch = Switch::On;
}

/// Most that one record may ever have, in bytes: the log counts what waits in 32 bits.
const LARGEST: u64 = 1 << 30;

impl Settings {
    /// The settings in force, from the command line (with its environment) and the file that it names.
    ///
    /// # Errors
    /// The operator's: says which file, line or settings, and what to do.
    pub fn resolve(command_line: Given, file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut settings = Self::default();
        let file = file.map(read).transpose()?.unwrap_or_default();
        // What is said of a single timing counts more than a profile, wherever either is said.
        if let Some(profile) = command_line.profile.or(file.profile) {
            settings.set_timings(&profile.timings());
        }
        settings.take(file);
        settings.take(command_line);
        settings.check()?;
        Ok(settings)
    }

    /// Checks what one setting alone cannot show.
    ///
    /// # Errors
    /// Names the settings that contradict each other.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.timings()
            .validate()
            .map_err(|error| ConfigError::Contradiction(error.to_string()))?;
        let largest = self
            .max_frame
            .as_u64()
            .saturating_add(self.max_aside.as_u64());
        if largest > LARGEST || self.log_queue.as_u64() > 2 * LARGEST {
            return Err(ConfigError::Contradiction(format!(
                "max_frame ({}) and 8 x max_aside ({}) together may be {} at most, log_queue ({}) twice that",
                self.max_frame,
                self.max_aside,
                ByteSize(LARGEST),
                self.log_queue
            )));
        }
        Ok(())
    }

    /// The clocks of heartbeats and of the lock.
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
            grace: self.grace.0,
            ticket_life: self.ticket_life.0,
            recovery: self.recovery.0,
            drain: self.drain.0,
            request: self.request.0,
            idle_yield: self.idle_yield.0,
            idle_warning: self.idle_warning.0,
            take_over_cooldown: self.take_over_cooldown.0,
            client_stop: self.client_stop.0,
        }
    }

    /// Sets all clocks at once.
    pub fn set_timings(&mut self, timings: &Timings) {
        self.ping_every = Span(timings.ping_every);
        self.shaky_after = Span(timings.shaky_after);
        self.offline_after = Span(timings.offline_after);
        self.beat_every = Span(timings.beat_every);
        self.beat_every_idle = Span(timings.beat_every_idle);
        self.answer_within = Span(timings.answer_within);
        self.offer = Span(timings.offer);
        self.grace = Span(timings.grace);
        self.ticket_life = Span(timings.ticket_life);
        self.recovery = Span(timings.recovery);
        self.drain = Span(timings.drain);
        self.request = Span(timings.request);
        self.idle_yield = Span(timings.idle_yield);
        self.idle_warning = Span(timings.idle_warning);
        self.take_over_cooldown = Span(timings.take_over_cooldown);
        self.client_stop = Span(timings.client_stop);
    }
}

fn read(path: &Path) -> Result<Given, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    toml::from_str(&text).map_err(|error| ConfigError::Malformed {
        path: path.to_owned(),
        message: error.to_string(),
    })
}
