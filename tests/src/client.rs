//! One WebSocket to a server, with all that its client knows.
//!
//! Owns the connection and the task that reads and writes it; what the frames mean is in `inbox`. Dropping a client is a
//! lost connection: no close frame.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use baton_sync::DeleteSet;
use baton_sync::control_channel::{
    ClientMessage, ErrorCode, FencingToken, Outcome, Paths, PeerStatus, ServerMessage,
};
use baton_sync::document::yrs::{self, Text, WriteTxn};
use baton_sync::state_vector::StateVector;
use baton_sync::y_websocket;
use baton_testkit::{HocuspocusFraming, Translated};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::inbox::{Known, LockState, TEXT};
use crate::join::{Beats, Join, Manners, Memory, Socket, Transport};
use crate::{WAIT, within};

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The close code, if there was a close frame with one.
    pub code: Option<u16>,
    /// The close reason, or what broke the connection.
    pub reason: String,
}

/// The server answered with HTTP instead of a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The status code.
    pub status: u16,
    /// The text.
    pub body: String,
    /// After how many seconds to come again, if it says so.
    pub retry_after: Option<u64>,
}

enum Order {
    Send(Message),
    Close(u16),
    Stall,
    ReadOn,
    Vanish,
}

/// A connected client; see the crate's front page.
#[derive(Debug)]
pub struct RawClient {
    known: Arc<Mutex<Known>>,
    news: watch::Receiver<u64>,
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<()>,
    local: SocketAddr,
}

impl RawClient {
    /// Connects, and waits until it is in: synced, and welcomed if it said hello.
    ///
    /// # Panics
    /// When that fails.
    pub async fn connect(address: SocketAddr, join: Join) -> Self {
        let stock = join.manners == Manners::Stock;
        let member = join.hello.is_some();
        let client = Self::try_connect(address, join)
            .await
            .expect("the server lets this client in");
        if member {
            client
                .until("a welcome", |known| known.session.map(drop))
                .await;
        }
        if stock {
            client
                .until("the first sync", |known| known.synced.then_some(()))
                .await;
        }
        client
    }

    /// Connects, and waits for the WebSocket only.
    ///
    /// # Errors
    /// What the server answered instead.
    ///
    /// # Panics
    /// When there is no server.
    pub async fn try_connect(address: SocketAddr, join: Join) -> Result<Self, Refused> {
        let (socket, local) = within("a WebSocket", open(address, &join)).await?;
        let hello = join.hello.as_ref().map(ClientMessage::encode);
        let (orders, taken) = mpsc::unbounded_channel();
        let (shout, news) = watch::channel(0);
        let framing = join.address.as_deref().map(HocuspocusFraming::new);
        let mut known = Known::new(join);
        let greeting = hello.map(|hello| y_websocket::baton(&hello));
        for frame in greeting.into_iter().chain(known.opening()) {
            let _ = orders.send(Order::Send(Message::Binary(frame)));
        }
        let known = Arc::new(Mutex::new(known));
        let connection = Connection {
            socket,
            known: Arc::clone(&known),
            shout,
            orders: orders.clone(),
            taken,
            framing,
        };
        let task = tokio::spawn(connection.run());
        Ok(Self {
            known,
            news,
            orders,
            task,
            local,
        })
    }

