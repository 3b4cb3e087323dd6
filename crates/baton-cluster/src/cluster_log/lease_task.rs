//! The task of the leases: renews the own one, watches all, and says which nodes are lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use baton_log::{NodeLease, NodeNews};
use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::node::Node;
use super::stream_input::StreamInput;
use crate::core::{BootId, LeaseOutput};
use crate::engine::{Delivery, SharedTable, StoredMessage, Written};

/// Pause after an error of the watch that stays.
const RETRY: Duration = Duration::from_secs(1);

/// Tries to give the own lease up. Only one renewal can be on its way.
const LEAVE_TRIES: usize = 3;

/// The names of the nodes and when they renewed last, as the watch has shown them.
#[derive(Debug, Default)]
pub(super) struct LeaseBook {
    nodes: Mutex<BTreeMap<BootId, (Arc<str>, Instant)>>,
}

impl LeaseBook {
    /// Returns these nodes' leases, as far as the watch has shown them.
    pub(super) fn of(&self, alive: &[BootId]) -> Vec<NodeLease> {
        let nodes = self.nodes.lock();
        let leases = alive.iter().filter_map(|boot| {
            let (name, renewed) = nodes.get(boot)?;
            Some(NodeLease {
                boot: boot.0,
                name: Arc::clone(name),
                renewed: renewed.elapsed(),
            })
        });
        leases.collect()
    }
}

/// The task of the leases.
#[derive(Debug)]
pub(super) struct LeaseTask {
    node: Arc<Node>,
    name: Arc<str>,
    table: SharedTable,
    watch: Delivery,
    book: Arc<LeaseBook>,
    streams: Vec<mpsc::WeakUnboundedSender<StreamInput>>,
    /// Revision of the last own entry that was removed.
    removed: u64,
    /// The streams in which a lapsed node is lost.
    lost: BTreeMap<BootId, BTreeSet<u16>>,
}

impl LeaseTask {
    pub(super) fn new(
        node: Arc<Node>,
        name: Arc<str>,
        table: SharedTable,
        book: Arc<LeaseBook>,
        streams: Vec<mpsc::WeakUnboundedSender<StreamInput>>,
    ) -> LeaseTask {
        LeaseTask {
            node,
            name,
            watch: table.deliver(),
            table,
            book,
            streams,
            removed: 0,
            lost: BTreeMap::new(),
        }
    }

    /// Runs until it is aborted.
    pub(super) async fn run(mut self) {
        loop {
            self.settle();
            let due = self.node.leases.lock().poll_timeout();
            let due = self.node.clock.instant(due);
            tokio::select! {
                seen = self.watch.next() => match seen {
                    Ok(message) => self.seen(&message),
                    Err(error) => {
                        tracing::error!(%error, "the leases of the nodes cannot be watched");
                        tokio::time::sleep(RETRY).await;
                    }
                },
                () = self.node.leases_changed.notified() => {}
                () = tokio::time::sleep_until(due) => {
                    self.node.leases.lock().handle_timeout(self.node.clock.now());
                }
            }
        }
    }

    fn seen(&mut self, message: &StoredMessage) {
        let key = self.table.key_of(&message.subject);
        let Some(boot) = key.and_then(|key| u64::from_str_radix(key, 16).ok()) else {
            tracing::warn!(subject = message.subject, "a lease of no node");
            return;
        };
        let (boot, now, revision) = (BootId(boot), self.node.clock.now(), message.sequence);
        let mut leases = self.node.leases.lock();
        let Some((number, name)) = read_lease(&message.payload) else {
            leases.removed(boot, revision, now);
            drop(leases);
            self.book.nodes.lock().remove(&boot);
            if boot == self.node.boot {
                self.removed = revision;
            }
            return;
        };
        leases.seen(boot, number, revision, now);
        drop(leases);
        let lease = (Arc::from(name), Instant::now());
        self.book.nodes.lock().insert(boot, lease);
        if boot == self.node.boot {
            self.tell_streams(|| StreamInput::Renewal { number, seen: true });
        }
    }

