//! Slows down clients that come again at once after a final close.
//!
//! y-sweet's client takes no close code as final, and does not pause after a connection that was
//! in sync. One whose edit is refused each time would connect, send it and be closed without end.
//! Owns the time before which such a client gets no new connection: its handshake waits.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use baton_auth::TokenFingerprint;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::net::client_addr::ClientAddr;

/// Close codes that are final: the same again would bring the same answer.
const FINAL: Range<u16> = 4400..4500;

/// Time from a final close to the next connection.
const PAUSE: Duration = Duration::from_secs(2);

/// Most clients that are remembered. Others have no pause meanwhile.
const MAX_CLIENTS: usize = 10_000;

/// A client, as far as it can be told apart: other clients of its address have other tokens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ReturningClient {
    pub(crate) address: ClientAddr,
    pub(crate) document: String,
    pub(crate) token: Option<TokenFingerprint>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ReturnPause {
    until: Mutex<HashMap<ReturningClient, Instant>>,
}

impl ReturnPause {
    /// Notes the code with which a connection of this client was closed.
    pub(crate) fn closed(&self, client: ReturningClient, code: u16) {
        if !FINAL.contains(&code) {
            return;
        }
        let now = Instant::now();
        let mut until = self.until.lock();
        if until.len() >= MAX_CLIENTS {
            until.retain(|_, until| *until > now);
        }
        if until.len() < MAX_CLIENTS {
            until.insert(client, now + PAUSE);
        }
    }

    /// Waits until this client may connect.
    pub(crate) async fn over(&self, client: &ReturningClient) {
        let until = self.until.lock().remove(client);
        if let Some(until) = until {
            sleep_until(until).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn client(document: &str) -> ReturningClient {
        ReturningClient {
            address: IpAddr::from([127, 0, 0, 1]).into(),
            document: document.to_owned(),
            token: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_waits_once_after_a_final_close_and_no_other_client_does() {
        let pause = ReturnPause::default();
        let began = Instant::now();
        pause.closed(client("a"), 1000);
        pause.closed(client("a"), 4503);
        pause.over(&client("a")).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        pause.closed(client("a"), 4423);
        pause.over(&client("b")).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        pause.over(&client("a")).await;
        assert_eq!(began.elapsed(), PAUSE);
        pause.over(&client("a")).await;
        assert_eq!(began.elapsed(), PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_clients_are_remembered_and_only_for_the_pause() {
        let pause = ReturnPause::default();
        for number in 0..=MAX_CLIENTS {
            pause.closed(client(&number.to_string()), 4423);
        }
        assert_eq!(pause.until.lock().len(), MAX_CLIENTS);
        tokio::time::advance(PAUSE).await;
        pause.closed(client("late"), 4423);
        assert_eq!(pause.until.lock().len(), 1);
    }
}
