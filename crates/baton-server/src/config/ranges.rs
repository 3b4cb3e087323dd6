//! The range of each setting that is a number, a size or a time.
//!
//! Owns the least and the greatest value. A server can still work with the least value. The
//! greatest is what the arithmetic allows, or more than an operator would mean on purpose.

use std::time::Duration;

use bytesize::ByteSize;

use super::error::ConfigError;
use super::settings::Settings;
use super::values::Span;
use crate::time_text::duration_text;

const SECOND: Duration = Duration::from_secs(1);
const TEN_MS: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(3600);

/// A setting's value with its range, in one unit.
struct SettingRange {
    name: &'static str,
    value: u128,
    least: u128,
    most: u128,
    /// Writes a value with its unit.
    write: fn(u128) -> String,
}

fn count(name: &'static str, value: usize, least: usize, most: usize) -> SettingRange {
    SettingRange {
        name,
        value: value as u128,
        least: least as u128,
        most: most as u128,
        write: |number| number.to_string(),
    }
}

fn size(name: &'static str, value: ByteSize, least: ByteSize, most: ByteSize) -> SettingRange {
    SettingRange {
        name,
        value: value.as_u64().into(),
        least: least.as_u64().into(),
        most: most.as_u64().into(),
        write: |bytes| ByteSize(u64::try_from(bytes).unwrap_or(u64::MAX)).to_string(),
    }
}

fn time(name: &'static str, value: Span, least: Duration, most: Duration) -> SettingRange {
    SettingRange {
        name,
        value: value.0.as_nanos(),
        least: least.as_nanos(),
        most: most.as_nanos(),
        write: |nanos| {
            let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
            duration_text(Duration::from_nanos(nanos))
        },
    }
}

/// Greatest value of a count: every counter has room for this many.
const MANY: usize = 100_000_000;

/// Returns every setting that is a number, a size or a time.
fn ranged(settings: &Settings) -> Vec<SettingRange> {
    let mut all = connections(settings);
    all.extend(authorization(settings));
    all.extend(documents(settings));
    all.extend(process(settings));
    all.extend(clocks(settings));
    all.extend(cluster(settings));
    all
}

/// Returns the settings about a cluster.
fn cluster(settings: &Settings) -> Vec<SettingRange> {
    vec![
        count("cluster_streams", settings.cluster_streams, 1, 64),
        count("cluster_replicas", settings.cluster_replicas, 1, 5),
        // The engine may need 11 s to elect a leader, in which no lease can be renewed.
        time("lease", settings.lease, 15 * SECOND, 300 * SECOND),
        time(
            "lease_grace",
            settings.lease_grace,
            Duration::ZERO,
            300 * SECOND,
        ),
    ]
}

/// Returns the settings about connections.
fn connections(settings: &Settings) -> Vec<SettingRange> {
    let (kib, gib, tib) = (ByteSize::kib, ByteSize::gib, ByteSize::tib);
    vec![
        // The largest message of the channel must fit, and the log counts what waits in 32 bits.
        size("max_frame", settings.max_frame, kib(64), gib(1)),
        count("max_connections", settings.max_connections, 1, MANY),
        count(
            "max_connections_per_document",
            settings.max_connections_per_document,
            1,
            MANY,
        ),
        count(
            "max_connections_per_address",
            settings.max_connections_per_address,
            1,
            MANY,
        ),
        count(
            "new_connections_per_second",
            settings.new_connections_per_second as usize,
            1,
            MANY,
        ),
        count(
            "new_connections_burst",
            settings.new_connections_burst as usize,
            1,
            MANY,
        ),
        count("max_handshakes", settings.max_handshakes, 1, MANY),
        count(
            "max_handshakes_per_address",
            settings.max_handshakes_per_address,
            1,
            MANY,
        ),
        count("max_documents", settings.max_documents, 1, MANY),
        count("max_loads", settings.max_loads, 1, 100_000),
        count("max_waiting_loads", settings.max_waiting_loads, 0, MANY),
        time("load_wait", settings.load_wait, Duration::ZERO, HOUR),
        count(
            "max_documents_per_connection",
            settings.max_documents_per_connection,
            1,
            10_000,
        ),
        size("max_backlog", settings.max_backlog, kib(64), gib(1)),
        count(
            "max_backlog_messages",
            settings.max_backlog_messages,
            10,
            1_000_000,
        ),
        // The log takes no longer names.
        count("max_document_name", settings.max_document_name, 1, 1024),
        size("max_outbox", settings.max_outbox, kib(4), gib(1)),
        time("max_behind", settings.max_behind, TEN_MS, HOUR),
        count(
            "max_messages_per_second",
            settings.max_messages_per_second as usize,
            1,
            MANY,
        ),
        size(
            "max_bytes_per_second",
            settings.max_bytes_per_second,
            kib(1),
            tib(1),
        ),
        time(
            "rate_burst",
            settings.rate_burst,
            Duration::from_millis(1),
            HOUR,
        ),
        // A message of 64 KiB is received whatever the others do.
        size("max_receiving", settings.max_receiving, kib(64), tib(16)),
        time(
            "handshake_timeout",
            settings.handshake_timeout,
            TEN_MS,
            HOUR,
        ),
        time("http_timeout", settings.http_timeout, TEN_MS, HOUR),
    ]
}

