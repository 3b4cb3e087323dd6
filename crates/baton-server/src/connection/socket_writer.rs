//! The way of queued items onto the wire: who writes them, and what becomes of a connection that does not take them.
//!
//! Owns the order of bytes on one connection. On a TCP stream **whoever queued something writes it**, as far as the kernel
//! takes it at once: waking the connection's own task for every frame would cost more than the frame. What the kernel does
//! not take, the connection's own task writes when it does ([`Line::serve`]). At any time one of them writes; who finds
//! another at work leaves its items to that one, which looks again before it goes.
//!
//! A peer that takes bytes is alive, however long the answer to a ping has to wait behind them; one that is behind and takes
//! none for a time is told to come again. Both are said to the reading side ([`Line::news`]), which knows the room.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use baton_room::Source;
use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use futures_util::future::poll_immediate;
use parking_lot::Mutex;
use tokio::io::{AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::connection::close_codes;
use crate::connection::send_queue::{Ending, Item, Outbox, Taken};
use crate::connection::ws_frame::{Frame, write_header};

const CLOSE: u8 = 0x88;
/// First byte of a ping.
const PING_HEAD: u8 = 0x89;
/// A ping without a payload.
const PING: &[u8] = &[PING_HEAD, 0];

/// Most lines that one task writes to by itself; with more, others would wait for the last.
const FEW: usize = 32;

/// Bytes that a connection's own task writes before others have their turn, about. A reader that takes as fast as is written
/// would keep a thread for itself otherwise.
const OWN_TURN: u64 = 256 * 1024;

/// The same for a task that writes for others, of which it may have [`FEW`].
const OTHERS_TURN: u64 = 32 * 1024;

/// Most pieces of one write.
const PIECES: usize = 16;

/// Most bytes of one write, so that a piece of megabytes keeps no thread for long either.
const WRITE: usize = 64 * 1024;

/// Longest piece that is copied to its neighbours when there are more of them than one write takes.
const GATHERED: usize = 4 * 1024;

/// A list of pieces that was longer than this gives its memory back.
const KEPT: usize = 64;

/// Longest close reason: a close frame has 125 bytes, two of them the code.
const MAX_REASON: usize = 123;

/// How often a connection is said to be alive for what it takes.
const ALIVE_EVERY: Duration = Duration::from_secs(1);

/// What a line may hold, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Bytes that may wait.
    pub(crate) most: usize,
    /// How long one that is behind may take nothing.
    pub(crate) behind: Duration,
}

/// One connection's outbox and the stream under it.
#[derive(Debug)]
pub(crate) struct Line {
    outbox: Outbox,
    source: Option<Source>,
    patience: Duration,
    /// `None` for a stream that only its own task can write to, as under TLS.
    stream: Option<OwnedWriteHalf>,
    under_way: Mutex<UnderWay>,
    /// Tells the connection's own task that there is something to do for it.
    work: Notify,
    /// Tells the reading side that something happened here.
    news: Notify,
    alive: AtomicBool,
    drained: AtomicBool,
}

/// What the reading side is told; see [`Line::news`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// The peer took bytes.
    Alive,
    /// All that goes before the place of what was dropped is with the kernel.
    Behind,
}

/// Bytes that left the queue and are not with the kernel yet.
#[derive(Debug, Default)]
struct UnderWay {
    /// Items that were just taken; empty in between.
    items: VecDeque<Item>,
    pieces: VecDeque<Bytes>,
    end: End,
    /// Bytes that the kernel has taken so far.
    written: u64,
}

/// How far a connection's writing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum End {
    #[default]
    Open,
    /// The close frame is among the pieces: nothing may follow it.
    Closing,
    /// It could not be written to.
    Broken,
}

/// What became of a look at the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// All that was there, or somebody else is at it.
    All,
    /// The kernel takes nothing more at the moment.
    Blocked,
    /// There may be more, and others have their turn first.
    Enough,
    /// The close frame is out, or the connection is broken: there is nothing more to write, ever.
    Over,
}

impl Line {
    /// For a stream that anybody may write to.
    pub(crate) fn direct(patience: Patience, stream: OwnedWriteHalf) -> Self {
        let mut line = Self::indirect(patience);
        line.stream = Some(stream);
        line
    }

