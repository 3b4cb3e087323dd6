//! The cause for which a connection, or an attempt at one, ended.
//!
//! Owns the meaning of close codes and of HTTP statuses, and which of them are final. Decides
//! nothing else: the core asks it.

use std::fmt;
use std::time::Duration;

use crate::token::TokenSourceError;

/// Close codes that are final: the same client would be turned away again.
const FINAL_CODES: std::ops::Range<u16> = 4400..4500;

/// The cause for which a connection, or an attempt at one, ended.
///
/// Its [`fmt::Display`] says whose fault it is and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseCause {
    /// The server, or a proxy, sent a close frame.
    Closed {
        /// The close code.
        code: u16,
        /// The reason in the frame: with 4401, 4403 and 4504 one word, otherwise for people.
        reason: String,
    },
    /// The server, or a proxy, answered the request for a WebSocket with another HTTP status than
    /// 101.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The time for which the answer asks to wait (`Retry-After` in seconds).
        retry_after: Option<Duration>,
    },
    /// The connection could not be opened, or broke off without a close frame. The text is of the
    /// transport.
    Network(String),
    /// The server sent nothing for [`TimingsMs::server_silent_after`](crate::TimingsMs), or
    /// [`ClientOptions::silent_after`](crate::ClientOptions::silent_after) before the welcome.
    Silence,
    /// The server sent something that cannot be read, or cannot be applied.
    Protocol(String),
    /// There was no token: [`ClientOptions::token_source`](crate::ClientOptions::token_source)
    /// failed, or did not answer.
    Token(TokenSourceError),
    /// This session may edit again: its unsaved edits are sent anew, over another connection.
    RightsReturned,
    /// This client left: [`Client::disconnect`](crate::Client::disconnect) or
    /// [`Client::close`](crate::Client::close).
    Left,
    /// The document of this client can no longer be used. The text says why.
    Broken(String),
}

/// The meaning of a [`CloseCause`], for a program that acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseMeaning {
    /// This client is at fault: a request or a frame was not understood (4400; HTTP 400, 405, 426,
    /// 431 and others of that kind).
    BadRequest,
    /// The token is missing, wrong, expired or revoked (4401; HTTP 401). Final, unless
    /// [`ClientOptions::token_source`](crate::ClientOptions::token_source) has another one.
    BadToken,
    /// Access is denied to this document (4403), or to this server (HTTP 403).
    Forbidden,
    /// There is no such document, or no Baton server at this address (4404; HTTP 404, 410; a
    /// success or a redirect in place of a WebSocket).
    NotFound,
    /// This session went on over another connection (4409).
    Superseded,
    /// The copy belongs to another epoch of the document (4410): start from a fresh copy.
    OtherEpoch,
    /// Another client writes under the same Yjs client id (4411).
    ClientIdTaken,
    /// The document was erased (4412).
    Erased,
    /// A frame, or the document, is larger than the server allows (4413).
    TooLarge,
    /// The token expired while the connection was open (4505).
    TokenExpired,
    /// The server is going away, and another one takes its place (4503).
    GoingAway,
    /// The server has no room, or too many connections of this address (HTTP 429 and 503).
    Busy,
    /// The server, or a service that it needs, cannot serve this now (4500, 4504, 4507; HTTP 408,
    /// 425 and 5xx).
    Unavailable,
    /// The server heard nothing from this client for too long (4508), or this client nothing from
    /// the server.
    Silence,
    /// The connection could not be opened, or broke off.
    Network,
    /// The server is at fault: it sent something that cannot be read.
    ServerFault,
    /// There is no token to be had.
    NoToken,
    /// This client ended the connection by itself.
    Own,
    /// The document of this client can no longer be used.
    Broken,
    /// A close code that this version does not know.
    Other,
}

