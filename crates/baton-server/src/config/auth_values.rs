//! The types of settings about authorization and tokens.
//!
//! Owns how they are parsed and written, and that no secret is ever written.

use std::convert::Infallible;
use std::fmt::{self, Debug, Display};
use std::str::FromStr;

use baton_auth::DocumentSyntax;
use http::Uri;
use http::uri::{Authority, Scheme};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::ConfigError;

/// The way in which the server decides who may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "command-line", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AuthMode {
    /// Every client may write every document
    None,
    /// Signed tokens (JWT) say what their client may do
    Jwt,
    /// Another service is asked for each client and document
    Webhook,
}

/// A set of values for the settings about claims; each of them can also be set by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "command-line", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum ClaimPreset {
    /// Baton's own names: `documents`, `permissions`
    Baton,
    /// The words of y-sweet: `doc_id`, `authorization`
    YSweet,
    /// Tokens for Tiptap's hosted Hocuspocus: `allowedDocumentNames`, `readonlyDocumentNames`
    Tiptap,
}

/// The meaning of a `*` or a final `/` in the documents of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "command-line", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TokenDocuments {
    /// Documents are patterns
    Patterns,
    /// Documents are exact names
    Exact,
}

impl From<TokenDocuments> for DocumentSyntax {
    fn from(documents: TokenDocuments) -> Self {
        match documents {
            TokenDocuments::Patterns => Self::Patterns,
            TokenDocuments::Exact => Self::Exact,
        }
    }
}

impl From<DocumentSyntax> for TokenDocuments {
    fn from(syntax: DocumentSyntax) -> Self {
        match syntax {
            DocumentSyntax::Patterns => Self::Patterns,
            DocumentSyntax::Exact => Self::Exact,
        }
    }
}

/// A secret, or `none`. Neither `Debug` nor serialization shows it, and its memory is overwritten
/// when it is dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Option<Zeroizing<String>>);

impl Secret {
    /// Returns the secret text. Never log it.
    #[must_use]
    pub fn secret_text(&self) -> Option<&str> {
        self.0.as_ref().map(|text| text.as_str())
    }

    /// Returns true if there is a secret.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    /// Takes any text, because an error of the command line would repeat it.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let is_set = !text.is_empty() && text != "none";
        Ok(Self(is_set.then(|| Zeroizing::new(text.to_owned()))))
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

impl Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_set() { "redacted" } else { "none" })
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(from)?);
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// The address of a service, `https://` or `http://`, or `none`. Its path and query are not shown,
/// because many services have a key there.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ServiceUrl(Option<Zeroizing<String>>);

impl ServiceUrl {
    /// Returns true if there is an address.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Returns true if the address is one of https.
    pub(crate) fn is_tls(&self) -> bool {
        let uri = self.parsed();
        uri.is_some_and(|uri| uri.scheme() == Some(&Scheme::HTTPS))
    }

    /// Returns the address.
    ///
    /// # Errors
    /// Names the setting, if it is no address of a service.
    pub(crate) fn uri(&self, setting: &'static str) -> Result<Uri, ConfigError> {
        self.parsed().ok_or_else(|| {
            ConfigError::Contradiction(format!(
                "{setting} is no address of a service; write it like https://example.org/path, without a user or a fragment"
            ))
        })
    }

    fn parsed(&self) -> Option<Uri> {
        let text = self.0.as_ref().filter(|text| !text.contains('#'))?;
        let uri: Uri = text.parse().ok()?;
        let is_known = [&Scheme::HTTP, &Scheme::HTTPS]
            .map(Some)
            .contains(&uri.scheme());
        let has_user = uri.authority()?.as_str().contains('@');
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        (is_known && has_host && !has_user).then_some(uri)
    }
}

impl FromStr for ServiceUrl {
    type Err = Infallible;

    /// Takes any text, because an error of the command line would repeat it.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let is_set = !text.is_empty() && text != "none";
        Ok(Self(is_set.then(|| Zeroizing::new(text.to_owned()))))
    }
}

impl Debug for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceUrl({self})")
    }
}

impl Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.parsed(), self.is_set()) {
            (Some(uri), _) => {
                let host = uri.authority().map_or("", Authority::as_str);
                write!(f, "{}://{host}/...", uri.scheme_str().unwrap_or_default())
            }
            (None, true) => f.write_str("redacted"),
            (None, false) => f.write_str("none"),
        }
    }
}

impl<'de> Deserialize<'de> for ServiceUrl {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(from)?);
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for ServiceUrl {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// A value, or `none`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrNone<T>(pub Option<T>);

impl<T> Default for OrNone<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: FromStr> FromStr for OrNone<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        let is_none = text.is_empty() || text == "none";
        let value = (!is_none).then(|| text.parse());
        value.transpose().map(Self)
    }
}

impl<T: Display> Display for OrNone<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => Display::fmt(value, f),
            None => f.write_str("none"),
        }
    }
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for OrNone<T> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl<T: Display> Serialize for OrNone<T> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Values with commas between them, or `none`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommaList<T>(pub Vec<T>);

impl<T> Default for CommaList<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: FromStr> FromStr for CommaList<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        let words = text.split(',').map(str::trim);
        let words = words.filter(|word| !word.is_empty() && *word != "none");
        words.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl<T: Display> Display for CommaList<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let texts: Vec<_> = self.0.iter().map(T::to_string).collect();
        f.write_str(&texts.join(","))
    }
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for CommaList<T> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl<T: Display> Serialize for CommaList<T> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_written() {
        let secret: Secret = "correct horse battery staple, and more".parse().unwrap();
        assert_eq!(secret.secret_text().map(str::len), Some(38));
        let json = serde_json::to_string(&secret).unwrap();
        for written in [format!("{secret:?}"), secret.to_string(), json] {
            assert!(!written.contains("horse"), "{written}");
        }
        assert!(!"none".parse::<Secret>().unwrap().is_set());
        assert!(!"".parse::<Secret>().unwrap().is_set());
    }

    #[test]
    fn an_address_of_a_service_is_shown_without_what_may_be_a_key() {
        let url = |text: &str| text.parse::<ServiceUrl>().unwrap();
        let good = url("https://example.org:8443/a?key=hush");
        assert!(good.is_tls() && good.uri("setting").is_ok());
        assert_eq!(good.to_string(), "https://example.org:8443/...");
        assert!(!url("http://127.0.0.1/").is_tls());
        assert!(!url("none").is_set());
        for text in [
            "hush",
            "ftp://hush/",
            "https://u:hush@h/",
            "https://h/#hush",
            "/hush",
            "https://",
        ] {
            let error = url(text).uri("auth_jwks_url").unwrap_err().to_string();
            assert!(error.contains("auth_jwks_url"), "{error}");
            let shown = format!("{:?}", url(text));
            assert!(
                !error.contains("hush") && !shown.contains("hush"),
                "{error} {shown}"
            );
        }
    }

    #[test]
    fn lists_and_absent_values_are_written_as_they_are_read() {
        let list: CommaList<String> = "a, b".parse().unwrap();
        assert_eq!(list.to_string(), "a,b");
        assert_eq!(
            "none".parse::<CommaList<String>>(),
            Ok(CommaList::default())
        );
        assert_eq!(CommaList::<String>::default().to_string(), "none");
        let number: OrNone<u8> = "7".parse().unwrap();
        assert_eq!((number.to_string(), number.0), ("7".to_owned(), Some(7)));
        assert_eq!("none".parse::<OrNone<u8>>(), Ok(OrNone(None)));
        assert!("x".parse::<OrNone<u8>>().is_err());
    }
}
