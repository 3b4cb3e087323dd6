//! The type of a setting that names documents.
//!
//! Owns how such a list is parsed and written, and which names match.

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Names of documents, written like `minutes,drafts/*`: a name that ends with `*` covers all names
/// with that prefix, and `*` alone covers all documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentNames(Vec<String>);

impl DocumentNames {
    /// Returns true if the list covers a document.
    #[must_use]
    pub fn cover(&self, document: &str) -> bool {
        self.0.iter().any(|name| match name.strip_suffix('*') {
            Some(prefix) => document.starts_with(prefix),
            None => document == name,
        })
    }
}

impl FromStr for DocumentNames {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let words = text.split(',').map(str::trim);
        let words = words.filter(|word| !word.is_empty() && *word != "none");
        Ok(Self(words.map(str::to_owned).collect()))
    }
}

impl Display for DocumentNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&self.0.join(","))
    }
}

impl<'de> Deserialize<'de> for DocumentNames {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for DocumentNames {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_covers_whole_names_and_beginnings() {
        let list: DocumentNames = "minutes, drafts/*".parse().unwrap();
        assert!(list.cover("minutes") && list.cover("drafts/") && list.cover("drafts/a"));
        assert!(!list.cover("minutes2") && !list.cover("draft"));
        assert_eq!(list.to_string(), "minutes,drafts/*");
        let all: DocumentNames = "*".parse().unwrap();
        assert!(all.cover("any"));
        let none: DocumentNames = "none".parse().unwrap();
        assert!(!none.cover("none"));
        assert_eq!(none, DocumentNames::default());
        assert_eq!(none.to_string(), "none");
    }
}
