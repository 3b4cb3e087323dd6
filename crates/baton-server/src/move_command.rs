//! `baton move`: all documents from a data folder to a cluster, and back.
//!
//! Owns the flags of the command and what it prints.

use std::path::PathBuf;

use baton_server::{
    CommaList, Direction, EngineServers, MovePlan, MoveSummary, OrNone, Settings, Span,
    move_documents,
};

use crate::commands::{Outcome, must_exist, say};

/// Documents that are named if they did not arrive; of more only the number is told.
const NAMED: usize = 20;

/// Moves all documents from a data folder to a cluster, or back. What has arrived is read back and
/// compared. May be repeated, also after it was interrupted: it goes on, and copies again what has
/// changed since
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("direction").required(true).args(["to", "from"])))]
pub(crate) struct Move {
    /// The cluster to fill, like nats://a:4222,b,c. No node of it may run
    #[arg(long, hide_env_values = true)]
    to: Option<EngineServers>,
    /// The cluster to empty into the data folder, which is made if it is missing. It stays as it is
    #[arg(long, hide_env_values = true)]
    from: Option<EngineServers>,
    /// The data folder
    #[arg(long, env = "BATON_DATA", default_value = "data")]
    data: PathBuf,
    /// The source is in use: copy its documents meanwhile, and finish with the same command without
    /// this flag when the source was stopped
    #[arg(long)]
    live: bool,
    /// Replace documents of the target that have other content
    #[arg(long)]
    replace: bool,
    /// Say what would be done, and write no document. The streams of a new cluster are made
    #[arg(long)]
    dry_run: bool,
    /// As for `serve`
    #[arg(long, env = "BATON_CLUSTER_CREDENTIALS", default_value_t)]
    cluster_credentials: OrNone<String>,
    /// As for `serve`
    #[arg(long, env = "BATON_CLUSTER_CA", default_value_t)]
    cluster_ca: OrNone<String>,
    /// As for `serve`
    #[arg(long, env = "BATON_CLUSTER_CERT", default_value_t)]
    cluster_cert: OrNone<String>,
    /// As for `serve`
    #[arg(long, env = "BATON_CLUSTER_KEY", default_value_t)]
    cluster_key: OrNone<String>,
    /// As for `serve`
    #[arg(long, env = "BATON_CLUSTER_MONITORS", default_value_t)]
    cluster_monitors: CommaList<String>,
    /// As for `serve`
    #[arg(long, env = "BATON_CLUSTER_NAME")]
    cluster_name: Option<String>,
    /// As for `serve`
    #[arg(long, env = "BATON_CLUSTER_STREAMS")]
    cluster_streams: Option<usize>,
    /// As for `serve`
    #[arg(long, env = "BATON_CLUSTER_REPLICAS")]
    cluster_replicas: Option<usize>,
    /// As for `serve`: it says when a node that was killed is gone
    #[arg(long, env = "BATON_LEASE")]
    lease: Option<Span>,
    /// As for `serve`
    #[arg(long, env = "BATON_LEASE_GRACE")]
    lease_grace: Option<Span>,
}

impl Move {
    pub(crate) fn run(self) -> Outcome {
        let plan = self.plan();
        if plan.direction == Direction::ToCluster {
            must_exist(&plan.settings.data)?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let moved = move_documents(&plan, runtime.handle(), &|line| say(line));
        // Tasks of the cluster have nothing left to do.
        runtime.shutdown_background();
        let summary = moved?;
        for (name, error) in summary.failed.iter().take(NAMED) {
            say(&format!("{name:?} was not moved: {error}"));
        }
        say(&summary.to_string());
        outcome(&plan, &summary)
    }

    fn plan(self) -> MovePlan {
        let (direction, cluster) = match (self.to, self.from) {
            (Some(to), _) => (Direction::ToCluster, to),
            (None, from) => (Direction::ToFolder, from.unwrap_or_default()),
        };
        let mut settings = Settings::default();
        settings.data = self.data;
        settings.cluster = cluster;
        settings.cluster_credentials = self.cluster_credentials;
        settings.cluster_ca = self.cluster_ca;
        settings.cluster_cert = self.cluster_cert;
        settings.cluster_key = self.cluster_key;
        settings.cluster_monitors = self.cluster_monitors;
        if let Some(given) = self.cluster_name {
            settings.cluster_name = given;
        }
        if let Some(given) = self.cluster_streams {
            settings.cluster_streams = given;
        }
        if let Some(given) = self.cluster_replicas {
            settings.cluster_replicas = given;
        }
        if let Some(given) = self.lease {
            settings.lease = given;
        }
        if let Some(given) = self.lease_grace {
            settings.lease_grace = given;
        }
        MovePlan {
            settings,
            direction,
            live: self.live,
            replace: self.replace,
            dry_run: self.dry_run,
        }
    }
}

fn outcome(plan: &MovePlan, summary: &MoveSummary) -> Outcome {
    let data = plan.settings.data.display();
    if !summary.is_complete() {
        let more = if summary.gave_up {
            ", and further ones were not tried because one side failed"
        } else {
            ""
        };
        return Err(format!(
            "{} documents were not moved{more}; the source is unchanged, and what was moved is in the target; mend what is named above, and run the command again: it goes on",
            summary.failed.len()
        )
        .into());
    }
    say(&match (plan.dry_run, plan.live, plan.direction) {
        (true, ..) => "this was a dry run".to_owned(),
        (false, true, Direction::ToCluster) => format!(
            "the server on {data} goes on, so this was the first pass: stop it, and run the command without --live; it copies only what has changed"
        ),
        (false, true, Direction::ToFolder) => "the cluster goes on, so this was the first pass: stop all nodes, and run the command without --live; it copies only what has changed".to_owned(),
        (false, false, Direction::ToCluster) => format!(
            "all documents are in the cluster: start its nodes; {data} still has all of them: keep it as a backup, and start no server on it"
        ),
        (false, false, Direction::ToFolder) => format!(
            "all documents are in {data}: start a server on it; the cluster still has all of them: keep it as a backup, and start no node"
        ),
    });
    Ok(())
}
