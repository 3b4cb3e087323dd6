//! This server as a node of a cluster: news of the other nodes, and messages between nodes that no
//! log stores.
//!
//! | file | content |
//! | --- | --- |
//! | `host_check` | tells a room which nodes are gone, and if the engine answers |
//! | `join` | joins the cluster that the settings name |
//! | `node_news` | passes news of the cluster on to the open documents |
//! | `relay_message` | the bytes of messages between nodes |
//! | `status` | the cluster, as an operator sees it |

pub(crate) mod host_check;
#[cfg(feature = "cluster")]
pub(crate) mod join;
pub(crate) mod node_news;
pub(crate) mod relay_message;
pub(crate) mod status;
