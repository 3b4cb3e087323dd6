//! Joins the cluster that the settings name.
//!
//! Owns the translation of settings into the options of the cluster's log.

use std::path::PathBuf;
use std::sync::Arc;

use baton_cluster::engine::{
    BucketOptions, EngineError, EngineOptions, Login, ServerUrls, SnapshotPlace,
};
use baton_cluster::{ClusterError, ClusterLog, ClusterOptions};
use baton_log::{Journals, LogOptions, NodeNews};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use crate::config::{ConfigError, OrNone, Settings};

/// The reason for which a server did not join its cluster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinClusterError {
    /// A setting is wrong.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// The addresses are not valid.
    #[error("cluster: {0}")]
    Servers(#[source] EngineError),
    /// The place of the snapshots is not valid.
    #[error("cluster_snapshots: {0}")]
    Snapshots(#[source] EngineError),
    /// The settings name no cluster.
    #[error("the settings name no cluster; nothing was changed; set `cluster`")]
    NoCluster,
    /// The engine cannot be used.
    #[error("the server cannot join its cluster: {0}")]
    Engine(#[from] ClusterError),
}

/// Joins the cluster. Returns its log, and the news of the other nodes.
pub(crate) async fn join(
    settings: &Settings,
    log_options: LogOptions,
) -> Result<(Arc<dyn Journals>, BoxStream<'static, NodeNews>), JoinClusterError> {
    let (log, news) = ClusterLog::open(options(settings, log_options)?).await?;
    let news = stream::unfold(news, |mut news| async {
        let next = news.next().await?;
        Some((next, news))
    });
    Ok((Arc::new(log), news.boxed()))
}

fn options(settings: &Settings, log: LogOptions) -> Result<ClusterOptions, JoinClusterError> {
    let path = |file: &OrNone<String>| file.0.as_ref().map(PathBuf::from);
    let servers = settings.cluster.secret_text();
    let servers = servers.ok_or(JoinClusterError::NoCluster)?;
    let servers: ServerUrls = servers.parse().map_err(JoinClusterError::Servers)?;
    let mut engine = EngineOptions::new(servers);
    if let Some(file) = path(&settings.cluster_credentials) {
        engine.login = Login::CredentialsFile(file);
    }
    engine.ca_file = path(&settings.cluster_ca);
    engine.client_certificate = path(&settings.cluster_cert).zip(path(&settings.cluster_key));
    engine.monitors.clone_from(&settings.cluster_monitors.0);
    engine.prefix.clone_from(&settings.cluster_name);
    engine.replicas = settings.cluster_replicas;
    // The range of the setting is smaller.
    engine.streams = u16::try_from(settings.cluster_streams).unwrap_or(u16::MAX);
    engine.snapshots = snapshot_place(&settings.cluster_snapshots)?;
    let mut options = ClusterOptions::new(engine);
    options.log = log;
    options.leases.ttl = settings.lease.0;
    options.leases.renewal = settings.lease.0 / 5;
    options.leases.grace = settings.lease_grace.0;
    options.node_name = match &settings.cluster_node.0 {
        Some(name) => name.as_str().into(),
        None => machine_name().into(),
    };
    Ok(options)
}

/// Reads the place of the snapshots. A bucket is reached as the variables of the AWS tools say.
fn snapshot_place(text: &str) -> Result<SnapshotPlace, JoinClusterError> {
    if text == SnapshotPlace::Engine.to_string() {
        return Ok(SnapshotPlace::Engine);
    }
    let variables = std::env::vars_os();
    let variables = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let bucket = BucketOptions::new(text, variables).map_err(JoinClusterError::Snapshots)?;
    Ok(SnapshotPlace::Bucket(bucket))
}

/// Returns the name of this machine.
fn machine_name() -> String {
    let machine = rustix::system::uname();
    machine.nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Span;

    #[test]
    fn every_setting_of_a_cluster_reaches_its_log() {
        let file = |name: &str| OrNone(Some(name.to_owned()));
        let settings = Settings {
            cluster: "nats://ann:secret@a,b:4333".parse().unwrap(),
            cluster_ca: file("ca.pem"),
            cluster_cert: file("cert.pem"),
            cluster_key: file("key.pem"),
            cluster_monitors: "http://a:8222,http://b:8222".parse().unwrap(),
            cluster_name: "notes".to_owned(),
            cluster_streams: 16,
            cluster_snapshots: "s3://snapshots/notes".to_owned(),
            cluster_replicas: 5,
            cluster_node: file("left"),
            lease: Span(Duration::from_secs(20)),
            lease_grace: Span(Duration::from_secs(7)),
            ..Settings::default()
        };
        let of_address = options(&settings, LogOptions::default()).unwrap();
        let engine = &of_address.engine;
        assert_eq!(engine.servers.to_string(), "nats://a:4222,nats://b:4333");
        assert!(matches!(&engine.login, Login::User { name, .. } if name == "ann"));
        assert_eq!(engine.ca_file, Some("ca.pem".into()));
        let shown = Some(("cert.pem".into(), "key.pem".into()));
        assert_eq!(engine.client_certificate, shown);
        assert_eq!(engine.monitors, ["http://a:8222", "http://b:8222"]);
        let numbers = (&*engine.prefix, engine.streams, engine.replicas);
        assert_eq!(numbers, ("notes", 16, 5));
        assert_eq!(engine.snapshots.to_string(), "s3://snapshots/notes");
        assert_eq!(&*of_address.node_name, "left");
        let leases = &of_address.leases;
        let seconds = [leases.ttl, leases.renewal, leases.grace].map(|time| time.as_secs());
        assert_eq!(seconds, [20, 4, 7]);
        let with_settings = Settings {
            cluster_credentials: file("baton.creds"),
            cluster_node: OrNone(None),
            ..settings
        };
        let with_file = options(&with_settings, LogOptions::default()).unwrap();
        let login = &with_file.engine.login;
        assert!(matches!(login, Login::CredentialsFile(path) if path.ends_with("baton.creds")));
        assert!(!with_file.node_name.is_empty());
        let elsewhere = Settings {
            cluster_snapshots: "/var/snapshots".to_owned(),
            ..with_settings
        };
        let refused = options(&elsewhere, LogOptions::default()).unwrap_err();
        assert!(
            matches!(refused, JoinClusterError::Snapshots(_)),
            "{refused}"
        );
    }

    #[test]
    fn wrong_addresses_are_refused_without_repeating_them() {
        let settings = Settings {
            cluster: "http://ann:secret@a".parse().unwrap(),
            ..Settings::default()
        };
        let refused = options(&settings, LogOptions::default())
            .unwrap_err()
            .to_string();
        assert!(
            refused.starts_with("cluster: ") && !refused.contains("secret"),
            "{refused}"
        );
        let none = options(&Settings::default(), LogOptions::default());
        assert!(matches!(none, Err(JoinClusterError::NoCluster)));
    }
}