    /// Its end of the connection.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Reads what it knows now.
    pub fn look<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.known.lock())
    }

    /// Waits until `look` finds something.
    ///
    /// # Panics
    /// When the time is over, or when the server did what a sound one never does.
    pub async fn until<T>(&self, what: &str, look: impl FnMut(&mut Known) -> Option<T>) -> T {
        self.until_within(WAIT, what, look).await
    }

    /// The same for what may take longer, or must not take as long.
    ///
    /// # Panics
    /// As [`RawClient::until`].
    pub async fn until_within<T>(
        &self,
        time: Duration,
        what: &str,
        mut look: impl FnMut(&mut Known) -> Option<T>,
    ) -> T {
        let mut news = self.news.clone();
        let search = async {
            loop {
                news.borrow_and_update();
                {
                    let mut known = self.known.lock();
                    assert!(known.faults.is_empty(), "faults: {:?}", known.faults);
                    if let Some(found) = look(&mut known) {
                        return found;
                    }
                }
                if news.changed().await.is_err() {
                    // The connection is over; one more look at what it left.
                    let found = look(&mut self.known.lock());
                    return found.unwrap_or_else(|| {
                        panic!(
                            "the connection ended before {what}: {:?}",
                            self.known.lock()
                        )
                    });
                }
            }
        };
        match tokio::time::timeout(time, search).await {
            Ok(found) => found,
            Err(_) => panic!(
                "waited {time:?} in vain for {what}: {:?}",
                self.known.lock()
            ),
        }
    }

    /// Waits for a message of Baton's channel, and takes it.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn hears<T>(
        &self,
        what: &str,
        mut pick: impl FnMut(&ServerMessage) -> Option<T>,
    ) -> T {
        self.until(what, |known| {
            let found = known
                .channel
                .iter()
                .enumerate()
                .find_map(|(at, message)| pick(message).map(|picked| (at, picked)));
            let (at, picked) = found?;
            known.channel.remove(at);
            Some(picked)
        })
        .await
    }

    /// Takes all messages of Baton's channel that came and that `pick` picks, without waiting.
    pub fn take<T>(&self, mut pick: impl FnMut(&ServerMessage) -> Option<T>) -> Vec<T> {
        let mut picked = Vec::new();
        self.known.lock().channel.retain(|message| {
            let found = pick(message);
            let keep = found.is_none();
            picked.extend(found);
            keep
        });
        picked
    }

    /// Edits its document and sends the update. Returns which sync message of this connection that was.
    ///
    /// # Panics
    /// When the edit changes nothing.
    pub fn edits<R>(&self, edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R) -> u64 {
        let mut known = self.known.lock();
        let done = known.memory.document.transact(edit);
        let (_, update) = done.expect("the document is whole");
        let update = update.expect("the edit changes something");
        known.sent += 1;
        self.send(y_websocket::update(&update));
        known.sent
    }

    /// Edits its document and tells nobody. Returns the update.
    ///
    /// # Panics
    /// When the edit changes nothing.
    pub fn edits_in_silence<R>(
        &self,
        edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R,
    ) -> Bytes {
        let done = self.known.lock().memory.document.transact(edit);
        let (_, update) = done.expect("the document is whole");
        update.expect("the edit changes something")
    }

    /// Appends to the text.
    pub fn types(&self, text: &str) -> u64 {
        self.edits(|txn| append(txn, text))
    }

    /// Sends an update that is not its own edit, as an Update.
    pub fn sends_update(&self, update: &[u8]) -> u64 {
        let mut known = self.known.lock();
        known.sent += 1;
        self.send(y_websocket::update(update));
        known.sent
    }

    /// Takes in an update that it got elsewhere, and sends it on.
    ///
    /// # Panics
    /// When it does not fit.
    pub fn passes_on(&self, update: &[u8]) -> u64 {
        let applied = self.known.lock().memory.document.apply(update);
        applied.expect("it has what this builds on");
        self.sends_update(update)
    }

    /// Sends an update as a Step2.
    pub fn sends_step2(&self, update: &[u8]) -> u64 {
        let mut known = self.known.lock();
        known.sent += 1;
        self.send(y_websocket::step2(update));
        known.sent
    }

    /// Sends a message of Baton's channel.
    pub fn says(&self, message: &ClientMessage) {
        self.send(y_websocket::baton(&message.encode()));
    }

    /// Sends these bytes as a binary message.
    pub fn send(&self, frame: Bytes) {
        self.send_message(Message::Binary(frame));
    }

    /// Sends any WebSocket message.
    pub fn send_message(&self, message: Message) {
        // Of a connection that is over the story finds out by its next wait.
        let _ = self.orders.send(Order::Send(message));
    }

    /// States another awareness.
    pub fn states(&self, state: &str) {
        let frame = self.known.lock().say(Some(state.to_owned()));
        self.send(frame);
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        self.look(Known::text)
    }

    /// Waits until the text has this in it.
    pub async fn sees(&self, part: &str) {
        self.until(&format!("the text to have {part:?}"), |known| {
            known.text().contains(part).then_some(())
        })
        .await;
    }

    /// Waits until all that it sent is saved.
    pub async fn is_saved(&self) {
        self.until("everything to be saved", |known| {
            (known.saved == known.sent).then_some(())
        })
        .await;
    }

    /// Its session.
    ///
    /// # Panics
    /// When it is no member.
    #[must_use]
    pub fn session(&self) -> u64 {
        self.look(|known| known.session).expect("it was welcomed")
    }

    /// Waits until the peer of this name is in this state.
    pub async fn sees_peer(&self, name: &str, state: PeerStatus) {
        self.until(&format!("{name} to be {state:?}"), |known| {
            let peer = known.peer(name)?;
            (peer.state == state).then_some(())
        })
        .await;
    }

    /// Waits until the oldest lock is in this state, and returns whose it is.
    pub async fn sees_lock(&self, state: LockState) -> Option<u64> {
        self.until(&format!("the lock to be {state:?}"), |known| {
            (known.lock_state()? == state).then(|| known.holder())
        })
        .await
    }

    /// Asks for the lock of the whole document. Returns what became of it.
    pub async fn acquires(&self) -> Outcome {
        self.acquires_part(&[]).await
    }

    /// Asks for a lock of these root types. Returns what became of it.
    pub async fn acquires_part(&self, roots: &[&str]) -> Outcome {
        let paths = roots_of(roots);
        self.operates(|nonce| ClientMessage::Acquire { nonce, paths })
            .await
    }

    /// Sends an operation and waits for its result.
    pub async fn operates(&self, operation: impl FnOnce(u64) -> ClientMessage) -> Outcome {
        let nonce = NONCES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.says(&operation(nonce));
        self.hears("a result", |message| match message {
            ServerMessage::Result {
                nonce: of, outcome, ..
            } if *of == nonce => Some(*outcome),
            _ => None,
        })
        .await
    }

    /// Waits for an offer of the lock.
    pub async fn is_offered(&self) -> FencingToken {
        self.hears("an offer", |message| match message {
            ServerMessage::Offer { fence, .. } => Some(*fence),
            _ => None,
        })
        .await
    }

    /// Waits for a grant of the lock.
    pub async fn is_granted(&self) -> FencingToken {
        self.hears("a grant", |message| match message {
            ServerMessage::Granted { fence, .. } => Some(*fence),
            _ => None,
        })
        .await
    }

    /// Waits for the loss of a grant or an offer.
    pub async fn loses(&self, lost: FencingToken) {
        self.hears("the loss", |message| match message {
            ServerMessage::Lost { fence, .. } if *fence == lost => Some(()),
            _ => None,
        })
        .await;
    }

    /// Waits for an offer and claims it; the next one, if that was over before the claim came.
    ///
    /// # Panics
    /// When something else is granted than was offered.
    pub async fn claims(&self) -> FencingToken {
        loop {
            let offer = self.is_offered().await;
            self.says(&ClientMessage::Claim { fence: offer });
            let granted = self.hears(
                "a grant, or that it came too late",
                |message| match message {
                    ServerMessage::Granted { fence, .. } => Some(Some(*fence)),
                    ServerMessage::Lost { fence, .. } if *fence == offer => Some(None),
                    _ => None,
                },
            );
            if let Some(fence) = granted.await {
                assert_eq!(fence, offer, "granted as offered");
                return fence;
            }
        }
    }

    /// Asks for the lock, which is free, and takes it.
    ///
    /// # Panics
    /// When it is not to be had.
    pub async fn takes_lock(&self) -> FencingToken {
        assert_eq!(self.acquires().await, Outcome::Done);
        self.claims().await
    }

    /// Asks for a lock of these root types, which are free, and takes it.
    ///
    /// # Panics
    /// When it is not to be had.
    pub async fn takes_part(&self, roots: &[&str]) -> FencingToken {
        assert_eq!(self.acquires_part(roots).await, Outcome::Done);
        self.claims().await
    }

    /// Waits until it is told to give this lock up.
    pub async fn is_told_to_drain(&self, wanted: FencingToken) {
        self.hears("a drain", |message| match message {
            ServerMessage::Drain { fence, .. } if *fence == wanted => Some(()),
            _ => None,
        })
        .await;
    }

    /// Says that it has sent all that it had under this lock.
    pub fn is_drained(&self, fence: FencingToken) {
        self.says(&ClientMessage::Drained { fence });
    }

    /// Gives the lock back.
    pub async fn releases(&self, fence: FencingToken) -> Outcome {
        self.operates(|nonce| ClientMessage::Release { nonce, fence })
            .await
    }

    /// Waits to hear that an edit was parked. Returns the park.
    pub async fn is_parked(&self) -> u64 {
        self.hears("a park", |message| match message {
            ServerMessage::Parked { id, .. } => Some(*id),
            _ => None,
        })
        .await
    }

    /// Waits for a complaint of the server. Returns its text.
    pub async fn is_told_off(&self, expected: ErrorCode) -> String {
        self.hears("an error", |message| match message {
            ServerMessage::Error { code, message, .. } if *code == expected => {
                Some(message.clone())
            }
            _ => None,
        })
        .await
    }

    /// Waits until the connection has ended.
    pub async fn ends(&self) -> Ended {
        self.until("the end of the connection", |known| known.ended.clone())
            .await
    }

    /// Waits until the server closed the connection with this code. Returns the reason.
    ///
    /// # Panics
    /// When it ended in another way.
    pub async fn is_closed_with(&self, code: u16) -> String {
        let ended = self.ends().await;
        assert_eq!(ended.code, Some(code), "closed with: {}", ended.reason);
        ended.reason
    }

    /// Sets how many milliseconds its user has done nothing, as its answers say from here on.
    pub fn set_idle_ms(&self, idle_ms: u64) {
        self.known.lock().set_idle_ms(idle_ms);
    }

    /// Sets whether it answers beats from here on.
    pub fn set_beats(&self, beats: Beats) {
        self.known.lock().set_beats(beats);
    }

    /// Reads nothing any more, so that it answers nothing either, not even a ping: a network that swallows everything.
    pub fn stalls(&self) {
        let _ = self.orders.send(Order::Stall);
    }

    /// Reads again.
    pub fn reads_on(&self) {
        let _ = self.orders.send(Order::ReadOn);
    }

    /// Closes as who is done (1000), and waits for the end.
    pub async fn leaves(self) {
        self.closes(1000).await;
    }

    /// Closes with this code, and waits for the end. Returns what it remembers.
    pub async fn closes(self, code: u16) -> Memory {
        let _ = self.orders.send(Order::Close(code));
        self.ends().await;
        self.remembers()
    }

    /// Loses its connection, after what was sent. Returns what it remembers.
    pub async fn vanishes(mut self) -> Memory {
        let _ = self.orders.send(Order::Vanish);
        // A panic of the task shows in the next wait of anybody.
        let _ = within("the connection to go", &mut self.task).await;
        self.remembers()
    }

    fn remembers(self) -> Memory {
        self.takes_memory()
    }

    /// Takes what it remembers, when its connection is over.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn takes_memory(&self) -> Memory {
        let mut known = self.known.lock();
        assert!(known.ended.is_some(), "the connection is over");
        std::mem::replace(&mut known.memory, Memory::fresh())
    }
}

