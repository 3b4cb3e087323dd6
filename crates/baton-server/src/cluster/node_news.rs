//! Passes news of the cluster on to the open documents.
//!
//! Owns the number of changes that concern every document. A document that is being opened is not
//! among the open ones yet, so it notes that number, and its opener compares it afterwards.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use baton_log::{Journals, NodeNews};
use baton_room::HostId;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::mpsc;

use crate::cluster::relay_message::RelayMessage;
use crate::documents::open_documents::OpenDocuments;

/// Counts the changes of the cluster that every open document has to hear of.
#[derive(Debug, Default)]
pub(crate) struct ClusterChanges(AtomicU64);

impl ClusterChanges {
    /// Returns the number of changes so far.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Most documents that wait for a snapshot. The log asks again for those that are too many.
const WAITING_FOR_SNAPSHOTS: usize = 1_000;

/// Starts to pass news on, until the cluster's log ends or the server is gone. Returns the
/// documents that are to get a snapshot, whether they are open or not.
pub(crate) fn start(
    news: BoxStream<'static, NodeNews>,
    journals: &Arc<dyn Journals>,
    open: &Arc<OpenDocuments>,
    changes: &Arc<ClusterChanges>,
) -> mpsc::Receiver<Arc<str>> {
    let (journals, changes) = (Arc::clone(journals), Arc::clone(changes));
    let (snapshots, asked) = mpsc::channel(WAITING_FOR_SNAPSHOTS);
    let open = Arc::downgrade(open);
    tokio::spawn(pass_on(news, journals, open, changes, snapshots));
    asked
}

async fn pass_on(
    mut news: BoxStream<'static, NodeNews>,
    journals: Arc<dyn Journals>,
    open: Weak<OpenDocuments>,
    changes: Arc<ClusterChanges>,
    snapshots: mpsc::Sender<Arc<str>>,
) {
    while let Some(news) = news.next().await {
        let Some(open) = open.upgrade() else {
            return;
        };
        match news {
            NodeNews::Relayed {
                document,
                from,
                bytes,
            } => {
                if let (Some(document), Some(message)) =
                    (open.get(&document), RelayMessage::decode(&bytes))
                {
                    document.relayed(HostId(from), &message);
                }
                continue;
            }
            NodeNews::Oldest { document } => {
                if snapshots.try_send(document).is_err() {
                    tracing::debug!("too many documents wait for a snapshot");
                }
                continue;
            }
            NodeNews::Lost(boot) => {
                tracing::warn!(
                    node = boot,
                    "a node is lost: its sessions are without a connection, and their locks pass on"
                );
            }
            NodeNews::Isolated(true) => {
                tracing::error!(
                    "the engine does not answer: nothing is saved and no lock is granted until it does; editing goes on"
                );
            }
            NodeNews::Isolated(false) => tracing::info!("the engine answers again"),
        }
        changes.0.fetch_add(1, Ordering::SeqCst);
        for document in open.all() {
            let journals = Arc::clone(&journals);
            // A document at long work must not delay the others.
            tokio::spawn(async move { document.follow_cluster(&journals).await });
        }
    }
}
