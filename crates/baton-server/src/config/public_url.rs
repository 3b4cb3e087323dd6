//! The address at which clients reach the server.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// An address like `https://collab.example.com/base`, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    is_tls: bool,
    /// Host, port and path.
    rest: String,
}

/// The text is no address of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be http:// or https://, a host, and at most a port and a path")]
pub struct InvalidPublicUrl;

impl PublicUrl {
    /// Returns the address of a server of this host, below this path.
    pub(crate) fn new(is_tls: bool, host: &str, path: &str) -> Self {
        let rest = [host, path.trim_end_matches('/')].concat();
        Self { is_tls, rest }
    }

    /// Returns the address of a path of the server over HTTP.
    pub(crate) fn http(&self, path: &str) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.rest)
    }

    /// Returns the address of a path of the server over WebSocket.
    pub(crate) fn web_socket(&self, path: &str) -> String {
        let scheme = if self.is_tls { "wss" } else { "ws" };
        format!("{scheme}://{}{path}", self.rest)
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        let uri: Uri = text.parse().map_err(|_| InvalidPublicUrl)?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(InvalidPublicUrl),
        };
        match uri.authority() {
            Some(host) if !host.as_str().contains('@') && uri.query().is_none() => {
                Ok(Self::new(is_tls, host.as_str(), uri.path()))
            }
            _ => Err(InvalidPublicUrl),
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.http(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_a_server_and_its_paths_follow() {
        let of = |text: &str| text.parse::<PublicUrl>().unwrap();
        let url = of("https://collab.example.com/base/");
        assert_eq!(url.to_string(), "https://collab.example.com/base");
        assert_eq!(url.web_socket("/d/a"), "wss://collab.example.com/base/d/a");
        assert_eq!(
            of("http://[::1]:8080").http("/d/a"),
            "http://[::1]:8080/d/a"
        );
        for wrong in [
            "",
            "collab.example.com",
            "/base",
            "ws://a",
            "https://",
            "https://user@a",
            "https://a?x",
        ] {
            assert!(wrong.parse::<PublicUrl>().is_err(), "{wrong}");
        }
    }
}
