//! News of the other nodes, for the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use baton_log::NodeNews;
use tokio::sync::mpsc;

/// The news of a [`ClusterLog`](super::ClusterLog), in the order in which they came.
#[derive(Debug)]
pub struct ClusterNews {
    news: mpsc::UnboundedReceiver<NodeNews>,
    /// Number of relayed messages among those that wait.
    relayed: Arc<AtomicUsize>,
}

impl ClusterNews {
    /// Makes a pair: the sender of the node's tasks with its count, and the news.
    pub(super) fn new() -> (
        mpsc::UnboundedSender<NodeNews>,
        Arc<AtomicUsize>,
        ClusterNews,
    ) {
        let (sender, news) = mpsc::unbounded_channel();
        let relayed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&relayed);
        (sender, count, ClusterNews { news, relayed })
    }

    /// Waits for the next news; `None` once the log is gone. Dropping the future loses nothing.
    ///
    /// Lost nodes and isolation always come; of relayed messages those that are too many were
    /// dropped ([`ClusterOptions::relayed_waiting`](super::ClusterOptions::relayed_waiting)).
    pub async fn next(&mut self) -> Option<NodeNews> {
        let news = self.news.recv().await?;
        if matches!(news, NodeNews::Relayed { .. }) {
            self.relayed.fetch_sub(1, Ordering::Relaxed);
        }
        Some(news)
    }
}
