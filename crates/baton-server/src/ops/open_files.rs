//! Raises the process's limit on open files: each connection needs one.
//!
//! Owns the only change that the program makes to its limits, at its start.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Settings;
use crate::net::listen::MAX_TURNED_AWAY;

/// Open files beside the connections: the store, the log, the runtime, and connections that are
/// being refused.
const BESIDE: u64 = 512 + MAX_TURNED_AWAY as u64;

/// Raises the soft limit on open files to the hard limit, and warns if that is too low for the
/// connections that the settings allow. Called once, at the start of a program. Changes no other
/// limit.
pub fn raise_open_files(settings: &Settings) {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    if before.current != before.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "the limit on open files could not be raised; the present limit holds");
    }
    // `None` means unlimited.
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return;
    };
    let connections = settings.max_connections + settings.max_handshakes;
    let wanted = BESIDE.saturating_add(connections as u64);
    if wanted > limit {
        tracing::warn!(
            limit,
            wanted,
            "the limit on open files is too low for max_connections and max_handshakes: connections above it wait; raise the hard limit (ulimit -Hn, LimitNOFILE), or lower the settings"
        );
    } else {
        tracing::debug!(limit, wanted, "open files");
    }
}
