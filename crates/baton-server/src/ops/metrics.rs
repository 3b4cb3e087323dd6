//! The server's metrics in the Prometheus text format.
//!
//! Owns their names, types and labels. Counts nothing itself: a scrape reads the counters of their
//! owners, so that no frame pays for metrics.

use std::fmt;

use baton_log::{COMMIT_BUCKETS_US, ClusterNode, LogHealth, LogStats};
use prometheus_client::collector::Collector;
pub(crate) use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::app::App;
use crate::ops::readiness;

/// Prefix of every name.
const PREFIX: &str = "baton";

/// Returns all metrics as text. Asks the disk how full it is, so it may block.
///
/// # Errors
/// The text cannot be written, which does not happen with a `String`.
pub(crate) fn text(app: &App) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Samples::of(app)));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

/// The name of a metric without its prefix (and without `_total`), its help text, and its value.
type Sample = (&'static str, &'static str, u64);

/// The values of all metrics at one moment.
#[derive(Debug)]
struct Samples {
    gauges: Vec<Sample>,
    counters: Vec<Sample>,
    /// Rejections since the start, by reason.
    refused: Vec<(&'static str, u64)>,
    /// Denials of access since the start, by reason.
    denied: Vec<(&'static str, u64)>,
    log: LogStats,
}

impl Samples {
    fn of(app: &App) -> Self {
        let log = app.registry().log().stats();
        Self {
            gauges: gauges(app, &log),
            counters: counters(app, &log),
            refused: app.registry().refusals().each().collect(),
            denied: app.authorizer().denials().collect(),
            log,
        }
    }
}

fn gauges(app: &App, stats: &LogStats) -> Vec<Sample> {
    let (registry, log) = (app.registry(), app.registry().log());
    let loads = registry.loads();
    let good = matches!(log.health(), LogHealth::Good);
    let mut gauges = vec![
        (
            "connections",
            "Open WebSocket connections",
            count(app.limits().open()),
        ),
        (
            "handshakes",
            "TCP connections that are not a WebSocket",
            count(app.places().under_way()),
        ),
        (
            "addresses",
            "Client addresses with a connection, or with a remembered rate",
            count(app.limits().addresses()),
        ),
        (
            "hocuspocus_connections",
            "Open connections of the Hocuspocus wire",
            count(registry.hocuspocus().connections()),
        ),
        (
            "hocuspocus_documents",
            "Documents open on connections of the Hocuspocus wire, each counted for each connection",
            count(registry.hocuspocus().documents()),
        ),
        ("loads", "Documents being loaded", count(loads.under_way())),
        (
            "loads_waiting",
            "Connections that wait for a document to be loaded",
            count(loads.waiting()),
        ),
        (
            "receiving_bytes",
            "Bytes of messages that are not complete or not handled yet",
            count(registry.receiving().bytes()),
        ),
        (
            "awareness_bytes",
            "Bytes of the awareness states of all documents",
            count(registry.quota().awareness_bytes()),
        ),
        (
            "sessions",
            "Open connections to documents; several of them may share a socket",
            count(registry.sessions().len()),
        ),
        (
            "revocations",
            "Revoked tokens and users that are kept",
            count(app.authorizer().revocations().len()),
        ),
        (
            "store_good",
            "1 while edits are stored, 0 after a failed commit",
            u64::from(good),
        ),
        (
            "store_full",
            "1 while the store takes more of its disk than max_store, and content cannot be added",
            u64::from(log.is_full()),
        ),
        (
            "queue_bytes",
            "Bytes that are reserved or accepted, and not yet durable",
            count(stats.queued_bytes),
        ),
    ];
    if let Some(bytes) = log.bytes_stored() {
        gauges.push((
            "store_bytes",
            "Bytes that the store takes of its disk",
            bytes,
        ));
    }
    if let Some(free) = readiness::disk_free(&**log, &registry.settings().data) {
        let help = "Bytes free on the disk of the data folder";
        gauges.push(("disk_free_bytes", help, free));
    }
    gauges.extend(document_gauges(app));
    gauges.extend(certificate_gauges(app));
    gauges.extend(log.node().into_iter().flat_map(cluster_gauges));
    gauges
}

/// Returns the gauges of a node of a cluster.
fn cluster_gauges(node: &dyn ClusterNode) -> [Sample; 3] {
    [
        (
            "cluster_nodes",
            "Nodes of the cluster that have a lease, this one included",
            count(node.leases().len()),
        ),
        (
            "cluster_isolated",
            "1 while the cluster's engine does not answer this node",
            u64::from(node.is_isolated()),
        ),
        (
            "cluster_full",
            "1 while the cluster's engine has no room for records",
            u64::from(!node.has_room()),
        ),
    ]
}

/// Returns the gauges that count documents.
fn document_gauges(app: &App) -> Vec<Sample> {
    let (registry, log) = (app.registry(), app.registry().log());
    vec![
        (
            "documents_open",
            "Documents in memory",
            count(registry.documents()),
        ),
        (
            "documents_stored",
            "Documents in the store",
            count(log.document_count()),
        ),
        (
            "documents_held",
            "Documents in the store that are not erased",
            count(log.documents_held()),
        ),
        (
            "documents_damaged",
            "Stored documents that were found damaged and cannot be opened",
            count(log.damaged_count()),
        ),
    ]
}

/// Without TLS there are none.
#[cfg(not(feature = "tls"))]
const fn certificate_gauges(_app: &App) -> Vec<Sample> {
    Vec::new()
}

/// Returns the gauges of the certificate; none without TLS.
#[cfg(feature = "tls")]
fn certificate_gauges(app: &App) -> Vec<Sample> {
    let Some(tls) = app.tls() else {
        return Vec::new();
    };
    let certificate = tls.certificates().status();
    vec![
        (
            "tls_not_after_timestamp_seconds",
            "End of the validity of the certificate in use, in seconds since 1970",
            certificate.not_after,
        ),
        (
            "tls_certificate_stale",
            "1 while the files of the certificate cannot be used, and the one before stays",
            u64::from(certificate.stale),
        ),
    ]
}

fn counters(app: &App, log: &LogStats) -> Vec<Sample> {
    let services = app.authorizer().service_calls();
    #[cfg_attr(not(feature = "tls"), expect(unused_mut, reason = "TLS adds some"))]
    let mut counters = vec![
        (
            "key_fetches",
            "Fetches of keys from auth_jwks_url",
            services.key_fetches,
        ),
        (
            "key_fetch_failures",
            "Fetches of keys that failed",
            services.key_fetch_failures,
        ),
        (
            "webhook_calls",
            "Questions that the webhook was asked",
            services.webhook_calls,
        ),
        (
            "webhook_failures",
            "Questions to which the webhook gave no valid answer in time",
            services.webhook_failures,
        ),
        (
            "compressed_messages",
            "Messages of first syncs that were sent compressed",
            app.registry().compression().messages(),
        ),
        (
            "compression_saved_bytes",
            "Bytes by which these were smaller than the updates that they stand for",
            app.registry().compression().bytes(),
        ),
        ("commit_failures", "Commits that failed", log.failures),
        (
            "store_recoveries",
            "Number of times that the store was opened again after a failed commit",
            log.recoveries,
        ),
        ("records", "Records made durable", log.records),
        ("record_bytes", "Bytes of records made durable", log.bytes),
    ];
    #[cfg(feature = "tls")]
    if let Some(tls) = app.tls() {
        counters.push((
            "tls_certificate_changes",
            "Number of times that another certificate came into use",
            tls.certificates().status().replaced,
        ));
    }
    counters
}

impl Collector for Samples {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, value) in &self.gauges {
            encoder
                .encode_descriptor(name, help, None, MetricType::Gauge)?
                .encode_gauge(value)?;
        }
        for (name, help, value) in &self.counters {
            encoder
                .encode_descriptor(name, help, None, MetricType::Counter)?
                .encode_counter::<NoLabelSet, _, f64>(value, None)?;
        }
        for (name, help, counts) in [
            ("refused", "Rejections, by reason", &self.refused),
            ("denied", "Denials of access, by reason", &self.denied),
        ] {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (why, count) in counts {
                family
                    .encode_family(&[("why", *why)])?
                    .encode_counter::<NoLabelSet, _, f64>(count, None)?;
            }
        }
        let help = "Duration of group commits";
        let buckets = self.log.commit_buckets;
        let bounds = COMMIT_BUCKETS_US.iter().map(|bound| *bound as f64 / 1e6);
        let bounded: Vec<_> = bounds.chain([f64::INFINITY]).zip(buckets).collect();
        let (seconds, commits) = (self.log.commit_time.as_secs_f64(), buckets.iter().sum());
        encoder
            .encode_descriptor("commit_seconds", help, None, MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(seconds, commits, &bounded, None)
    }
}

fn count(value: usize) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use baton_log::{Log, LogOptions};

