//! The shell around the core: one task with a socket, two clocks and a timer.
//!
//! Owns the socket, and for a moment the one before it. Decides nothing: it carries frames and moments to the core and
//! writes what the core gives out.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::core::{Core, Outgoing, Phase};
use crate::shared::Shared;
use crate::time::Moment;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A connection whose place another one takes. It is held open until the server knows the new one: to drop it earlier
/// would be a lost connection, and where there is no grace time a lost lock.
type Predecessor = Option<(SplitSink<Socket, Message>, SplitStream<Socket>)>;

/// What is written between two flushes, in bytes.
const BATCH: usize = 256 * 1024;

/// The read buffer of the socket: the library's own would cost 128 KiB a connection.
const READ_BUFFER: usize = 16 * 1024;

/// How a connection ended.
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

/// Reads both clocks.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment {
            monotonic: self.start.elapsed(),
            wall: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }
}

/// Runs until the client is over.
pub(crate) async fn run(shared: Arc<Shared>, address: Uri) {
    let mut before = None;
    loop {
        match shared.peek(|core| core.phase()) {
            Phase::Over => return,
            Phase::Connecting => before = attempt(&shared, &address, before).await,
            Phase::Idle | Phase::Waiting | Phase::Open | Phase::Retiring | Phase::Leaving => {
                before = None;
                pause(&shared).await;
            }
        }
    }
}

/// Waits until time or a wish may have changed something.
async fn pause(shared: &Shared) {
    let due = shared.until_timeout();
    tokio::select! {
        () = shared.kick.notified() => {}
        () = sleep(due.unwrap_or(Duration::MAX)), if due.is_some() => {
            shared.act(|core, now| core.timeout(now));
        }
    }
}

/// One attempt, and the connection that comes of it. Returns that one if another is to take its place.
async fn attempt(shared: &Shared, address: &Uri, before: Predecessor) -> Predecessor {
    let attempt = shared.peek(|core| core.attempt());
    let given_up = async {
        while shared.peek(|core| core.phase() == Phase::Connecting && core.attempt() == attempt) {
            pause(shared).await;
        }
    };
    let max = shared.max_message;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(max))
        .max_frame_size(Some(max));
    // Small writes go out at once.
    let no_delay = true;
    // On the heap: the handshake's state is large, and gone soon.
    let connecting = Box::pin(connect_async_with_config(address, Some(config), no_delay));
    let connected = tokio::select! {
        connected = connecting => connected,
        () = given_up => return None,
    };
    match connected {
        Ok((socket, _)) => {
            shared.act(|core, now| core.opened(now));
            let mut halves = socket.split();
            let end = converse(shared, &mut halves, before, attempt).await;
            shared.act(|core, now| {
                if core.attempt() == attempt {
                    core.lost(now, end.code, end.reason);
                }
            });
            let renewed = shared.peek(|core| core.phase() == Phase::Connecting);
            renewed.then_some(halves)
        }
        Err(error) => {
            shared.act(|core, now| core.lost(now, None, error.to_string()));
            None
        }
    }
}

/// Reads, writes and watches, until one of the three ends.
async fn converse(
    shared: &Shared,
    (sink, stream): &mut (SplitSink<Socket, Message>, SplitStream<Socket>),
    before: Predecessor,
    attempt: u64,
) -> End {
    let stale = async {
        let open = [Phase::Open, Phase::Retiring, Phase::Leaving];
        let current =
            || shared.peek(|core| core.attempt() == attempt && open.contains(&core.phase()));
        while current() {
            pause(shared).await;
        }
    };
    let writing = async {
        match write(shared, sink).await {
            Ok(()) => std::future::pending().await,
            Err(error) => End::of(&error),
        }
    };
    tokio::select! {
        end = read(shared, stream, before) => end,
        end = writing => end,
        () = stale => End { code: None, reason: "given up".to_owned() },
    }
}

async fn read(shared: &Shared, stream: &mut SplitStream<Socket>, mut before: Predecessor) -> End {
    let mut closed = None;
    loop {
        match stream.next().await {
            Some(Ok(Message::Binary(frame))) => {
                shared.act(|core, now| core.frame(now, &frame));
                if before.is_some() && shared.peek(Core::is_ready) {
                    before = None;
                }
            }
            Some(Ok(Message::Close(frame))) => {
                // Reading on sends our answer to it, and then the stream ends.
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
            Some(Ok(_)) => shared.act(|core, now| core.heard(now)),
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

/// Writes what the core gives out, many frames to a flush. Returns after a close frame.
async fn write(shared: &Shared, sink: &mut SplitSink<Socket, Message>) -> Result<(), Error> {
    loop {
        let batch = shared.outgoing(BATCH);
        if batch.is_empty() {
            shared.to_write.notified().await;
            continue;
        }
        for outgoing in batch {
            match outgoing {
                Outgoing::Frame(frame) => sink.feed(Message::Binary(frame)).await?,
                Outgoing::Close(code) => {
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
