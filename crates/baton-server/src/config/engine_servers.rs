//! The addresses of a cluster's engine, which may have a user and a password in them.

use std::convert::Infallible;
use std::fmt::{self, Debug, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Addresses of the servers of a cluster's engine, like `nats://a:4222,b,c`, or none. Never written
/// with the credentials that they may have.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EngineServers(Option<Zeroizing<String>>);

impl EngineServers {
    /// Returns true if there are some: the server is a node of a cluster.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the addresses as they were given, with credentials.
    #[cfg(feature = "cluster")]
    pub(crate) fn secret_text(&self) -> Option<&str> {
        self.0.as_ref().map(|text| text.as_str())
    }
}

impl FromStr for EngineServers {
    type Err = Infallible;

    /// Takes any text, because an error of the command line would repeat it.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let is_set = !text.is_empty() && text != "none";
        Ok(Self(is_set.then(|| Zeroizing::new(text.to_owned()))))
    }
}

impl Debug for EngineServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EngineServers({self})")
    }
}

impl Display for EngineServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(text) = &self.0 else {
            return f.write_str("none");
        };
        for (index, address) in text.split(',').enumerate() {
            let comma = if index == 0 { "" } else { "," };
            // Everything up to the last @ may be a secret.
            match address.rsplit_once('@') {
                Some((_, host)) => write!(f, "{comma}...@{host}")?,
                None => write!(f, "{comma}{address}")?,
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for EngineServers {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(from)?);
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for EngineServers {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_an_address_are_never_written() {
        let servers: EngineServers = "nats://ann:p@ss@a:4222,b,nats://tok3n@c".parse().unwrap();
        let shown = format!(
            "{servers:?} {servers} {}",
            toml::Value::try_from(&servers).unwrap()
        );
        assert!(!shown.contains("ann") && !shown.contains("p@ss") && !shown.contains("tok3n"));
        assert_eq!(servers.to_string(), "...@a:4222,b,...@c");
        assert!(servers.is_set());
        let none: EngineServers = "none".parse().unwrap();
        assert_eq!((none.is_set(), none.to_string().as_str()), (false, "none"));
        assert_eq!(none, EngineServers::default());
    }
}
