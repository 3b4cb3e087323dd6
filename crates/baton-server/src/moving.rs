//! Moves all documents from one log to another: from a data folder to a cluster, and back.
//!
//! A document arrives as one snapshot of its whole state, under its name, with positions that go on
//! above those that it had. It is read back and compared. The command may be repeated at any time:
//! what has arrived is left alone, and what has changed since is copied again.
//!
//! | file | content |
//! | --- | --- |
//! | `folder_and_cluster` | opens both sides, and says what is wrong with one |
//! | `mover` | all documents, several at a time |
//! | `carried_document` | one document: compare, replace, read back, compare |
//! | `ledger` | the states that were carried over, so that only those are replaced |
//! | `move_summary` | the result, and the reason for each document that did not arrive |
//! | `other_nodes` | waits until no other node is in the cluster |

mod carried_document;
pub(crate) mod folder_and_cluster;
mod ledger;
pub(crate) mod move_summary;
mod mover;
mod other_nodes;
#[cfg(test)]
mod tests;
