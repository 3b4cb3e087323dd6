//! Messages that an isolated room keeps back until it heals.
//!
//! While the log does not answer, another host may have called this one lost, behind the records
//! that arrive here. A client that hears of a grant believes in it for a while by its own clock.
//! So offers and grants wait, and welcomes, which name the grants of a session that goes on.
//! Everything else is told: a holder that has to stop hears so.

use std::mem;
use std::sync::Arc;

use baton_sync::control_channel::ServerMessage;

use crate::context::Context;
use crate::message::ConnectionId;
use crate::sessions::Channel;

/// See the module.
#[derive(Default)]
pub(super) struct Withheld {
    isolated: bool,
    messages: Vec<(ConnectionId, Arc<ServerMessage>)>,
}

impl Withheld {
    pub(super) const fn is_isolated(&self) -> bool {
        self.isolated
    }

    /// Begins an isolation. Returns false if there is one.
    pub(super) const fn begin(&mut self) -> bool {
        !mem::replace(&mut self.isolated, true)
    }

    /// Ends the isolation. Returns what was kept back, the oldest first.
    pub(super) fn end(&mut self) -> Vec<(ConnectionId, Arc<ServerMessage>)> {
        self.isolated = false;
        mem::take(&mut self.messages)
    }

    /// Keeps a message back if it has to wait: one that a client would believe in, its welcome, or
    /// one that comes behind a welcome. Returns true if it did.
    pub(super) fn keep(
        &mut self,
        to: ConnectionId,
        message: &Arc<ServerMessage>,
        cx: Context<'_>,
    ) -> bool {
        let waits = self.isolated
            && (is_believed(message) || cx.sessions.channel_of(to) == Some(Channel::Opening));
        if waits {
            self.messages.push((to, Arc::clone(message)));
        }
        waits
    }

    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.messages.retain(|(to, _)| *to != connection);
    }
}

const fn is_believed(message: &ServerMessage) -> bool {
    matches!(
        message,
        ServerMessage::Offer { .. } | ServerMessage::Granted { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_for_a_client_that_has_gone() {
        let mut withheld = Withheld::default();
        let message = Arc::new(ServerMessage::Saved { updates: 1 });
        for connection in [1, 2, 1] {
            let kept = (ConnectionId(connection), Arc::clone(&message));
            withheld.messages.push(kept);
        }
        withheld.forget(ConnectionId(1));
        let kept = withheld.end();
        assert_eq!(kept, [(ConnectionId(2), message)]);
    }
}
