//! The types of settings that are lists of web origins or of host names.
//!
//! Owns how such a list is parsed and written.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::net::host_name::{Authority, WebOrigin};

/// Web origins, written like `https://example.org,http://10.0.0.7:5173`; `any` for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(NameList<WebOrigin>);

/// Host names, written like `example.org,intranet:8080`, without a port for all ports; `any` for
/// all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts(NameList<Authority>);

/// The word is not a name of the expected kind. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not a {kind}; write a list like {example}")]
pub struct InvalidWebName {
    word: String,
    kind: &'static str,
    example: &'static str,
}

/// A list of names, with the text that it was parsed from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NameList<T> {
    any: bool,
    names: Vec<T>,
    words: String,
}

impl<T> Default for NameList<T> {
    fn default() -> Self {
        Self {
            any: false,
            names: Vec::new(),
            words: "none".to_owned(),
        }
    }
}

impl<T> NameList<T> {
    fn read(
        text: &str,
        read: impl Fn(&str) -> Result<T, InvalidWebName>,
    ) -> Result<Self, InvalidWebName> {
        let mut list = Self::default();
        let words = text.split(',').map(str::trim);
        let words: Vec<_> = words
            .filter(|word| !word.is_empty() && *word != "none")
            .collect();
        for word in &words {
            if *word == "any" {
                list.any = true;
            } else {
                list.names.push(read(word)?);
            }
        }
        if !words.is_empty() {
            list.words = words.join(",");
        }
        Ok(list)
    }
}

impl Origins {
    /// Returns true if pages of every origin are allowed.
    pub(crate) const fn is_any(&self) -> bool {
        self.0.any
    }

    /// Returns true if this origin is in the list.
    pub(crate) fn contains(&self, origin: &WebOrigin) -> bool {
        self.0.names.contains(origin)
    }
}

impl Hosts {
    /// Returns true if a listed name, or `any`, covers this host. A name without a port covers all
    /// ports.
    pub(crate) fn cover(&self, host: &Authority) -> bool {
        let listed = |allowed: &Authority| {
            let port = allowed.port.is_none() || allowed.port == host.port;
            allowed.host == host.host && port
        };
        self.0.any || self.0.names.iter().any(listed)
    }
}

impl FromStr for Origins {
    type Err = InvalidWebName;

    fn from_str(text: &str) -> Result<Self, InvalidWebName> {
        let origin = |word: &str| {
            WebOrigin::read(word).ok_or_else(|| InvalidWebName {
                word: word.to_owned(),
                kind: "web origin",
                example: "https://example.org,http://10.0.0.7:5173",
            })
        };
        NameList::read(text, origin).map(Self)
    }
}

impl FromStr for Hosts {
    type Err = InvalidWebName;

    fn from_str(text: &str) -> Result<Self, InvalidWebName> {
        let host = |word: &str| {
            Authority::read(word).ok_or_else(|| InvalidWebName {
                word: word.to_owned(),
                kind: "host name",
                example: "example.org,intranet:8080",
            })
        };
        NameList::read(text, host).map(Self)
    }
}

/// Web pages that may show the demo page in a frame, written like `self,https://example.org`, or
/// `none`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameAncestors {
    own: bool,
    others: NameList<WebOrigin>,
    words: String,
}

impl Default for FrameAncestors {
    fn default() -> Self {
        Self {
            own: true,
            others: NameList::default(),
            words: "self".to_owned(),
        }
    }
}

impl FromStr for FrameAncestors {
    type Err = InvalidWebName;

    fn from_str(text: &str) -> Result<Self, InvalidWebName> {
        let (own, others): (Vec<_>, Vec<_>) = text
            .split(',')
            .map(str::trim)
            .partition(|word| *word == "self");
        let others = others.join(",").parse::<Origins>()?.0;
        // A policy names pages by scheme and host, and cannot name `null`.
        if others.names.contains(&WebOrigin::Other("null".to_owned())) {
            return Err(InvalidWebName {
                word: "null".to_owned(),
                kind: "page that a policy can name",
                example: "self,https://example.org",
            });
        }
        let mut words = Vec::new();
        if !own.is_empty() {
            words.push("self");
        }
        if others.any || !others.names.is_empty() {
            words.push(&others.words);
        }
        let words = if words.is_empty() {
            "none".to_owned()
        } else {
            words.join(",")
        };
        Ok(Self {
            own: !own.is_empty(),
            others,
            words,
        })
    }
}

impl FrameAncestors {
    /// Returns the directive for a Content-Security-Policy.
    pub(crate) fn directive(&self) -> String {
        if self.others.any {
            return "frame-ancestors *".to_owned();
        }
        let own = self.own.then_some("'self'");
        // Words that were parsed as origins have no space, comma or semicolon, which would end the
        // directive.
        let others = self.others.words.split(',');
        let others = others.filter(|_| !self.others.names.is_empty());
        let all: Vec<_> = own.into_iter().chain(others).collect();
        if all.is_empty() {
            return "frame-ancestors 'none'".to_owned();
        }
        format!("frame-ancestors {}", all.join(" "))
    }
}

macro_rules! written_as_words {
    ($($name:ident => $words:expr;)*) => { $(
        impl Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let words: fn(&Self) -> &str = $words;
                f.write_str(words(self))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Words::deserialize(from)?
                    .joined()
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    )* };
}

written_as_words! {
    Origins => |origins| &origins.0.words;
    Hosts => |hosts| &hosts.0.words;
    FrameAncestors => |ancestors| &ancestors.words;
}

/// A list in a file: one string with commas, or an array of strings.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a string with commas, or an array of strings")]
enum Words {
    One(String),
    Many(Vec<String>),
}

impl Words {
    fn joined(self) -> String {
        match self {
            Self::One(text) => text,
            Self::Many(words) => words.join(","),
        }
    }
}
