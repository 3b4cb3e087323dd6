//! Keys for the sources of connections, from which no address can be found out.
//!
//! Owns the secret with which addresses are hashed. It lasts as long as the process: a stored key
//! leads back to no address, and matches no key of a later process.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr};

use baton_room::Source;

use crate::net::client_addr::ClientAddr;

/// The keyed hash of this process; see the module.
#[derive(Debug, Default)]
pub(crate) struct SourceKeys {
    halves: [RandomState; 2],
}

impl SourceKeys {
    /// Returns the source of connections from this address; an IPv6 address counts by its network.
    pub(crate) fn of(&self, address: ClientAddr) -> Source {
        let [low, high] = &self.halves;
        let low = u128::from(low.hash_one(address));
        let high = u128::from(high.hash_one(address));
        Source::new((high << 64 | low).to_le_bytes())
    }

    /// Returns the source of what the program itself does, which is no client's.
    pub(crate) fn of_this_process(&self) -> Source {
        self.of(ClientAddr::from(IpAddr::from(Ipv4Addr::UNSPECIFIED)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_one_source_in_one_process() {
        let sources = SourceKeys::default();
        let address = |last| ClientAddr::from(IpAddr::from([192, 0, 2, last]));
        assert_eq!(sources.of(address(1)), sources.of(address(1)));
        assert_ne!(sources.of(address(1)), sources.of(address(2)));
        assert_ne!(sources.of(address(1)), SourceKeys::default().of(address(1)));
    }
}
