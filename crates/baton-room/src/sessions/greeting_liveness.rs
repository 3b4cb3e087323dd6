//! Connections that have not sent any message yet, and may be dead.
//!
//! A session has the failure detector. A connection whose way to the server swallows everything
//! never gets a session, and its client, which is sent something now and then, waits for ever. So
//! it is pinged at each look, and given up after a few looks at which nothing had come. Looks are
//! counted, not seconds: while the server itself stands still, no look takes place.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_presence::Time;

use crate::message::ConnectionId;

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(5);

/// Looks without any frame after which a connection is given up: after 15 to 20 s.
const LOOKS: u8 = 4;

/// The connections that have no session yet.
#[derive(Debug, Default)]
pub(super) struct GreetingLiveness {
    /// Looks since the last frame of each one.
    silent: BTreeMap<ConnectionId, u8>,
    /// The next look, while there are any.
    due: Option<Time>,
}

/// The outcome of one look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct GreetingLook {
    /// Connections to be pinged.
    pub(crate) ping: Vec<ConnectionId>,
    /// Connections to be closed.
    pub(crate) close: Vec<ConnectionId>,
}

impl GreetingLiveness {
    pub(super) fn arrived(&mut self, connection: ConnectionId, now: Time) {
        self.silent.insert(connection, 0);
        self.due.get_or_insert(now + LOOK);
    }

    pub(super) fn heard(&mut self, connection: ConnectionId) {
        if let Some(looks) = self.silent.get_mut(&connection) {
            *looks = 0;
        }
    }

    /// A connection is gone, or has a session.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.silent.remove(&connection);
    }

    pub(super) const fn due(&self) -> Option<Time> {
        self.due
    }

    pub(super) fn look(&mut self, now: Time) -> GreetingLook {
        let mut look = GreetingLook::default();
        if self.due.is_none_or(|due| now < due) {
            return look;
        }
        for (connection, looks) in &mut self.silent {
            *looks += 1;
            if *looks < LOOKS {
                look.ping.push(*connection);
            } else {
                look.close.push(*connection);
            }
        }
        self.due = (!self.silent.is_empty()).then(|| now + LOOK);
        look
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_connection_that_answers_stays_and_one_that_does_not_is_given_up() {
        let (dead, alive) = (ConnectionId(1), ConnectionId(2));
        let mut liveness = GreetingLiveness::default();
        liveness.arrived(dead, at(0));
        liveness.arrived(alive, at(4));
        assert_eq!(liveness.due(), Some(at(5)));
        assert_eq!(liveness.look(at(4)), GreetingLook::default());
        for look in 1..=3 {
            let looked = liveness.look(at(look * 5));
            assert_eq!(looked.ping, [dead, alive]);
            assert!(looked.close.is_empty());
            liveness.heard(alive);
        }
        let looked = liveness.look(at(20));
        assert_eq!((looked.ping, looked.close), (vec![alive], vec![dead]));
        // A server that stood still for a minute has looked once.
        liveness.forget(dead);
        assert!(liveness.look(at(80)).close.is_empty());
        liveness.forget(alive);
        assert_eq!(liveness.look(at(90)), GreetingLook::default());
        assert_eq!(liveness.due(), None);
    }
}
