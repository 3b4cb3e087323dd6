//! The first message of a connection: the time for it, and the token that it may hold.
//!
//! A client of Baton's channel can show its token in its hello. Until it has, nothing of the
//! document is opened, and the client can make the server keep few bytes.

use baton_sync::y_websocket::{self, Message as Frame};
use futures_util::{Stream, StreamExt};
use serde::Deserialize;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::access::{ShownToken, shown_token};
use crate::connection::close_codes;
use crate::connection::inbound_stream::CONTROL;
use crate::connection::session::ConnectionOver;
use crate::connection::socket_writer::SocketWriter;
use crate::documents::registry::Registry;
use crate::limits::inbound_memory_limit::InboundBytes;
use crate::ops::rejection_counters::Rejection;

/// Result of one read; `None` if the stream has ended.
pub(super) type Read = Option<Result<Message, Error>>;

/// Waits for the first message, a control frame or not, for at most `handshake_timeout`.
pub(super) async fn first_message<R>(
    stream: &mut R,
    writer: &SocketWriter,
    registry: &Registry,
) -> Result<Read, ConnectionOver>
where
    R: Stream<Item = Result<Message, Error>> + Unpin,
{
    in_time(stream.next(), writer, registry).await
}

/// Waits for the first message that is no ping and no pong, in the same time. It may be a hello
/// with a token, so it is kept small.
pub(super) async fn first_hello<R>(
    stream: &mut R,
    writer: &SocketWriter,
    registry: &Registry,
    part: &InboundBytes,
) -> Result<Read, ConnectionOver>
where
    R: Stream<Item = Result<Message, Error>> + Unpin,
{
    part.keep_small();
    let reading = async {
        loop {
            match stream.next().await {
                Some(Ok(Message::Ping(payload) | Message::Pong(payload))) => {
                    part.taken_of(payload.len() + CONTROL);
                }
                read => return read,
            }
        }
    };
    let read = in_time(reading, writer, registry).await;
    part.grow();
    read
}

async fn in_time(
    reading: impl Future<Output = Read>,
    writer: &SocketWriter,
    registry: &Registry,
) -> Result<Read, ConnectionOver> {
    let first = registry.settings().handshake_timeout.0;
    let read = tokio::time::timeout(first, reading).await;
    read.map_err(|_| {
        let what = "no message came within the handshake's time (handshake_timeout)";
        registry.refusals().note(Rejection::HandshakeTime, what);
        writer.end(close_codes::SILENT, what);
        ConnectionOver
    })
}

/// The part of a hello that is about access.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Hello {
    Hello { token: Option<String> },
}

/// Returns the token of a message, if it is a hello with one.
pub(super) fn hello_token(message: &Message) -> ShownToken {
    let Message::Binary(frame) = message else {
        return Ok(None);
    };
    let Ok(Frame::Baton(payload)) = y_websocket::decode(frame) else {
        return Ok(None);
    };
    match serde_json::from_str(payload) {
        Ok(Hello::Hello { token: Some(token) }) => shown_token(&token),
        Ok(Hello::Hello { token: None }) | Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(payload: &str) -> Result<Option<String>, &'static str> {
        let message = Message::Binary(y_websocket::baton(payload));
        match hello_token(&message) {
            Ok(token) => Ok(token.map(|token| token.secret_text().to_owned())),
            Err(denied) => Err(denied.reason),
        }
    }

    #[test]
    fn a_hello_may_hold_a_token_and_no_other_message_does() {
        let hello = r#"{"type":"hello","version":1,"token":"a.b.c","user":{"name":"Ada"}}"#;
        assert_eq!(shown(hello), Ok(Some("a.b.c".to_owned())));
        for none in [
            r#"{"type":"hello","version":1}"#,
            r#"{"type":"hello","version":1,"token":null}"#,
            r#"{"type":"hello","version":1,"token":""}"#,
            r#"{"type":"hello","version":1,"token":7}"#,
            r#"{"type":"hello","token":"a","token":"b"}"#,
            r#"{"type":"profile","token":"a.b.c"}"#,
            r#"{"token":"a.b.c"}"#,
            "a.b.c",
        ] {
            assert_eq!(shown(none), Ok(None), "{none}");
        }
        let long = format!(r#"{{"type":"hello","token":"{}"}}"#, "a".repeat(9_000));
        assert_eq!(shown(&long), Err("token-too-large"));
        let step1 = Message::Binary(vec![0, 0, 1, 0].into());
        assert!(matches!(hello_token(&step1), Ok(None)));
    }
}
