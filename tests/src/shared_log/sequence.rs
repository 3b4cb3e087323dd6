//! The records of all documents in their one order, and how far each open handle sees them.

use std::collections::HashMap;
use std::sync::Arc;

use baton_log::{
    Committed, Durability, LoadedDocument, LogError, MovedContent, Position, Reservation,
};
use bytes::Bytes;
use tokio::sync::watch;

/// A record that has no place yet.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) document: Arc<str>,
    pub(super) handle: u64,
    pub(super) counter: u64,
    pub(super) record: Bytes,
    /// Counts the record's bytes until it has its place.
    pub(super) charge: Reservation,
}

/// All documents, and the handles that nodes have of them.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    /// The last position given: one sequence for all documents, so that those of one document have gaps.
    last: u64,
    documents: HashMap<Arc<str>, StoredDocument>,
    handles: HashMap<u64, OpenHandle>,
}

#[derive(Debug, Default)]
pub(super) struct StoredDocument {
    pub(super) snapshot: Option<(Position, Bytes)>,
    pub(super) erased: bool,
    /// Every record that ever was: a handle may be behind the snapshot.
    records: Vec<Placed>,
}

#[derive(Debug)]
struct Placed {
    position: Position,
    handle: u64,
    counter: u64,
    record: Bytes,
}

#[derive(Debug)]
struct OpenHandle {
    document: Arc<str>,
    boot: u64,
    /// The last position that it has taken.
    taken: Position,
    /// The last position that it can take.
    visible: Position,
    watch: watch::Sender<Durability>,
}

impl Sequence {
    /// Gives a record its place. No handle sees it before [`Sequence::show`].
    pub(super) fn place(&mut self, _boot: u64, proposal: Proposal) {
        self.last += 1;
        let document = self.documents.entry(proposal.document).or_default();
        document.erased = false;
        document.records.push(Placed {
            position: Position::new(self.last),
            handle: proposal.handle,
            counter: proposal.counter,
            record: proposal.record,
        });
        drop(proposal.charge);
    }

    /// Puts content of another log in the place of everything stored. Its positions are higher than all before, in both
    /// logs.
    pub(super) fn replace(&mut self, document: &Arc<str>, above: Position, content: &MovedContent) {
        self.last = self.last.max(above.get()) + 1;
        let at = Position::new(self.last);
        let stored = self.documents.entry(Arc::clone(document)).or_default();
        stored.erased = !matches!(content, MovedContent::Document(_));
        stored.snapshot = content.bytes().map(|bytes| (at, bytes.clone()));
        stored.records.clear();
    }

    /// Shows a node's handles everything that has a place.
    pub(super) fn show(&mut self, boot: u64) {
        for handle in self
            .handles
            .values_mut()
            .filter(|handle| handle.boot == boot)
        {
            let document = self.documents.get(&handle.document);
            let last = document.map_or(Position::START, StoredDocument::last);
            if last > handle.visible {
                handle.visible = last;
                handle.watch.send_replace(Durability::UpTo(last));
            }
        }
    }

    /// Opens a document under a handle that was not used before.
    pub(super) fn open(
        &mut self,
        document: &Arc<str>,
        boot: u64,
        handle: u64,
    ) -> Result<LoadedDocument, LogError> {
        let mut open = self.handles.values();
        if open.any(|open| open.boot == boot && open.document == *document) {
            let document = Arc::clone(document);
            return Err(LogError::AlreadyOpen { document });
        }
        let stored = self.documents.get(document);
        let last = stored.map_or(Position::START, StoredDocument::last);
        self.handles.insert(
            handle,
            OpenHandle {
                document: Arc::clone(document),
                boot,
                taken: last,
                visible: last,
                watch: watch::Sender::new(Durability::UpTo(last)),
            },
        );
        Ok(stored.map_or_else(LoadedDocument::default, StoredDocument::loaded))
    }

    /// Closes a handle.
    pub(super) fn close(&mut self, handle: u64) {
        self.handles.remove(&handle);
    }

    /// Returns true if this node has the document open.
    pub(super) fn is_open(&self, document: &str, boot: u64) -> bool {
        let mut open = self.handles.values();
        open.any(|open| open.boot == boot && &*open.document == document)
    }

    /// Takes the next record that a handle sees.
    pub(super) fn take(&mut self, handle: u64) -> Option<Committed> {
        let open = self.handles.get_mut(&handle)?;
        let records = &self.documents.get(&open.document)?.records;
        let next = records.partition_point(|placed| placed.position <= open.taken);
        let placed = records
            .get(next)
            .filter(|placed| placed.position <= open.visible)?;
        open.taken = placed.position;
        Some(Committed {
            position: placed.position,
            own: (placed.handle == handle).then_some(placed.counter),
            record: placed.record.clone(),
        })
    }

    /// The last positions that a handle has taken, and can take.
    pub(super) fn seen(&self, handle: u64) -> (Position, Position) {
        let open = self.handles.get(&handle);
        open.map_or_else(Default::default, |open| (open.taken, open.visible))
    }

    /// Tells a handle each time that it sees more.
    pub(super) fn watch(&self, handle: u64) -> Option<watch::Receiver<Durability>> {
        self.handles.get(&handle).map(|open| open.watch.subscribe())
    }

    /// What is stored under a name.
    pub(super) fn stored(&self, document: &str) -> Option<&StoredDocument> {
        self.documents.get(document)
    }

    /// The same, to change it.
    pub(super) fn stored_mut(&mut self, document: &Arc<str>) -> &mut StoredDocument {
        self.documents.entry(Arc::clone(document)).or_default()
    }

    /// Replaces everything that a handle has taken, unless another one has done so.
    pub(super) fn erase(&mut self, handle: u64, remains: Option<Bytes>) {
        let Some(open) = self.handles.get(&handle) else {
            return;
        };
        let (document, at) = (Arc::clone(&open.document), open.taken);
        let stored = self.stored_mut(&document);
        if stored
            .snapshot
            .as_ref()
            .is_none_or(|(there, _)| *there < at)
        {
            stored.erase(at, remains);
        }
    }

    /// Every document.
    pub(super) fn each(&self) -> impl Iterator<Item = (&Arc<str>, &StoredDocument)> {
        self.documents.iter()
    }
}

impl StoredDocument {
    /// The last position.
    pub(super) fn last(&self) -> Position {
        let base = self.snapshot.as_ref();
        let base = base.map_or(Position::START, |(at, _)| *at);
        let last = self.records.last();
        last.map_or(base, |placed| placed.position.max(base))
    }

    /// The records that no snapshot replaces.
    pub(super) fn tail(&self) -> impl Iterator<Item = (Position, Bytes)> {
        let base = self
            .snapshot
            .as_ref()
            .map_or(Position::START, |(at, _)| *at);
        let tail = self
            .records
            .iter()
            .filter(move |placed| placed.position > base);
        tail.map(|placed| (placed.position, placed.record.clone()))
    }

    /// What an opening reads.
    pub(super) fn loaded(&self) -> LoadedDocument {
        LoadedDocument {
            snapshot: self.snapshot.clone(),
            tail: self.tail().collect(),
            erased: self.erased,
        }
    }

    /// Replaces everything up to a position.
    fn erase(&mut self, at: Position, remains: Option<Bytes>) {
        self.snapshot = Some((at, remains.unwrap_or_default()));
        self.erased = self.last() == at;
    }
}
