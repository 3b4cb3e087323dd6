//! Names of documents as the engine has them: the stream, and the subject within it.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// Longest name of a document, in bytes.
pub const MAX_NAME_BYTES: usize = 1024;

/// Longest part of a subject that spells out a name, in bytes; longer names are hashed.
const MAX_SPELLED: usize = 160;

/// First letter of the key of a name that is hashed. No spelled-out name has it.
const HASHED: char = '~';

/// Separates the byte of a name that may not stand in a subject.
const ESCAPE: char = '=';

/// The part of a subject that stands for a document: letters, digits, `-`, `_`, and `=XX` for
/// every other byte of the name; or `~` and the SHA-256 of a name for which that is too long.
///
/// Different names have different keys, and no key has a dot, a wildcard or a space.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentKey(Arc<str>);

impl DocumentKey {
    /// Makes the key of the document with this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut key = String::with_capacity(name.len());
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
                key.push(char::from(byte));
            } else {
                key.push(ESCAPE);
                push_hex(&mut key, byte);
            }
        }
        if key.is_empty() || key.len() > MAX_SPELLED {
            key = String::from(HASHED);
            for byte in Sha256::digest(name) {
                push_hex(&mut key, byte);
            }
        }
        Self(key.into())
    }

    /// Reads a key back from a subject. Returns `None` if no name has this key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(digest) = text.strip_prefix(HASHED) {
            let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            let valid = digest.len() == 64 && digest.bytes().all(hex);
            return valid.then(|| Self(text.into()));
        }
        let key = Self::new(&spelled_name(text)?);
        (key.as_str() == text).then_some(key)
    }

    /// Returns the key as it stands in a subject.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the document's name, or `None` if the key is a hash. The name is then in the
    /// document's messages that say that it was opened, or that a snapshot was made.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        spelled_name(&self.0)
    }
}

impl fmt::Display for DocumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn push_hex(text: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 15] {
        text.extend(char::from_digit(digit.into(), 16));
    }
}

fn spelled_name(key: &str) -> Option<String> {
    let mut name = Vec::with_capacity(key.len());
    let mut rest = key.bytes();
    while let Some(byte) = rest.next() {
        if byte == ESCAPE as u8 {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let value = digit()? * 16 + digit()?;
            name.push(u8::try_from(value).ok()?);
        } else {
            name.push(byte);
        }
    }
    if key.starts_with(HASHED) {
        return None;
    }
    String::from_utf8(name).ok()
}

/// Returns the stream of the document with this name, from 0 to below `streams`. The same on every
/// node and in every release: the streams would have to be written anew otherwise.
#[must_use]
pub fn stream_of(name: &str, streams: u16) -> u16 {
    let digest = Sha256::digest(name);
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    let stream = u64::from_be_bytes(first) % u64::from(streams.max(1));
    u16::try_from(stream).unwrap_or_default()
}

/// A subject within a stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// Records of a document, and the marks that it was opened.
    Records(DocumentKey),
    /// Marks that a snapshot of a document was made.
    Snapshots(DocumentKey),
    /// Probes: messages of the nodes about the stream itself.
    Probes,
    /// Incarnations of the stream.
    Incarnations,
}

impl Subject {
    /// Returns the whole subject, such as `baton.3.d.minutes.r`. The prefix must be a valid
    /// subject itself.
    #[must_use]
    pub fn render(&self, prefix: &str, stream: u16) -> String {
        match self {
            Self::Records(key) => format!("{prefix}.{stream}.d.{key}.r"),
            Self::Snapshots(key) => format!("{prefix}.{stream}.d.{key}.s"),
            Self::Probes => format!("{prefix}.{stream}.probe"),
            Self::Incarnations => format!("{prefix}.{stream}.incarnation"),
        }
    }

