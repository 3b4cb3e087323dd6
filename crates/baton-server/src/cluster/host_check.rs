//! The other nodes, as one room has to know them.

use baton_log::ClusterNode;
use baton_presence::Time;
use baton_room::{ClusterEvent, Room};

/// Tells a room how the cluster is: whether the engine answers, and which of the hosts that it has
/// sessions of are gone.
pub(crate) fn tell_room(room: &mut Room, node: &dyn ClusterNode, now: Time) {
    // In this order: a node counts its return before it ends the isolation. A room that heard of
    // the end alone would confirm holders whose connections it has to close.
    let is_isolated = node.is_isolated();
    room.follow_cluster(ClusterEvent::Returned(node.returns()), now);
    room.follow_cluster(ClusterEvent::Isolated(is_isolated), now);
    for host in room.state().hosts() {
        if !node.is_alive(host.0) {
            let served = node.served_without(host.0);
            room.follow_cluster(ClusterEvent::HostLost { host, served }, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use baton_log::NodeLease;
    use baton_presence::Rights;
    use baton_room::{Arrival, ConnectionId, HostId, Output, RoomOptions};
    use bytes::Bytes;

    use super::*;

    /// A node that comes back, after so many questions, from an isolation of more than its lease.
    #[derive(Debug)]
    struct ReturningNode(AtomicU64);

    impl ReturningNode {
        fn is_back(&self) -> bool {
            let left = &self.0;
            let less = |left: u64| left.checked_sub(1);
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
                .is_err()
        }
    }

    impl ClusterNode for ReturningNode {
        fn boot(&self) -> u64 {
            7
        }

        fn is_alive(&self, _: u64) -> bool {
            true
        }

        fn served_without(&self, _: u64) -> Duration {
            Duration::ZERO
        }

        fn leases(&self) -> Vec<NodeLease> {
            Vec::new()
        }

        fn is_isolated(&self) -> bool {
            !self.is_back()
        }

        fn returns(&self) -> u64 {
            u64::from(self.is_back())
        }

        fn has_room(&self) -> bool {
            true
        }

        fn relay(&self, _: &str, _: Bytes) {}
    }

    /// The node came back between two questions. The room heard that the isolation was over, and
    /// told a client of its grant before it closed the connection.
    #[test]
    fn a_room_that_hears_of_the_end_of_a_long_isolation_has_closed_its_connections() {
        for questions in 0..3 {
            let options = RoomOptions {
                host: Some(HostId(7)),
                ..RoomOptions::default()
            };
            let mut room = Room::open(options, None, &[], Time::ZERO).expect("a new room");
            room.follow_cluster(ClusterEvent::Returned(0), Time::ZERO);
            room.follow_cluster(ClusterEvent::Isolated(true), Time::ZERO);
            let to = ConnectionId(1);
            room.connect(to, Arrival::new(Rights::ALL));
            let node = ReturningNode(AtomicU64::new(questions));
            tell_room(&mut room, &node, Time::ZERO);
            let outputs: Vec<_> = std::iter::from_fn(|| room.next_output()).collect();
            let ends =
                |output: &Output| matches!(output, Output::Close { to: of, .. } if *of == to);
            let closes = outputs.iter().any(ends);
            // After two questions it was not back, and is told of nothing yet.
            assert_eq!(closes, questions < 2, "{outputs:?}");
        }
    }
}
