//! Host names, authorities and web origins, each in one spelling.
//!
//! Owns how they are parsed.

use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host name or an address: in lower case, without a trailing dot and without brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Name(String),
    Address(IpAddr),
}

impl Host {
    /// Returns true for `localhost` and for loopback addresses.
    pub(crate) fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost",
            Self::Address(address) => address.is_loopback(),
        }
    }
}

impl Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(four)) => write!(f, "{four}"),
            Self::Address(IpAddr::V6(six)) => write!(f, "[{six}]"),
        }
    }
}

/// A host, with its port if one was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) host: Host,
    pub(crate) port: Option<u16>,
}

impl Authority {
    /// Parses `name`, `name:80`, `127.0.0.1:80`, `[::1]:80`. User information is not accepted.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (six, rest) = rest.split_once(']')?;
            let six: Ipv6Addr = six.parse().ok()?;
            let port = match rest {
                "" => None,
                rest => Some(rest.strip_prefix(':')?),
            };
            (Host::Address(IpAddr::V6(six).to_canonical()), port)
        } else {
            let (name, port) = match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            };
            let name = name.strip_suffix('.').unwrap_or(name);
            let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
            if name.is_empty() || !name.bytes().all(sound) {
                return None;
            }
            let host = match name.parse::<Ipv4Addr>() {
                Ok(four) => Host::Address(IpAddr::V4(four)),
                Err(_) => Host::Name(name.to_ascii_lowercase()),
            };
            (host, port)
        };
        let port = match port {
            None | Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            Some(_) => return None,
        };
        Some(Self { host, port })
    }

    /// Returns the port, or the default port of the scheme.
    pub(crate) fn port_under(&self, scheme: Scheme) -> u16 {
        self.port.unwrap_or(scheme.default_port())
    }
}

impl Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

/// The schemes under which the server's own pages can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// Parses a scheme, in any case.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("http") {
            Some(Self::Http)
        } else if text.eq_ignore_ascii_case("https") {
            Some(Self::Https)
        } else {
            None
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// The origin of a web page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WebOrigin {
    Page(Scheme, Authority),
    /// `null` (a page in a sandbox, or from a file), or an origin with another scheme (of an app or
    /// an extension), in lower case.
    Other(String),
}

impl WebOrigin {
    /// Parses the value of an `Origin` header, which has no path and no user information.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if text == "null" {
            return Some(Self::Other(text.to_owned()));
        }
        let (scheme, rest) = text.split_once("://")?;
        let sound = |byte: u8| byte.is_ascii_graphic() && !b"/?#@,;'\"".contains(&byte);
        if scheme.is_empty() || rest.is_empty() || !rest.bytes().all(sound) {
            return None;
        }
        let Some(scheme) = Scheme::read(scheme) else {
            return Some(Self::Other(text.to_ascii_lowercase()));
        };
        let mut authority = Authority::read(rest)?;
        // The port is always present, so that equal origins compare equal.
        authority.port = Some(authority.port_under(scheme));
        Some(Self::Page(scheme, authority))
    }
}
