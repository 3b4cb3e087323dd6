//! The task of one client: a socket and a timer around the core.
//!
//! Owns the socket, and for a moment the one before it. Decides nothing: it passes frames and
//! moments to the core, and writes the frames that the core gives out.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client_state::ClientState;
use crate::close_cause::CloseCause;
use crate::core::ClientCore;
use crate::core::connection::ConnectionPhase;
use crate::core::outputs::SocketWrite;
use crate::token::TokenSource;
use crate::transport::{Socket, Transport, cause};

/// A connection that a new one replaces. It stays open until the server has welcomed the new one:
/// dropped earlier it would count as lost, and without a grace time its locks would pass on.
type Predecessor = Option<(SplitSink<Socket, Message>, SplitStream<Socket>)>;

/// Time for which a connection that takes no frame is still read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Most bytes written between two flushes.
const BATCH: usize = 256 * 1024;

/// Runs the client until it has ended. `tokens` answers the core's questions for a token.
pub(crate) async fn run(
    state: Arc<ClientState>,
    transport: Transport,
    tokens: Option<TokenSource>,
) {
    tokio::select! {
        () = stay_connected(&state, &transport) => {}
        () = answer_token_questions(&state, tokens) => {}
    }
}

async fn stay_connected(state: &ClientState, transport: &Transport) {
    let mut before = None;
    loop {
        match state.peek(|core| core.phase()) {
            ConnectionPhase::Over => return,
            ConnectionPhase::Connecting => {
                before = attempt(state, transport, before).await;
            }
            ConnectionPhase::AwaitingToken => pause(state).await,
            ConnectionPhase::Idle
            | ConnectionPhase::Waiting
            | ConnectionPhase::Open
            | ConnectionPhase::Retiring
            | ConnectionPhase::Leaving => {
                before = None;
                pause(state).await;
            }
        }
    }
}

/// Asks the source whenever the core has a question. Never returns.
async fn answer_token_questions(state: &ClientState, tokens: Option<TokenSource>) {
    let Some(tokens) = tokens else {
        return std::future::pending().await;
    };
    let mut steps = state.steps();
    loop {
        let Some(question) = state.peek(ClientCore::token_question) else {
            // The sender lives as long as the state.
            let _ = steps.changed().await;
            continue;
        };
        let mut later = state.steps();
        let given_up = async {
            while state.peek(ClientCore::token_question) == Some(question) {
                let _ = later.changed().await;
            }
        };
        tokio::select! {
            answer = tokens.ask() => {
                state.act(|core, now| core.answer_token(now, question, answer));
            }
            () = given_up => {}
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
async fn attempt(state: &ClientState, transport: &Transport, before: Predecessor) -> Predecessor {
    let attempt = state.peek(|core| core.attempt());
    let given_up = async {
        while state
            .peek(|core| core.phase() == ConnectionPhase::Connecting && core.attempt() == attempt)
        {
            pause(state).await;
        }
    };
    let token = state.peek(|core| core.token().cloned());
    // On the heap, because the handshake's state is large and short-lived.
    let connecting = Box::pin(transport.open(token.as_ref()));
    let connected = tokio::select! {
        connected = connecting => connected,
        () = given_up => return None,
    };
    match connected {
        Ok(socket) => {
            state.act(|core, now| core.opened(now));
            let mut halves = socket.split();
            let end = serve(state, &mut halves, before, attempt).await;
            state.act(|core, now| {
                if core.attempt() == attempt {
                    core.lost(now, end);
                }
            });
            let renewed = state.peek(|core| core.phase() == ConnectionPhase::Connecting);
            renewed.then_some(halves)
        }
        Err(cause) => {
            state.act(|core, now| core.lost(now, cause));
            None
        }
    }
}

/// Reads and writes until one of the two ends, or the core gives the connection up.
async fn serve(
    state: &ClientState,
    (sink, stream): &mut (SplitSink<Socket, Message>, SplitStream<Socket>),
    before: Predecessor,
    attempt: u64,
) -> CloseCause {
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
            Err(error) => {
                // A server that has closed takes no frame any more, and its close frame is the
                // cause: the reader ends with it.
                sleep(LAST_WORDS).await;
                cause(&error)
            }
        }
    };
    tokio::select! {
        end = read(state, stream, before) => end,
        end = writing => end,
        () = stale => CloseCause::Left,
    }
}

async fn read(
    state: &ClientState,
    stream: &mut SplitStream<Socket>,
    mut before: Predecessor,
) -> CloseCause {
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
                    || CloseCause::Network("it was closed without a code".to_owned()),
                    |frame| CloseCause::Closed {
                        code: frame.code.into(),
                        reason: frame.reason.to_string(),
                    },
                ));
            }
            Some(Ok(_)) => state.act(|core, now| core.heard(now)),
            Some(Err(error)) => return closed.unwrap_or_else(|| cause(&error)),
            None => {
                return closed
                    .unwrap_or_else(|| CloseCause::Network("the connection ended".to_owned()));
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
