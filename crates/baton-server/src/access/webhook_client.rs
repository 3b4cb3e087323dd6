//! The webhook: another service that decides about each client and document.
//!
//! Owns the questions under way and the remembered answers. Equal questions share one call. A call
//! that fails, is slow or has no turn in time opens nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use baton_auth::{
    Access, DecisionCache, DecisionCacheLimits, DecisionKey, MAX_WEBHOOK_ANSWER_BYTES,
    TenantPrefix, Token, TokenError, WebhookRequest,
};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::service_client::{ServiceClient, ServiceError};
use crate::clock::unix_ms;
use crate::config::{ConfigError, Settings};

/// Most questions that wait for their turn or their answer.
const MAX_QUESTIONS: usize = 10_000;

type Answer = Result<Arc<Access>, TokenError>;

/// See the module.
pub(super) struct WebhookClient {
    shared: Arc<Calls>,
}

struct Calls {
    client: ServiceClient,
    tenant_prefix: Option<TenantPrefix>,
    timeout: Duration,
    turns: Semaphore,
    state: Mutex<CallState>,
    calls: AtomicU64,
    failures: AtomicU64,
}

struct CallState {
    answers: DecisionCache,
    under_way: HashMap<DecisionKey, Call>,
    next_number: u64,
}

/// A call for one question.
struct Call {
    /// Distinguishes it from a later call for the same question.
    number: u64,
    answer: watch::Receiver<Option<Answer>>,
}

/// A question with everything that its task needs.
struct Question {
    token: Token,
    document: String,
    address: String,
    key: DecisionKey,
}

/// Age of an answer that a question accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerAge {
    /// A remembered answer will do.
    Remembered,
    /// The webhook has to be asked from now on.
    Fresh,
}

impl WebhookClient {
    /// Returns a client of the webhook that the settings name.
    ///
    /// # Errors
    /// The setting is no address, or the system has no certificates.
    pub(super) fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let timeout = settings.auth_webhook_timeout.0;
        let limits = DecisionCacheLimits::default();
        let allowed = settings.auth_webhook_cache.0.as_millis();
        let allowed_ms = u64::try_from(allowed).unwrap_or(u64::MAX);
        let limits = DecisionCacheLimits {
            allowed_ms,
            refused_ms: limits.refused_ms.min(allowed_ms),
            ..limits
        };
        let shared = Calls {
            client: ServiceClient::new(
                "auth_webhook_url",
                &settings.auth_webhook_url,
                timeout,
                MAX_WEBHOOK_ANSWER_BYTES,
            )?,
            tenant_prefix: settings.tenant_prefix.0.clone(),
            timeout,
            turns: Semaphore::new(settings.auth_webhook_calls),
            state: Mutex::new(CallState {
                answers: DecisionCache::new(limits),
                under_way: HashMap::new(),
                next_number: 0,
            }),
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        };
        let shared = Arc::new(shared);
        Ok(Self { shared })
    }

    /// Asks for one client and document.
    ///
    /// # Errors
    /// The webhook refused, or gave no answer that can be used.
    pub(super) async fn ask(
        &self,
        token: &Token,
        document: &str,
        client: IpAddr,
        age: AnswerAge,
    ) -> Answer {
        let address = client.to_string();
        let request = WebhookRequest {
            token,
            document,
            address: &address,
        };
        let key = DecisionKey::of(&request);
        let mut answer = {
            let mut state = self.shared.state.lock();
            match state.known(&key, age) {
                Some(Known::Answer(answer)) => return answer,
                Some(Known::UnderWay(answer)) => answer,
                None if state.under_way.len() >= MAX_QUESTIONS => {
                    return Err(TokenError::WebhookUnavailable);
                }
                None => {
                    let question = Question {
                        token: token.clone(),
                        document: document.to_owned(),
                        address: address.clone(),
                        key,
                    };
                    state.begin(&self.shared, question)
                }
            }
        };
        // The sender goes only with the call's task, which then has no answer.
        match answer.wait_for(Option::is_some).await {
            Ok(answer) => answer
                .clone()
                .unwrap_or(Err(TokenError::WebhookUnavailable)),
            Err(_) => Err(TokenError::WebhookUnavailable),
        }
    }

    /// Forgets all answers, also those that are under way: clients that wait for one get it.
    pub(super) fn forget_answers(&self) {
        let mut state = self.shared.state.lock();
        state.answers.clear();
        state.under_way.clear();
    }

    /// Returns the number of calls, and of those that failed.
    pub(super) fn counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.shared.calls), count(&self.shared.failures))
    }
}

