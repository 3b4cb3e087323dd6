//! The documents of one stream that are open here, or being opened.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use baton_log::{LoadedDocument, LogError, Position, QueueShare};
use baton_presence::Time;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::cluster_journal::{Beginning, ClusterJournal};
use super::delivered_records::{DeliveredRecord, DeliveredRecords};
use super::document_errors::damaged;
use super::moved_positions::MovedPositions;
use super::node::Node;
use super::snapshot_content::SnapshotContent;
use super::stream_input::{OpenReply, OpenRequest, OpeningAnswer, StreamInput};
use crate::core::{
    Content, Delivered, DocumentFeed, DocumentKey, DocumentOpening, Incarnations, OpenedDocument,
    OpeningOptions, OpeningOutput, PositionedRecord, RecordId,
};

/// The open documents of a stream.
#[derive(Debug)]
pub(super) struct Documents {
    node: Arc<Node>,
    options: OpeningOptions,
    /// The stream's inputs, for the journals.
    inputs: mpsc::WeakUnboundedSender<StreamInput>,
    last_handle: u64,
    /// Apart from those that are open: each step of the task goes through these.
    openings: HashMap<DocumentKey, Opening>,
    open: HashMap<DocumentKey, Open>,
}

/// The parts of a document that stay when it has been opened.
#[derive(Debug)]
struct Head {
    name: Arc<str>,
    handle: u64,
    /// Listens to the unstored messages of the document.
    _listener: AbortOnDrop,
}

#[derive(Debug)]
struct Opening {
    head: Head,
    opening: DocumentOpening,
    reply: OpenReply,
}

#[derive(Debug)]
struct Open {
    head: Head,
    feed: DocumentFeed,
    positions: MovedPositions,
    records: Arc<DeliveredRecords>,
    /// Counters of own records, in the writer and of the caller.
    in_flight: VecDeque<(u64, u64)>,
}

