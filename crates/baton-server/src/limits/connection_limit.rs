//! Limits the number of WebSockets, in all and from one address, and the rate at which one address
//! opens them.
//!
//! Owns the counts; a [`ConnectionPermit`] gives its place back when it is dropped. The state of an
//! address goes when it has no connection and its pace is forgotten; how many are remembered for
//! their pace alone is bounded.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::Settings;
use crate::net::client_addr::ClientAddr;
use crate::ops::rejection_counters::Rejection;

/// Most addresses that are remembered for their rate alone. One more is not remembered; its
/// connections are counted all the same.
const MAX_REMEMBERED: usize = 65_536;

/// Retry-After of a refusal because of a count. A guess: the server cannot know when a place
/// becomes free.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The reason for which a connection is refused. Nothing was started for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConnectionRefused {
    #[error(
        "the server has {0} connections, which is the limit (max_connections); try again later\n"
    )]
    Server(usize),
    #[error(
        "your address has {0} connections, which is the limit (max_connections_per_address); close some first\n"
    )]
    Address(usize),
    #[error(
        "your address opens more than {per_second} connections a second (new_connections_per_second); try again later\n"
    )]
    Pace { per_second: u32, wait: Duration },
}

impl ConnectionRefused {
    /// Returns the reason under which it is counted.
    pub(crate) fn reason(self) -> Rejection {
        match self {
            Self::Server(_) => Rejection::Connections,
            Self::Address(_) => Rejection::ConnectionsOfAddress,
            Self::Pace { .. } => Rejection::PaceOfAddress,
        }
    }

    /// Returns the time after which the client may try again.
    pub(crate) fn wait(self) -> Duration {
        match self {
            Self::Server(_) | Self::Address(_) => RETRY_AFTER,
            Self::Pace { wait, .. } => wait,
        }
    }
}

/// The counts; see the module.
#[derive(Debug)]
pub(crate) struct ConnectionLimit {
    in_all: usize,
    per_address: usize,
    pace: ConnectRate,
    counts: Mutex<Counts>,
    left: Notify,
}

/// The rate at which one address may open connections. By the generic cell rate algorithm, which
/// needs one instant for each address.
#[derive(Debug, Clone, Copy)]
struct ConnectRate {
    per_second: u32,
    interval: Duration,
    burst: Duration,
}

#[derive(Debug)]
struct Counts {
    open: usize,
    by_address: HashMap<ClientAddr, AddressState>,
    sweep_at: Instant,
}

/// The state of one address.
#[derive(Debug, Clone, Copy)]
struct AddressState {
    open: usize,
    /// Time at which the rate will have covered all connections that it opened.
    earned_at: Instant,
}

/// The place of one connection, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    limits: Arc<ConnectionLimit>,
    address: ClientAddr,
}

impl ConnectionPermit {
    /// Returns the address of the connection.
    pub(crate) const fn address(&self) -> ClientAddr {
        self.address
    }
}

impl ConnectionLimit {
    /// Returns the limits of these settings.
    pub(crate) fn new(settings: &Settings) -> Self {
        let per_second = settings.new_connections_per_second.max(1);
        let interval = Duration::from_secs(1) / per_second;
        let pace = ConnectRate {
            per_second,
            interval,
            burst: interval.saturating_mul(settings.new_connections_burst.max(1)),
        };
        let counts = Counts {
            open: 0,
            by_address: HashMap::new(),
            sweep_at: Instant::now() + pace.burst,
        };
        Self {
            in_all: settings.max_connections,
            per_address: settings.max_connections_per_address,
            pace,
            counts: Mutex::new(counts),
            left: Notify::new(),
        }
    }

