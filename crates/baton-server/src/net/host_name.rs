//! Host names, authorities and web origins, each in one spelling.
//!
//! Owns how they are read. Pure: texts in, values out.

use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host name or an address, in its one spelling: lower case, without a trailing dot or brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Name(String),
    Address(IpAddr),
}

impl Host {
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

/// A host with the port that was written behind it, if one was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) host: Host,
    pub(crate) port: Option<u16>,
}

impl Authority {
    /// Reads `name`, `name:80`, `127.0.0.1:80`, `[::1]:80`. User information is no part of it.
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

/// The schemes under which a page of this server's own can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
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
    /// `null` (a page in a sandbox, or from a file), or another scheme (an app's, an extension's),
    /// in lower case.
    Other(String),
}

impl WebOrigin {
    /// Reads the value of an `Origin` header, which has no path and no user information.
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
        // One spelling: the port is always there.
        authority.port = Some(authority.port_under(scheme));
        Some(Self::Page(scheme, authority))
    }
}
