//! Lists the stored documents for an operator, and erases them.
//!
//! Owns the rule that a damaged document, which cannot be opened, can still be erased.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use baton_log::{Journals, LogError};
use baton_room::{SnapshotError, last_joined_ms, remnant};

use crate::documents::open_document::NotErased;
use crate::documents::registry::{OpenError, Registry};

/// Most attempts to open a document that leaves memory at the same moment.
const TRIES: usize = 8;

/// One stored document of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
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
            Some(at) => write!(f, "{}", humantime::format_rfc3339_seconds(at))?,
            None => write!(f, "{:<20}", "-")?,
        }
        write!(f, "  {}", self.name)?;
        f.write_str(if self.erased { "  (erased)" } else { "" })
    }
}

/// The reason for which a document was not erased. What is stored of it is unchanged; its
/// connections may have been closed.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// Nothing is stored under that name.
    #[error(
        "there is no document {0:?}; nothing was changed; `baton list` shows the documents that exist"
    )]
    Unknown(String),
    /// Other nodes of the cluster are alive. One of them may have the document open, and would
    /// write it back with its next snapshot.
    #[error(
        "{others} other node(s) of this cluster may have the document open and would write it back; nothing was erased; stop them, erase, and start them again"
    )]
    OtherNodes {
        /// The number of the other nodes.
        others: usize,
    },
    /// The store cannot be read or written.
    #[error("{0}")]
    Log(#[from] LogError),
    /// The remnant that replaces its content could not be made.
    #[error("the remnant that replaces the document could not be made: {0}; nothing was erased")]
    Remains(#[from] SnapshotError),
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
    if let Some(node) = registry.log().node() {
        let leases = node.leases();
        let others = leases.iter().filter(|lease| lease.boot != node.boot());
        match others.count() {
            0 => {}
            others => return Err(EraseError::OtherNodes { others }),
        }
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
    let erasing = tokio::task::spawn_blocking(move || {
        let mut open = log.open_unread(&document)?;
        let epoch = epoch.max(log.epoch().saturating_add(1));
        open.erase_leaving(remnant(epoch)?)?;
        Ok::<_, EraseError>(())
    });
    match erasing.await {
        Ok(erased) => erased?,
        Err(error) => return Err(EraseError::Open(error.to_string())),
    }
    Ok(registry.log().flush().await?)
}