    /// Takes a place for a connection from this address.
    ///
    /// # Errors
    /// A limit is reached. Nothing changed.
    pub(crate) fn admit(
        self: &Arc<Self>,
        address: ClientAddr,
    ) -> Result<ConnectionPermit, ConnectionRefused> {
        let now = Instant::now();
        let mut counts = self.counts.lock();
        counts.sweep(now, self.pace);
        if counts.open >= self.in_all {
            return Err(ConnectionRefused::Server(self.in_all));
        }
        let known = counts.by_address.get(&address).copied();
        let known = known.unwrap_or(AddressState {
            open: 0,
            earned_at: now,
        });
        if known.open >= self.per_address {
            return Err(ConnectionRefused::Address(self.per_address));
        }
        let earned_at = known.earned_at.max(now) + self.pace.interval;
        let over = earned_at
            .duration_since(now)
            .saturating_sub(self.pace.burst);
        if !over.is_zero() {
            return Err(ConnectionRefused::Pace {
                per_second: self.pace.per_second,
                wait: over,
            });
        }
        let open = known.open + 1;
        counts.open += 1;
        counts
            .by_address
            .insert(address, AddressState { open, earned_at });
        Ok(ConnectionPermit {
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

    /// Returns how many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.counts.lock().open
    }

    /// Returns how many addresses are known at the moment.
    pub(crate) fn addresses(&self) -> usize {
        let mut counts = self.counts.lock();
        counts.forget(Instant::now());
        counts.by_address.len()
    }
}

impl Counts {
    /// Forgets addresses without connections, from time to time.
    fn sweep(&mut self, now: Instant, pace: ConnectRate) {
        if now >= self.sweep_at {
            self.forget(now);
            self.sweep_at = now + pace.burst.max(Duration::from_secs(1));
        }
    }

    fn forget(&mut self, now: Instant) {
        self.by_address
            .retain(|_, known| known.open > 0 || known.earned_at > now);
        // Each later sweep would walk a table that once was large at its full size.
        if self.by_address.capacity() > 4 * self.by_address.len() + 1024 {
            self.by_address.shrink_to_fit();
        }
    }

    fn leave(&mut self, address: ClientAddr) {
        self.open -= 1;
        let crowded = self.by_address.len() > MAX_REMEMBERED;
        let Some(known) = self.by_address.get_mut(&address) else {
            return;
        };
        known.open -= 1;
        if known.open == 0 && (crowded || known.earned_at <= Instant::now()) {
            self.by_address.remove(&address);
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut counts = self.limits.counts.lock();
        counts.leave(self.address);
        if counts.open == 0 {
            self.limits.left.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn limits(change: impl FnOnce(&mut Settings)) -> Arc<ConnectionLimit> {
        let mut settings = Settings::default();
        change(&mut settings);
        Arc::new(ConnectionLimit::new(&settings))
    }

    fn address(last: u8) -> ClientAddr {
        IpAddr::from([127, 0, 0, last]).into()
    }

    #[test]
    fn a_place_is_given_back_when_its_connection_ends() {
        let limits = limits(|settings| {
            settings.max_connections = 3;
            settings.max_connections_per_address = 2;
        });
        let first = limits.admit(address(1)).unwrap();
        let _second = limits.admit(address(1)).unwrap();
        assert_eq!(
            limits.admit(address(1)).err(),
            Some(ConnectionRefused::Address(2))
        );
        let _third = limits.admit(address(2)).unwrap();
        assert_eq!(
            limits.admit(address(2)).err(),
            Some(ConnectionRefused::Server(3))
        );
        drop(first);
        assert_eq!(limits.open(), 2);
        assert!(limits.admit(address(1)).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_opens_a_burst_and_then_as_many_as_it_earns() {
        let limits = limits(|settings| {
            settings.new_connections_per_second = 10;
            settings.new_connections_burst = 5;
        });
        for _ in 0..5 {
            drop(limits.admit(address(1)).unwrap());
        }
        let refused = limits.admit(address(1)).unwrap_err();
        assert_eq!(refused.reason(), Rejection::PaceOfAddress);
        assert_eq!(refused.wait(), Duration::from_millis(100));
        assert!(limits.admit(address(2)).is_ok(), "another is not affected");
        tokio::time::advance(refused.wait()).await;
        assert!(limits.admit(address(1)).is_ok());
        assert!(limits.admit(address(1)).is_err());
        // A refused client pays nothing for it.
        tokio::time::advance(Duration::from_secs(1)).await;
        for _ in 0..5 {
            assert!(limits.admit(address(1)).is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_is_forgotten_when_it_has_left_and_earned_what_it_opened() {
        let limits = limits(|_| ());
        let stays = limits.admit(address(1)).unwrap();
        for last in 2..200 {
            drop(limits.admit(address(last)).unwrap());
        }
        assert_eq!(limits.addresses(), 199);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(limits.addresses(), 1);
        drop(stays);
        assert_eq!(limits.addresses(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn not_every_address_of_a_flood_is_remembered() {
        let limits = limits(|settings| settings.new_connections_per_second = 1);
        for number in 0..80_000_u32 {
            drop(limits.admit(IpAddr::from(number.to_be_bytes()).into()));
        }
        assert_eq!(limits.addresses(), MAX_REMEMBERED);
        let one_more = IpAddr::from([192, 0, 2, 1]).into();
        assert!(limits.admit(one_more).is_ok(), "nobody is shut out by it");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(limits.addresses(), 0);
    }
}
