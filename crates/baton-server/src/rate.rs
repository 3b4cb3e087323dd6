//! How fast one connection may send: token buckets for its messages and for its bytes.
//!
//! Owns the waiting. Nothing is dropped: who is over a rate is not read from, and so waits itself.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::Settings;

/// What a message costs beside its bytes: header and mask of its frame.
const FRAME: usize = 14;

/// A connection's two buckets; see the module.
#[derive(Debug)]
pub(crate) struct Rate {
    messages: Bucket,
    bytes: Bucket,
    at: Instant,
}

/// A token bucket. Its content may be negative: what has come already is taken, and paid for before the next.
#[derive(Debug)]
struct Bucket {
    per_second: f64,
    most: f64,
    tokens: f64,
}

impl Rate {
    pub(crate) fn new(settings: &Settings) -> Self {
        let burst = settings.rate_burst.0;
        // As a float, as all of this; a rate needs no more than its 52 bits.
        let bytes = settings.max_bytes_per_second.as_u64() as f64;
        Self {
            messages: Bucket::new(f64::from(settings.max_messages_per_second), burst),
            bytes: Bucket::new(bytes, burst),
            at: Instant::now(),
        }
    }

    /// Takes a message of so many bytes out of both buckets, and waits until neither owes anything.
    pub(crate) async fn take(&mut self, bytes: usize) {
        let wait = self.owes(bytes);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn owes(&mut self, bytes: usize) -> Duration {
        let now = Instant::now();
        let since = now.duration_since(self.at).as_secs_f64();
        self.at = now;
        let messages = self.messages.take(1.0, since);
        let bytes = self.bytes.take((bytes + FRAME) as f64, since);
        messages.max(bytes)
    }
}

impl Bucket {
    /// Full.
    fn new(per_second: f64, burst: Duration) -> Self {
        let per_second = per_second.max(1.0);
        let most = (per_second * burst.as_secs_f64()).max(1.0);
        Self {
            per_second,
            most,
            tokens: most,
        }
    }

    /// How long it owes after this was taken.
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
        let mut rate = Rate::new(&settings(|settings| {
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
    async fn a_message_larger_than_the_burst_is_taken_and_paid_for() {
        let mut rate = Rate::new(&settings(|settings| {
            settings.max_bytes_per_second = bytesize::ByteSize::b(1000);
        }));
        let began = Instant::now();
        rate.take(5000).await;
        let took = began.elapsed().as_secs_f64();
        assert!((4.0..4.1).contains(&took), "{took}");
    }
}