    /// For any other stream.
    pub(crate) fn indirect(patience: Patience) -> Self {
        Self {
            outbox: Outbox::new(patience.most),
            source: None,
            patience: patience.behind,
            stream: None,
            under_way: Mutex::default(),
            work: Notify::new(),
            news: Notify::new(),
            alive: AtomicBool::new(false),
            drained: AtomicBool::new(false),
        }
    }

    /// The same line, of a connection that comes from there.
    #[must_use]
    pub(crate) fn comes_from(mut self, source: Source) -> Self {
        self.source = Some(source);
        self
    }

    /// From where its connection comes, if that is known.
    pub(crate) const fn source(&self) -> Option<Source> {
        self.source
    }

    /// What waits.
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Ends the connection after what waits; the first ending stands.
    pub(crate) fn end(&self, code: u16, reason: impl Into<String>) {
        self.outbox.end(code, reason);
        self.flush();
    }

    /// Sends off what waits, as far as that is possible at once; never waits.
    pub(crate) fn flush(&self) {
        if self.stream.is_none() || self.write_now(OTHERS_TURN) != Written::All {
            self.work.notify_one();
        }
    }

    /// Leaves what waits to the connection's own task.
    pub(crate) fn hand_over(&self) {
        self.work.notify_one();
    }

    /// Waits for something that the room has to know. For one waiter.
    pub(crate) async fn news(&self) -> News {
        loop {
            if self.alive.swap(false, Ordering::Relaxed) {
                return News::Alive;
            }
            if self.drained.swap(false, Ordering::Relaxed) {
                return News::Behind;
            }
            self.news.notified().await;
        }
    }