impl Drop for RawClient {
    fn drop(&mut self) {
        self.task.abort();
    }
}

static NONCES: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

/// What a lock on these root types covers.
fn roots_of(roots: &[&str]) -> Paths {
    roots.iter().map(|root| vec![(*root).to_owned()]).collect()
}

/// Appends to the text that stories edit.
pub(crate) fn append(txn: &mut yrs::TransactionMut<'_>, text: &str) {
    let target = txn.get_or_insert_text(TEXT);
    target.push(txn, text);
}

/// Waits until all of them have the same document.
///
/// # Panics
/// When they do not come to agree.
pub async fn converge(clients: &[&RawClient]) {
    loop {
        let mut all = StateVector::new();
        for client in clients {
            let vector = client.look(|known| known.memory.document.state().vector());
            for (id, clock) in vector.iter() {
                all.raise(id, clock);
            }
        }
        for client in clients {
            client
                .until("what the others know", |known| {
                    let vector = known.memory.document.state().vector();
                    vector.covers(&all).then_some(())
                })
                .await;
        }
        let same = clients
            .iter()
            .all(|client| client.look(|known| all.covers(&known.memory.document.state().vector())));
        if same {
            break;
        }
    }
    let Some((first, others)) = clients.split_first() else {
        return;
    };
    for other in others {
        // Deletions have no clock of their own, and may come a little later, either way.
        let merged = async {
            loop {
                let one = first.look(deletions);
                let two = other.look(deletions);
                if one == two {
                    break;
                }
                tokio::select! {
                    () = first.until("news", |known| (deletions(known) != one).then_some(())) => {}
                    () = other.until("news", |known| (deletions(known) != two).then_some(())) => {}
                }
            }
        };
        within("the same deletions", merged).await;
        assert_eq!(first.text(), other.text(), "the same text");
    }
}