/// A task that ends when this is dropped.
#[derive(Debug)]
pub(super) struct AbortOnDrop(pub(super) JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Documents {
    pub(super) fn new(
        node: Arc<Node>,
        options: OpeningOptions,
        inputs: mpsc::WeakUnboundedSender<StreamInput>,
    ) -> Documents {
        Documents {
            node,
            options,
            inputs,
            last_handle: 0,
            openings: HashMap::new(),
            open: HashMap::new(),
        }
    }

    /// Begins to open a document.
    pub(super) fn open(
        &mut self,
        request: OpenRequest,
        history: Incarnations,
        listener: AbortOnDrop,
        now: Time,
    ) {
        let opening = request.begin(history, self.options.clone(), now);
        let OpenRequest { name, reply, .. } = request;
        let key = DocumentKey::new(&name);
        let former = self.openings.get(&key);
        let is_awaited = former.is_some_and(|former| !former.reply.is_closed());
        if is_awaited || self.open.contains_key(&key) {
            // A caller that has gone needs no answer.
            let _ = reply.send(Err(LogError::AlreadyOpen { document: name }));
            return;
        }
        self.last_handle += 1;
        let opening = Opening {
            head: Head {
                name,
                handle: self.last_handle,
                _listener: listener,
            },
            opening,
            reply,
        };
        self.openings.insert(key, opening);
    }

    /// Closes a document, if this is still its handle.
    pub(super) fn close(&mut self, key: &DocumentKey, handle: u64) {
        if self.is_open(key, handle) {
            self.open.remove(key);
        }
    }

    /// Returns the name of a document that is being opened.
    pub(super) fn name(&self, key: &DocumentKey) -> Option<&Arc<str>> {
        self.openings.get(key).map(|opening| &opening.head.name)
    }

    /// Takes note that a proposal of this handle has this counter in the writer.
    pub(super) fn proposed(&mut self, key: &DocumentKey, handle: u64, writer: u64, caller: u64) {
        if let Some(open) = self.open.get_mut(key)
            && open.head.handle == handle
        {
            open.in_flight.push_back((writer, caller));
        }
    }

    /// Returns true if this handle is the open one.
    pub(super) fn is_open(&self, key: &DocumentKey, handle: u64) -> bool {
        let open = self.open.get(key);
        open.is_some_and(|open| open.head.handle == handle)
    }

    /// Returns the sequence of the newest mark of a snapshot that a document has seen.
    pub(super) fn newest_mark(&self, key: &DocumentKey) -> u64 {
        let marked = self.open.get(key).and_then(|open| open.feed.snapshot());
        marked.map_or(0, |(_, mark)| mark)
    }

    /// Takes the next message of a document.
    pub(super) fn delivered(&mut self, key: &DocumentKey, message: &Delivered, now: Time) {
        if let Some(Opening { opening, .. }) = self.openings.get_mut(key) {
            opening.delivered(message, now);
        }
        if let Some(open) = self.open.get_mut(key)
            && let Some(record) = open.feed.take(message)
        {
            let in_flight = &mut open.in_flight;
            let own = (record.id.boot == self.node.boot)
                .then(|| in_flight.pop_front_if(|(writer, _)| *writer == record.id.counter))
                .flatten();
            let own = own.map(|(_, caller)| caller);
            let position = open.positions.of(record.position);
            let record = delivered_record(record, position, offered(message), own);
            open.records.push(record);
        }
    }

    pub(super) fn answered(&mut self, key: &DocumentKey, answer: OpeningAnswer, now: Time) {
        if let Some(Opening { opening, .. }) = self.openings.get_mut(key) {
            match answer {
                OpeningAnswer::Listed(positions) => opening.listed(&positions, now),
                OpeningAnswer::Fetched(at, snapshot) => opening.fetched(at, snapshot, now),
                OpeningAnswer::TailRead(tail) => opening.tail_read(tail.as_deref(), now),
            }
        }
    }

    /// Takes the id of the mark of an opening.
    pub(super) fn marked(&mut self, key: &DocumentKey, mark: RecordId) {
        if let Some(Opening { opening, .. }) = self.openings.get_mut(key) {
            opening.marked(mark);
        }
    }

    /// Gives the document to its caller.
    pub(super) fn opened(&mut self, key: &DocumentKey, opened: OpenedDocument) {
        let Some(Opening { head, reply, .. }) = self.openings.remove(key) else {
            return;
        };
        let Some(inputs) = self.inputs.upgrade() else {
            return;
        };
        let Some((positions, loaded)) = loaded(&opened) else {
            // A caller that has gone needs no answer.
            let _ = reply.send(Err(damaged(head.name)));
            return;
        };
        let last = positions.of(opened.feed.last());
        let records = Arc::new(DeliveredRecords::new(last));
        let bytes = loaded.tail.iter().map(|(_, record)| record.len() as u64);
        let beginning = Beginning {
            name: Arc::clone(&head.name),
            key: key.clone(),
            handle: head.handle,
            stream: inputs,
            records: Arc::clone(&records),
            positions,
            opened: opened.feed.taken(),
            last,
            known_to: opened.feed.known_to(),
            table: opened.feed.table().clone(),
            loaded: (loaded.tail.len() as u64, bytes.sum()),
            snapshot_bytes: loaded
                .snapshot
                .as_ref()
                .map_or(0, |(_, bytes)| bytes.len() as u64),
        };
        let share = QueueShare::of(Arc::clone(&self.node.room));
        let journal = ClusterJournal::new(beginning, share);
        let open = Open {
            head,
            feed: opened.feed,
            positions,
            records,
            in_flight: VecDeque::new(),
        };
        self.open.insert(key.clone(), open);
        // A caller that has gone drops the journal, which closes the document.
        let _ = reply.send(Ok((Box::new(journal), loaded)));
    }

    /// Reports that a document cannot be opened.
    pub(super) fn refuse(&mut self, key: &DocumentKey, error: impl FnOnce(Arc<str>) -> LogError) {
        if let Some(Opening { head, reply, .. }) = self.openings.remove(key) {
            // A caller that has gone needs no answer.
            let _ = reply.send(Err(error(head.name)));
        }
    }

    /// Ends one open document with an error.
    pub(super) fn fail(&mut self, key: &DocumentKey, error: &Arc<LogError>) {
        if let Some(open) = self.open.remove(key) {
            open.records.fail(error);
        }
    }

    /// Ends all open documents with an error; those that are being opened begin anew.
    pub(super) fn restart(&mut self, error: &Arc<LogError>, history: &Incarnations, now: Time) {
        for Opening { opening, .. } in self.openings.values_mut() {
            opening.begin(history.clone(), now);
        }
        for (_, open) in self.open.drain() {
            open.records.fail(error);
        }
    }

    /// Ends all documents with an error.
    pub(super) fn end(&mut self, error: &Arc<LogError>) {
        for (_, Opening { reply, .. }) in self.openings.drain() {
            // A caller that has gone needs no answer.
            let _ = reply.send(Err((**error).clone()));
        }
        for (_, open) in self.open.drain() {
            open.records.fail(error);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        let openings = self.openings.values();
        openings.map(|it| it.opening.poll_timeout()).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Time) {
        self.openings.retain(|_, it| {
            it.opening.handle_timeout(now);
            !it.reply.is_closed()
        });
    }

    /// Returns the next effect of an opening.
    pub(super) fn next_output(&mut self) -> Option<(DocumentKey, OpeningOutput)> {
        self.openings
            .iter_mut()
            .find_map(|(key, it)| Some((key.clone(), it.opening.next_output()?)))
    }
}

fn offered(message: &Delivered) -> Option<RecordId> {
    match &message.envelope.content {
        Content::Offered { original, .. } => Some(*original),
        _ => None,
    }
}

fn delivered_record(
    record: PositionedRecord,
    position: Position,
    offered: Option<RecordId>,
    own: Option<u64>,
) -> DeliveredRecord {
    DeliveredRecord {
        position,
        sequence: record.position.sequence,
        own,
        id: record.id,
        offered,
        record: record.record,
    }
}

/// Returns what a room reads of an opened document, and its positions; `None` if the snapshot is of
/// no known form.
pub(super) fn loaded(opened: &OpenedDocument) -> Option<(MovedPositions, LoadedDocument)> {
    let mut loaded = LoadedDocument::default();
    let mut positions = MovedPositions::default();
    if let Some(snapshot) = &opened.snapshot {
        let stored = SnapshotContent::decode(snapshot.content.clone())?;
        positions = stored.positions;
        loaded.erased = stored.is_erased() && opened.tail.is_empty();
        let at = positions.of(snapshot.position);
        let bytes = stored.content.bytes();
        loaded.snapshot = bytes.map(|bytes| (at, bytes.clone()));
    }
    let tail = opened.tail.iter();
    loaded.tail = tail
        .map(|record| (positions.of(record.position), record.record.clone()))
        .collect();
    Some((positions, loaded))
}

#[cfg(test)]
mod tests;