    /// Writes about so many bytes.
    fn write_now(&self, turn: u64) -> Written {
        let Some(stream) = &self.stream else {
            return Written::Blocked;
        };
        let mut until = None;
        loop {
            let Some(mut under_way) = self.under_way.try_lock() else {
                return Written::All;
            };
            let until = *until.get_or_insert(under_way.written + turn);
            loop {
                if under_way.written >= until && under_way.end == End::Open {
                    return Written::Enough;
                }
                if under_way.pieces.is_empty() {
                    if under_way.end != End::Open {
                        return Written::Over;
                    }
                    if !self.take(&mut under_way) {
                        break;
                    }
                }
                match under_way.write_some(stream) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Written::Blocked;
                    }
                    Err(_) => under_way.give_up(),
                }
            }
            drop(under_way);
            // Who queued something in the meantime found this one at work, and relies on it.
            if !self.outbox.can_write() {
                return Written::All;
            }
        }
    }

    /// Takes what waits next. False when there is nothing to be written.
    fn take(&self, under_way: &mut UnderWay) -> bool {
        match self.outbox.take(&mut under_way.items) {
            Taken::Nothing => return false,
            Taken::Behind => {
                self.drained.store(true, Ordering::Relaxed);
                self.news.notify_one();
                return false;
            }
            Taken::Some => under_way.cut(None),
            Taken::Last(ending) => under_way.cut(Some(&ending)),
        }
        true
    }

    /// The connection's own task on a TCP stream: writes what the others could not, until the ending is out or the
    /// connection breaks.
    pub(crate) async fn serve(&self) {
        let Some(stream) = &self.stream else { return };
        let mut stuck = Stuck::default();
        loop {
            match self.write_now(OWN_TURN) {
                Written::Over => return,
                Written::Blocked => {
                    let until = self.look_after(&mut stuck);
                    tokio::select! {
                        biased;
                        broken = stream.writable() => {
                            if broken.is_err() {
                                return;
                            }
                        }
                        // Somebody may have dropped what waits.
                        () = self.work.notified() => {}
                        () = reached(until) => {}
                    }
                }
                Written::Enough => tokio::task::yield_now().await,
                Written::All => self.work.notified().await,
            }
        }
    }

    /// Whether the other side is known to be gone, though what it sent may not be read yet.
    pub(crate) fn is_gone(&self) -> bool {
        if self.outbox.has_ending() {
            return true;
        }
        let Some(stream) = &self.stream else {
            return false;
        };
        let ready = stream
            .ready(Interest::READABLE | Interest::WRITABLE)
            .now_or_never();
        match ready {
            Some(Ok(ready)) => ready.is_read_closed() || ready.is_write_closed(),
            Some(Err(_)) => true,
            None => false,
        }
    }

    /// Ends the stream, also while a document that is at long work still knows of this connection.
    pub(crate) fn hang_up(&self) {
        if let Some(stream) = &self.stream {
            // Of one that is gone already there is nothing to end.
            let _gone = rustix::net::shutdown(stream.as_ref(), rustix::net::Shutdown::Both);
        }
    }

    /// Says that the peer is alive if it took something; ends the connection if it is behind and has taken nothing for too
    /// long. Returns when to look again.
    fn look_after(&self, stuck: &mut Stuck) -> Option<Instant> {
        let written = self.under_way.lock().written;
        let now = Instant::now();
        if stuck.written != written {
            stuck.written = written;
            stuck.since = Some(now);
            if stuck.told.is_none_or(|told| now >= told + ALIVE_EVERY) {
                stuck.told = Some(now);
                self.alive.store(true, Ordering::Relaxed);
                self.news.notify_one();
            }
        }
        if !self.outbox.is_behind() {
            return None;
        }
        let until = *stuck.since.get_or_insert(now) + self.patience;
        if now < until {
            return Some(until);
        }
        let reason = format!(
            "this connection has read nothing for {:?} (max_behind), and others went on; come again",
            self.patience
        );
        self.outbox.cut(close_codes::OVERLOADED, reason);
        None
    }

    /// The same on any other stream.
    pub(crate) async fn serve_alone<W: AsyncWrite + Unpin>(&self, sink: &mut W) {
        let mut stuck = Stuck::default();
        loop {
            let (piece, end) = {
                let mut under_way = self.under_way.lock();
                if under_way.pieces.is_empty() && under_way.end == End::Open {
                    self.take(&mut under_way);
                }
                (under_way.pieces.pop_front(), under_way.end)
            };
            match (piece, end) {
                (Some(piece), _) => {
                    if self.write_alone(sink, piece, &mut stuck).await.is_err() {
                        return;
                    }
                }
                (None, End::Open) => {
                    if sink.flush().await.is_err() {
                        return;
                    }
                    if !self.outbox.can_write() {
                        self.work.notified().await;
                    }
                }
                (None, End::Closing | End::Broken) => {
                    let _broken = sink.flush().await;
                    return;
                }
            }
        }
    }

    async fn write_alone<W: AsyncWrite + Unpin>(
        &self,
        sink: &mut W,
        mut piece: Bytes,
        stuck: &mut Stuck,
    ) -> io::Result<()> {
        while piece.has_remaining() {
            // Who takes at once what is sent need not be alive: that may be a buffer in between.
            let at_once = poll_immediate(pin!(sink.write_buf(&mut piece))).await;
            let written = match at_once {
                Some(written) => written?,
                None => {
                    let until = self.look_after(stuck);
                    tokio::select! {
                        biased;
                        written = sink.write_buf(&mut piece) => written?,
                        () = self.work.notified() => 0,
                        () = reached(until) => 0,
                    }
                }
            };
            self.under_way.lock().written += written as u64;
        }
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // The reading half closes the socket, in one go.
        if let Some(stream) = self.stream.take() {
            stream.forget();
        }
    }
}

/// What the connection's own task remembers of a peer that does not take everything at once.
#[derive(Debug, Default)]
struct Stuck {
    /// Bytes that it had taken.
    written: u64,
    /// When it took the last of them, as far as is known.
    since: Option<Instant>,
    /// When it was last said to be alive.
    told: Option<Instant>,
}

/// Waits for this moment; for ever if there is none. Boxed, because hardly any connection ever waits here.
async fn reached(moment: Option<Instant>) {
    match moment {
        Some(moment) => Box::pin(sleep_until(moment)).await,
        None => std::future::pending().await,
    }
}

/// Lines for which something waits, written to when this is dropped: outside of the room's lock, and once for all that
/// was queued in the meantime.
#[derive(Debug, Default)]
pub(crate) struct Due {
    lines: Vec<Arc<Line>>,
}

