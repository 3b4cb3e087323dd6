//! Limits the TCP connections that are not a WebSocket: a handshake is under way, or plain HTTP is
//! spoken.
//!
//! Owns their places, in all and for one address. A silent connection must not shut out others:
//! when all places are taken, the oldest connection makes room, if it has had its place for at
//! least [`MIN_STAY`]. Until then nothing is accepted, which leaves a sudden crowd in the
//! listener's queue.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::Settings;
use crate::net::client_addr::ClientAddr;

/// Shortest time for which a connection keeps its place. A handshake takes one round trip.
const MIN_STAY: Duration = Duration::from_secs(1);

/// All places of one address are taken, none of them for as long as [`MIN_STAY`]. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "your address has {0} handshakes under way, which is the limit (max_handshakes_per_address); try again later\n"
)]
pub(crate) struct HandshakeRefused(usize);

/// See the module.
#[derive(Debug)]
pub(crate) struct PreUpgradeLimit {
    most: usize,
    of_address: usize,
    places: Mutex<Places>,
    free: Notify,
}

#[derive(Debug, Default)]
struct Places {
    last: u64,
    /// The first is the oldest.
    taken: BTreeMap<u64, Occupant>,
    by_address: HashMap<ClientAddr, usize>,
}

#[derive(Debug)]
struct Occupant {
    since: Instant,
    /// `None` for a proxy, which connects for many clients.
    address: Option<ClientAddr>,
    go: Arc<Notify>,
}

/// The place of one connection, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct PreUpgradePlace {
    limit: Arc<PreUpgradeLimit>,
    number: u64,
    go: Arc<Notify>,
}

impl PreUpgradeLimit {
    /// Returns the limits of these settings.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            most: settings.max_handshakes.max(1),
            of_address: settings.max_handshakes_per_address.max(1),
            places: Mutex::default(),
            free: Notify::new(),
        }
    }

    /// Waits until a place is free. Ends the oldest connection if necessary, and calls `sent_away`
    /// for each. For one waiter.
    pub(crate) async fn vacancy(&self, sent_away: impl Fn()) {
        loop {
            let settled = {
                let mut places = self.places.lock();
                if places.taken.len() < self.most {
                    return;
                }
                match places.oldest() {
                    Some((number, since)) if since.elapsed() >= MIN_STAY => {
                        places.send_away(number);
                        sent_away();
                        continue;
                    }
                    Some((_, since)) => since + MIN_STAY,
                    None => return,
                }
            };
            tokio::select! {
                () = self.free.notified() => {}
                () = tokio::time::sleep_until(settled) => {}
            }
        }
    }

    /// Ends the oldest connection if it has had [`MIN_STAY`], because the system has no room for
    /// one more.
    pub(crate) fn shed(&self) {
        let mut places = self.places.lock();
        if let Some((number, since)) = places.oldest()
            && since.elapsed() >= MIN_STAY
        {
            places.send_away(number);
        }
    }

    /// Takes a place. An older connection of the same address may have to give up its own.
    ///
    /// # Errors
    /// The address has all its places, and none for as long as [`MIN_STAY`].
    pub(crate) fn take(
        self: &Arc<Self>,
        address: Option<ClientAddr>,
    ) -> Result<PreUpgradePlace, HandshakeRefused> {
        let mut places = self.places.lock();
        if let Some(address) = address
            && places.of(address) >= self.of_address
        {
            let oldest = places.oldest_of(address);
            match oldest {
                Some((number, since)) if since.elapsed() >= MIN_STAY => places.send_away(number),
                _ => return Err(HandshakeRefused(self.of_address)),
            }
        }
        places.last += 1;
        let number = places.last;
        let go = Arc::new(Notify::new());
        let taken = Occupant {
            since: Instant::now(),
            address,
            go: Arc::clone(&go),
        };
        places.taken.insert(number, taken);
        if let Some(address) = address {
            *places.by_address.entry(address).or_default() += 1;
        }
        Ok(PreUpgradePlace {
            limit: Arc::clone(self),
            number,
            go,
        })
    }

    /// Returns how many places are taken.
    pub(crate) fn under_way(&self) -> usize {
        self.places.lock().taken.len()
    }
}

impl Places {
    fn of(&self, address: ClientAddr) -> usize {
        self.by_address.get(&address).copied().unwrap_or(0)
    }

    fn oldest(&self) -> Option<(u64, Instant)> {
        let (number, taken) = self.taken.first_key_value()?;
        Some((*number, taken.since))
    }

    fn oldest_of(&self, address: ClientAddr) -> Option<(u64, Instant)> {
        let mut all = self.taken.iter();
        let (number, taken) = all.find(|(_, taken)| taken.address == Some(address))?;
        Some((*number, taken.since))
    }

    fn send_away(&mut self, number: u64) {
        if let Some(taken) = self.remove(number) {
            taken.go.notify_one();
        }
    }

    fn remove(&mut self, number: u64) -> Option<Occupant> {
        let taken = self.taken.remove(&number)?;
        if let Some(address) = taken.address
            && let Some(count) = self.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
        Some(taken)
    }
}

impl PreUpgradePlace {
    /// Waits until the connection has to give up its place.
    pub(crate) async fn lost(&self) {
        self.go.notified().await;
    }
}

impl Drop for PreUpgradePlace {
    fn drop(&mut self) {
        let mut places = self.limit.places.lock();
        if places.remove(self.number).is_some() {
            self.limit.free.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use futures_util::FutureExt;

    use super::*;

    fn places(most: usize, of_address: usize) -> Arc<PreUpgradeLimit> {
        let settings = Settings {
            max_handshakes: most,
            max_handshakes_per_address: of_address,
            ..Settings::default()
        };
        Arc::new(PreUpgradeLimit::new(&settings))
    }

    fn address(last: u8) -> Option<ClientAddr> {
        Some(IpAddr::from([127, 0, 0, last]).into())
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_makes_room_but_not_before_it_had_its_time() {
        let places = places(2, 2);
        let first = places.take(address(1)).unwrap();
        let second = places.take(address(2)).unwrap();
        assert!(places.vacancy(|| ()).now_or_never().is_none());
        tokio::time::advance(MIN_STAY).await;
        places.vacancy(|| ()).await;
        assert!(first.lost().now_or_never().is_some());
        assert!(second.lost().now_or_never().is_none());
        let third = places.take(address(3)).unwrap();
        assert_eq!(places.under_way(), 2);
        // Its place was another's already.
        drop(first);
        assert_eq!(places.under_way(), 2);
        drop((second, third));
        assert_eq!(places.under_way(), 0);
        assert!(places.places.lock().by_address.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_has_so_many_and_gives_up_its_own_oldest() {
        let places = places(10, 2);
        let other = places.take(address(9)).unwrap();
        let first = places.take(address(1)).unwrap();
        let _second = places.take(address(1)).unwrap();
        assert_eq!(places.take(address(1)).err(), Some(HandshakeRefused(2)));
        let _proxy = [places.take(None), places.take(None), places.take(None)];
        tokio::time::advance(MIN_STAY).await;
        let _third = places.take(address(1)).unwrap();
        assert!(first.lost().now_or_never().is_some());
        assert!(other.lost().now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_given_back_is_a_vacancy_at_once() {
        let places = places(1, 1);
        let only = places.take(address(1)).unwrap();
        let began = Instant::now();
        let waiting = places.vacancy(|| panic!("nobody is sent away"));
        let ((), ()) = tokio::join!(waiting, async { drop(only) });
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