/// Returns the settings about authorization, and about tenants; 0 is no limit there.
fn authorization(settings: &Settings) -> Vec<SettingRange> {
    let day = 24 * HOUR;
    let per_tenant = |name, value| count(name, value, 0, 10 * MANY);
    vec![
        time("auth_leeway", settings.auth_leeway, Duration::ZERO, HOUR),
        time("auth_jwks_refresh", settings.auth_jwks_refresh, SECOND, day),
        time("auth_jwks_keep", settings.auth_jwks_keep, SECOND, 30 * day),
        time(
            "auth_jwks_timeout",
            settings.auth_jwks_timeout,
            TEN_MS,
            60 * SECOND,
        ),
        time(
            "auth_webhook_timeout",
            settings.auth_webhook_timeout,
            TEN_MS,
            60 * SECOND,
        ),
        count("auth_webhook_calls", settings.auth_webhook_calls, 1, 10_000),
        time(
            "auth_webhook_cache",
            settings.auth_webhook_cache,
            Duration::ZERO,
            day,
        ),
        time("token_notice", settings.token_notice, Duration::ZERO, HOUR),
        time(
            "revoked_for",
            settings.revoked_for,
            60 * SECOND,
            10_000 * HOUR,
        ),
        count("max_revocations", settings.max_revocations, 1, 10_000_000),
        per_tenant(
            "max_connections_per_tenant",
            settings.max_connections_per_tenant,
        ),
        per_tenant(
            "max_documents_per_tenant",
            settings.max_documents_per_tenant,
        ),
        per_tenant(
            "max_documents_stored_per_tenant",
            settings.max_documents_stored_per_tenant,
        ),
        size(
            "max_store_per_tenant",
            settings.max_store_per_tenant,
            ByteSize::b(0),
            ByteSize::tib(1024),
        ),
    ]
}

/// Returns the settings about documents.
fn documents(settings: &Settings) -> Vec<SettingRange> {
    let (b, kib, mib) = (ByteSize::b, ByteSize::kib, ByteSize::mib);
    let (gib, tib) = (ByteSize::gib, ByteSize::tib);
    vec![
        size("max_document", settings.max_document, kib(4), tib(1)),
        count(
            "max_documents_stored",
            settings.max_documents_stored,
            1,
            10 * MANY,
        ),
        size("max_store", settings.max_store, mib(1), tib(1024)),
        size("max_awareness", settings.max_awareness, kib(4), tib(1)),
        size(
            "max_awareness_entry",
            settings.max_awareness_entry,
            b(64),
            mib(16),
        ),
        count(
            "max_awareness_entries",
            settings.max_awareness_entries,
            1,
            10_000,
        ),
        count("max_update_blocks", settings.max_update_blocks, 1, MANY),
        count("max_update_clients", settings.max_update_clients, 1, MANY),
        count("max_update_ranges", settings.max_update_ranges, 1, MANY),
        size("max_aside", settings.max_aside, b(0), mib(128)),
        size(
            "max_parked_per_session",
            settings.max_parked_per_session,
            b(0),
            gib(1),
        ),
        size("max_parked", settings.max_parked, b(0), gib(64)),
        count("max_parks", settings.max_parks, 0, 100_000),
        size(
            "max_discarded_parks",
            settings.max_discarded_parks,
            b(0),
            gib(64),
        ),
        count(
            "max_locks_per_session",
            settings.max_locks_per_session,
            1,
            10_000,
        ),
        count("max_locks", settings.max_locks, 1, 100_000),
        size("max_lock_bytes", settings.max_lock_bytes, kib(1), mib(64)),
    ]
}