impl Due {
    pub(crate) fn push(&mut self, line: &Arc<Line>) {
        self.lines.push(Arc::clone(line));
    }

    /// These as well.
    pub(crate) fn append(&mut self, mut others: Self) {
        self.lines.append(&mut others.lines);
    }

    /// Writes to all of them. A crowd is left to its own tasks, which share the cores.
    pub(crate) fn flush(&mut self) {
        let crowd = self.lines.len() > FEW;
        for line in self.lines.drain(..) {
            if crowd {
                line.hand_over();
            } else {
                line.flush();
            }
        }
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        self.flush();
    }
}

impl UnderWay {
    /// Turns the items that were taken into pieces. Few are written from where they are; of many, the short ones are copied
    /// together, so that they leave in one write.
    fn cut(&mut self, ending: Option<&Ending>) {
        let few = self.items.len() <= PIECES;
        let mut gathered = Vec::new();
        let Self { items, pieces, .. } = self;
        let mut add = |piece: Bytes| {
            if !few && piece.len() <= GATHERED {
                gathered.extend_from_slice(&piece);
                return;
            }
            if !gathered.is_empty() {
                pieces.push_back(std::mem::take(&mut gathered).into());
            }
            pieces.push_back(piece);
        };
        for item in items.drain(..) {
            match item {
                Item::Frame(Frame::Whole(bytes, _), _) | Item::Raw(bytes) => add(bytes),
                Item::Frame(Frame::Shared(parts), _) => {
                    add(parts.0.clone());
                    add(parts.1.clone());
                }
                Item::Ping => add(Bytes::from_static(PING)),
                Item::Probe(mark) => add(probe(mark)),
                Item::Replaced | Item::CatchUp => {}
            }
        }
        if !gathered.is_empty() {
            pieces.push_back(gathered.into());
        }
        if items.capacity() > KEPT {
            *items = VecDeque::new();
        }
        if let Some(ending) = ending {
            pieces.push_back(close(ending));
            self.end = End::Closing;
        }
    }

    /// One write; more may have to follow.
    fn write_some(&mut self, stream: &OwnedWriteHalf) -> io::Result<()> {
        let mut written = if let [only] = self.pieces.make_contiguous() {
            stream.try_write(&only[..only.len().min(WRITE)])?
        } else {
            let mut slices = [IoSlice::new(&[]); PIECES];
            let (mut count, mut room) = (0, WRITE);
            for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                let part = piece.len().min(room);
                *slice = IoSlice::new(&piece[..part]);
                count += 1;
                room -= part;
                if room == 0 {
                    break;
                }
            }
            stream.try_write_vectored(&slices[..count])?
        };
        self.written += written as u64;
        while let Some(first) = self.pieces.front_mut() {
            if written < first.len() {
                first.advance(written);
                break;
            }
            written -= first.len();
            self.pieces.pop_front();
        }
        if self.pieces.is_empty() && self.pieces.capacity() > KEPT {
            self.pieces = VecDeque::new();
        }
        Ok(())
    }

    fn give_up(&mut self) {
        self.pieces.clear();
        self.end = End::Broken;
    }
}

fn probe(mark: u64) -> Bytes {
    let mark = mark.to_be_bytes();
    let mut out = Vec::with_capacity(2 + mark.len());
    write_header(PING_HEAD, mark.len(), &mut out);
    out.extend_from_slice(&mark);
    out.into()
}

