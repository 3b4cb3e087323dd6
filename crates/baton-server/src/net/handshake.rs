//! The handshake of a WebSocket, as a client asks for it (RFC 6455, section 4.2.1).

use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The reason for which a request for a document is not a WebSocket handshake. Nothing was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandshakeFault {
    /// It does not ask for an upgrade.
    Plain,
    /// It asks for another version of the protocol.
    Version,
    /// Its key is not 16 bytes in base64.
    Key,
    /// It has a body, or is not a GET of HTTP/1.1.
    Request,
}

impl HandshakeFault {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Plain => {
                "This is the address of a WebSocket; connect to it with a Yjs provider.\n"
            }
            Self::Version => "This server speaks only version 13 of the WebSocket protocol.\n",
            Self::Key => "Sec-WebSocket-Key must be 16 bytes in base64.\n",
            Self::Request => {
                "A WebSocket handshake must be a GET of HTTP/1.1 with a Host header and without a body.\n"
            }
        }
    }
}

impl IntoResponse for HandshakeFault {
    fn into_response(self) -> Response {
        let upgrade = [
            (header::UPGRADE, "websocket"),
            (header::SEC_WEBSOCKET_VERSION, "13"),
        ];
        match self {
            Self::Plain | Self::Version => {
                (StatusCode::UPGRADE_REQUIRED, upgrade, self.text()).into_response()
            }
            Self::Key | Self::Request => (StatusCode::BAD_REQUEST, self.text()).into_response(),
        }
    }
}

/// Returns the answer to the client's key, if this is a WebSocket handshake (RFC 6455, section
/// 4.2.1).
pub(super) fn accept_key(request: &Request) -> Result<String, HandshakeFault> {
    let headers = request.headers();
    let has = |name: header::HeaderName, token: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    if !has(header::CONNECTION, "upgrade") || !has(header::UPGRADE, "websocket") {
        return Err(HandshakeFault::Plain);
    }
    if !has(header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(HandshakeFault::Version);
    }
    let empty = |length: &HeaderValue| length == "0";
    let bodiless = !headers.contains_key(header::TRANSFER_ENCODING)
        && headers.get(header::CONTENT_LENGTH).is_none_or(empty);
    let addressed = headers.contains_key(header::HOST);
    let get = *request.method() == Method::GET && request.version() == Version::HTTP_11;
    if !get || !bodiless || !addressed {
        return Err(HandshakeFault::Request);
    }
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    match (keys.next(), keys.next()) {
        (Some(key), None) if is_key(key.as_bytes()) => Ok(derive_accept_key(key.as_bytes())),
        _ => Err(HandshakeFault::Key),
    }
}

/// Returns true if this is 16 bytes in base64.
fn is_key(text: &[u8]) -> bool {
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.strip_suffix(b"==")
        .is_some_and(|rest| rest.len() == 22 && rest.iter().all(base64))
}
