//! Readiness: the reasons for which the server cannot work, and warnings of what may become one.
//!
//! Owns the reasons and their codes. Never waits for the store: a probe must get its answer even if
//! the disk hangs.

use std::path::Path;
use std::time::Duration;

use baton_log::{ClusterNode, Journals, LogHealth};
use bytesize::ByteSize;
use serde::Serialize;

use crate::app::App;

/// Time from which on a running commit causes a warning.
const SLOW_COMMIT: Duration = Duration::from_secs(1);

/// The answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Readiness {
    ready: bool,
    /// Reasons for which the server is not ready.
    reasons: Vec<Reason>,
    /// Problems with which the server still works.
    warnings: Vec<Reason>,
}

impl Readiness {
    /// Returns the first reason for which the server is not ready.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reasons.first().map(|reason| reason.what.as_str())
    }

    /// Returns true if the server takes connections and can save.
    pub(crate) const fn is_ready(&self) -> bool {
        self.ready
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Reason {
    /// The code for machines; docs/operations.md lists them.
    code: &'static str,
    /// The problem, and what to do, for people.
    what: String,
}

/// Checks everything. Asks the disk how full it is, so it may block.
pub(crate) fn check(app: &App) -> Readiness {
    let mut reasons = Vec::new();
    let mut warnings = Vec::new();
    if app.is_stopping() {
        reasons.push(Reason {
            code: "stopping",
            what: "the server is stopping; its clients are told to reconnect later".to_owned(),
        });
    }
    let log = app.registry().log();
    if let LogHealth::Failed(why) = log.health() {
        reasons.push(Reason {
            code: "store-failed",
            what: why.to_string(),
        });
    }
    if log.node().is_some_and(|node| !node.has_room()) {
        reasons.push(Reason {
            code: "engine-full",
            what: "the cluster's engine has no room: open documents are edited, but nothing is saved; raise max_file_store of its servers, make room on their disks, or erase documents".to_owned(),
        });
    } else if log.node().is_some_and(ClusterNode::is_isolated) {
        reasons.push(Reason {
            code: "engine-unreachable",
            what: "the cluster's engine does not answer this node: open documents are edited, but nothing is saved and no document is opened; check the engine's servers and the network".to_owned(),
        });
    }
    if let Some(running) = log.stats().committing
        && running > SLOW_COMMIT
    {
        warnings.push(Reason {
            code: "disk-slow",
            what: format!("a commit has been running for {running:?}; edits go on, and are saved when it ends; check the disk"),
        });
    }
    let settings = app.registry().settings();
    if let Some(free) = disk_free(&**log, &settings.data)
        && free < settings.disk_low.as_u64()
    {
        warnings.push(Reason {
            code: "disk-low",
            what: format!(
                "{} are free on the disk of the data folder, which is less than {} (disk_low); make room",
                ByteSize(free),
                settings.disk_low
            ),
        });
    }
    if app.has_unknown_peers() {
        warnings.push(Reason {
            code: "addresses-unknown",
            what: "the program that embeds this server does not tell the addresses of clients, so that all of them share the limits of one address; serve the router with into_make_service_with_connect_info::<SocketAddr>()".to_owned(),
        });
    }
    if log.is_full() {
        warnings.push(Reason {
            code: "store-full",
            what: format!(
                "the store takes more than {} of its disk (max_store); documents can be read and reduced, but not extended; erase documents, or raise the limit",
                settings.max_store
            ),
        });
    }
    let damaged = log.damaged_count();
    if damaged > 0 {
        warnings.push(Reason {
            code: "damaged-documents",
            what: format!("{damaged} stored documents are damaged and cannot be opened; the server's log named them at the start; restore a backup"),
        });
    }
    Readiness {
        ready: reasons.is_empty(),
        reasons,
        warnings,
    }
}

/// Returns the bytes free on the disk of the store; `None` for a store in memory. A store that does
/// not name its folder is taken to be in `data`.
pub(crate) fn disk_free(log: &dyn Journals, data: &Path) -> Option<u64> {
    log.bytes_stored()?;
    let disk = rustix::fs::statvfs(log.folder().unwrap_or(data)).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
