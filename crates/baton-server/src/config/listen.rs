//! The type of the setting that says where the server listens.
//!
//! Owns how it is parsed and written.

use std::fmt::{self, Display};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Prefix of the path of a Unix socket.
const UNIX: &str = "unix:";

/// Longest path of a Unix socket in bytes, with room for the name under which it is prepared.
const LONGEST_PATH: usize = 96;

/// A place to listen on, written like `127.0.0.1:8080`, `[::]:8080`, `localhost:0` or
/// `unix:/run/baton.sock`. A host name is looked up when it is parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    text: String,
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Addresses(Vec<SocketAddr>),
    Socket(PathBuf),
}

impl Listen {
    /// Returns the addresses of the text; none for a Unix socket. The server listens on the first
    /// that is available.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        match &self.place {
            Place::Addresses(addresses) => addresses.as_slice(),
            Place::Socket(_) => &[],
        }
        .iter()
        .copied()
    }

    /// Returns the path of the Unix socket; `None` for an address.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        match &self.place {
            Place::Addresses(_) => None,
            Place::Socket(path) => Some(path),
        }
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self {
            text: address.to_string(),
            place: Place::Addresses(vec![address]),
        }
    }
}

impl From<&Listen> for Listen {
    fn from(listen: &Listen) -> Self {
        listen.clone()
    }
}

/// The text is not a place to listen on. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not an address to listen on ({why}); write it like 127.0.0.1:8080, [::]:8080, localhost:0 or unix:/run/baton.sock"
)]
pub struct InvalidListen {
    text: String,
    why: String,
}

impl FromStr for Listen {
    type Err = InvalidListen;

    fn from_str(text: &str) -> Result<Self, InvalidListen> {
        let invalid = |why: String| InvalidListen {
            text: text.to_owned(),
            why,
        };
        let place = match text.strip_prefix(UNIX) {
            Some("") => return Err(invalid("the path is missing".to_owned())),
            Some(path) if path.len() > LONGEST_PATH => {
                let why = format!("a socket's path may have {LONGEST_PATH} bytes");
                return Err(invalid(why));
            }
            Some(path) => Place::Socket(path.into()),
            None => Place::Addresses(look_up(text).map_err(invalid)?),
        };
        Ok(Self {
            text: text.to_owned(),
            place,
        })
    }
}

fn look_up(text: &str) -> Result<Vec<SocketAddr>, String> {
    let found = text.to_socket_addrs().map_err(|error| error.to_string())?;
    let mut addresses: Vec<SocketAddr> = found.collect();
    if addresses.is_empty() {
        return Err("the name has no address".to_owned());
    }
    // The system may return IPv6 first although only IPv4 is set up, and clients expect IPv4
    // for a host name.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    Ok(addresses)
}

impl Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for Listen {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_names_and_sockets_are_read_and_written() {
        for text in [
            "127.0.0.1:8080",
            "[::]:8080",
            "[::1]:0",
            "localhost:0",
            "unix:/run/a",
        ] {
            let listen: Listen = text.parse().unwrap();
            assert_eq!(listen.to_string(), text);
            assert_eq!(listen.socket().is_some(), listen.addresses().count() == 0);
        }
        let socket: Listen = "unix:baton.sock".parse().unwrap();
        assert_eq!(socket.socket(), Some(Path::new("baton.sock")));
        let long = format!("unix:/{}", "a".repeat(LONGEST_PATH));
        for text in ["unix:", &long, "::1", "localhost", "[::1]", "127.0.0.1"] {
            let invalid = text.parse::<Listen>().unwrap_err();
            assert!(invalid.to_string().contains("unix:/run"), "{invalid}");
        }
    }

    #[test]
    fn a_name_with_both_kinds_of_addresses_is_tried_with_ipv4_first() {
        let listen: Listen = "localhost:0".parse().unwrap();
        let kinds: Vec<_> = listen
            .addresses()
            .map(|address| address.is_ipv6())
            .collect();
        assert!(kinds.is_sorted(), "{kinds:?}");
        assert!(listen.addresses().all(|address| address.ip().is_loopback()));
    }
}
