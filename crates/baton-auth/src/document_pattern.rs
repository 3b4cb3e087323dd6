//! Patterns for names of documents.
//!
//! A name is a string of bytes, not a path: nothing is decoded, folded or normalised. The matcher
//! is written here because libraries for globs treat names as paths of the operating system, and
//! keep kilobytes of automaton for each pattern of each connection.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Longest name of a document that a pattern may state, in bytes.
pub const MAX_EXACT_BYTES: usize = 1024;

/// Longest pattern with a `*`, in bytes. Matching costs at most this times the name's length.
pub const MAX_GLOB_BYTES: usize = 256;

/// Kinds of patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Shape {
    /// Every document.
    Every,
    /// The document of exactly this name.
    Exact,
    /// Documents with longer names that begin with this text.
    Prefix,
    /// Documents that fit a text with wildcards.
    Glob,
}

/// Pattern that names of documents fit or do not fit, compared byte for byte.
///
/// | text | fits |
/// | --- | --- |
/// | `notes` | the document `notes` alone |
/// | `team/` | every longer name that begins with `team/` |
/// | `team/*` | `*` is any run of bytes without `/`, also an empty one |
/// | `team/**` | `**` is any run of bytes |
/// | `*` | every document |
///
/// No other character is special, and a `*` cannot be escaped in a pattern: an issuer that builds
/// patterns from input of users refuses `*` and a `/` at the end, or the server's settings read
/// names as exact ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DocumentPattern {
    text: Box<str>,
    shape: Shape,
}

/// A text is no pattern for names of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The text is empty.
    #[error("the pattern is empty")]
    Empty,
    /// The text is longer than [`MAX_EXACT_BYTES`], or [`MAX_GLOB_BYTES`] with a `*`.
    #[error("the pattern is too long")]
    TooLong,
    /// The text has a control character, which no name of a document has.
    #[error("the pattern has a control character")]
    ControlCharacter,
}

impl PatternError {
    /// Returns the fault as the end of a sentence that begins with the pattern.
    pub(crate) fn problem(self) -> &'static str {
        match self {
            Self::Empty => "has an empty pattern",
            Self::TooLong => "has a pattern that is too long",
            Self::ControlCharacter => "has a pattern with a control character",
        }
    }
}

impl DocumentPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// [`PatternError`] if the text is empty, too long, or has a control character.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let shape = match text {
            "*" | "**" => Shape::Every,
            _ if text.contains('*') => Shape::Glob,
            _ if text.ends_with('/') => Shape::Prefix,
            _ => Shape::Exact,
        };
        Self::checked(text, shape)
    }

    /// Returns the pattern that only this name fits, whatever characters it has.
    ///
    /// # Errors
    ///
    /// As [`DocumentPattern::parse`].
    pub fn exact(name: &str) -> Result<Self, PatternError> {
        Self::checked(name, Shape::Exact)
    }

    /// Returns the pattern that every document fits.
    #[must_use]
    pub fn every() -> Self {
        Self {
            text: "*".into(),
            shape: Shape::Every,
        }
    }

    fn checked(text: &str, shape: Shape) -> Result<Self, PatternError> {
        let limit = match shape {
            Shape::Glob => MAX_GLOB_BYTES,
            Shape::Every | Shape::Exact | Shape::Prefix => MAX_EXACT_BYTES,
        };
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > limit {
            return Err(PatternError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(PatternError::ControlCharacter);
        }
        let text = text.into();
        Ok(Self { text, shape })
    }

    /// Returns true if every name fits by the pattern's form, as that of `*`.
    pub(crate) fn is_every(&self) -> bool {
        self.shape == Shape::Every
    }

    /// Returns true if the name fits. Costs at most [`MAX_GLOB_BYTES`] steps for a byte of it.
    #[must_use]
    pub fn matches(&self, document: &str) -> bool {
        match self.shape {
            Shape::Every => true,
            Shape::Exact => *self.text == *document,
            Shape::Prefix => document.len() > self.text.len() && document.starts_with(&*self.text),
            Shape::Glob => glob_matches(&self.text, document),
        }
    }
}

impl FromStr for DocumentPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::parse(text)
    }
}

impl fmt::Display for DocumentPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Part of a glob.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Byte(u8),
    /// A run of bytes without `/`.
    WithinSegment,
    /// A run of bytes.
    Anything,
}

/// Splits a glob into its parts; three and more `*` are as two.
fn pieces(glob: &str) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(glob.len());
    for byte in glob.bytes() {
        match (byte, pieces.last_mut()) {
            (b'*', Some(Piece::Anything)) => {}
            (b'*', Some(last @ Piece::WithinSegment)) => *last = Piece::Anything,
            (b'*', _) => pieces.push(Piece::WithinSegment),
            _ => pieces.push(Piece::Byte(byte)),
        }
    }
    pieces
}

/// Runs the glob as a nondeterministic automaton: no input makes it go back.
fn glob_matches(glob: &str, name: &str) -> bool {
    let pieces = pieces(glob);
    // Position `i` is on if the bytes so far fit the first `i` pieces.
    let mut on = vec![false; pieces.len() + 1];
    let mut next = on.clone();
    on[0] = true;
    skip_wildcards(&pieces, &mut on);
    for byte in name.bytes() {
        next.fill(false);
        for (index, piece) in pieces.iter().enumerate().filter(|(index, _)| on[*index]) {
            match piece {
                Piece::Byte(expected) => next[index + 1] |= *expected == byte,
                Piece::WithinSegment => next[index] |= byte != b'/',
                Piece::Anything => next[index] = true,
            }
        }
        skip_wildcards(&pieces, &mut next);
        std::mem::swap(&mut on, &mut next);
    }
    on[pieces.len()]
}

/// Lets each wildcard that is reached match nothing.
fn skip_wildcards(pieces: &[Piece], on: &mut [bool]) {
    for (index, piece) in pieces.iter().enumerate() {
        if on[index] && !matches!(piece, Piece::Byte(_)) {
            on[index + 1] = true;
        }
    }
}
