//! Counts of denied access by reason, for the metrics and the log.

use std::net::IpAddr;

use super::denied::AccessDenied;
use crate::ops::rejection_counters::ReasonCounter;

/// All reasons, as metrics and close frames give them. Any other reason counts as the last one.
const REASONS: [&str; 29] = [
    "token-missing",
    "token-too-large",
    "token-malformed",
    "tokens-differ",
    "critical-header",
    "algorithm-refused",
    "key-unknown",
    "key-ambiguous",
    "signature-invalid",
    "expired",
    "not-yet-valid",
    "issued-in-future",
    "expiry-missing",
    "audience-wrong",
    "issuer-wrong",
    "claim-invalid",
    "documents-missing",
    "documents-too-many",
    "permissions-missing",
    "tenant-missing",
    "document-not-granted",
    "keys-unavailable",
    "webhook-refused",
    "webhook-unavailable",
    "webhook-answer-invalid",
    "revoked",
    "other-user",
    "not-an-operator",
    "other",
];

/// See the module.
#[derive(Debug, Default)]
pub(super) struct DenialCounters {
    counters: [ReasonCounter; REASONS.len()],
}

impl DenialCounters {
    /// Counts one denial, and logs it unless its reason was logged a moment ago.
    pub(super) fn note(&self, denied: &AccessDenied, client: IpAddr) {
        let place = REASONS.iter().position(|reason| *reason == denied.reason);
        let place = place.unwrap_or(REASONS.len() - 1);
        let what = format_args!("{client}: {}", denied.text);
        self.counters[place].note(denied.reason, what);
    }

    /// Returns each reason with the number of its denials since the start.
    pub(super) fn each(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.counters.iter().map(ReasonCounter::count);
        REASONS.into_iter().zip(counts)
    }
}
