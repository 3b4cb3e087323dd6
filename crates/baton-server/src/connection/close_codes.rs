//! Close codes of the WebSocket, as docs/protocol.md gives them: 4400-4499 final, 4500-4599 come
//! again.

use baton_room::Ending;

/// The client sent something that is no WebSocket frame by RFC 6455: fix the client.
pub const WEBSOCKET: u16 = 1002;
/// Overloaded, or this connection reads too slowly: come again.
pub const OVERLOADED: u16 = 1013;
/// The client did what it said it would: the code of a close that nothing is wrong with.
pub const NORMAL: u16 = 1000;
/// More of a Hocuspocus client waits before it is let in than may wait: come again.
pub const RESET: u16 = 4205;
/// A frame was not understood: final.
pub const PROTOCOL: u16 = 4400;
/// The client showed no token, or one that counts no longer: final, until it has another token.
pub const UNAUTHORIZED: u16 = 4401;
/// The client may not open this document: final.
pub const FORBIDDEN: u16 = 4403;
/// Not a document name: final.
pub const BAD_NAME: u16 = 4404;
/// No document of a Hocuspocus connection was asked for with a token in time, or the client answers
/// nothing: come again.
pub const TIMEOUT: u16 = 4408;
/// This session went on over another connection: final for this one.
pub const SUPERSEDED: u16 = 4409;
/// The client's copy is of another epoch: final.
pub const EPOCH: u16 = 4410;
/// Another client that is here writes under the same Yjs client id: final.
pub const CLIENT_ID: u16 = 4411;
/// The document was erased: final.
pub const ERASED: u16 = 4412;
/// A frame is larger than the limit, or an edit makes the document so: final.
pub const TOO_LARGE: u16 = 4413;
/// A stock client's edit was parked: final.
pub const LOCKED: u16 = 4423;
/// The document cannot be served now: come again.
pub const UNAVAILABLE: u16 = 4500;
/// The server is going away: come again after a random delay.
pub const GOING_AWAY: u16 = 4503;
/// Access cannot be decided now, because a service that decides does not answer: come again later.
pub const UNDECIDED: u16 = 4504;
/// The access of an open connection ended with its token: come again with a new one.
pub const EXPIRED: u16 = 4505;
/// The store failed: come again later.
pub const STORE_FAILED: u16 = 4507;
/// Nothing came from this connection for the deadline: come again.
pub const SILENT: u16 = 4508;

/// Returns true if a client cannot help itself by coming again.
pub(crate) const fn is_final(code: u16) -> bool {
    matches!(code, NORMAL | 4400..4500) && code != TIMEOUT
}

/// The code that says why a room ended a connection.
pub(crate) fn code(why: Ending) -> u16 {
    match why {
        Ending::Protocol => PROTOCOL,
        Ending::Unauthorized => UNAUTHORIZED,
        Ending::Forbidden => FORBIDDEN,
        Ending::Superseded => SUPERSEDED,
        Ending::ClientId => CLIENT_ID,
        Ending::Epoch => EPOCH,
        Ending::Erased => ERASED,
        Ending::Limit => TOO_LARGE,
        Ending::Locked => LOCKED,
        Ending::Silent => SILENT,
        Ending::Expired => EXPIRED,
        Ending::Unavailable => UNAVAILABLE,
        Ending::StoreFailed => STORE_FAILED,
        Ending::GoingAway => GOING_AWAY,
    }
}
