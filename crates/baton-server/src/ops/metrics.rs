//! What the server counts, in Prometheus' text format.
//!
//! Owns the names and the text. Counts nothing itself and is told nothing: it reads the counters of those who count, when it
//! is asked, so that no frame pays for it.

use std::fmt::{Display, Write};

use baton_log::{COMMIT_BUCKETS_US, Health, LogStats};

use crate::App;
use crate::ops::readiness;

/// The content type of the text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that is counted. Asks the disk how full it is, so it may block.
pub(crate) fn text(app: &App) -> String {
    let log = app.registry.log();
    let (stats, mut out) = (log.stats(), Text::default());
    let good = matches!(log.health(), Health::Good);
    out.gauge(
        "connections",
        "Open WebSocket connections",
        app.limits.open(),
    );
    out.gauge(
        "handshakes",
        "TCP connections that are no WebSocket",
        app.places.under_way(),
    );
    out.gauge(
        "addresses",
        "Client addresses that are known at the moment",
        app.limits.addresses(),
    );
    let loads = app.registry.loads();
    out.gauge("loads", "Documents being loaded", loads.under_way());
    out.gauge(
        "loads_waiting",
        "Connections that wait for a document to be loaded",
        loads.waiting(),
    );
    out.gauge(
        "receiving_bytes",
        "Bytes of messages that are not taken in yet",
        app.registry.receiving().bytes(),
    );
    out.gauge(
        "awareness_bytes",
        "Bytes of the awareness states of all documents",
        app.registry.quota().awareness_bytes(),
    );
    out.refusals(app.registry.refusals().each());
    out.documents(app);
    out.gauge(
        "store_good",
        "1 while edits are stored, 0 after a failed commit",
        u8::from(good),
    );
    out.counter(
        "commit_failures_total",
        "Commits that failed",
        stats.failures,
    );
    out.counter(
        "store_recoveries_total",
        "How often the store was opened again after a failed commit",
        stats.recoveries,
    );
    out.commits(&stats);
    out.counter("records_total", "Records made durable", stats.records);
    out.counter(
        "record_bytes_total",
        "Bytes of records made durable",
        stats.bytes,
    );
    out.gauge(
        "queue_bytes",
        "Bytes reserved or accepted, and not yet durable",
        stats.queued_bytes,
    );
    if let Some(bytes) = log.bytes_stored() {
        out.gauge(
            "store_bytes",
            "Bytes that the store takes of its disk",
            bytes,
        );
    }
    if let Some(free) = readiness::disk_free(log, &app.registry.settings().data) {
        out.gauge(
            "disk_free_bytes",
            "Bytes free on the disk of the data folder",
            free,
        );
    }
    out.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    /// Writing to a string never fails.
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _never_fails = writeln!(self.0, "{line}");
    }

    fn documents(&mut self, app: &App) {
        let log = app.registry.log();
        self.gauge(
            "documents_open",
            "Documents in memory",
            app.registry.documents(),
        );
        self.gauge(
            "documents_stored",
            "Documents in the store",
            log.document_count(),
        );
        self.gauge(
            "documents_held",
            "Documents in the store that were not erased",
            log.documents_held(),
        );
        self.gauge(
            "store_full",
            "1 while the store takes more of its disk than max_store, and only what deletes is stored",
            u8::from(log.is_full()),
        );
        self.gauge(
            "documents_damaged",
            "Stored documents that were found damaged and do not open",
            log.damaged().len(),
        );
    }

    /// One counter with a label for the reason.
    fn refusals(&mut self, each: impl Iterator<Item = (&'static str, u64)>) {
        self.head("refused_total", "counter", "What was refused, by reason");
        for (why, count) in each {
            self.line(format_args!("baton_refused_total{{why=\"{why}\"}} {count}"));
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP baton_{name} {help}"));
        self.line(format_args!("# TYPE baton_{name} {kind}"));
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "gauge", help);
        self.line(format_args!("baton_{name} {value}"));
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "counter", help);
        self.line(format_args!("baton_{name} {value}"));
    }

    fn commits(&mut self, stats: &LogStats) {
        self.head(
            "commit_seconds",
            "histogram",
            "Time that a group commit took",
        );
        let mut count = 0;
        for (bound, commits) in COMMIT_BUCKETS_US.iter().zip(stats.commit_buckets) {
            count += commits;
            let seconds = *bound as f64 / 1e6;
            self.line(format_args!(
                "baton_commit_seconds_bucket{{le=\"{seconds}\"}} {count}"
            ));
        }
        let all: u64 = stats.commit_buckets.iter().sum();
        self.line(format_args!(
            "baton_commit_seconds_bucket{{le=\"+Inf\"}} {all}"
        ));
        let sum = stats.commit_time.as_secs_f64();
        self.line(format_args!("baton_commit_seconds_sum {sum}"));
        self.line(format_args!("baton_commit_seconds_count {all}"));
    }
}
