//! The two sides of a move: a data folder, of a stopped or a running server, and a cluster.
//!
//! Owns what must hold before and after: no server on a folder that is read as it is or written, no
//! node in a cluster that is written.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use baton_log::{BackupError, Journals, Log, LogError, LogOptions, open_backup};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::ledger::{Ledger, Side};
use super::move_summary::{MoveSummary, NotCarried};
use super::mover::Mover;
use super::other_nodes::{names_of_others, wait_until_alone};
use crate::cluster::join::{self, JoinClusterError};
use crate::config::{ConfigError, OrNone, Settings};
use crate::ops::admin_socket::{AdminRequest, ask_server};
use crate::server::Server;

/// Folder in the data folder for the copy of a running server's store.
const COPY: &str = "move.copy";

/// Time between two lines about the progress.
const PROGRESS: Duration = Duration::from_secs(2);

/// Name under which the nodes of the cluster see this command.
const NODE: &str = "baton move";

/// The way of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the data folder to the cluster.
    ToCluster,
    /// From the cluster to the data folder.
    ToFolder,
}

/// A move, as an operator asks for it.
#[derive(Clone, Debug)]
pub struct MovePlan {
    /// The data folder, the cluster, and how it is reached.
    pub settings: Settings,
    /// Which of them is the target.
    pub direction: Direction,
    /// The source is in use: a later move copies what changes meanwhile.
    pub live: bool,
    /// Documents of the target are replaced, whatever they hold.
    pub replace: bool,
    /// Nothing is written.
    pub dry_run: bool,
}

