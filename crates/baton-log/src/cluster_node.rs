//! The other nodes, as a server sees them: who is alive, whether the engine answers, and messages
//! that are not stored.
//!
//! A log that several nodes share is a [`Journals`](crate::Journals) with a [`ClusterNode`]. A node
//! is named by its *boot id*, which it draws at each start: a node that was restarted is another.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

/// This node's place in a cluster. No method blocks.
pub trait ClusterNode: Send + Sync + Debug {
    /// Returns this node's own boot id.
    fn boot(&self) -> u64;

    /// Returns true if the node of this boot id has a lease, or had one so recently that it counts.
    /// The own one always does. A boot id that was not seen yet may count as alive until the next
    /// look at the leases.
    fn is_alive(&self, boot: u64) -> bool;

    /// Returns the time for which this node has served clients since the node of this boot id can
    /// have done so, without an interruption: for so long its clients could go on here. Zero of a
    /// node that is alive.
    fn served_without(&self, boot: u64) -> Duration;

    /// Returns every node that has a lease, this one included, in the order of the boot ids.
    fn leases(&self) -> Vec<NodeLease>;

    /// Returns true while the engine does not answer: records are kept and sent later, and nothing
    /// becomes durable.
    fn is_isolated(&self) -> bool;

    /// Returns how often this node was cut off for so long that others may have called it lost, and
    /// came back. Its sessions go on only by records of their own then.
    fn returns(&self) -> u64;

    /// Returns false while the engine refuses records because it is full. They are kept and sent
    /// again, as while it does not answer.
    fn has_room(&self) -> bool;

    /// Sends bytes to the nodes that have this document open. They are not stored, may be lost, and
    /// are dropped while the engine does not answer.
    fn relay(&self, document: &str, bytes: Bytes);
}

/// The lease of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLease {
    /// The boot id of the node.
    pub boot: u64,
    /// The name that the operator gave the node, or its host name.
    pub name: Arc<str>,
    /// Time since the lease was last seen renewed.
    pub renewed: Duration,
}

/// News of the cluster that a server passes on to its open documents, in the order in which they
/// come. A server that falls behind may miss relayed messages, but nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeNews {
    /// The node of this boot id is gone: its lease and a grace have run out. Each node learns this
    /// on its own, perhaps several times.
    Lost(u64),
    /// The engine has stopped answering (true), or answers again.
    Isolated(bool),
    /// This document holds a part of the oldest records of the log. A snapshot of it lets them go;
    /// the server is to store one, even if the document is not in use.
    Oldest {
        /// The document.
        document: Arc<str>,
    },
    /// A message of another node about a document that is open here.
    Relayed {
        /// The document.
        document: Arc<str>,
        /// The boot id of the node that sent it.
        from: u64,
        /// The bytes that the node gave to [`ClusterNode::relay`].
        bytes: Bytes,
    },
}
