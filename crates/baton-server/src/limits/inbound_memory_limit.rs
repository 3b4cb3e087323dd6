//! Limits the bytes of all messages that are not complete or not handled yet (`max_receiving`).
//!
//! Owns the count. The message of one connection is limited by `max_frame`; this limits what many
//! connections together make the server keep. A client that sends small messages is not affected
//! when others have used the limit up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes of one connection up to which it is never closed because of the others.
const SMALL: usize = 64 * 1024;

/// The count; see the module.
#[derive(Debug)]
pub(crate) struct InboundMemoryLimit {
    most: usize,
    bytes: AtomicUsize,
}

/// The part of one connection in the count.
#[derive(Debug)]
pub(crate) struct InboundBytes {
    all: Arc<InboundMemoryLimit>,
    most: usize,
    bytes: AtomicUsize,
    /// True while the client may not make the server keep more than [`SMALL`].
    is_small: AtomicBool,
}

/// The reason for which no more of a message is received. The connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Excess {
    #[error(
        "the server is receiving {0} bytes, which is the limit (max_receiving); reconnect later"
    )]
    All(usize),
    #[error(
        "the client sent more than {0} bytes without completing a message (max_frame); send smaller messages"
    )]
    Message(usize),
    #[error(
        "the client sent more than {0} bytes before it showed a token; send the hello with the token first"
    )]
    Unauthorized(usize),
}

impl InboundMemoryLimit {
    /// Returns a limit of `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            bytes: AtomicUsize::new(0),
        }
    }

    /// Returns the bytes of all connections.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns the part of a connection whose messages have at most `max_message` bytes.
    pub(crate) fn part(self: &Arc<Self>, max_message: usize) -> InboundBytes {
        InboundBytes {
            all: Arc::clone(self),
            // Room for the headers of fragments and for what is read ahead, but not for a header
            // for each byte.
            most: max_message
                .saturating_add(max_message / 8)
                .saturating_add(SMALL),
            bytes: AtomicUsize::new(0),
            is_small: AtomicBool::new(false),
        }
    }
}

impl InboundBytes {
    /// Counts received bytes.
    ///
    /// # Errors
    /// A limit is exceeded. The bytes count until this is dropped.
    pub(crate) fn came(&self, bytes: usize) -> Result<(), Excess> {
        let here = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let all = self.all.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if here > SMALL && self.is_small.load(Ordering::Relaxed) {
            return Err(Excess::Unauthorized(SMALL));
        }
        if here > self.most {
            return Err(Excess::Message(self.most));
        }
        if all > self.all.most && here > SMALL {
            return Err(Excess::All(self.all.most));
        }
        Ok(())
    }

    /// Limits the messages to 64 KiB, while the client has not shown what it may do.
    pub(crate) fn keep_small(&self) {
        self.is_small.store(true, Ordering::Relaxed);
    }

    /// Ends that limit.
    pub(crate) fn grow(&self) {
        self.is_small.store(false, Ordering::Relaxed);
    }

    /// Notes that everything was handled, except what was read ahead.
    pub(crate) fn taken(&self) {
        self.taken_of(usize::MAX);
    }

    /// Notes that so many bytes were handled.
    pub(crate) fn taken_of(&self, bytes: usize) {
        let here = self.bytes.load(Ordering::Relaxed).min(bytes);
        self.bytes.fetch_sub(here, Ordering::Relaxed);
        self.all.bytes.fetch_sub(here, Ordering::Relaxed);
    }
}

impl Drop for InboundBytes {
    fn drop(&mut self) {
        self.taken();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_showed_no_token_sends_little() {
        let all = Arc::new(InboundMemoryLimit::new(1 << 30));
        let part = all.part(1 << 20);
        part.keep_small();
        assert_eq!(part.came(SMALL), Ok(()));
        assert_eq!(part.came(1), Err(Excess::Unauthorized(SMALL)));
        part.grow();
        assert_eq!(part.came(SMALL), Ok(()));
    }

    #[test]
    fn a_crowd_of_large_messages_is_bounded_and_small_ones_go_on() {
        let all = Arc::new(InboundMemoryLimit::new(1 << 20));
        let large = all.part(1 << 20);
        let larger = all.part(1 << 20);
        let small = all.part(1 << 20);
        assert_eq!(large.came(600 << 10), Ok(()));
        assert_eq!(larger.came(600 << 10), Err(Excess::All(1 << 20)));
        assert_eq!(small.came(60 << 10), Ok(()));
        drop(larger);
        assert_eq!(large.came(200 << 10), Ok(()));
        large.taken();
        assert_eq!(all.bytes(), 60 << 10);
        drop((small, large));
        assert_eq!(all.bytes(), 0);
    }

    #[test]
    fn bytes_that_make_no_message_are_bounded() {
        let all = Arc::new(InboundMemoryLimit::new(usize::MAX));
        let part = all.part(1000);
        let mut came = 0;
        while part.came(7).is_ok() {
            came += 7;
        }
        assert!((1000..100_000).contains(&came), "{came}");
        // Control frames between them are counted off one by one.
        let other = all.part(1000);
        for _ in 0..1_000_000 {
            assert_eq!(other.came(6), Ok(()));
            other.taken_of(6);
        }
    }
}