/// Returns the settings about the process as a whole.
fn process(settings: &Settings) -> Vec<SettingRange> {
    let (b, kib) = (ByteSize::b, ByteSize::kib);
    let (gib, tib) = (ByteSize::gib, ByteSize::tib);
    let zero = Duration::ZERO;
    vec![
        time("commit_delay", settings.commit_delay, zero, HOUR / 2),
        size("commit_bytes", settings.commit_bytes, b(1), gib(1)),
        size("log_queue", settings.log_queue, kib(64), gib(2)),
        size("log_queue_small", settings.log_queue_small, kib(64), gib(1)),
        size(
            "log_queue_per_document",
            settings.log_queue_per_document,
            kib(64),
            gib(2),
        ),
        count("work_threads", settings.work_threads, 0, 1024),
        time(
            "cpu_per_connection",
            settings.cpu_per_connection,
            Duration::from_millis(1),
            HOUR,
        ),
        time(
            "cpu_burst",
            settings.cpu_burst,
            Duration::from_millis(1),
            HOUR,
        ),
        size("compact_after", settings.compact_after, kib(1), tib(1)),
        size("disk_low", settings.disk_low, b(0), tib(1024)),
        time("unload_after", settings.unload_after, zero, 10_000 * HOUR),
        size("compress_from", settings.compress_from, b(64), gib(1)),
        count("compress_level", settings.compress_level.into(), 1, 6),
        time("rest_after", settings.rest_after, zero, 10_000 * HOUR),
        time("drain_over", settings.drain_over, zero, HOUR),
        time(
            "shutdown_deadline",
            settings.shutdown_deadline,
            10 * TEN_MS,
            HOUR,
        ),
    ]
}

/// Returns the clocks of heartbeats and locks. Their relations are checked elsewhere.
fn clocks(settings: &Settings) -> Vec<SettingRange> {
    let clock = |name, value| time(name, value, Duration::from_millis(1), 24 * HOUR);
    let zero = Duration::ZERO;
    vec![
        clock("ping_every", settings.ping_every),
        clock("shaky_after", settings.shaky_after),
        clock("offline_after", settings.offline_after),
        clock("beat_every", settings.beat_every),
        clock("beat_every_idle", settings.beat_every_idle),
        clock("answer_within", settings.answer_within),
        clock("offer", settings.offer),
        clock("offer_again", settings.offer_again),
        clock("offer_again_most", settings.offer_again_most),
        time("grace", settings.grace, zero, 60 * SECOND),
        clock("ticket_life", settings.ticket_life),
        clock("recovery", settings.recovery),
        clock("drain", settings.drain),
        clock("request", settings.request),
        clock("idle_yield", settings.idle_yield),
        clock("idle_warning", settings.idle_warning),
        time(
            "take_over_cooldown",
            settings.take_over_cooldown,
            zero,
            24 * HOUR,
        ),
        clock("client_stop", settings.client_stop),
    ]
}

/// Checks the range of each setting.
///
/// # Errors
/// Names the first setting that is out of its range.
pub(super) fn check_ranges(settings: &Settings) -> Result<(), ConfigError> {
    let outside = |ranged: &SettingRange| !(ranged.least..=ranged.most).contains(&ranged.value);
    match ranged(settings).into_iter().find(outside) {
        None => Ok(()),
        Some(ranged) => Err(ConfigError::OutOfRange {
            name: ranged.name,
            given: (ranged.write)(ranged.value),
            least: (ranged.write)(ranged.least),
            most: (ranged.write)(ranged.most),
        }),
    }
}

#[cfg(test)]
mod tests;