fn close(ending: &Ending) -> Bytes {
    let mut reason = ending.reason.as_str();
    while reason.len() > MAX_REASON {
        reason = &reason[..reason.floor_char_boundary(reason.len() - 1)];
    }
    let mut out = Vec::new();
    write_header(CLOSE, 2 + reason.len(), &mut out);
    out.extend_from_slice(&ending.code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
    out.into()
}

#[cfg(test)]
mod tests {
    use baton_sync::y_websocket::{Carries, Head};
    use bytes::{BufMut, BytesMut};
    use futures_util::{SinkExt, StreamExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;
    use crate::connection::send_queue::{Edit, Waits, Weight};

    /// A line whose own task runs, and who reads from it.
    async fn pair_with(patience: Patience) -> (Arc<Line>, WebSocketStream<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reader = TcpStream::connect(listener.local_addr().unwrap());
        let (reader, accepted) = tokio::join!(reader, listener.accept());
        let (from, to) = accepted.unwrap().0.into_split();
        let line = Arc::new(Line::direct(patience, to));
        let own = Arc::clone(&line);
        tokio::spawn(async move {
            own.serve().await;
            drop(from);
        });
        let reader = WebSocketStream::from_raw_socket(reader.unwrap(), Role::Client, None).await;
        (line, reader)
    }

    async fn pair() -> (Arc<Line>, WebSocketStream<TcpStream>) {
        let (most, behind) = (usize::MAX, Duration::from_secs(60));
        pair_with(Patience { most, behind }).await
    }

    /// A message that carries so many bytes.
    fn frame(length: usize) -> Frame {
        let fill = u8::try_from(length % 251).unwrap();
        Frame::new(Carries::Update, &Bytes::from(vec![fill; length]))
    }

    /// What a client reads of it.
    fn message(frame: &Frame) -> Message {
        let head = Head::new(Carries::Update, frame.payload().len());
        Message::Binary([head.as_bytes(), frame.payload()].concat().into())
    }

    async fn next(reader: &mut WebSocketStream<TcpStream>) -> Message {
        let next = tokio::time::timeout(Duration::from_secs(20), reader.next());
        next.await.expect("something comes").unwrap().unwrap()
    }

    #[tokio::test]
    async fn every_length_of_frame_is_read_as_it_was_queued_and_the_ending_comes_last() {
        let (line, mut reader) = pair().await;
        let lengths = [0, 1, 125, 126, 4096, 4097, 65_535, 65_536, 3_000_000];
        for length in lengths {
            if line.outbox().send(frame(length), Weight::Answer) == Waits::Newly {
                line.flush();
            }
        }
        assert_eq!(line.outbox().ping(), Waits::Newly);
        line.end(4404, "é".repeat(200));
        for length in lengths {
            assert_eq!(next(&mut reader).await, message(&frame(length)));
        }
        assert_eq!(next(&mut reader).await, Message::Ping(Bytes::new()));
        let Message::Close(Some(close)) = next(&mut reader).await else {
            panic!("the ending comes last");
        };
        assert_eq!(u16::from(close.code), 4404);
        assert_eq!(close.reason.as_str(), "é".repeat(61));
    }

    /// Frames of several writers at once, each of whom leaves what it queued to whoever is at work: none is lost, none
    /// overtakes an earlier one of the same writer, also while the kernel takes nothing for a time.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn what_many_queue_at_once_comes_whole_and_in_order() {
        const WRITERS: u32 = 8;
        const FRAMES: u32 = 5000;
        let (line, mut reader) = pair().await;
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let line = Arc::clone(&line);
            writers.spawn_blocking(move || {
                for number in 0..FRAMES {
                    let mut frame = BytesMut::zeroed(usize::try_from(number % 300).unwrap());
                    frame.put_u32(writer);
                    frame.put_u32(number);
                    let frame = Frame::copied(Carries::Update, &frame);
                    if line.outbox().send(frame, Weight::Counted) == Waits::Newly {
                        line.flush();
                    }
                }
            });
        }
        let mut came = vec![0; usize::try_from(WRITERS).unwrap()];
        for _ in 0..WRITERS * FRAMES {
            let Message::Binary(frame) = next(&mut reader).await else {
                panic!("only frames were sent");
            };
            let mut end = &frame[frame.len() - 8..];
            let writer = usize::try_from(end.get_u32()).unwrap();
            assert_eq!(end.get_u32(), came[writer], "writer {writer} in order");
            came[writer] += 1;
        }
        writers.join_all().await;
    }

    /// Lets so much wait that the kernel takes no more, however far it stretches its buffers, and then an edit too many.
    fn fall_behind(line: &Line) {
        let _answered = line.outbox().send(frame(15_000_000), Weight::Answer);
        line.flush();
        let edit = Edit::new(frame(100_000));
        while !line.outbox().is_behind() {
            if line.outbox().edit(&edit) == Waits::Newly {
                line.flush();
            }
        }
    }

    #[tokio::test]
    async fn who_is_behind_and_takes_nothing_is_told_to_come_again() {
        let (most, behind) = (300_000, Duration::from_millis(50));
        let (line, mut reader) = pair_with(Patience { most, behind }).await;
        fall_behind(&line);
        let ended = tokio::time::timeout(Duration::from_secs(20), line.outbox().ended());
        ended.await.expect("its time is over");
        let close = loop {
            match next(&mut reader).await {
                Message::Binary(_) => {}
                Message::Close(close) => break close.unwrap(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(u16::from(close.code), close_codes::OVERLOADED);
        assert!(close.reason.contains("max_behind"), "{}", close.reason);
    }

    #[tokio::test]
    async fn who_takes_all_that_went_before_is_caught_up_and_was_alive_meanwhile() {
        let (most, behind) = (300_000, Duration::from_secs(60));
        let (line, mut reader) = pair_with(Patience { most, behind }).await;
        fall_behind(&line);
        assert_eq!(line.news().await, News::Alive);
        let reading = tokio::spawn(async move {
            let mut read = 0;
            while next(&mut reader).await != message(&frame(7)) {
                read += 1;
            }
            read
        });
        while line.news().await != News::Behind {}
        assert_eq!(line.outbox().caught_up([frame(7)]), Waits::Newly);
        line.flush();
        assert!(reading.await.unwrap() > 0);
        assert!(!line.outbox().is_behind());
    }

    /// A pong to a ping that waits behind megabytes would come too late.
    #[tokio::test]
    async fn a_ping_overtakes_what_waits() {
        let (line, mut reader) = pair().await;
        let_much_wait(&line);
        let waiting = line.outbox().can_write();
        let _work_is_at_hand = line.outbox().ping();
        assert!(waiting, "something waits");
        let mut read = 0;
        while next(&mut reader).await != Message::Ping(Bytes::new()) {
            read += 1;
        }
        let mut rest = 0;
        while rest + read < FRAMES {
            assert!(matches!(next(&mut reader).await, Message::Binary(_)));
            rest += 1;
        }
        assert!(rest > 0, "it came before the last");
    }

    #[tokio::test]
    async fn a_client_that_has_gone_is_known_before_what_it_sent_is_read() {
        let (line, mut reader) = pair().await;
        reader
            .send(Message::Binary(Bytes::from_static(b"unread")))
            .await
            .unwrap();
        assert!(!line.is_gone());
        drop(reader);
        let gone = async {
            while !line.is_gone() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let known = tokio::time::timeout(Duration::from_secs(20), gone);
        known.await.expect("its end is seen");
    }

    /// A reader that takes as fast as is written would keep a thread for itself.
    #[tokio::test]
    async fn whoever_writes_stops_after_a_turn_and_goes_on_in_order() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reader = TcpStream::connect(listener.local_addr().unwrap());
        let (reader, accepted) = tokio::join!(reader, listener.accept());
        let (_from, to) = accepted.unwrap().0.into_split();
        let (most, behind) = (usize::MAX, Duration::from_secs(60));
        let line = Line::direct(Patience { most, behind }, to);
        to_be_writable(&line).await;
        let lengths: Vec<usize> = (5000..5040).collect();
        for length in &lengths {
            let _written_below = line.outbox().send(frame(*length), Weight::Counted);
        }
        let mut turns = 0;
        while line.write_now(10_000) == Written::Enough {
            turns += 1;
        }
        // A write takes up to sixteen pieces.
        assert!((2..=20).contains(&turns), "{turns}");
        let mut reader =
            WebSocketStream::from_raw_socket(reader.unwrap(), Role::Client, None).await;
        for length in lengths {
            assert_eq!(next(&mut reader).await, message(&frame(length)));
        }
    }

    async fn to_be_writable(line: &Line) {
        line.stream.as_ref().unwrap().writable().await.unwrap();
    }

    const FRAMES: usize = 400;

    /// Lets more wait than the kernel takes, within the limit.
    fn let_much_wait(line: &Line) {
        for _ in 0..FRAMES {
            if line.outbox().send(frame(100_000), Weight::Counted) == Waits::Newly {
                line.flush();
            }
        }
    }
}