    use crate::{OrNone, Server, Settings};

    /// The series of a scrape, as dashboards and alerts know them: the lines that declare the
    /// types, and each name with its labels.
    const SERIES: &str = include_str!("metrics/series.txt");

    /// Returns the lines of a scrape without help texts and values.
    fn series(text: &str) -> BTreeSet<&str> {
        let lines = text.lines().filter(|line| !line.starts_with("# HELP"));
        let series = lines.map(|line| match line.strip_prefix("# TYPE") {
            Some(_) => line,
            None => line.rsplit_once(' ').expect("a name and a value").0,
        });
        series.collect()
    }

    /// Dashboards and alerts break silently when a series gets another name, type or label.
    #[tokio::test]
    async fn every_series_keeps_its_name_its_type_and_its_labels() {
        let data = tempfile::tempdir().unwrap();
        let log = Log::open_embedded(data.path(), LogOptions::default()).unwrap();
        let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let file = |name: &str, text: String| {
            let path = data.path().join(name);
            std::fs::write(&path, text).unwrap();
            OrNone(Some(path.display().to_string()))
        };
        let settings = Settings {
            data: data.path().to_owned(),
            // A server without TLS has all series but those of the certificate.
            tls_cert: file("cert.pem", key.cert.pem()),
            tls_key: file("key.pem", key.signing_key.serialize_pem()),
            ..Settings::default()
        };
        let server = Server::new(settings, log).unwrap();
        let text = super::text(&server.app).unwrap();
        assert_eq!(series(&text), SERIES.lines().collect());
        assert!(text.contains("\nbaton_store_good 1\n"), "{text}");
        server.shutdown().await.unwrap();
    }
}