/// Answer of the server's own, without a new call.
enum Known {
    Answer(Answer),
    UnderWay(watch::Receiver<Option<Answer>>),
}

impl CallState {
    fn known(&mut self, key: &DecisionKey, age: AnswerAge) -> Option<Known> {
        if age == AnswerAge::Fresh {
            self.answers.forget(key);
            return None;
        }
        if let Some(answer) = self.answers.get(key, unix_ms()) {
            return Some(Known::Answer(answer));
        }
        let call = self.under_way.get(key)?;
        Some(Known::UnderWay(call.answer.clone()))
    }

    /// Starts a call, which goes on if the client that caused it leaves. It replaces an earlier one
    /// for the same question.
    fn begin(&mut self, calls: &Arc<Calls>, question: Question) -> watch::Receiver<Option<Answer>> {
        let (sender, answer) = watch::channel(None);
        let number = self.next_number;
        self.next_number += 1;
        let call = Call {
            number,
            answer: answer.clone(),
        };
        let key = question.key;
        self.under_way.insert(key, call);
        let entry = CallEntry {
            calls: Arc::clone(calls),
            key,
            number,
        };
        tokio::spawn(async move {
            let answered = entry.calls.call(&question).await;
            entry.end(answered.clone());
            sender.send_replace(Some(answered));
        });
        answer
    }

    /// Ends a call, unless a later one took its place. Returns true if it did.
    fn end(&mut self, key: &DecisionKey, number: u64) -> bool {
        let is_own = self
            .under_way
            .get(key)
            .is_some_and(|call| call.number == number);
        if is_own {
            self.under_way.remove(key);
        }
        is_own
    }
}

/// The place of a call among those under way, given back when it is dropped.
struct CallEntry {
    calls: Arc<Calls>,
    key: DecisionKey,
    number: u64,
}

impl CallEntry {
    /// Remembers the answer. That of a call whose place another one took may be outdated.
    fn end(&self, answer: Answer) {
        let mut state = self.calls.state.lock();
        if state.end(&self.key, self.number) {
            state.answers.insert(self.key, answer, unix_ms());
        }
    }
}

impl Drop for CallEntry {
    fn drop(&mut self) {
        let _ended_already = self.calls.state.lock().end(&self.key, self.number);
    }
}

impl Calls {
    /// Asks the webhook, within the time for waiting and asking together.
    async fn call(&self, question: &Question) -> Answer {
        let calling = async {
            // Never closed.
            let _turn = self.turns.acquire().await;
            self.calls.fetch_add(1, Ordering::Relaxed);
            self.call_in_turn(question).await
        };
        let answer = match timeout(self.timeout, calling).await {
            Ok(answer) => answer,
            Err(_) => {
                tracing::warn!(
                    "the webhook had no answer within auth_webhook_timeout; the client is told to come again"
                );
                Err(TokenError::WebhookUnavailable)
            }
        };
        if answer.as_ref().is_err_and(TokenError::is_temporary) {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    async fn call_in_turn(&self, question: &Question) -> Answer {
        let request = WebhookRequest {
            token: &question.token,
            document: &question.document,
            address: &question.address,
        };
        let (status, body) = match self.client.post(request.body().into()).await {
            Ok(answer) => answer,
            Err(ServiceError::TooLarge(_)) => {
                let problem = "it is longer than 16 KiB";
                return Err(TokenError::WebhookAnswerInvalid { problem });
            }
            Err(error) => {
                tracing::debug!(%error, "the webhook gave no answer");
                return Err(TokenError::WebhookUnavailable);
            }
        };
        let prefix = self.tenant_prefix.as_ref();
        let access = request.parse_answer(status.as_u16(), &body, prefix, unix_ms())?;
        Ok(Arc::new(access))
    }
}
