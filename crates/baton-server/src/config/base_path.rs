//! The type of the setting that says under which path the server's addresses are.
//!
//! Owns how it is parsed and written.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest base path, in bytes.
const LONGEST: usize = 256;

/// A path under which all addresses of the server are: `/` or one like `/collab`, without a slash
/// at its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    /// Returns the text that stands before the slash of every path: empty, or like `/collab`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.0
    }

    /// Returns the last segment of the path; empty for `/`.
    pub(crate) fn last_segment(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the rest of a path under this one: empty for the base itself, else a path that
    /// begins with a slash. `None` for a path that is not under it.
    pub(crate) fn rest<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(&self.0)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

/// The text is not a base path. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a base path; write / or a path like /collab, of letters, digits and -._~, without . and .. as names"
)]
pub struct InvalidBasePath(String);

impl FromStr for BasePath {
    type Err = InvalidBasePath;

    fn from_str(text: &str) -> Result<Self, InvalidBasePath> {
        let invalid = || InvalidBasePath(text.to_owned());
        let inner = text.strip_prefix('/').ok_or_else(invalid)?;
        if inner.is_empty() {
            return Ok(Self::default());
        }
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        // Characters that need no percent-encoding, so that a path has one spelling.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let sound =
            |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain);
        if text.len() > LONGEST || !inner.split('/').all(sound) {
            return Err(invalid());
        }
        Ok(Self(format!("/{inner}")))
    }
}

impl Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "/" } else { &self.0 })
    }
}

impl<'de> Deserialize<'de> for BasePath {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for BasePath {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> BasePath {
        text.parse().unwrap()
    }

    #[test]
    fn a_base_path_has_one_spelling() {
        assert_eq!(base("/"), BasePath::default());
        assert_eq!(base("/").prefix(), "");
        assert_eq!(base("/").to_string(), "/");
        assert_eq!(base("/collab/").prefix(), "/collab");
        assert_eq!(base("/a/b-1").to_string(), "/a/b-1");
        assert_eq!(base("/a/b-1").last_segment(), "b-1");
        let long = format!("/{}", "a".repeat(LONGEST));
        for text in [
            "", "collab", "//", "/a//b", "/a/../b", "/.", "/a b", "/%61", "/a?b", "/a#b", &long,
        ] {
            assert!(text.parse::<BasePath>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_whole_segments_are_under_it() {
        let collab = base("/collab");
        assert_eq!(collab.rest("/collab"), Some(""));
        assert_eq!(collab.rest("/collab/"), Some("/"));
        assert_eq!(collab.rest("/collab/ws/a"), Some("/ws/a"));
        for path in ["/", "/ws", "/collaboration", "/Collab/", "//collab/", "*"] {
            assert_eq!(collab.rest(path), None, "{path}");
        }
        assert_eq!(base("/").rest("/ws"), Some("/ws"));
    }
}
