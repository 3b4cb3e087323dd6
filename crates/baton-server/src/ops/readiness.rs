//! Readiness: the reasons why the server cannot do its work, and warnings of what may become one.
//!
//! Owns the reasons and their names. Never waits for the store: a disk that hangs must not keep
//! anybody from hearing so.

use std::path::Path;
use std::time::Duration;

use baton_log::{Log, LogHealth};
use bytesize::ByteSize;
use serde::Serialize;

use crate::app::{App, Stage};

/// A commit that takes longer than this is told.
const SLOW_COMMIT: Duration = Duration::from_secs(1);

/// The answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Readiness {
    pub(crate) ready: bool,
    /// Why it is not ready.
    reasons: Vec<Reason>,
    /// Reasons that do not keep it from working yet.
    warnings: Vec<Reason>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Reason {
    /// A name for machines, as docs/operations.md lists them.
    code: &'static str,
    /// For people: what is wrong, and what to do.
    what: String,
}

/// Looks at everything. Asks the disk how full it is, so it may block.
pub(crate) fn look(app: &App) -> Readiness {
    let mut reasons = Vec::new();
    let mut warnings = Vec::new();
    if *app.stopping.borrow() == Stage::Stopping {
        reasons.push(Reason {
            code: "stopping",
            what: "the server is going away".to_owned(),
        });
    }
    let log = app.registry.log();
    if let LogHealth::Failed(why) = log.health() {
        reasons.push(Reason {
            code: "store-failed",
            what: why.to_string(),
        });
    }
    if let Some(running) = log.stats().committing
        && running > SLOW_COMMIT
    {
        warnings.push(Reason {
            code: "disk-slow",
            what: format!("a commit has been running for {running:?}; edits go on, and are saved when it is through"),
        });
    }
    let settings = app.registry.settings();
    if let Some(free) = disk_free(log, &settings.data)
        && free < settings.disk_low.as_u64()
    {
        warnings.push(Reason {
            code: "disk-low",
            what: format!(
                "{} free on the disk of the data folder, less than {} (disk_low); make room",
                ByteSize(free),
                settings.disk_low
            ),
        });
    }
    if log.is_full() {
        warnings.push(Reason {
            code: "store-full",
            what: format!(
                "the store takes more of its disk than {} (max_store); nothing can be added, what is there can be read and deleted; erase documents, or raise the limit",
                settings.max_store
            ),
        });
    }
    let damaged = log.damaged().len();
    if damaged > 0 {
        warnings.push(Reason {
            code: "damaged-documents",
            what: format!("{damaged} stored documents are damaged and do not open, as the server's log said at the start; restore a backup"),
        });
    }
    Readiness {
        ready: reasons.is_empty(),
        reasons,
        warnings,
    }
}

/// Bytes free on the disk that the store is on; `None` if it is on none.
pub(crate) fn disk_free(log: &Log, data: &Path) -> Option<u64> {
    log.bytes_stored()?;
    let disk = rustix::fs::statvfs(data).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
