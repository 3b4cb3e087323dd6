//! News about the access of a session, in the words of the channel.

use baton_sync::control_channel::{ErrorCode, ServerMessage};

use crate::channel_types::rights;
use crate::context::Context;
use crate::message::{AccessNews, ConnectionId};

/// Returns the message for a client. `None` if its session is not there yet: the welcome will show
/// its rights.
pub(super) fn message(
    to: ConnectionId,
    news: AccessNews,
    cx: Context<'_>,
) -> Option<ServerMessage> {
    match news {
        AccessNews::Expiring { left_ms } => Some(ServerMessage::TokenExpiring { left_ms }),
        AccessNews::Renewed => {
            let session = cx.sessions.session_of(to)?;
            let rights = rights(cx.state.locks().peer(session)?.rights);
            Some(ServerMessage::Rights { rights })
        }
        AccessNews::Refused { reason, retry } => Some(ServerMessage::Error {
            code: ErrorCode::Access,
            message: reason,
            retry,
        }),
    }
}
