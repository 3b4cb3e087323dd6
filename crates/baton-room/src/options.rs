//! The settings of a room, as plain data. Nothing here checks them.

use std::time::Duration;

use baton_presence::{LockSettings, Time, Timings};
use baton_sync::History;
use baton_sync::awareness::AwarenessLimits;
use baton_sync::compressed_update::Compression;
use baton_sync::handshake::HandshakeLimits;

use crate::replica::{HostId, ParkLimits};

/// Limits on locks. Beyond them an operation is refused; locks that are held stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockLimits {
    /// Locks that one session may have at once.
    pub per_session: usize,
    /// Locks that there may be in one document at once.
    pub in_document: usize,
    /// Bytes of the paths of all locks and tickets of one document.
    pub bytes: usize,
}

impl Default for LockLimits {
    fn default() -> Self {
        Self {
            per_session: 32,
            in_document: 500,
            bytes: 256 * 1024,
        }
    }
}

/// Fate of edits from sessions without the right to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadOnlyEdits {
    /// They are dropped.
    #[default]
    Drop,
    /// They are parked, for a session that may write to merge.
    Suggest,
}

/// The settings of a room. The default is the design's timings and limits, in epoch 1.
#[derive(Debug, Clone)]
pub struct RoomOptions {
    /// The server that the room runs on, if several write the same log; `None` on one machine.
    pub host: Option<HostId>,
    /// Clocks of heartbeats and lock; validated by the caller.
    pub timings: Timings,
    /// Epoch of the store, automatic passing of a lost holder's lock, and the mode of a new
    /// document.
    pub lock_settings: LockSettings,
    /// Caps on locks.
    pub locks: LockLimits,
    /// Unix time at [`baton_presence::Time::ZERO`], in milliseconds.
    pub unix_at_zero_ms: u64,
    /// Caps on awareness.
    pub awareness: AwarenessLimits,
    /// Limits on the updates of one connection, and on those kept aside for it.
    pub handshake: HandshakeLimits,
    /// Caps on parks.
    pub parks: ParkLimits,
    /// Fate of edits from sessions without the right to write.
    pub read_only_edits: ReadOnlyEdits,
    /// If true, awareness states name the user of their connection's token, and say who only reads.
    pub stamp_awareness: bool,
    /// Fate of deleted content when a snapshot is written.
    pub history: History,
    /// Time after the last change or newcomer until the encodings that are kept for further
    /// newcomers are dropped.
    pub rest_after: Duration,
    /// The size of the pieces, in bytes, in which a client is sent what it lacks.
    pub piece_bytes: usize,
    /// Compression of these pieces for clients that ask for it; `None`: they are told that there is
    /// none.
    pub compression: Option<Compression>,
}

impl Default for RoomOptions {
    fn default() -> Self {
        Self {
            host: None,
            timings: Timings::default(),
            lock_settings: LockSettings {
                epoch: 1,
                ..LockSettings::default()
            },
            locks: LockLimits::default(),
            unix_at_zero_ms: 0,
            awareness: AwarenessLimits::default(),
            handshake: HandshakeLimits::default(),
            parks: ParkLimits::default(),
            read_only_edits: ReadOnlyEdits::Drop,
            stamp_awareness: true,
            history: History::Drop,
            rest_after: Duration::from_mins(1),
            piece_bytes: 1024 * 1024,
            compression: Some(Compression::default()),
        }
    }
}

impl RoomOptions {
    /// Returns the Unix time at `now`, in milliseconds.
    pub(crate) fn unix_ms(&self, now: Time) -> u64 {
        let since = u64::try_from(now.0.as_millis()).unwrap_or(u64::MAX);
        self.unix_at_zero_ms.saturating_add(since)
    }
}
