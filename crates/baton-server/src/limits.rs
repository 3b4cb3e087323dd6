//! How many connections there may be, in all and from one address.
//!
//! Owns the two counts; a [`Permit`] gives its place back when it is dropped.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Why a connection is refused. Nothing was started for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error(
        "the server has {0} connections, which is all it may (max_connections); come again later\n"
    )]
    Server(usize),
    #[error(
        "your address has {0} connections, which is all it may (max_connections_per_address); close some first\n"
    )]
    Address(usize),
}

/// The counts; see the module.
#[derive(Debug)]
pub(crate) struct Limits {
    in_all: usize,
    per_address: usize,
    counts: Mutex<Counts>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Counts {
    open: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place.
#[derive(Debug)]
pub(crate) struct Permit {
    limits: Arc<Limits>,
    address: IpAddr,
}

impl Limits {
    pub(crate) fn new(in_all: usize, per_address: usize) -> Self {
        Self {
            in_all,
            per_address,
            counts: Mutex::default(),
            left: Notify::new(),
        }
    }

    /// Takes a place for a connection from this address.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Refused> {
        let mut counts = self.counts.lock();
        if counts.open >= self.in_all {
            return Err(Refused::Server(self.in_all));
        }
        let here = counts.by_address.get(&address).copied().unwrap_or(0);
        if here >= self.per_address {
            return Err(Refused::Address(self.per_address));
        }
        counts.open += 1;
        counts.by_address.insert(address, here + 1);
        Ok(Permit {
            limits: Arc::clone(self),
            address,
        })
    }

    /// Waits until no connection is left. For one waiter.
    pub(crate) async fn none_left(&self) {
        while self.open() > 0 {
            self.left.notified().await;
        }
    }

    pub(crate) fn open(&self) -> usize {
        self.counts.lock().open
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.limits.counts.lock();
        counts.open -= 1;
        if counts.open == 0 {
            self.limits.left.notify_one();
        }
        if let Some(here) = counts.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_when_its_connection_ends() {
        let limits = Arc::new(Limits::new(3, 2));
        let one = IpAddr::from([127, 0, 0, 1]);
        let other = IpAddr::from([127, 0, 0, 2]);
        let first = limits.admit(one).unwrap();
        let _second = limits.admit(one).unwrap();
        assert_eq!(limits.admit(one).err(), Some(Refused::Address(2)));
        let _third = limits.admit(other).unwrap();
        assert_eq!(limits.admit(other).err(), Some(Refused::Server(3)));
        drop(first);
        assert_eq!(limits.open(), 2);
        assert!(limits.admit(one).is_ok());
    }
}
