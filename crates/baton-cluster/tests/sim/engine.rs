//! The simulated engine: streams with purges and stale views, objects, and the bucket of leases.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_cluster::core::{
    BootId, Delivered, DocumentKey, Incarnations, MessageContent, MessageEnvelope, OutgoingMessage,
    StreamPosition, Subject,
};
use baton_presence::Time;
use bytes::Bytes;

/// Time for which the engine knows message ids.
pub(crate) const WINDOW: Duration = Duration::from_secs(8);

#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) sequence: u64,
    pub(crate) subject: Subject,
    pub(crate) payload: Bytes,
    pub(crate) message_id: String,
    pub(crate) at: Time,
    /// Operation that stored it, and the one that purged it.
    stored: u64,
    purged: Option<u64>,
}

impl Message {
    pub(crate) fn delivered(&self) -> Delivered {
        Delivered {
            sequence: self.sequence,
            subject: self.subject.clone(),
            envelope: MessageEnvelope::decode(&self.payload).expect("only nodes write"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Published {
    Stored { first: u64, last: u64 },
    Duplicate,
    Conflict,
}

/// One stream. A view is the state after so many operations, as a server that is behind has it.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) messages: Vec<Message>,
    pub(crate) operations: u64,
    ids: BTreeMap<String, Time>,
}

impl Stream {
    pub(crate) fn last(&self) -> u64 {
        self.messages.last().map_or(0, |message| message.sequence)
    }

    pub(crate) fn publish(
        &mut self,
        messages: &[OutgoingMessage],
        expected: Option<u64>,
        now: Time,
    ) -> Published {
        let known = |message: &OutgoingMessage| {
            let stored = self.ids.get(&message.message_id);
            stored.is_some_and(|stored| now.since(*stored) < WINDOW)
        };
        if messages.iter().any(known) {
            return Published::Duplicate;
        }
        if let Some(expected) = expected {
            let same = |message: &&Message| {
                message.subject == messages[0].subject && message.purged.is_none()
            };
            let last = self.messages.iter().rev().find(same);
            if last.map_or(0, |message| message.sequence) != expected {
                return Published::Conflict;
            }
        }
        let first = self.last() + 1;
        self.operations += 1;
        for message in messages {
            self.ids.insert(message.message_id.clone(), now);
            self.messages.push(Message {
                sequence: self.last() + 1,
                subject: message.subject.clone(),
                payload: message.payload.clone(),
                message_id: message.message_id.clone(),
                at: now,
                stored: self.operations,
                purged: None,
            });
        }
        let last = self.last();
        Published::Stored { first, last }
    }

    pub(crate) fn purge(&mut self, key: &DocumentKey, records: u64, marks: u64) {
        self.operations += 1;
        for message in &mut self.messages {
            let goes = match &message.subject {
                Subject::Records(of) => of == key && message.sequence <= records,
                Subject::Snapshots(of) => of == key && message.sequence < marks,
                _ => false,
            };
            if goes && message.purged.is_none() {
                message.purged = Some(self.operations);
            }
        }
    }

    /// Loses all messages after this sequence.
    /// Loses all after `end`, and returns it.
    pub(crate) fn lose(&mut self, end: u64) -> Vec<Message> {
        let is_lost = |message: &mut Message| message.sequence > end;
        let lost: Vec<_> = self.messages.extract_if(.., is_lost).collect();
        for message in &lost {
            self.ids.remove(&message.message_id);
        }
        self.operations += 1;
        lost
    }

    /// Returns true if the stream has, or had until it was purged, this very message.
    pub(crate) fn has(&self, message: &Message) -> bool {
        self.messages.iter().any(|other| {
            let place = (other.sequence, &other.message_id, &other.payload);
            place == (message.sequence, &message.message_id, &message.payload)
        })
    }

    /// The newest history that the stream says.
    pub(crate) fn incarnations(&self) -> Incarnations {
        let said =
            self.messages
                .iter()
                .filter_map(|message| match message.delivered().envelope.content {
                    MessageContent::Incarnations(history) => Some(history),
                    _ => None,
                });
        said.max_by_key(Incarnations::current).unwrap_or_default()
    }

    /// Messages from this sequence on, as they are after so many operations.
    pub(crate) fn view(&self, from: u64, operations: u64) -> impl Iterator<Item = &Message> {
        let begin = self
            .messages
            .partition_point(|message| message.sequence < from);
        self.messages[begin..].iter().filter(move |message| {
            let there = message.purged.is_none_or(|purged| purged > operations);
            message.stored <= operations && there
        })
    }
}

/// Snapshots by document and position; with the time at which they came and went.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    stored: BTreeMap<(DocumentKey, StreamPosition), (Bytes, Time, Option<Time>)>,
}

impl Objects {
    pub(crate) fn put(&mut self, key: &DocumentKey, at: StreamPosition, bytes: Bytes, now: Time) {
        let entry = self.stored.entry((key.clone(), at));
        entry.or_insert((bytes, now, None));
    }

    /// The object as a server has it that is behind by this much.
    pub(crate) fn get(&self, key: &DocumentKey, at: StreamPosition, seen: Time) -> Option<Bytes> {
        let (bytes, came, went) = self.stored.get(&(key.clone(), at))?;
        let there = *came <= seen && went.is_none_or(|went| went > seen);
        there.then(|| bytes.clone())
    }

    pub(crate) fn list(&self, key: &DocumentKey, seen: Time) -> Vec<StreamPosition> {
        let own = self.stored.keys().filter(|(of, _)| of == key);
        let there = own.filter(|(key, at)| self.get(key, *at, seen).is_some());
        there.map(|(_, at)| *at).collect()
    }

    pub(crate) fn delete(
        &mut self,
        key: &DocumentKey,
        now: Time,
        goes: impl Fn(StreamPosition) -> bool,
    ) {
        for ((of, at), (_, _, went)) in &mut self.stored {
            if of == key && goes(*at) && went.is_none() {
                *went = Some(now);
            }
        }
    }
}

/// The bucket of leases: the newest change of each key, and the number of changes.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    newest: BTreeMap<BootId, Change>,
    revision: u64,
}

/// A change that the watch shows; without a number the key was deleted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) boot: BootId,
    pub(crate) number: Option<u64>,
    pub(crate) revision: u64,
}

impl Bucket {
    pub(crate) fn contains(&self, boot: BootId) -> bool {
        self.newest
            .get(&boot)
            .is_some_and(|change| change.number.is_some())
    }

    /// The newest change of each key, in the order of revisions.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let mut changes: Vec<_> = self.newest.values().copied().collect();
        changes.sort_by_key(|change| change.revision);
        changes
    }

    pub(crate) fn write(
        &mut self,
        boot: BootId,
        number: Option<u64>,
        expected: Option<u64>,
    ) -> Option<Change> {
        let newest = self.newest.get(&boot);
        let present = newest.filter(|change| change.number.is_some());
        if present.map(|change| change.revision) != expected {
            return None;
        }
        self.revision += 1;
        let revision = self.revision;
        let change = Change {
            boot,
            number,
            revision,
        };
        self.newest.insert(boot, change);
        Some(change)
    }
}
