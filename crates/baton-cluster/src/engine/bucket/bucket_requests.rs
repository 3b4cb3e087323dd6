//! One request to the store: bounded in time and number, its failure sorted by whose fault it is.

use std::time::Duration;

use object_store::Error;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::super::error::EngineError;

/// Most requests that ask for something at the same time.
const READS: usize = 64;

/// Most requests that change something at the same time.
const WRITES: usize = 16;

/// Slowest transfer of a snapshot that is waited for, in bytes a second.
const SLOWEST: u64 = 1 << 20;

/// Longest text of a store's refusal that is passed on, in characters.
const MOST_SAID: usize = 300;

/// A request that reads, or one that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Makes requests to one store, and knows whether it answers.
#[derive(Debug)]
pub(super) struct BucketRequests {
    /// The place, for errors.
    place: String,
    answer_timeout: Duration,
    reads: Semaphore,
    writes: Semaphore,
    /// The last failure, until there is an answer.
    failure: Mutex<Option<EngineError>>,
}

impl BucketRequests {
    pub(super) fn new(place: String, answer_timeout: Duration) -> BucketRequests {
        BucketRequests {
            place,
            answer_timeout,
            reads: Semaphore::new(READS),
            writes: Semaphore::new(WRITES),
            failure: Mutex::new(None),
        }
    }

    /// Makes a request in which this many bytes go one way or the other. Waits for its turn, too.
    /// The inner error is an answer that the caller can take for one.
    pub(super) async fn ask<T>(
        &self,
        operation: &'static str,
        access: Access,
        bytes: u64,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<Result<T, Error>, EngineError> {
        let gate = match access {
            Access::Read => &self.reads,
            Access::Write => &self.writes,
        };
        let patience = self.answer_timeout + Duration::from_secs(bytes / SLOWEST);
        let asked = async {
            // The gates are never closed.
            let _turn = gate.acquire().await;
            request.await
        };
        let result = match tokio::time::timeout(patience, asked).await {
            Ok(result) => result,
            Err(_) => {
                let reason = "it took too long".to_owned();
                return Err(self.failed(self.unanswered(operation, reason)));
            }
        };
        match result {
            Err(error) if !is_answer(&error) => Err(self.failed(self.sort(operation, &error))),
            answer => {
                self.answered();
                Ok(answer)
            }
        }
    }

    /// Returns the last failure, if there was no answer since.
    pub(super) fn failure(&self) -> Option<EngineError> {
        self.failure.lock().clone()
    }

    /// Makes the error of an answer that the caller could not take for one.
    pub(super) fn sort(&self, operation: &'static str, error: &Error) -> EngineError {
        let said = error.to_string();
        let reason = shortened(&said);
        if is_refusal(error, &said) {
            EngineError::StoreRefused {
                place: self.place.clone(),
                operation,
                reason,
            }
        } else {
            self.unanswered(operation, reason)
        }
    }

    fn unanswered(&self, operation: &'static str, reason: String) -> EngineError {
        EngineError::StoreUnanswered {
            place: self.place.clone(),
            operation,
            reason,
        }
    }

    fn failed(&self, error: EngineError) -> EngineError {
        let before = self.failure.lock().replace(error.clone());
        if before.is_none() {
            tracing::warn!(
                %error,
                "snapshots are not stored until the store answers, nothing is purged meanwhile, \
                 and documents that have a snapshot are not opened"
            );
        }
        error
    }

    fn answered(&self) {
        if self.failure.lock().take().is_some() {
            tracing::info!(place = self.place, "the snapshot store answers again");
        }
    }
}

/// Returns true for errors that say something about an object.
fn is_answer(error: &Error) -> bool {
    match error {
        Error::NotFound { .. } => !error.to_string().contains("NoSuchBucket"),
        Error::AlreadyExists { .. } => true,
        _ => false,
    }
}

/// Returns true if the same request will be refused until an operator acts.
fn is_refusal(error: &Error, said: &str) -> bool {
    if said.contains("RequestTimeout") {
        return false;
    }
    match error {
        Error::PermissionDenied { .. }
        | Error::Unauthenticated { .. }
        | Error::NotFound { .. }
        | Error::NotImplemented { .. }
        | Error::NotSupported { .. }
        | Error::InvalidPath { .. } => true,
        // Of another region: the answer is a redirect.
        _ if said.contains("redirect") => true,
        _ => status(said).is_some_and(|status| {
            status == 501 || ((300..500).contains(&status) && ![408, 409, 429].contains(&status))
        }),
    }
}

/// Returns the status that an error of the store names.
fn status(said: &str) -> Option<u16> {
    let (_, after) = said.split_once("status code: ")?;
    after.split_whitespace().next()?.parse().ok()
}

/// Returns the code and message of a store's answer in XML, or what there is in its place.
fn shortened(said: &str) -> String {
    let element = |name: &str| {
        let (_, after) = said.split_once(&format!("<{name}>"))?;
        Some(after.split_once('<')?.0)
    };
    let head = said.split('<').next().unwrap_or_default().trim_end();
    let whole = match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => format!("{head} {code}: {message}"),
        _ => head.to_owned(),
    };
    whole.chars().take(MOST_SAID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(said: &'static str) -> Error {
        Error::Generic {
            store: "S3",
            source: said.into(),
        }
    }

    #[test]
    fn a_failure_is_the_operators_or_passes() {
        let requests = BucketRequests::new("s3://b/".to_owned(), Duration::from_secs(1));
        for (said, refused) in [
            ("Server returned non-2xx status code: 403 Forbidden: ", true),
            (
                "non-2xx status code: 400 Bad Request: <Error><Code>InvalidRegion</Code>",
                true,
            ),
            (
                "non-2xx status code: 400 Bad Request: <Error><Code>RequestTimeout</Code>",
                false,
            ),
            ("non-2xx status code: 501 Not Implemented: ", true),
            ("non-2xx status code: 503 Service Unavailable: ", false),
            ("non-2xx status code: 429 Too Many Requests: ", false),
            ("Received redirect without LOCATION", true),
            ("HTTP error: client error (Connect)", false),
        ] {
            let sorted = requests.sort("a read", &error(said));
            let is_refused = matches!(sorted, EngineError::StoreRefused { .. });
            assert_eq!(is_refused, refused, "{said}");
            assert_eq!(sorted.is_passing(), !refused, "{said}");
        }
    }

    #[test]
    fn an_answer_in_xml_is_shortened_to_its_code_and_message() {
        let said = "status code: 403 Forbidden: <?xml version=\"1.0\"?><Error><Code>AccessDenied\
                    </Code><Message>No right.</Message><StringToSign>x</StringToSign></Error>";
        assert_eq!(
            shortened(said),
            "status code: 403 Forbidden: AccessDenied: No right."
        );
        assert_eq!(shortened(&"a".repeat(1000)).len(), MOST_SAID);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_is_given_up_and_remembered_until_it_answers() {
        let requests = BucketRequests::new("s3://b/".to_owned(), Duration::from_secs(1));
        let begun = tokio::time::Instant::now();
        let hangs = std::future::pending::<Result<(), Error>>();
        let late = requests.ask("a put", Access::Write, 5 << 20, hangs).await;
        assert!(matches!(late, Err(EngineError::StoreUnanswered { .. })));
        assert_eq!(begun.elapsed(), Duration::from_secs(6));
        assert!(requests.failure().is_some());
        let answers = async { Ok(()) };
        let answered = requests.ask("a put", Access::Write, 0, answers).await;
        assert!(matches!(answered, Ok(Ok(()))) && requests.failure().is_none());
    }
}
