//! The cluster, as an operator sees it through this node.

use std::sync::Arc;

use baton_log::{ClusterNode, NodeLease};
use serde::Serialize;

/// The answer of `GET /api/v1/cluster`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ClusterStatus {
    /// Boot id of this node, in hexadecimal.
    node: String,
    /// True while the engine does not answer this node.
    isolated: bool,
    /// Every node with a lease, this one included.
    nodes: Vec<NodeStatus>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct NodeStatus {
    /// Boot id, in hexadecimal: a browser cannot count so far.
    node: String,
    name: Arc<str>,
    /// Milliseconds since its lease was last seen renewed.
    renewed_ms_ago: u64,
}

impl ClusterStatus {
    /// Returns the cluster as this node sees it now.
    pub(crate) fn of(node: &dyn ClusterNode) -> Self {
        let nodes = node.leases().into_iter();
        Self {
            node: boot_id(node.boot()),
            isolated: node.is_isolated(),
            nodes: nodes.map(NodeStatus::from).collect(),
        }
    }
}

impl From<NodeLease> for NodeStatus {
    fn from(lease: NodeLease) -> Self {
        Self {
            node: boot_id(lease.boot),
            name: lease.name,
            renewed_ms_ago: u64::try_from(lease.renewed.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

fn boot_id(boot: u64) -> String {
    format!("{boot:016x}")
}