    fn settle(&mut self) {
        loop {
            let output = self.node.leases.lock().next_output();
            match output {
                None => return,
                Some(LeaseOutput::Renew { number, expected }) => {
                    self.tell_streams(|| StreamInput::Renewal {
                        number,
                        seen: false,
                    });
                    let expected = expected.unwrap_or(self.removed);
                    let value = write_lease(number, &self.name);
                    self.write(self.node.boot, value, expected);
                }
                Some(LeaseOutput::Alive(boot)) => {
                    self.lost.remove(&boot);
                    tracing::info!(node = %boot, "a node has come");
                }
                Some(LeaseOutput::Lapsed(boot)) => {
                    tracing::warn!(node = %boot, "a node's lease has lapsed");
                    self.lost.insert(boot, BTreeSet::new());
                    self.tell_streams(|| StreamInput::Lapsed);
                }
                Some(LeaseOutput::Lost { boot, stream }) => {
                    let streams = self.lost.entry(boot).or_default();
                    streams.insert(stream);
                    // The server tells the rooms of all streams at once.
                    if streams.len() == self.streams.len() {
                        tracing::warn!(node = %boot, "a node is lost");
                        self.lost.remove(&boot);
                        self.node.tell(NodeNews::Lost(boot.0));
                    }
                }
                Some(LeaseOutput::Delete { boot, revision }) => {
                    self.write(boot, Bytes::new(), revision);
                }
            }
        }
    }

    /// Writes a lease. The watch shows what came of it; but it may begin again long after the
    /// engine answers again, and until then each renewal would replace a revision that is gone.
    fn write(&self, boot: BootId, value: Bytes, expected: u64) {
        let (table, node) = (self.table.clone(), Arc::clone(&self.node));
        let is_renewal = boot == node.boot && !value.is_empty();
        tokio::spawn(async move {
            let key = boot.to_string();
            let written = table.write(&key, value, expected).await;
            tracing::trace!(node = %boot, ?written, "a lease was written");
            if !is_renewal {
                return;
            }
            let revision = match written {
                Ok(Written::As(revision)) => Some(revision),
                // An earlier renewal whose answer was lost.
                Ok(Written::Overtaken | Written::Earlier) => match table.read(&key).await {
                    Ok(Some(lease)) if !lease.value.is_empty() => Some(lease.revision),
                    _ => None,
                },
                Ok(Written::Unknown(_)) | Err(_) => None,
            };
            if let Some(revision) = revision {
                node.leases.lock().stored(revision);
            }
        });
    }

    fn tell_streams(&self, input: impl Fn() -> StreamInput) {
        for stream in self
            .streams
            .iter()
            .filter_map(mpsc::WeakUnboundedSender::upgrade)
        {
            // A stream's task that has ended needs no news.
            let _ = stream.send(input());
        }
    }
}

/// Gives up the own lease, so that the others need not wait for its end. The task of the leases has
/// ended: it would take a new one. A renewal of it may still come in between.
pub(super) async fn leave(table: &SharedTable, boot: BootId) {
    let key = boot.to_string();
    // If none of this succeeds, the other nodes wait until the lease lapses.
    for _ in 0..LEAVE_TRIES {
        let Ok(Some(lease)) = table.read(&key).await else {
            return;
        };
        let written = table.write(&key, Bytes::new(), lease.revision).await;
        if !matches!(written, Ok(Written::Overtaken)) {
            return;
        }
    }
}

/// The value of a lease: its number, then the name of the node.
fn write_lease(number: u64, name: &str) -> Bytes {
    let mut value = BytesMut::with_capacity(8 + name.len());
    value.put_u64_le(number);
    value.put_slice(name.as_bytes());
    value.freeze()
}

/// Reads a lease; `None` if it was given up.
fn read_lease(value: &[u8]) -> Option<(u64, String)> {
    let (number, name) = value.split_first_chunk()?;
    let name = String::from_utf8_lossy(name).into_owned();
    Some((u64::from_le_bytes(*number), name))
}
