//! The stored documents as an operator lists them, and erasing one.
//!
//! Owns the list, and that a document which cannot be read any more can be erased all the same.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use baton_log::{Log, LogError};
use baton_room::{SnapshotError, last_joined_ms, remnant};

use crate::documents::open_document::NotErased;
use crate::documents::registry::{OpenError, Registry};

/// Most attempts to open a document that leaves memory in the very moment.
const TRIES: usize = 8;

/// A stored document, as the list has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    /// Its name.
    pub name: String,
    /// Bytes of its last snapshot and of the records since; `None` of one that is damaged.
    pub bytes: Option<u64>,
    /// Time of the last join; `None` if it is not known.
    pub last_joined: Option<SystemTime>,
    /// Erased, and not written in since.
    pub erased: bool,
}

/// One line of a list: bytes, time, name.
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

/// Why a document was not erased. Its connections may have been closed; what is stored of it is as
/// it was.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// Nothing is stored under that name.
    #[error(
        "there is no document {0:?}; nothing was changed; `baton list` shows those that are there"
    )]
    Unknown(String),
    /// The store.
    #[error("{0}")]
    Log(#[from] LogError),
    /// The remains that are stored in its place could not be made.
    #[error("what is to remain of the document could not be made: {0}; nothing was erased")]
    Remains(#[from] SnapshotError),
    /// It could not be opened.
    #[error("the document could not be opened: {0}; nothing was erased; try again")]
    Open(String),
}

/// Reads every stored document. Blocks.
pub(crate) fn list(log: &Log, each: &mut dyn FnMut(StoredDocument)) -> Result<(), LogError> {
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

/// Erases a document for good; its clients are told so.
pub(crate) async fn erase(registry: &Registry, name: &str) -> Result<(), EraseError> {
    if !registry.holds(name) {
        return Err(EraseError::Unknown(name.to_owned()));
    }
    // Seconds since 1970, as a restore takes them: later than whatever a backup of before will be
    // restored with.
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let epoch = since.map_or(0, |since| {
        u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
    });
    let mut last = String::new();
    for _ in 0..TRIES {
        match registry.open(name).await {
            Ok(hosted) => {
                let erased = hosted.erase(epoch).await;
                registry.forget(&hosted);
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

/// Of what it held nothing is known, so that a client's copy of it comes back as something new.
async fn erase_unread(registry: &Registry, name: &str, epoch: u32) -> Result<(), EraseError> {
    let (log, document) = (registry.log().clone(), name.to_owned());
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
