//! A node of a test, and its open documents.

use std::sync::Arc;
use std::time::Duration;

use baton_cluster::engine::EngineOptions;
use baton_cluster::{ClusterLog, ClusterNews, ClusterOptions};
use baton_log::{
    Committed, DocumentJournal, Durability, Journals, LoadedDocument, LogError, OpenedJournal,
    Placement, Position, Urgency,
};
use bytes::Bytes;

use crate::servers::Servers;

/// A node with short times.
pub(crate) struct Member {
    pub(crate) log: Arc<ClusterLog>,
    pub(crate) news: ClusterNews,
}

impl Member {
    pub(crate) async fn start(servers: &Servers) -> Member {
        Member::start_with(servers.options()).await
    }

    pub(crate) async fn start_with(engine: EngineOptions) -> Member {
        Member::start_changed(engine, |_| ()).await
    }

    pub(crate) async fn start_changed(
        engine: EngineOptions,
        change: impl FnOnce(&mut ClusterOptions),
    ) -> Member {
        let mut options = ClusterOptions::new(engine);
        options.leases.ttl = Duration::from_secs(4);
        options.leases.renewal = Duration::from_secs(1);
        options.leases.grace = Duration::from_secs(1);
        options.snapshots.purge_delay = Duration::from_millis(500);
        change(&mut options);
        let (log, news) = ClusterLog::open(options).await.expect("the node starts");
        Member {
            log: Arc::new(log),
            news,
        }
    }

    pub(crate) async fn try_open(&self, document: &'static str) -> Result<OpenedJournal, LogError> {
        let log = Arc::clone(&self.log);
        let opening = tokio::task::spawn_blocking(move || log.open(document));
        opening.await.expect("no panic")
    }

    pub(crate) async fn open(&self, document: &'static str) -> (Open, LoadedDocument) {
        let (journal, loaded) = self.try_open(document).await.expect("it opens");
        let open = Open {
            journal,
            counter: 0,
        };
        (open, loaded)
    }
}

/// An open document that counts its proposals.
pub(crate) struct Open {
    pub(crate) journal: Box<dyn DocumentJournal>,
    counter: u64,
}

impl Open {
    pub(crate) async fn propose(&mut self, record: impl Into<Bytes>) -> u64 {
        let record = record.into();
        let reservation = self.journal.share().reserve(record.len()).await;
        self.counter += 1;
        let reservation = reservation.expect("room");
        let placement = self
            .journal
            .propose(reservation, self.counter, record, Urgency::Soon);
        assert_eq!(placement.expect("accepted"), Placement::Later);
        self.counter
    }

    pub(crate) async fn next(&mut self) -> Committed {
        let mut watch = self.journal.watch();
        loop {
            if let Some(committed) = self.journal.next_committed() {
                return committed;
            }
            if let Durability::Failed(error) = &*watch.borrow_and_update() {
                panic!("{error}");
            }
            let moved = tokio::time::timeout(Duration::from_secs(60), watch.changed()).await;
            moved.expect("delivered in time").expect("a log");
        }
    }

    pub(crate) async fn take(&mut self, count: usize) -> Vec<Committed> {
        let mut taken = Vec::new();
        while taken.len() < count {
            taken.push(self.next().await);
        }
        taken
    }
}

pub(crate) fn records(taken: &[Committed]) -> Vec<(Position, Bytes)> {
    let pairs = taken.iter();
    pairs.map(|it| (it.position, it.record.clone())).collect()
}
