//! The options of a document's room, as the settings give them.

use baton_presence::{AutoPass, LockSettings};
use baton_room::{LockLimits, ParkLimits, RoomOptions};
use baton_sync::awareness::AwarenessLimits;
use baton_sync::compressed_update::Compression;
use baton_sync::handshake::HandshakeLimits;
use baton_sync::{History, ScanLimits};
use bytesize::ByteSize;

use crate::clock::ServerClock;
use crate::config::{Settings, Switch};

/// Returns the options of a document's room. `epoch` is that of the store.
pub(super) fn room_options(
    settings: &Settings,
    epoch: u32,
    clock: ServerClock,
    document: &str,
) -> RoomOptions {
    RoomOptions {
        timings: settings.timings(),
        lock_settings: LockSettings {
            epoch,
            auto_pass: match settings.auto_pass {
                Switch::On => AutoPass::On,
                Switch::Off => AutoPass::Off,
            },
            mode: settings.mode.into(),
        },
        locks: LockLimits {
            per_session: settings.max_locks_per_session,
            in_document: settings.max_locks,
            bytes: bytes(settings.max_lock_bytes),
        },
        unix_at_zero_ms: clock.unix_at_zero_ms(),
        awareness: AwarenessLimits {
            entry_bytes: bytes(settings.max_awareness_entry),
            entries_per_owner: settings.max_awareness_entries,
            ..AwarenessLimits::default()
        },
        handshake: HandshakeLimits {
            aside_bytes: bytes(settings.max_aside),
            update: ScanLimits {
                blocks: settings.max_update_blocks,
                clients: settings.max_update_clients,
                ranges: settings.max_update_ranges,
            },
        },
        parks: ParkLimits {
            bytes_per_session: bytes(settings.max_parked_per_session),
            parks: settings.max_parks,
            bytes: bytes(settings.max_parked),
            discarded_bytes: bytes(settings.max_discarded_parks),
        },
        read_only_edits: settings.read_only_edits.into(),
        stamp_awareness: settings.stamp_awareness == Switch::On,
        history: if settings.keep_history.cover(document) {
            History::Keep
        } else {
            History::Drop
        },
        rest_after: settings.rest_after.0,
        compression: (settings.compress_first_sync == Switch::On).then(|| Compression {
            level: settings.compress_level,
            least: bytes(settings.compress_from),
        }),
        ..RoomOptions::default()
    }
}

/// Returns a size as a number of bytes in memory.
pub(crate) fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}
