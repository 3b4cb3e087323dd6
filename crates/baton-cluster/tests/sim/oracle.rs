//! What must hold: one history for each document, made by the oracle's own exact rule.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use baton_cluster::core::{BootId, DocumentKey, MessageContent, RecordId};

use crate::engine::Message;

/// The history of a document as the stream has it, each record once.
#[derive(Debug, Default, Clone)]
pub(crate) struct History {
    values: Vec<u64>,
    all: BTreeSet<u64>,
    seen: BTreeSet<RecordId>,
    /// First bytes of records whose last part has not come.
    begun: BTreeMap<RecordId, u64>,
    counters: BTreeMap<BootId, u64>,
    /// The newest counters of each boot, and what was offered: what a node may know.
    newest: BTreeMap<BootId, VecDeque<u64>>,
    offered: BTreeSet<RecordId>,
}

/// Records of a boot after which it is not known if an offered one is there.
const KNOWN: usize = 32;

impl History {
    pub(crate) fn has(&self, value: u64) -> bool {
        self.all.contains(&value)
    }
}

/// All that the stream has said, message by message.
#[derive(Debug, Default)]
pub(crate) struct Histories {
    pub(crate) documents: BTreeMap<DocumentKey, History>,
    /// The stream has lost an end.
    is_lossy: bool,
}

pub(crate) fn value_of(record: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(record.get(..8)?.try_into().ok()?))
}

impl Histories {
    pub(crate) fn of_lossy_stream() -> Self {
        Self {
            is_lossy: true,
            ..Self::default()
        }
    }

    /// Takes the next message; returns what is wrong with it.
    pub(crate) fn stored(&mut self, message: &Message) -> Option<String> {
        let delivered = message.delivered();
        let key = message.subject.document()?;
        let history = self.documents.entry(key.clone()).or_default();
        let id = delivered.envelope.id;
        let (original, part, bytes) = match &delivered.envelope.content {
            MessageContent::Record { part, bytes } => (id, part, bytes),
            MessageContent::Offered {
                original,
                part,
                bytes,
            } => (*original, part, bytes),
            _ => return None,
        };
        if part.index == 0 {
            history.begun.insert(id, value_of(bytes)?);
        }
        if part.following > 0 {
            return None;
        }
        let Some(value) = history.begun.remove(&id) else {
            return Some(format!("{id} is stored without its beginning"));
        };
        let counter = history.counters.get(&id.boot).copied().unwrap_or_default();
        if self.is_lossy && original == id && id.counter <= counter {
            // A late copy of a record whose node went on before it learned of the loss. All nodes
            // pass over it, and take it when it is offered.
            return None;
        }
        if original == id {
            let newest = history.newest.entry(id.boot).or_default();
            if !history.seen.contains(&original) {
                newest.push_back(id.counter);
            }
            if newest.len() > KNOWN {
                newest.pop_front();
            }
        }
        let is_new = history.seen.insert(original);
        if original != id && !is_new {
            // A limit of the protocol: what is older than the newest records of its boot is taken
            // again, once, for it may have been lost.
            let newest = history.newest.get(&original.boot);
            let is_known = newest.is_some_and(|newest| newest.contains(&original.counter));
            if !is_known && history.offered.insert(original) {
                history.values.push(value);
            }
            return None;
        }
        if !is_new {
            return None;
        }
        if original != id {
            history.offered.insert(original);
        }
        if !history.all.insert(value) {
            return Some(format!(
                "value {value} is stored under two ids, {id} the second"
            ));
        }
        if original == id {
            if id.counter <= counter {
                return Some(format!("{id} is stored after {counter}"));
            }
            history.counters.insert(id.boot, id.counter);
        }
        history.values.push(value);
        None
    }

    pub(crate) fn values(&self, key: &DocumentKey) -> &[u64] {
        self.documents
            .get(key)
            .map_or(&[], |history| &history.values)
    }
}
