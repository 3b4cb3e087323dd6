//! Limits the rates at which one connection may send and cause work: token buckets for its
//! messages, its bytes, and the processor time that they take.
//!
//! Owns the waiting. Nothing is dropped: a connection over a rate is not read from, so that its
//! client waits.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config::Settings;

/// Bytes that a message costs beside its payload: the header and the mask of its frame.
const FRAME: usize = 14;

/// Longest wait for work that is already done. The connection must be read from again before the
/// server believes that it is dead.
const LONGEST_DEBT: Duration = Duration::from_secs(4);

/// The rates of one socket; see the module. All documents on it share them.
#[derive(Debug)]
pub(crate) struct MessageRateLimit {
    buckets: Mutex<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    messages: Bucket,
    bytes: Bucket,
    /// In seconds. The time of a step is known only afterwards.
    work: Bucket,
    at: Instant,
}

/// A token bucket. Its content may be negative: what has arrived is taken, and is paid for before
/// the next message.
#[derive(Debug)]
struct Bucket {
    per_second: f64,
    most: f64,
    tokens: f64,
}

impl MessageRateLimit {
    /// Returns full buckets with the rates of these settings.
    pub(crate) fn new(settings: &Settings) -> Self {
        let burst = settings.rate_burst.0;
        // A rate needs no more than the 52 bits of a float.
        let bytes = settings.max_bytes_per_second.as_u64() as f64;
        let buckets = Buckets {
            messages: Bucket::new(f64::from(settings.max_messages_per_second), burst),
            bytes: Bucket::new(bytes, burst),
            work: Bucket::holding(
                settings.cpu_per_connection.0.as_secs_f64(),
                settings.cpu_burst.0.as_secs_f64(),
            ),
            at: Instant::now(),
        };
        Self {
            buckets: Mutex::new(buckets),
        }
    }

    /// Takes a message of so many bytes out of the buckets, and waits until none owes anything.
    pub(crate) async fn take(&self, bytes: usize) {
        let wait = self.buckets.lock().owes(bytes);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Charges processor time, which is paid for before the next message.
    pub(crate) fn spent(&self, took: Duration) {
        self.buckets.lock().work.tokens -= took.as_secs_f64();
    }
}

impl Buckets {
    fn owes(&mut self, bytes: usize) -> Duration {
        let now = Instant::now();
        let since = now.duration_since(self.at).as_secs_f64();
        self.at = now;
        let messages = self.messages.take(1.0, since);
        let bytes = self.bytes.take((bytes + FRAME) as f64, since);
        let work = self.work.take(0.0, since).min(LONGEST_DEBT);
        self.work.forgive(LONGEST_DEBT);
        messages.max(bytes).max(work)
    }
}

impl Bucket {
    /// Returns a full bucket that holds what the rate earns in `burst`.
    fn new(per_second: f64, burst: Duration) -> Self {
        let per_second = per_second.max(1.0);
        let most = (per_second * burst.as_secs_f64()).max(1.0);
        Self::holding(per_second, most)
    }

    /// Returns a full bucket that holds `most` tokens.
    fn holding(per_second: f64, most: f64) -> Self {
        Self {
            per_second: per_second.max(1e-3),
            most,
            tokens: most,
        }
    }

    /// Cancels the part of a debt that would take longer than `longest` to pay.
    fn forgive(&mut self, longest: Duration) {
        self.tokens = self.tokens.max(-self.per_second * longest.as_secs_f64());
    }

    /// Takes tokens, `since` seconds after the last time. Returns the time until they are earned.
    fn take(&mut self, tokens: f64, since: f64) -> Duration {
        let earned = since * self.per_second;
        self.tokens = (self.tokens + earned).min(self.most) - tokens;
        Duration::try_from_secs_f64(-self.tokens / self.per_second).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = Settings::default();
        change(&mut settings);
        settings
    }

    #[tokio::test(start_paused = true)]
    async fn messages_over_the_rate_wait_once_the_burst_is_used() {
        let rate = MessageRateLimit::new(&settings(|settings| {
            settings.max_messages_per_second = 10;
            settings.rate_burst = crate::config::Span(Duration::from_secs(2));
        }));
        let began = Instant::now();
        for _ in 0..20 {
            rate.take(1).await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        for _ in 0..10 {
            rate.take(1).await;
        }
        let took = began.elapsed().as_secs_f64();
        assert!((0.99..1.02).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn work_beyond_the_burst_is_paid_for_before_the_next_message() {
        let rate = MessageRateLimit::new(&settings(|settings| {
            settings.cpu_per_connection = crate::config::Span(Duration::from_millis(250));
            settings.cpu_burst = crate::config::Span(Duration::from_secs(1));
        }));
        let began = Instant::now();
        rate.spent(Duration::from_millis(900));
        rate.take(1).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        rate.spent(Duration::from_millis(600));
        rate.take(1).await;
        let took = began.elapsed().as_secs_f64();
        assert!((1.99..2.02).contains(&took), "{took}");
        // Whatever it was, the connection is heard again in time.
        rate.spent(Duration::from_secs(60));
        rate.take(1).await;
        let took = began.elapsed().as_secs_f64() - took;
        assert!((3.99..4.02).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_larger_than_the_burst_is_taken_and_paid_for() {
        let rate = MessageRateLimit::new(&settings(|settings| {
            settings.max_bytes_per_second = bytesize::ByteSize::b(1000);
        }));
        let began = Instant::now();
        rate.take(5000).await;
        let took = began.elapsed().as_secs_f64();
        assert!((4.0..4.1).contains(&took), "{took}");
    }
}