/// The reason for which nothing, or not everything, was moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MoveDocumentsError {
    /// A setting is wrong.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// The cluster cannot be used.
    #[error("{0}")]
    Cluster(#[from] JoinClusterError),
    /// A server has the folder.
    #[error(
        "a server runs on {}; nothing was changed; stop it, or copy the documents first while it \
         runs, with --live, and stop it then",
        .0.display()
    )]
    FolderInUse(PathBuf),
    /// A server has the folder that is to be written.
    #[error("a server runs on {}; nothing was changed; stop it, or choose another folder", .0.display())]
    TargetInUse(PathBuf),
    /// No server has the folder.
    #[error(
        "no server runs on {} that could be asked ({source}); nothing was changed; leave --live \
         away: a stopped server's documents are moved at once",
        folder.display()
    )]
    NotRunning {
        /// The folder.
        folder: PathBuf,
        /// The answer of the system.
        source: io::Error,
    },
    /// There are other nodes.
    #[error(
        "nodes of the cluster are running ({}); {what}; stop all nodes, and run the command again",
        names.join(", ")
    )]
    NodesRun {
        /// The names of the nodes.
        names: Vec<String>,
        /// The change that was made.
        what: &'static str,
    },
    /// The leases cannot be read.
    #[error(
        "the engine does not show the lease of this command, so other nodes are not known; nothing \
         was changed; see to the engine, and run the command again"
    )]
    NoLease,
    /// The data folder cannot be used.
    #[error("{0}")]
    Folder(#[source] LogError),
    /// The store of the running server cannot be copied.
    #[error("the store of the running server could not be copied: {0}; nothing was moved")]
    Copy(#[source] BackupError),
    /// A file of the data folder cannot be used.
    #[error("{} cannot be used: {source}; nothing was moved; see to the folder", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The answer of the system.
        source: io::Error,
    },
    /// One side cannot be listed.
    #[error("the documents cannot be listed: {0}")]
    List(#[source] NotCarried),
    /// A log did not end well.
    #[error("what was moved is stored, and a log did not end in order: {0}; run the command again")]
    End(#[source] LogError),
}

impl MoveDocumentsError {
    fn folder(path: &Path, error: LogError, in_use: fn(PathBuf) -> Self) -> Self {
        match error {
            LogError::InUse { .. } => in_use(path.to_owned()),
            other => Self::Folder(other),
        }
    }
}

/// Moves all documents. Blocks; `runtime` runs the tasks of the cluster, and this thread is none of
/// its own. `say` gets lines for people. May be repeated, also after it was killed.
///
/// # Errors
/// [`MoveDocumentsError`]. Documents that did not arrive for a reason of their own are in the
/// summary.
pub fn move_documents(
    plan: &MovePlan,
    runtime: &Handle,
    say: &(dyn Fn(&str) + Sync),
) -> Result<MoveSummary, MoveDocumentsError> {
    plan.settings.check()?;
    let folder = Folder::open(plan)?;
    let ledger = Ledger::open(&plan.settings.data, !plan.dry_run);
    let ledger = ledger.map_err(|source| MoveDocumentsError::File {
        path: plan.settings.data.clone(),
        source,
    })?;
    let cluster = runtime.block_on(join_cluster(plan, say))?;
    let (source, target, to): (&dyn Journals, &dyn Journals, _) = match plan.direction {
        Direction::ToCluster => (&folder.log, &*cluster, Side::Cluster),
        Direction::ToFolder => (&*cluster, &folder.log, Side::Folder),
    };
    let mover = Mover {
        source,
        target,
        to,
        ledger,
        replace: plan.replace,
        dry_run: plan.dry_run,
        runtime: runtime.clone(),
    };
    let told = Mutex::new(Instant::now());
    let moved = mover.run(&|done, of| {
        let mut told = told.lock();
        if told.elapsed() >= PROGRESS {
            *told = Instant::now();
            say(&format!("{done} of {of} documents"));
        }
    });
    // A node that came meanwhile may have opened a document before it was there.
    let came = cluster.node().map(names_of_others).unwrap_or_default();
    let ended = runtime.block_on(cluster.shutdown());
    let folder_ended = runtime.block_on(folder.log.clone().shutdown());
    let moved = moved.map_err(MoveDocumentsError::List)?;
    ended.and(folder_ended).map_err(MoveDocumentsError::End)?;
    if !plan.may_have_nodes() && !came.is_empty() {
        return Err(MoveDocumentsError::NodesRun {
            names: came,
            what: "they came while documents were moved, and may have opened one before it was there",
        });
    }
    Ok(moved)
}

impl MovePlan {
    /// Returns true if the cluster is only read, and may change meanwhile.
    fn may_have_nodes(&self) -> bool {
        self.direction == Direction::ToFolder && self.live
    }
}

async fn join_cluster(
    plan: &MovePlan,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Arc<dyn Journals>, MoveDocumentsError> {
    let mut settings = plan.settings.clone();
    settings.cluster_node = OrNone(Some(NODE.to_owned()));
    let log_options = Server::log_options(&settings);
    let lapses = settings.lease.0 + settings.lease_grace.0;
    let (log, _no_room_hears_them) = join::join(&settings, log_options).await?;
    if let Some(node) = log.node().filter(|_| !plan.may_have_nodes())
        && let Err(names) = wait_until_alone(node, lapses, say).await
    {
        // Its lease would lapse by itself.
        let _left = log.shutdown().await;
        if names.is_empty() {
            return Err(MoveDocumentsError::NoLease);
        }
        let what = "nothing was changed";
        return Err(MoveDocumentsError::NodesRun { names, what });
    }
    Ok(log)
}

/// The log of the data folder, or of a copy of it.
struct Folder {
    log: Log,
    copy: Option<PathBuf>,
}

impl Folder {
    fn open(plan: &MovePlan) -> Result<Self, MoveDocumentsError> {
        let (data, options) = (&plan.settings.data, LogOptions::default());
        let is_target = plan.direction == Direction::ToFolder;
        if plan.live && !is_target {
            return Self::copy(data);
        }
        if plan.dry_run && is_target && !data.join("log.redb").exists() {
            let log = Log::in_memory(options).map_err(MoveDocumentsError::Folder)?;
            return Ok(Self { log, copy: None });
        }
        let in_use = if is_target {
            MoveDocumentsError::TargetInUse
        } else {
            MoveDocumentsError::FolderInUse
        };
        let log = Log::open_embedded(data, options);
        let log = log.map_err(|error| MoveDocumentsError::folder(data, error, in_use))?;
        Ok(Self { log, copy: None })
    }

    /// Copies the store of the running server, as it is at one moment.
    fn copy(data: &Path) -> Result<Self, MoveDocumentsError> {
        let mut server = ask_server(data, &AdminRequest::Backup).map_err(|source| {
            MoveDocumentsError::NotRunning {
                folder: data.to_owned(),
                source,
            }
        })?;
        let copy = data.join(COPY);
        let failed = |source| MoveDocumentsError::File {
            path: copy.clone(),
            source,
        };
        // Of a move that was killed.
        match fs::remove_dir_all(&copy) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        fs::create_dir(&copy).map_err(failed)?;
        let (file, store) = (copy.join("backup"), copy.join("store"));
        let written = File::create_new(&file).and_then(|mut out| io::copy(&mut server, &mut out));
        written.map_err(failed)?;
        let log = open_backup(&file, &store).map_err(MoveDocumentsError::Copy)?;
        fs::remove_file(&file).map_err(failed)?;
        let copy = Some(copy);
        Ok(Self { log, copy })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(copy) = &self.copy {
            // The next move removes what is left.
            let _ = fs::remove_dir_all(copy);
        }
    }
}
