//! The access of a session: its place among the open sessions, and tokens that its client shows
//! later.

use std::sync::Arc;
use std::time::Duration;

use baton_auth::Token;
use baton_presence::Rights;
use baton_room::{AccessNews, ConnectionId, Room};
use baton_sync::control_channel::{ChannelToken, ClientMessage};
use tokio::time::Instant;

use super::not_joined::NotJoined;
use crate::access::{AccessDenied, AccessGrant, ShownToken};
use crate::connection::close_codes;
use crate::connection::pending_flushes::{PendingFlushes, patiently};
use crate::connection::wire::Wire;
use crate::documents::open_document::OpenDocument;
use crate::documents::registry::Registry;
use crate::documents::work_cost::StepKind;
use crate::sessions::open_sessions::{OpenSessions, Renewal, SessionPlace};
use crate::sessions::session_view::WireName;

/// Least time between two looks at tokens that one connection shows.
const TOKEN_PAUSE: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct SessionAccess {
    sessions: Arc<OpenSessions>,
    place: SessionPlace,
    /// Earliest time at which another token of the client is looked at.
    next_token: Instant,
}

impl SessionAccess {
    /// Takes a place in the table of open sessions, and among those of its tenant.
    pub(super) fn enter(
        registry: &Registry,
        id: ConnectionId,
        grant: &AccessGrant,
        wire: &Wire,
    ) -> Result<Self, NotJoined> {
        let admitted = registry.quota().tenants().admit_session(grant.tenant());
        let tenant = admitted.map_err(|full| {
            registry.refusals().note(full.rejection(), full);
            NotJoined {
                code: close_codes::OVERLOADED,
                reason: full.to_string(),
            }
        })?;
        let wire = match wire {
            Wire::YWebsocket => WireName::YWebsocket,
            Wire::Hocuspocus(_) => WireName::Hocuspocus,
        };
        let (sessions, grant) = (registry.sessions(), Arc::new(grant.clone()));
        let entered = sessions.enter(id, wire, &grant, tenant);
        let place = entered.map_err(|end| NotJoined::from(&end))?;
        Ok(Self {
            sessions: Arc::clone(sessions),
            place,
            next_token: Instant::now(),
        })
    }

    /// Takes the seat in the table of open sessions, with what was decided about the session while
    /// it joined.
    ///
    /// # Errors
    /// The session was ended meanwhile.
    pub(super) async fn take_seat(
        &self,
        id: ConnectionId,
        document: &Arc<OpenDocument>,
        granted: Rights,
    ) -> Result<(), NotJoined> {
        let rights = self.place.take_seat(document);
        let rights = rights.map_err(|end| NotJoined::from(&end))?;
        if rights.get() != granted {
            let set = move |room: &mut Room, now| room.set_rights(id, rights.get(), now);
            // A document that is gone has told this connection so already.
            let _ended = Box::pin(document.own_step(StepKind::Light, set)).await;
        }
        Ok(())
    }

    /// Looks at another token of the client, and lets it take the place of the one before. Returns
    /// the access of the new one.
    ///
    /// # Errors
    /// The token gives no access, or is another user's. The session has its token of before.
    pub(super) async fn show_token(
        &mut self,
        id: ConnectionId,
        shown: &ShownToken,
        due: &mut PendingFlushes,
    ) -> Result<(Renewal, Arc<AccessGrant>), AccessDenied> {
        // Each look may cost a signature, or a question to another service.
        patiently(due, tokio::time::sleep_until(self.next_token)).await;
        self.next_token = Instant::now() + TOKEN_PAUSE;
        patiently(due, self.sessions.show_token(id, shown)).await
    }

    /// Answers a token that came over Baton's channel.
    pub(super) async fn answer_token(
        &mut self,
        id: ConnectionId,
        token: ChannelToken,
        document: &Arc<OpenDocument>,
        due: &mut PendingFlushes,
    ) {
        let token = Token::new(token.into_secret_text()).map_err(AccessDenied::from);
        let news = match self.show_token(id, &token.map(Some), due).await {
            Ok((Renewal::Unchanged, _)) => AccessNews::Renewed,
            // The client is told of its other rights, or that its session was ended.
            Ok((Renewal::Changed | Renewal::Ended, _)) => return,
            Err(denied) => AccessNews::Refused {
                retry: denied.is_temporary(),
                reason: denied.text,
            },
        };
        let tell = move |room: &mut Room, now| room.tell_access(id, news, now);
        // A document that is gone has told this connection so already.
        let _ended = document.own_step(StepKind::Light, tell).await;
    }
}

/// Returns the token of a channel message that shows one. JSON may spell any letter of its type as
/// an escape.
pub(super) fn channel_token(payload: &str) -> Option<ChannelToken> {
    if !payload.contains("token") && !payload.contains("\\u") {
        return None;
    }
    match ClientMessage::decode(payload) {
        Ok(ClientMessage::Token { token }) => Some(token),
        _ => None,
    }
}
