//! Clients that are told to come again, and come again.
//!
//! Owns the delays between the attempts of one client, the time within which it must be served, and
//! the count of all attempts. A server may turn away a client of a crowd; it may not do so for
//! ever.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Longest time until a client is served, however often it is told to come again.
pub const SERVED_WITHIN: Duration = Duration::from_secs(60);

/// First delay of a client that is told to come again. The protocol asks for growing delays, and
/// the server's `Retry-After` is one second or two.
const FIRST_DELAY: Duration = Duration::from_secs(2);

/// Longest delay between two attempts.
const LONGEST_DELAY: Duration = Duration::from_secs(8);

/// Clients that are turned away together come again at so many different moments.
const SPREAD: u32 = 16;

/// A close code with which the server asks the client to come again (docs/protocol.md).
const COME_AGAIN: [u16; 5] = [1013, 4500, 4503, 4507, 4508];

/// The server closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed(pub u16);

impl fmt::Display for Closed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "closed with {}", self.0)
    }
}

impl std::error::Error for Closed {}

impl From<Closed> for io::Error {
    fn from(closed: Closed) -> Self {
        Self::other(closed)
    }
}

/// The arrivals of all clients of a run.
#[derive(Debug, Default)]
pub struct Arrivals {
    served: AtomicU64,
    told_again: AtomicU64,
    longest_ms: AtomicU64,
}

/// The counts of [`Arrivals`] at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Arrived {
    /// Clients that were served.
    pub served: u64,
    /// Attempts that the server turned away with the request to come again.
    pub told_again: u64,
    /// Longest time from the first attempt of a client until it was served, in milliseconds.
    pub longest_ms: u64,
}

impl Arrivals {
    /// Repeats `visit` until the server serves it. `number` tells the clients of a crowd apart.
    ///
    /// # Errors
    /// The visit failed in another way, or was not served within [`SERVED_WITHIN`]; then the text
    /// names the last answer.
    pub async fn until_served<T, F>(&self, number: usize, visit: impl Fn() -> F) -> io::Result<T>
    where
        F: Future<Output = io::Result<T>>,
    {
        let began = Instant::now();
        let mut delays = Delays::of(number);
        loop {
            let error = match visit().await {
                Ok(served) => {
                    let took = began.elapsed().as_millis();
                    self.served.fetch_add(1, Ordering::Relaxed);
                    let took = u64::try_from(took).unwrap_or(u64::MAX);
                    self.longest_ms.fetch_max(took, Ordering::Relaxed);
                    return Ok(served);
                }
                Err(error) => error,
            };
            if !asks_to_come_again(&error) {
                return Err(error);
            }
            self.told_again.fetch_add(1, Ordering::Relaxed);
            if began.elapsed() >= SERVED_WITHIN {
                return Err(io::Error::other(format!(
                    "a client was not served within {SERVED_WITHIN:?}; the last answer: {error}"
                )));
            }
            sleep(delays.next()).await;
        }
    }

    /// Returns the counts so far.
    #[must_use]
    pub fn counts(&self) -> Arrived {
        Arrived {
            served: self.served.load(Ordering::Relaxed),
            told_again: self.told_again.load(Ordering::Relaxed),
            longest_ms: self.longest_ms.load(Ordering::Relaxed),
        }
    }
}

/// Growing delays, different for each client of a crowd.
struct Delays {
    delay: Duration,
    share: u32,
}

impl Delays {
    fn of(number: usize) -> Self {
        let share = u32::try_from(number % SPREAD as usize).unwrap_or(0);
        let delay = FIRST_DELAY;
        Self { delay, share }
    }

    fn next(&mut self) -> Duration {
        let delay = self.delay + self.delay * self.share / SPREAD;
        self.delay = (2 * self.delay).min(LONGEST_DELAY);
        delay
    }
}

/// Returns true for a close code, or an HTTP status, that asks the client to come again.
fn asks_to_come_again(error: &io::Error) -> bool {
    let closed = error.get_ref().and_then(|inner| inner.downcast_ref());
    if let Some(Closed(code)) = closed {
        return COME_AGAIN.contains(code);
    }
    let text = error.to_string();
    ["429", "503"]
        .iter()
        .any(|status| text.starts_with(&format!("the server answered: HTTP/1.1 {status}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: &str) -> io::Error {
        io::Error::other(format!("the server answered: HTTP/1.1 {status}"))
    }

    /// A run ended after 14 minutes because one client of a storm was told to come again, and did
    /// not.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_told_to_come_again_does_so_and_is_served() {
        let arrivals = Arrivals::default();
        let answers = AtomicU64::new(0);
        let visit = || async {
            match answers.fetch_add(1, Ordering::Relaxed) {
                0 => Err(Closed(1013).into()),
                1 => Err(refused("429 Too Many Requests")),
                2 => Err(refused("503 Service Unavailable")),
                attempts => Ok(attempts),
            }
        };
        assert_eq!(arrivals.until_served(8, visit).await.unwrap(), 3);
        let counts = arrivals.counts();
        assert_eq!((counts.served, counts.told_again), (1, 3));
        // 2 s, 4 s and 8 s, and the half of each for the eighth of sixteen.
        assert_eq!(counts.longest_ms, 21_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_never_served_names_the_bound_and_the_answer() {
        let arrivals = Arrivals::default();
        let visit = || async { io::Result::<()>::Err(Closed(1013).into()) };
        let error = arrivals.until_served(0, visit).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("60s") && text.contains("1013"), "{text}");
        assert_eq!(arrivals.counts().served, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn any_other_ending_is_a_failure_at_once() {
        let arrivals = Arrivals::default();
        for error in [|| Closed(4413).into(), || refused("400 Bad Request")] {
            let visit = || async { io::Result::<()>::Err(error()) };
            assert!(arrivals.until_served(0, visit).await.is_err());
        }
        assert_eq!(arrivals.counts(), Arrived::default());
    }
}
