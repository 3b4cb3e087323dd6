//! The types of settings: times, words and lists.
//!
//! Owns how a value is parsed and written; knows no setting by name.

use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

use baton_presence::{Mode, Rights, Timings};
use baton_room::{ReadOnlyEdits, Receipts};
use serde::{Deserialize, Serialize};

use crate::time_text::{InvalidSpan, duration_text, parse_duration};

/// A duration, written like `500ms`, `5s` or `1m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_duration(text).map(Span)
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
        to.serialize_str(&duration_text(self.0))
    }
}

/// A switch, written `on` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "command-line", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// The users who may connect to a Unix socket. Each of them is trusted as a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "command-line", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SocketAccess {
    /// The user that runs the server (mode 0600)
    Owner,
    /// Also the group of the socket's file (mode 0660)
    Group,
    /// Every user of this machine (mode 0666)
    Everyone,
}

impl SocketAccess {
    /// Returns the mode of the socket's file.
    pub(crate) const fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Group => 0o660,
            Self::Everyone => 0o666,
        }
    }
}

/// A set of values for all timings; each timing can also be set by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "command-line", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TimingProfile {
    /// For the open internet
    Default,
    /// A lock passes on only when its holder has certainly stopped, even if one clock runs up to
    /// 1.4 times as fast as another
    Strict,
    /// For local networks and tests: about a fifth of the default times
    Fast,
}

impl TimingProfile {
    /// Returns the timings of the profile.
    #[must_use]
    pub fn timings(self) -> Timings {
        match self {
            Self::Default => Timings::default(),
            Self::Strict => Timings::strict(),
            Self::Fast => Timings::fast(),
        }
    }
}

/// The effect of locks in a new document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "command-line", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DocumentMode {
    /// Locks are advisory: every client may write
    Open,
    /// Every client may write parts without a holder; only the holder may write the others
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

impl From<Mode> for DocumentMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Open => Self::Open,
            Mode::ExclusiveWhenHeld => Self::ExclusiveWhenHeld,
            Mode::Required => Self::Required,
        }
    }
}

/// The fate of edits from clients that may only read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "command-line", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ReadOnlyPolicy {
    /// They are dropped, and their clients are told
    Drop,
    /// They are kept as suggestions, for a client that may write to merge
    Suggest,
}

impl From<ReadOnlyPolicy> for ReadOnlyEdits {
    fn from(policy: ReadOnlyPolicy) -> Self {
        match policy {
            ReadOnlyPolicy::Drop => Self::Drop,
            ReadOnlyPolicy::Suggest => Self::Suggest,
        }
    }
}

/// The updates that a stock client is sent back, written `off` or `saved`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "command-line", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EchoMode {
    /// None
    Off,
    /// Its own, once they are durable
    Saved,
}

impl From<EchoMode> for Receipts {
    fn from(mode: EchoMode) -> Self {
        match mode {
            EchoMode::Off => Self::None,
            EchoMode::Saved => Self::Echo,
        }
    }
}

/// Rights, written like `take-over,manage`, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RightsList(pub Rights);

/// The word is not a right. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a right; write take-over, manage, take-over,manage or none")]
pub struct InvalidRight(String);

impl FromStr for RightsList {
    type Err = InvalidRight;

    fn from_str(text: &str) -> Result<Self, InvalidRight> {
        let mut rights = Rights::NONE;
        if text.trim() == "none" {
            return Ok(Self(rights));
        }
        for word in text.split(',').map(str::trim) {
            rights = rights.union(match word {
                "take-over" => Rights::TAKE_OVER,
                "manage" => Rights::MANAGE,
                other => return Err(InvalidRight(other.to_owned())),
            });
        }
        Ok(Self(rights))
    }
}

impl Display for RightsList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
