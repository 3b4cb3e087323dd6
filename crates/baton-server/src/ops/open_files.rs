//! The limit on open files of this process: each connection is one.
//!
//! Owns the one change that the program makes to its own limits, at its start.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Settings;
use crate::net::listen::MAX_TURNED_AWAY;

/// Files that are open beside the connections: the store, the log, the runtime, connections that
/// are being refused.
const BESIDE: u64 = 512 + MAX_TURNED_AWAY as u64;

/// Raises the limit on open files to the highest that this process may have, and warns if the
/// connections that the settings allow do not fit into that. Once, at the start of a program; other
/// limits are not touched.
pub fn raise_open_files(settings: &Settings) {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    if before.current != before.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "the limit on open files cannot be raised");
    }
    // None is no limit.
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return;
    };
    let connections = settings.max_connections + settings.max_handshakes;
    let wanted = BESIDE.saturating_add(connections as u64);
    if wanted > limit {
        tracing::warn!(
            limit,
            wanted,
            "max_connections and max_handshakes do not fit into the limit on open files: beyond it connections wait; raise the hard limit (ulimit -Hn, LimitNOFILE), or lower them"
        );
    } else {
        tracing::debug!(limit, wanted, "open files");
    }
}
