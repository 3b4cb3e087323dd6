//! Revokes tokens, and ends the open sessions that have them.
//!
//! Owns the order: the list of revoked tokens first, then the sessions. A session that is opened
//! in between finds itself in the list.

use std::sync::Arc;
use std::time::Duration;

use baton_auth::TokenUser;
use baton_room::ConnectionId;

use crate::access::AccessGrant;
use crate::clock::unix_ms;
use crate::sessions::enforcement::SessionOrders;
use crate::sessions::open_sessions::OpenSessions;
use crate::sessions::revocations::RevocationsFull;
use crate::sessions::session_end::SessionEnd;

/// The tokens that an operator revokes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Revocation {
    /// All that this user has now.
    User(String),
    /// All with this id.
    TokenId(String),
    /// The one of this session. A session without a token is ended only.
    Session(u64),
}

/// The result of a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Revoked {
    /// Sessions that were ended.
    pub(crate) ended: usize,
    /// The error if not all tokens could be remembered.
    pub(crate) listed: Result<(), RevocationsFull>,
}

/// Revokes tokens, ends all sessions that have them, and waits until those are closed, but for
/// `patience` at most.
pub(crate) async fn revoke(
    sessions: &Arc<OpenSessions>,
    revocation: &Revocation,
    patience: Duration,
) -> Revoked {
    let mut orders = SessionOrders::default();
    let revoked = match revocation {
        Revocation::User(user) => revoke_user(sessions, user, &mut orders),
        Revocation::TokenId(id) => revoke_token_id(sessions, id, &mut orders),
        Revocation::Session(id) => revoke_session(sessions, ConnectionId(*id), &mut orders),
    };
    let _goes_on = tokio::time::timeout(patience, orders.finish()).await;
    revoked
}

fn revoke_user(sessions: &Arc<OpenSessions>, user: &str, orders: &mut SessionOrders) -> Revoked {
    let now = unix_ms();
    let list = sessions.revocations();
    let is_users = |grant: &AccessGrant| grant.user().map(TokenUser::id) == Some(user);
    let mut listed = list.revoke_user(user, now);
    // An issuer's clock may be ahead of this one.
    sessions.for_each(|_, grant| {
        if is_users(grant) && !sessions.is_revoked(grant, now) {
            listed = listed.and(list.revoke(grant.access(), grant.token(), now));
        }
    });
    let ended = sessions.end_where(is_users, orders);
    Revoked { ended, listed }
}

fn revoke_token_id(sessions: &Arc<OpenSessions>, id: &str, orders: &mut SessionOrders) -> Revoked {
    let listed = sessions.revocations().revoke_token_id(id, unix_ms());
    let has_id = |grant: &AccessGrant| grant.token_id() == Some(id);
    let ended = sessions.end_where(has_id, orders);
    Revoked { ended, listed }
}

fn revoke_session(
    sessions: &Arc<OpenSessions>,
    id: ConnectionId,
    orders: &mut SessionOrders,
) -> Revoked {
    let Some(grant) = sessions.grant(id) else {
        return Revoked {
            ended: 0,
            listed: Ok(()),
        };
    };
    let now = unix_ms();
    let list = sessions.revocations();
    let listed = list.revoke(grant.access(), grant.token(), now);
    let alone = usize::from(sessions.end(id, None, &SessionEnd::Revoked, orders));
    let is_revoked = |grant: &AccessGrant| sessions.is_revoked(grant, now);
    let ended = alone + sessions.end_where(is_revoked, orders);
    Revoked { ended, listed }
}
