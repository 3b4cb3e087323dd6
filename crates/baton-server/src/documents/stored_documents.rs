//! Lists the stored documents for an operator, and erases them.
//!
//! Owns the rule that a damaged document, which cannot be opened, can still be erased.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use baton_log::{DocumentJournal, Journals, LogError, Urgency};
use baton_room::{Record, RecordError, SnapshotError, last_joined_ms, remnant};

use crate::documents::open_document::NotErased;
use crate::documents::registry::{OpenError, Registry};
use crate::time_text::moment_text;

/// Most attempts to open a document that leaves memory at the same moment.
const TRIES: usize = 8;

/// Longest wait for the position of an erasure.
const PLACED_WITHIN: Duration = Duration::from_secs(30);

/// Seconds by which the epoch of a document that cannot be read is put later than the present time:
/// it has to be later than the document's own, which is not known.
const UNKNOWN_EPOCH: u32 = 24 * 60 * 60;

/// One stored document of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredDocument {
    /// Name of the document.
    pub name: String,
    /// Bytes of its last snapshot and of the records since; `None` if it is damaged.
    pub bytes: Option<u64>,
    /// Time of the last join; `None` if it is not known.
    pub last_joined: Option<SystemTime>,
    /// True if it was erased and has not been written in since.
    pub erased: bool,
}

/// Writes one line of the list: bytes, time, name.
impl std::fmt::Display for StoredDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.bytes {
            Some(bytes) => write!(f, "{bytes:>14}  ")?,
            None => write!(f, "{:>14}  ", "damaged")?,
        }
        match self.last_joined {
            Some(at) => f.write_str(&moment_text(at))?,
            None => write!(f, "{:<20}", "-")?,
        }
        write!(f, "  {}", self.name)?;
        f.write_str(if self.erased { "  (erased)" } else { "" })
    }
}

/// The reason for which a document was not erased. What is stored of it is unchanged, unless the
/// variant says otherwise; its connections may have been closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EraseError {
    /// Nothing is stored under that name.
    #[error(
        "there is no document {0:?}; nothing was changed; `baton list` shows the documents that exist"
    )]
    Unknown(String),
    /// The log does not say that the erasure has its position. It takes effect if it gets one.
    #[error(
        "the log does not answer: the document is erased once it does, unless this server ends before; see `/readyz`, and erase it again if `baton list` still shows it then"
    )]
    Unanswered,
    /// The store cannot be read or written.
    #[error("{0}")]
    Log(#[from] LogError),
    /// The remnant that replaces its content could not be made.
    #[error("the remnant that replaces the document could not be made: {0}; nothing was erased")]
    Remains(#[from] Arc<SnapshotError>),
    /// The record of the erasure could not be made: a fault of this project.
    #[error("the record of the erasure could not be made: {0}; nothing was erased")]
    Record(#[from] RecordError),
    /// The document could not be opened.
    #[error("the document could not be opened: {0}; nothing was erased; try again")]
    Open(String),
}

/// Reads every stored document, and passes each to `each`. Blocks.
pub(crate) fn list(
    log: &dyn Journals,
    each: &mut dyn FnMut(StoredDocument),
) -> Result<(), LogError> {
    log.read_all(&mut |info, loaded| {
        let loaded = loaded.ok();
        let snapshot = loaded.as_ref().and_then(|loaded| loaded.snapshot.as_ref());
        let snapshot = snapshot.map(|(_, bytes)| &bytes[..]);
        let (mut bytes, mut last_joined) = (None, None);
        if let Some(loaded) = &loaded {
            let tail: Vec<_> = loaded
                .tail
                .iter()
                .map(|(_, record)| record.clone())
                .collect();
            let since = last_joined_ms(snapshot, &tail).map(Duration::from_millis);
            bytes = Some(snapshot.map_or(0, <[u8]>::len) as u64 + info.tail_bytes);
            last_joined = since.and_then(|since| UNIX_EPOCH.checked_add(since));
        }
        each(StoredDocument {
            name: info.name.to_string(),
            bytes,
            last_joined,
            erased: info.erased,
        });
    })
}

/// Erases a document for good, and tells its clients. The erasure is durable on return.
pub(crate) async fn erase(registry: &Registry, name: &str) -> Result<(), EraseError> {
    if !registry.holds(name).await? {
        return Err(EraseError::Unknown(name.to_owned()));
    }
    // Seconds since 1970, like the epochs of restores: so it is later than the epoch of any earlier
    // backup once that is restored.
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let epoch = since.map_or(0, |since| {
        u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
    });
    let mut last = String::new();
    for _ in 0..TRIES {
        match registry.open(name).await {
            Ok(document) => {
                let erased = document.erase(epoch).await;
                registry.forget(&document);
                match erased {
                    Ok(()) => return Ok(registry.log().flush().await?),
                    Err(NotErased::Gone(gone)) => last = gone.to_string(),
                    Err(NotErased::Unanswered) => return Err(EraseError::Unanswered),
                    Err(NotErased::Log(error)) => return Err(error.into()),
                    Err(NotErased::Snapshot(error)) => return Err(error.into()),
                }
            }
            Err(OpenError::Log(LogError::Damaged { .. }) | OpenError::Load(_)) => {
                return erase_unread(registry, name, epoch).await;
            }
            Err(OpenError::Log(error)) => return Err(error.into()),
            Err(error) => last = error.to_string(),
        }
    }
    Err(EraseError::Open(last))
}

/// Erases a document whose content cannot be read. An old copy of a client therefore brings its
/// content back.
async fn erase_unread(registry: &Registry, name: &str, epoch: u32) -> Result<(), EraseError> {
    let (log, document) = (Arc::clone(registry.log()), name.to_owned());
    let opening = tokio::task::spawn_blocking(move || log.open_unread(&document));
    let opened = opening.await;
    let mut open = opened.map_err(|error| EraseError::Open(error.to_string()))??;
    let mut epoch = epoch.max(registry.log().epoch().saturating_add(1));
    if registry.log().node().is_some() {
        epoch = epoch.saturating_add(UNKNOWN_EPOCH);
        let placed = tokio::time::timeout(PLACED_WITHIN, place_erasure(&mut *open, epoch)).await;
        placed.map_err(|_| EraseError::Unanswered)??;
    }
    open.erase_leaving(remnant(epoch).map_err(Arc::new)?)?;
    drop(open);
    Ok(registry.log().flush().await?)
}

/// Lets the nodes that have the document open drop what they have of it: each is at the same state
/// then as one that opens the document later.
async fn place_erasure(open: &mut dyn DocumentJournal, epoch: u32) -> Result<(), EraseError> {
    let record = Record::Erased {
        epoch,
        unread: true,
    };
    let record = record.encode()?;
    let share = open.share();
    let reservation = share.nothing(record.len());
    let mut news = open.watch();
    open.propose(reservation, 1, record, Urgency::Now)?;
    loop {
        while let Some(committed) = open.next_committed() {
            if committed.own.is_some() {
                return Ok(());
            }
        }
        if news.changed().await.is_err() {
            return Err(LogError::Closed.into());
        }
        if let Some(failure) = open.failure() {
            return Err((*failure).clone().into());
        }
    }
}
