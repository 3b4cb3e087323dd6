//! What a room is set up with.
//!
//! Owns the settings as plain data; checks none of them.

use std::time::Duration;

use baton_presence::{LockSettings, Timings};
use baton_sync::History;
use baton_sync::awareness::AwarenessLimits;
use baton_sync::handshake::HandshakeLimits;

use crate::operations::LockLimits;
use crate::park_limits::ParkLimits;

/// What a room is set up with. The default is the design's timings and limits, in epoch 1.
#[derive(Debug, Clone)]
pub struct RoomOptions {
    /// Clocks of heartbeats and lock; validated by the caller.
    pub timings: Timings,
    /// Epoch of the store, whether a lost holder's lock passes to somebody who did not queue, and the mode of a new
    /// document.
    pub fold: LockSettings,
    /// Caps on locks.
    pub locks: LockLimits,
    /// Unix time at [`baton_presence::Time::ZERO`], in milliseconds.
    pub unix_at_zero_ms: u64,
    /// Caps on awareness.
    pub awareness: AwarenessLimits,
    /// Caps on what is kept aside for one connection.
    pub handshake: HandshakeLimits,
    /// Caps on parks.
    pub parks: ParkLimits,
    /// What happens to deleted content when a snapshot is written.
    pub history: History,
    /// How long the answers that were encoded for newcomers are kept without another newcomer or edit.
    pub rest_after: Duration,
    /// The size of the pieces, in bytes, in which a client is sent what it lacks.
    pub piece_bytes: usize,
}

impl Default for RoomOptions {
    fn default() -> Self {
        Self {
            timings: Timings::default(),
            fold: LockSettings {
                epoch: 1,
                ..LockSettings::default()
            },
            locks: LockLimits::default(),
            unix_at_zero_ms: 0,
            awareness: AwarenessLimits::default(),
            handshake: HandshakeLimits::default(),
            parks: ParkLimits::default(),
            history: History::Drop,
            rest_after: Duration::from_mins(1),
            piece_bytes: 1024 * 1024,
        }
    }
}