impl CloseCause {
    /// Returns the code of the close frame, if there was one.
    #[must_use]
    pub const fn code(&self) -> Option<u16> {
        match self {
            Self::Closed { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Returns the HTTP status in place of a WebSocket, if there was one.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Returns the time for which the server asks to wait.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Returns true if the same client would be turned away again: close codes from 4400 to 4499,
    /// HTTP statuses below 500 other than 408, 425 and 429, a token source that has no token, and
    /// a broken document. The client ends then, except that it asks its token source once more
    /// about [`CloseMeaning::BadToken`].
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Closed { code, .. } => FINAL_CODES.contains(code),
            Self::Refused { status, .. } => *status < 500 && !matches!(status, 408 | 425 | 429),
            Self::Token(error) => matches!(error, TokenSourceError::Denied(_)),
            Self::Broken(_) => true,
            Self::Network(_)
            | Self::Silence
            | Self::Protocol(_)
            | Self::RightsReturned
            | Self::Left => false,
        }
    }

    /// Returns the meaning.
    #[must_use]
    pub const fn meaning(&self) -> CloseMeaning {
        match self {
            Self::Closed { code, .. } => of_code(*code),
            Self::Refused { status, .. } => of_status(*status),
            Self::Network(_) => CloseMeaning::Network,
            Self::Silence => CloseMeaning::Silence,
            Self::Protocol(_) => CloseMeaning::ServerFault,
            Self::Token(_) => CloseMeaning::NoToken,
            Self::RightsReturned | Self::Left => CloseMeaning::Own,
            Self::Broken(_) => CloseMeaning::Broken,
        }
    }
}

const fn of_code(code: u16) -> CloseMeaning {
    match code {
        4400 => CloseMeaning::BadRequest,
        4401 => CloseMeaning::BadToken,
        4403 => CloseMeaning::Forbidden,
        4404 => CloseMeaning::NotFound,
        4409 => CloseMeaning::Superseded,
        4410 => CloseMeaning::OtherEpoch,
        4411 => CloseMeaning::ClientIdTaken,
        4412 => CloseMeaning::Erased,
        4413 => CloseMeaning::TooLarge,
        4500 | 4504 | 4507 => CloseMeaning::Unavailable,
        4503 => CloseMeaning::GoingAway,
        4505 => CloseMeaning::TokenExpired,
        4508 => CloseMeaning::Silence,
        _ => CloseMeaning::Other,
    }
}

const fn of_status(status: u16) -> CloseMeaning {
    match status {
        401 => CloseMeaning::BadToken,
        403 => CloseMeaning::Forbidden,
        0..400 | 404 | 410 => CloseMeaning::NotFound,
        408 | 425 => CloseMeaning::Unavailable,
        429 | 503 => CloseMeaning::Busy,
        400..500 => CloseMeaning::BadRequest,
        500.. => CloseMeaning::Unavailable,
    }
}

impl CloseMeaning {
    /// Returns whose fault it is, and what to do.
    const fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::BadRequest => "it does not understand this client: check address and versions",
            Self::BadToken => "it takes no such token: get another one",
            Self::Forbidden => "it denies access here: ask for it",
            Self::NotFound => "there is no such document, or no Baton server at this address",
            Self::Superseded => "this session went on over another connection",
            Self::OtherEpoch => {
                "this copy is of another epoch of the document: start from a fresh one"
            }
            Self::ClientIdTaken => {
                "another client writes under the same Yjs client id: open the document afresh"
            }
            Self::Erased => "the document was erased: open it afresh for an empty one",
            Self::TooLarge => "a frame, or the document, is larger than the server allows",
            Self::TokenExpired => "the token has expired: refresh it",
            Self::GoingAway => "the server is going away",
            Self::Busy => "the server has no room now",
            Self::Unavailable => "the server cannot serve this now",
            Self::Silence => "nothing came from the other side for too long",
            Self::Network
            | Self::ServerFault
            | Self::NoToken
            | Self::Own
            | Self::Broken
            | Self::Other => return None,
        })
    }
}

impl fmt::Display for CloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { code, reason } => {
                write!(f, "the server closed the connection with {code}")?;
                if !reason.is_empty() {
                    write!(f, " ({reason})")?;
                }
            }
            Self::Refused { status, .. } => {
                write!(f, "the server refused the connection with HTTP {status}")?;
            }
            Self::Network(reason) => write!(f, "the connection failed: {reason}")?,
            Self::Silence => return f.write_str("the server sent nothing for too long"),
            Self::Protocol(reason) => write!(f, "the server is at fault: {reason}")?,
            Self::Token(error) => error.fmt(f)?,
            Self::RightsReturned => {
                f.write_str("this session may edit again; its unsaved edits are sent anew")?;
            }
            Self::Left => f.write_str("closed by this client")?,
            Self::Broken(reason) => f.write_str(reason)?,
        }
        match self.meaning().advice() {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn refused(status: u16) -> CloseCause {
        CloseCause::Refused {
            status,
            retry_after: None,
        }
    }

    fn closed(code: u16) -> CloseCause {
        let reason = "expired".to_owned();
        CloseCause::Closed { code, reason }
    }

    #[test]
    fn an_answer_that_will_be_the_same_again_is_final() {
        for status in [200, 302, 400, 401, 403, 404, 410, 426, 431] {
            assert!(refused(status).is_final(), "{status}");
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(!refused(status).is_final(), "{status}");
        }
        for code in [4400, 4401, 4403, 4404, 4409, 4410, 4499] {
            assert!(closed(code).is_final(), "{code}");
        }
        for code in [1000, 1001, 1006, 3000, 4399, 4500, 4503, 4504, 4505, 4508] {
            assert!(!closed(code).is_final(), "{code}");
        }
    }

    #[test]
    fn a_cause_says_what_to_do() {
        assert_eq!(
            closed(4401).to_string(),
            "the server closed the connection with 4401 (expired); \
             it takes no such token: get another one"
        );
        assert_eq!(
            refused(503).to_string(),
            "the server refused the connection with HTTP 503; the server has no room now"
        );
        assert_eq!(refused(302).meaning(), CloseMeaning::NotFound);
        assert_eq!(closed(4499).meaning(), CloseMeaning::Other);
    }
}