fn deletions(known: &Known) -> DeleteSet {
    known.memory.document.state().deletes().clone()
}

/// What a narrow socket takes, in bytes; the kernel doubles it.
const NARROW: u32 = 2048;

/// A connected stream of any kind.
type Stream = Box<dyn Duplex>;

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// Connects through what the client has between itself and the server. Returns its own address too.
async fn connected(address: SocketAddr, join: &Join) -> io::Result<(Stream, SocketAddr)> {
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    match &join.transport {
        Transport::Unix(path) => Ok((Box::new(UnixStream::connect(path).await?), nowhere)),
        Transport::Tcp => {
            let stream = stream(address, join).await?;
            let local = stream.local_addr()?;
            Ok((Box::new(stream), local))
        }
        Transport::Tls(config) => {
            let stream = stream(address, join).await?;
            let local = stream.local_addr()?;
            let name = ServerName::from(address.ip());
            let connector = TlsConnector::from(Arc::clone(config));
            Ok((Box::new(connector.connect(name, stream).await?), local))
        }
    }
}

async fn stream(address: SocketAddr, join: &Join) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(from) = join.from {
        socket.bind((from, 0).into())?;
    }
    match join.socket {
        Socket::Plain => {}
        Socket::Resetting => socket.set_zero_linger()?,
        Socket::Narrow => socket.set_recv_buffer_size(NARROW)?,
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn open(
    address: SocketAddr,
    join: &Join,
) -> Result<(WebSocketStream<Stream>, SocketAddr), Refused> {
    let path = &join.path;
    let connected = connected(address, join).await;
    let (stream, local) = connected.expect("a server listens there");
    let mut request = format!("ws://{address}{path}")
        .into_client_request()
        .expect("the path can stand in a request");
    for (name, value) in &join.headers {
        let value = value.parse().expect("a header's value");
        request.headers_mut().append(*name, value);
    }
    let config = WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .max_message_size(None)
        .max_frame_size(None);
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, _)) => Ok((socket, local)),
        Err(Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            Err(Refused {
                status: response.status().as_u16(),
                body: String::from_utf8_lossy(&body).into_owned(),
                retry_after: response
                    .headers()
                    .get("retry-after")
                    .and_then(|seconds| seconds.to_str().ok()?.parse().ok()),
            })
        }
        Err(error) => panic!("no WebSocket at {path}: {error}"),
    }
}