    /// Returns the subjects, with wildcards, that stand for all messages of a document.
    #[must_use]
    pub fn of_document(key: &DocumentKey, prefix: &str, stream: u16) -> String {
        format!("{prefix}.{stream}.d.{key}.>")
    }

    /// Reads a subject back. Returns `None` for one that this protocol does not have.
    #[must_use]
    pub fn parse(subject: &str, prefix: &str, stream: u16) -> Option<Self> {
        let rest = subject.strip_prefix(prefix)?.strip_prefix('.')?;
        let (number, rest) = rest.split_once('.')?;
        if number.parse() != Ok(stream) {
            return None;
        }
        match rest {
            "probe" => return Some(Self::Probes),
            "incarnation" => return Some(Self::Incarnations),
            _ => {}
        }
        let (key, kind) = rest.strip_prefix("d.")?.split_once('.')?;
        let key = DocumentKey::parse(key)?;
        match kind {
            "r" => Some(Self::Records(key)),
            "s" => Some(Self::Snapshots(key)),
            _ => None,
        }
    }

    /// Returns the document, if the subject is one of a document.
    #[must_use]
    pub fn document(&self) -> Option<&DocumentKey> {
        match self {
            Self::Records(key) | Self::Snapshots(key) => Some(key),
            Self::Probes | Self::Incarnations => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_spelled_safely_and_come_back() {
        let long = "x".repeat(161);
        let wide = "ü".repeat(27);
        let names = [
            "minutes", "a.b", "a>*", "a b", "=41", "A", "a", "~x", "ünï/ç", "", "\n", &long, &wide,
        ];
        let keys: BTreeSet<_> = names.iter().map(|name| DocumentKey::new(name)).collect();
        assert_eq!(keys.len(), names.len(), "each has a key of its own");
        for name in names {
            let key = DocumentKey::new(name);
            let safe = |c: char| c.is_ascii_alphanumeric() || "-_=~".contains(c);
            assert!(key.as_str().chars().all(safe), "{key}");
            assert!(!key.as_str().is_empty() && key.as_str().len() <= MAX_SPELLED);
            assert_eq!(DocumentKey::parse(key.as_str()), Some(key.clone()));
            let hashed = key.as_str().starts_with(HASHED);
            assert_eq!(key.name(), (!hashed).then(|| name.to_owned()));
        }
        assert_eq!(DocumentKey::new("a.b").as_str(), "a=2eb");
    }

    #[test]
    fn a_key_that_no_name_has_is_refused() {
        for text in [
            "", "a.b", "=4", "=zz", "=41", "=2E", "~12", "a b", "é", "=ff",
        ] {
            assert_eq!(DocumentKey::parse(text), None, "{text}");
        }
    }

    #[test]
    fn subjects_come_back_and_others_are_refused() {
        let key = DocumentKey::new("a.b");
        let all = [
            Subject::Records(key.clone()),
            Subject::Snapshots(key.clone()),
            Subject::Probes,
            Subject::Incarnations,
        ];
        for subject in all {
            let text = subject.render("baton.x", 3);
            assert_eq!(Subject::parse(&text, "baton.x", 3), Some(subject), "{text}");
            assert_eq!(Subject::parse(&text, "baton.x", 4), None);
            assert_eq!(Subject::parse(&text, "baton", 3), None);
        }
        assert_eq!(Subject::parse("b.3.d.a.x", "b", 3), None);
        assert_eq!(Subject::of_document(&key, "b", 3), "b.3.d.a=2eb.>");
    }

    #[test]
    fn a_document_stays_in_its_stream_for_ever() {
        // Fixed by what is stored: a change here is a loss of every document.
        assert_eq!(
            ["minutes", "plan", ""].map(|name| stream_of(name, 8)),
            [0, 1, 4]
        );
        let used: BTreeSet<_> = (0..200).map(|n| stream_of(&n.to_string(), 8)).collect();
        assert_eq!(used.len(), 8);
        assert_eq!(stream_of("a", 0), 0);
    }
}
