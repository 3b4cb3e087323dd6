//! Reads the frames of a WebSocket that carries one document, the one that its address names.

use std::sync::Arc;

use baton_room::{Departure, Receipts, Source};
use futures_util::future::FutureExt;
use futures_util::{Stream, StreamExt};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::access::{AccessDenied, Authorizer, Caller, ShownToken};
use crate::connection::first_message::{Read, first_hello, first_message, hello_token};
use crate::connection::inbound_stream::{CONTROL, Parted, broken};
use crate::connection::outbox::WriterEvent;
use crate::connection::send_queue::FrameClass;
use crate::connection::session::{ConnectionOver, Session};
use crate::connection::socket_writer::SocketWriter;
use crate::connection::{close_codes, document_name, wire_codec};
use crate::documents::registry::Registry;
use crate::limits::inbound_memory_limit::InboundBytes;
use crate::limits::message_rate_limit::MessageRateLimit;

/// A connection that asks for a document: the request, and what decides about it.
pub(crate) struct Entry {
    pub(crate) registry: Arc<Registry>,
    pub(crate) authorizer: Arc<Authorizer>,
    /// Name of the document; checked after the upgrade, where a Yjs provider can see the answer.
    pub(crate) document: String,
    /// Token of the handshake, or the reason for which it has none that can be used.
    pub(crate) token: ShownToken,
    pub(crate) caller: Caller,
    pub(crate) source: Source,
    /// The way in which the client is told that an edit is saved.
    pub(crate) receipts: Receipts,
    /// Is told the code with which the server closes the connection.
    pub(crate) on_close: Option<OnClose>,
}

/// See [`Entry::on_close`].
pub(crate) type OnClose = Box<dyn FnOnce(u16) + Send + Sync>;

/// Takes a seat in the document, and reads until the connection is over.
pub(super) async fn take_part<R>(
    stream: &mut R,
    entry: &Entry,
    writer: &Arc<SocketWriter>,
    part: &InboundBytes,
) -> Result<Parted, ConnectionOver>
where
    R: Stream<Item = Result<Message, Error>> + Unpin,
{
    let (registry, document) = (&entry.registry, entry.document.as_str());
    if let Err(fault) = document_name::check(document, registry.settings()) {
        deny(writer, close_codes::BAD_NAME, &fault, &fault);
        return Err(ConnectionOver);
    }
    let mut shown = entry.token.clone();
    let mut first = None;
    if entry.authorizer.asks_for_tokens() && matches!(shown, Ok(None)) {
        let message = match first_hello(stream, writer, registry, part).await? {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Ok(broken(&error, writer, registry)),
            None => return Ok(Parted::Closed),
        };
        shown = hello_token(&message);
        first = Some(message);
    }
    let asking = entry.authorizer.admit(&shown, document, &entry.caller);
    // Boxed: the connection should not keep the memory that asking took.
    let grant = match Box::pin(asking).await {
        Ok(grant) => grant,
        Err(denied) => {
            let AccessDenied { code, reason, text } = &denied;
            deny(writer, *code, reason, text);
            return Err(ConnectionOver);
        }
    };
    let rate = Arc::new(MessageRateLimit::new(registry.settings()));
    let writer = Arc::clone(writer);
    let joining = Session::join(
        Arc::clone(registry),
        document,
        &grant,
        Arc::clone(&writer),
        rate,
    );
    let mut session = match joining.await {
        Ok(session) => session,
        Err(refused) => {
            writer.end(refused.code, refused.reason);
            return Err(ConnectionOver);
        }
    };
    tracing::debug!(connection = session.id.0, "joined");
    let next = match first {
        Some(message) => Some(Ok(message)),
        None => first_message(stream, &writer, registry).await?,
    };
    read(next, stream, &mut session, &writer, registry, part).await
}

/// Tells a client that it may not open the document, and ends its connection.
fn deny(writer: &SocketWriter, code: u16, reason: &str, text: &str) {
    let frame = wire_codec::denied(text);
    let _seen_to_by_the_ending = writer.outbox().send(frame, FrameClass::Required);
    writer.end(code, reason);
}

async fn read<R>(
    mut next: Read,
    stream: &mut R,
    session: &mut Session,
    writer: &SocketWriter,
    registry: &Registry,
    part: &InboundBytes,
) -> Result<Parted, ConnectionOver>
where
    R: Stream<Item = Result<Message, Error>> + Unpin,
{
    while let Some(message) = next {
        match message {
            Ok(Message::Binary(frame)) => {
                session.frame(&frame).await?;
                part.taken();
            }
            Ok(Message::Ping(payload)) => {
                session.control(payload.len()).await;
                part.taken_of(payload.len() + CONTROL);
            }
            Ok(Message::Pong(payload)) => {
                session.pong(&payload).await;
                part.taken_of(payload.len() + CONTROL);
            }
            Ok(Message::Close(frame)) => {
                let code = frame.map(|frame| frame.code);
                if code == Some(CloseCode::Normal) {
                    session.leaves(Departure::Done);
                }
                // The echo of it: the library's own would come after the line's task has gone.
                writer.end(code.unwrap_or(CloseCode::Normal).into(), "");
                return Ok(Parted::Closed);
            }
            Ok(Message::Text(_) | Message::Frame(_)) => {
                let fault = "this wire has binary messages only";
                session.malformed(fault).await?;
            }
            Err(error) => return Ok(broken(&error, writer, registry)),
        }
        next = match stream.next().now_or_never() {
            Some(next) => next,
            None => {
                session.flush();
                next_message(stream, session, writer).await
            }
        };
    }
    Ok(Parted::Closed)
}

/// Waits for the next message, and meanwhile tells the room what happens on the line.
async fn next_message<R>(
    stream: &mut R,
    session: &mut Session,
    writer: &SocketWriter,
) -> Option<Result<Message, Error>>
where
    R: Stream<Item = Result<Message, Error>> + Unpin,
{
    loop {
        tokio::select! {
            biased;
            next = stream.next() => return next,
            news = writer.outbox().news() => match news {
                WriterEvent::Alive => session.heard().await,
                WriterEvent::Behind => session.catch_up().await,
            },
        }
    }
}