/// What the task of a client has.
struct Connection {
    socket: WebSocketStream<Stream>,
    known: Arc<Mutex<Known>>,
    shout: watch::Sender<u64>,
    orders: mpsc::UnboundedSender<Order>,
    taken: mpsc::UnboundedReceiver<Order>,
    /// Present on the Hocuspocus wire.
    framing: Option<HocuspocusFraming>,
}

impl Connection {
    async fn run(mut self) {
        let mut reading = true;
        if let Some(framing) = &self.framing {
            let greeting = framing.greeting();
            let _ = self.socket.send(Message::Binary(greeting)).await;
        }
        let ended = loop {
            tokio::select! {
                order = self.taken.recv() => match order {
                    Some(Order::Send(message)) => {
                        let message = self.framed(message);
                        // A connection that broke says so to the reader.
                        let _ = self.socket.send(message).await;
                    }
                    Some(Order::Close(code)) => {
                        let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
                        let _ = self.socket.close(Some(frame)).await;
                    }
                    Some(Order::Stall) => reading = false,
                    Some(Order::ReadOn) => reading = true,
                    Some(Order::Vanish) | None => {
                        break Ended { code: None, reason: "the client went".to_owned() };
                    }
                },
                message = self.socket.next(), if reading => {
                    let message = match message {
                        Some(Ok(Message::Binary(frame))) => match self.unframed(frame).await {
                            Some(message) => Some(Ok(message)),
                            None => continue,
                        },
                        other => other,
                    };
                    if let Some(ended) = self.came(message) {
                        break ended;
                    }
                }
            }
        };
        // The socket is gone before anybody hears that it is.
        let Self { known, shout, .. } = self;
        known.lock().ended.get_or_insert(ended);
        shout.send_modify(|count| *count += 1);
    }

