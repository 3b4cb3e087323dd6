//! The address of one document. Owns the checks and the percent-encoding; opens nothing.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio_tungstenite::tungstenite::http::Uri;

use crate::error::AddressError;

/// Longest document name, in bytes.
const MAX_NAME: usize = 1024;

/// What stands in a path as it is: the unreserved characters, and the slashes of the name.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// The address of a document under `ws://host:port/ws`. A query in the base stays at the end.
pub(crate) fn address(base: &str, document: &str) -> Result<Uri, AddressError> {
    if document.is_empty() || document.len() > MAX_NAME || document.chars().any(char::is_control) {
        return Err(AddressError::Document(document.to_owned()));
    }
    if !base.starts_with("ws://") {
        return Err(AddressError::Scheme(base.to_owned()));
    }
    let (place, query) = match base.split_once('?') {
        Some((place, query)) => (place, format!("?{query}")),
        None => (base, String::new()),
    };
    let place = place.trim_end_matches('/');
    let name = utf8_percent_encode(document, KEPT);
    let malformed = |reason: String| AddressError::Malformed {
        url: base.to_owned(),
        reason,
    };
    let uri: Uri = format!("{place}/{name}{query}")
        .parse()
        .map_err(|error| malformed(format!("{error}")))?;
    if uri.host().is_none_or(str::is_empty) {
        return Err(malformed("it names no host".to_owned()));
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_encoded_and_keeps_its_slashes() {
        let uri = address("ws://127.0.0.1:80/ws/?k=v", "a/b c?\u{e4}").unwrap();
        assert_eq!(uri.to_string(), "ws://127.0.0.1:80/ws/a/b%20c%3F%C3%A4?k=v");
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        assert!(matches!(
            address("http://a/ws", "d"),
            Err(AddressError::Scheme(_))
        ));
        assert!(matches!(
            address("wss://a/ws", "d"),
            Err(AddressError::Scheme(_))
        ));
        assert!(matches!(
            address("ws://", "d"),
            Err(AddressError::Malformed { .. })
        ));
        for name in ["", "a\nb", &"x".repeat(1025)] {
            assert!(matches!(
                address("ws://a/ws", name),
                Err(AddressError::Document(_))
            ));
        }
    }
}
