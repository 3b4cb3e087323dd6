//! The task of one client: a socket and a timer around the core.
//!
//! Owns the socket, and for a moment the one before it. Decides nothing: it passes frames and
//! moments to the core, and writes the frames that the core gives out.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::http::{Error as HttpError, HeaderValue, Uri};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::client_state::ClientState;
use crate::core::ClientCore;
use crate::core::connection::ConnectionPhase;
use crate::core::outputs::SocketWrite;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A connection that a new one replaces. It stays open until the server has welcomed the new one:
/// dropped earlier it would count as lost, and without a grace time its locks would pass on.
type Predecessor = Option<(SplitSink<Socket, Message>, SplitStream<Socket>)>;

/// Most bytes written between two flushes.
const BATCH: usize = 256 * 1024;

/// Bytes of the socket's read buffer. The library's default is 128 KiB for each connection.
const READ_BUFFER: usize = 16 * 1024;

/// The end of a connection.
struct End {
    code: Option<u16>,
    reason: String,
}

impl End {
    fn of(error: &Error) -> Self {
        Self {
            code: None,
            reason: error.to_string(),
        }
    }
}

/// Runs the client until it has ended. `max_message` bounds a message, in bytes.
pub(crate) async fn run(state: Arc<ClientState>, address: Uri, max_message: usize) {
    let mut before = None;
    loop {
        match state.peek(|core| core.phase()) {
            ConnectionPhase::Over => return,
            ConnectionPhase::Connecting => {
                before = attempt(&state, &address, max_message, before).await;
            }
            ConnectionPhase::Idle
            | ConnectionPhase::Waiting
            | ConnectionPhase::Open
            | ConnectionPhase::Retiring
            | ConnectionPhase::Leaving => {
                before = None;
                pause(&state).await;
            }
        }
    }
}

/// Waits until a deadline, or until the program has changed something.
async fn pause(state: &ClientState) {
    let due = state.until_timeout();
    tokio::select! {
        () = state.task_woken() => {}
        () = sleep(due.unwrap_or(Duration::MAX)), if due.is_some() => {
            state.act(|core, now| core.timeout(now));
        }
    }
}

/// Makes one attempt and serves the connection until its end. Returns the connection if a new one
/// is to replace it.
async fn attempt(
    state: &ClientState,
    address: &Uri,
    max_message: usize,
    before: Predecessor,
) -> Predecessor {
    let attempt = state.peek(|core| core.attempt());
    let given_up = async {
        while state
            .peek(|core| core.phase() == ConnectionPhase::Connecting && core.attempt() == attempt)
        {
            pause(state).await;
        }
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message));
    // Small writes leave at once.
    let no_delay = true;
    // On the heap, because the handshake's state is large and short-lived.
    let connecting = async {
        let request = request(state, address)?;
        connect_async_with_config(request, Some(config), no_delay).await
    };
    let connecting = Box::pin(connecting);
    let connected = tokio::select! {
        connected = connecting => connected,
        () = given_up => return None,
    };
    match connected {
        Ok((socket, _)) => {
            state.act(|core, now| core.opened(now));
            let mut halves = socket.split();
            let end = serve(state, &mut halves, before, attempt).await;
            state.act(|core, now| {
                if core.attempt() == attempt {
                    core.lost(now, end.code, end.reason);
                }
            });
            let renewed = state.peek(|core| core.phase() == ConnectionPhase::Connecting);
            renewed.then_some(halves)
        }
        Err(error) => {
            state.act(|core, now| core.lost(now, None, error.to_string()));
            None
        }
    }
}

/// Returns the handshake, with the token of this moment.
fn request(state: &ClientState, address: &Uri) -> Result<Request, Error> {
    let mut request = address.into_client_request()?;
    let token = state.peek(|core| core.token().cloned());
    if let Some(token) = token {
        let value = format!("Bearer {}", token.secret());
        let mut value = HeaderValue::try_from(value).map_err(HttpError::from)?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(request)
}

/// Reads and writes until one of the two ends, or the core gives the connection up.
async fn serve(
    state: &ClientState,
    (sink, stream): &mut (SplitSink<Socket, Message>, SplitStream<Socket>),
    before: Predecessor,
    attempt: u64,
) -> End {
    let stale = async {
        let open = [
            ConnectionPhase::Open,
            ConnectionPhase::Retiring,
            ConnectionPhase::Leaving,
        ];
        let current =
            || state.peek(|core| core.attempt() == attempt && open.contains(&core.phase()));
        while current() {
            pause(state).await;
        }
    };
    let writing = async {
        match write(state, sink).await {
            Ok(()) => std::future::pending().await,
            Err(error) => End::of(&error),
        }
    };
    tokio::select! {
        end = read(state, stream, before) => end,
        end = writing => end,
        () = stale => End { code: None, reason: "given up by this client".to_owned() },
    }
}

async fn read(
    state: &ClientState,
    stream: &mut SplitStream<Socket>,
    mut before: Predecessor,
) -> End {
    let mut closed = None;
    loop {
        match stream.next().await {
            Some(Ok(Message::Binary(frame))) => {
                state.act(|core, now| core.frame(now, &frame));
                if before.is_some() && state.peek(ClientCore::is_ready) {
                    before = None;
                }
            }
            Some(Ok(Message::Close(frame))) => {
                // Reading further sends the answer to the close frame; then the stream ends.
                closed = Some(frame.map_or_else(
                    || End {
                        code: None,
                        reason: "closed without a code".to_owned(),
                    },
                    |frame| End {
                        code: Some(frame.code.into()),
                        reason: frame.reason.to_string(),
                    },
                ));
            }
            Some(Ok(_)) => state.act(|core, now| core.heard(now)),
            Some(Err(error)) => return closed.unwrap_or_else(|| End::of(&error)),
            None => {
                return closed.unwrap_or_else(|| End {
                    code: None,
                    reason: "the connection ended".to_owned(),
                });
            }
        }
    }
}

/// Writes the core's frames, many to a flush. Returns after a close frame.
async fn write(state: &ClientState, sink: &mut SplitSink<Socket, Message>) -> Result<(), Error> {
    loop {
        let batch = state.outgoing(BATCH);
        if batch.is_empty() {
            state.writer_woken().await;
            continue;
        }
        for outgoing in batch {
            match outgoing {
                SocketWrite::Frame(frame) => sink.feed(Message::Binary(frame)).await?,
                SocketWrite::Close(code) => {
                    let frame = CloseFrame {
                        code: CloseCode::from(code),
                        reason: "".into(),
                    };
                    sink.feed(Message::Close(Some(frame))).await?;
                    return sink.flush().await;
                }
            }
        }
        sink.flush().await?;
    }
}