    /// Returns a message of the client in the words of its wire.
    fn framed(&mut self, message: Message) -> Message {
        match (&mut self.framing, message) {
            (Some(framing), Message::Binary(frame)) => {
                let frame = framing.outgoing(&frame).expect("a frame of a client");
                self.known.lock().unanswered = framing.unanswered();
                Message::Binary(frame)
            }
            (_, message) => message,
        }
    }

    /// Returns a message of the server in the words of y-websocket, if it has a place there.
    async fn unframed(&mut self, frame: Bytes) -> Option<Message> {
        let Some(framing) = &mut self.framing else {
            return Some(Message::Binary(frame));
        };
        let translated = framing.incoming(&frame).expect("a frame of a server");
        self.known.lock().unanswered = framing.unanswered();
        self.shout.send_modify(|count| *count += 1);
        match translated {
            Translated::Frame(frame) => Some(Message::Binary(frame)),
            Translated::Ping(answer) => {
                let _ = self.socket.send(Message::Binary(answer)).await;
                None
            }
            Translated::Nothing => None,
            Translated::End { last, code, reason } => {
                let mut known = self.known.lock();
                if let Some(frame) = last {
                    known.take(&frame);
                }
                let (code, reason) = (Some(code), reason);
                known.ended.get_or_insert(Ended { code, reason });
                None
            }
        }
    }

    fn came(&self, message: Option<Result<Message, Error>>) -> Option<Ended> {
        let broken = |reason: String| Ended { code: None, reason };
        let ended = match message {
            Some(Ok(Message::Binary(frame))) => {
                let mut known = self.known.lock();
                // Under the lock, so that what the story sends meanwhile is counted in its order.
                for answer in known.take(&frame) {
                    let _ = self.orders.send(Order::Send(Message::Binary(answer)));
                }
                None
            }
            Some(Ok(Message::Close(frame))) => {
                let ended = Ended {
                    code: frame.as_ref().map(|frame| frame.code.into()),
                    reason: frame.map_or_else(String::new, |frame| frame.reason.to_string()),
                };
                // The connection goes on until the other side has our answer.
                self.known.lock().ended.get_or_insert(ended);
                None
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => None,
            Some(Ok(other)) => {
                let fault = format!("a message that no server sends: {other:?}");
                self.known.lock().fault(fault);
                None
            }
            Some(Err(error)) => Some(broken(error.to_string())),
            None => Some(broken("the server ended the connection".to_owned())),
        };
        self.shout.send_modify(|count| *count += 1);
        ended
    }
}
