//! The other nodes, as one room has to know them.

use baton_log::ClusterNode;
use baton_presence::Time;
use baton_room::{ClusterEvent, Room};

/// Tells a room how the cluster is: whether the engine answers, and which of the hosts that it has
/// sessions of are gone.
pub(crate) fn tell_room(room: &mut Room, node: &dyn ClusterNode, now: Time) {
    room.follow_cluster(ClusterEvent::Returned(node.returns()), now);
    room.follow_cluster(ClusterEvent::Isolated(node.is_isolated()), now);
    for host in room.state().hosts() {
        if !node.is_alive(host.0) {
            let served = node.served_without(host.0);
            room.follow_cluster(ClusterEvent::HostLost { host, served }, now);
        }
    }
}
