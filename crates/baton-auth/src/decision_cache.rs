//! Answers of the webhook that need not be asked for again.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::access::Access;
use crate::error::TokenError;
use crate::webhook::WebhookRequest;

/// Settings of a [`DecisionCache`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecisionCacheLimits {
    /// Longest time for which an access is remembered, in milliseconds.
    pub allowed_ms: u64,
    /// Time for which a refusal is remembered, in milliseconds.
    pub refused_ms: u64,
    /// Most answers that are remembered. One takes at most about 3 KiB.
    pub max_entries: usize,
}

impl Default for DecisionCacheLimits {
    fn default() -> Self {
        Self {
            allowed_ms: 60_000,
            refused_ms: 5_000,
            max_entries: 10_000,
        }
    }
}

/// SHA-256 of a question to the webhook. The cache holds no token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecisionKey([u8; 32]);

impl DecisionKey {
    /// Computes the key of a question. Lengths are part of it, so that no two questions are one.
    #[must_use]
    pub fn of(request: &WebhookRequest<'_>) -> Self {
        let parts = [
            request.token.secret_text(),
            request.document,
            request.address,
        ];
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Debug for DecisionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecisionKey(redacted)")
    }
}

/// Remembered answer.
#[derive(Debug)]
struct Remembered {
    /// The access, or `None` for a refusal.
    access: Option<Arc<Access>>,
    from: u64,
    until: u64,
    /// Place in the order of arrival.
    order: u64,
}

/// Answers of the webhook by question. Times are in Unix milliseconds.
#[derive(Debug)]
pub struct DecisionCache {
    limits: DecisionCacheLimits,
    answers: HashMap<DecisionKey, Remembered>,
    /// Keys in the order in which their answers arrived.
    by_order: BTreeMap<u64, DecisionKey>,
    next_order: u64,
}

impl DecisionCache {
    /// Makes an empty cache.
    #[must_use]
    pub fn new(limits: DecisionCacheLimits) -> Self {
        Self {
            limits,
            answers: HashMap::new(),
            by_order: BTreeMap::new(),
            next_order: 0,
        }
    }

    /// Returns the remembered answer, or `None` if the webhook has to be asked.
    ///
    /// # Errors
    ///
    /// The inner result is [`TokenError::WebhookRefused`] if the webhook refused.
    pub fn get(&self, key: &DecisionKey, now: u64) -> Option<Result<Arc<Access>, TokenError>> {
        let found = self.answers.get(key)?;
        // A clock that was set back ends the answer too.
        if !(found.from..found.until).contains(&now) {
            return None;
        }
        Some(found.access.clone().ok_or(TokenError::WebhookRefused))
    }

    /// Remembers an answer that was just received, and forgets the oldest one if there are too
    /// many. Failures are not remembered: the next client asks again.
    pub fn insert(&mut self, key: DecisionKey, answer: Result<Arc<Access>, TokenError>, now: u64) {
        self.forget(&key);
        let (access, until) = match answer {
            Ok(access) => {
                let until = now.saturating_add(self.limits.allowed_ms);
                let end = access.expires_at().unwrap_or(u64::MAX);
                (Some(access), until.min(end))
            }
            Err(TokenError::WebhookRefused) => (None, now.saturating_add(self.limits.refused_ms)),
            Err(_) => return,
        };
        if until <= now || self.limits.max_entries == 0 {
            return;
        }
        while self.answers.len() >= self.limits.max_entries {
            let Some((_, oldest)) = self.by_order.pop_first() else {
                break;
            };
            self.answers.remove(&oldest);
        }
        let order = self.next_order;
        self.next_order += 1;
        self.by_order.insert(order, key);
        let from = now;
        self.answers.insert(
            key,
            Remembered {
                access,
                from,
                until,
                order,
            },
        );
    }

    /// Forgets one answer, so that a recheck asks the webhook.
    pub fn forget(&mut self, key: &DecisionKey) {
        if let Some(found) = self.answers.remove(key) {
            self.by_order.remove(&found.order);
        }
    }

    /// Forgets all answers, so that a recheck of every connection asks the webhook.
    pub fn clear(&mut self) {
        self.answers.clear();
        self.by_order.clear();
    }

    /// Returns the number of remembered answers, over ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Returns true if no answer is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}
