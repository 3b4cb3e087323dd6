//! The types of the settings about proxies in front of the server.
//!
//! Owns how they are parsed and written. `net::client_addr` decides which of their headers count.

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Networks of proxies, written like `10.0.0.0/8,::1` or `none`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies(pub Vec<IpNet>);

/// The word is neither an address nor a network. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is neither an address nor a network; write a list like 10.0.0.0/8,192.168.1.7,fd00::/8"
)]
pub struct InvalidNetwork(String);

impl FromStr for Proxies {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let words = text.split(',').map(str::trim);
        let words = words.filter(|word| !word.is_empty() && *word != "none");
        let network = |word: &str| {
            let alone = || word.parse::<IpAddr>().ok().map(IpNet::from);
            let network = word.parse::<IpNet>().ok().or_else(alone);
            network.ok_or_else(|| InvalidNetwork(word.to_owned()))
        };
        words.map(network).collect::<Result<_, _>>().map(Self)
    }
}

impl Display for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (at, network) in self.0.iter().enumerate() {
            write!(f, "{}{network}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Proxies {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for Proxies {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Proxies {
    /// Returns true if the address belongs to one of the networks.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The header in which a trusted proxy names the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "command-line", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ProxyHeader {
    /// `X-Forwarded-For: client, proxy`
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239)
    Forwarded,
}
