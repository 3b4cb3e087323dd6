//! The URL of one document. Owns the checks and the percent-encoding; opens nothing.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio_tungstenite::tungstenite::http::Uri;

use crate::error::AddressError;

/// Longest document name, in bytes.
const MAX_NAME: usize = 1024;

/// Characters that need no encoding: the unreserved ones, and the slashes of the name.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// Returns the URL of a document under `ws://host:port/ws`, or `wss://`. A query in the base stays
/// at the end.
pub(crate) fn document_url(base: &str, document: &str) -> Result<Uri, AddressError> {
    if document.is_empty() || document.len() > MAX_NAME || document.chars().any(char::is_control) {
        return Err(AddressError::Document(document.to_owned()));
    }
    let secure = base.starts_with("wss://");
    if secure && !cfg!(feature = "rustls") {
        return Err(AddressError::NoTls(base.to_owned()));
    }
    if !secure && !base.starts_with("ws://") {
        return Err(AddressError::Scheme(base.to_owned()));
    }
    let (path, query) = match base.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (base, String::new()),
    };
    let path = path.trim_end_matches('/');
    let name = utf8_percent_encode(document, KEPT);
    let malformed = |reason: String| AddressError::Malformed {
        url: base.to_owned(),
        reason,
    };
    let uri: Uri = format!("{path}/{name}{query}")
        .parse()
        .map_err(|error| malformed(format!("{error}")))?;
    if uri.host().is_none_or(str::is_empty) {
        return Err(malformed("it has no host".to_owned()));
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_encoded_and_keeps_its_slashes() {
        let uri = document_url("ws://127.0.0.1:80/ws/?k=v", "a/b c?\u{e4}").unwrap();
        assert_eq!(uri.to_string(), "ws://127.0.0.1:80/ws/a/b%20c%3F%C3%A4?k=v");
    }

    #[test]
    fn an_unusable_url_is_refused_with_the_reason() {
        assert!(matches!(
            document_url("http://a/ws", "d"),
            Err(AddressError::Scheme(_))
        ));
        let secure = document_url("wss://a/ws", "d");
        if cfg!(feature = "rustls") {
            assert_eq!(secure.unwrap().to_string(), "wss://a/ws/d");
        } else {
            assert!(matches!(secure, Err(AddressError::NoTls(_))));
        }
        assert!(matches!(
            document_url("ws://", "d"),
            Err(AddressError::Malformed { .. })
        ));
        for name in ["", "a\nb", &"x".repeat(1025)] {
            assert!(matches!(
                document_url("ws://a/ws", name),
                Err(AddressError::Document(_))
            ));
        }
    }
}
