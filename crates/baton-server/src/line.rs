//! The way of queued items onto the wire: WebSocket frames of the server's side, and who writes them.
//!
//! Owns the order of bytes on one connection. On a TCP stream **whoever queued something writes it**, as far as the kernel
//! takes it at once: waking the connection's own task for every frame would cost more than the frame. What the kernel does
//! not take, the connection's own task writes when it does ([`Line::serve`]). At any time one of them writes; who finds
//! another at work leaves its items to that one, which looks again before it goes.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::outbox::{Ending, Item, Outbox, Taken};

const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

/// Frames up to this length are gathered in one buffer; longer ones are written from where they are.
const GATHERED: usize = 4 * 1024;

/// Most lines that one task writes to by itself; with more, others would wait for the last.
const FEW: usize = 32;

/// Most pieces of one write.
const PIECES: usize = 16;

/// Longest close reason: a close frame has 125 bytes, two of them the code.
const MAX_REASON: usize = 123;

/// One connection's outbox and the stream under it.
#[derive(Debug)]
pub(crate) struct Line {
    outbox: Outbox,
    /// `None` for a stream that only its own task can write to, as under TLS.
    stream: Option<Arc<TcpStream>>,
    under_way: Mutex<UnderWay>,
    /// Tells the connection's own task that there is something to do for it.
    work: Notify,
}

/// Bytes that left the queue and are not with the kernel yet.
#[derive(Debug, Default)]
struct UnderWay {
    pieces: VecDeque<Bytes>,
    end: End,
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
    /// The close frame is out, or the connection is broken: there is nothing more to write, ever.
    Over,
}

impl Line {
    /// For a stream that anybody may write to.
    pub(crate) fn direct(limit: usize, stream: Arc<TcpStream>) -> Self {
        Self {
            stream: Some(stream),
            ..Self::indirect(limit)
        }
    }

    /// For any other stream.
    pub(crate) fn indirect(limit: usize) -> Self {
        Self {
            outbox: Outbox::new(limit),
            stream: None,
            under_way: Mutex::default(),
            work: Notify::new(),
        }
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
        if self.stream.is_none() || self.write_now() != Written::All {
            self.work.notify_one();
        }
    }

    /// Leaves what waits to the connection's own task.
    pub(crate) fn hand_over(&self) {
        self.work.notify_one();
    }

    fn write_now(&self) -> Written {
        let Some(stream) = &self.stream else {
            return Written::Blocked;
        };
        loop {
            let Some(mut under_way) = self.under_way.try_lock() else {
                return Written::All;
            };
            loop {
                if under_way.pieces.is_empty() {
                    if under_way.end != End::Open {
                        return Written::Over;
                    }
                    if !under_way.take(&self.outbox) {
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
            if self.outbox.is_empty() {
                return Written::All;
            }
        }
    }

    /// The connection's own task on a TCP stream: writes what the others could not, until the ending is out or the
    /// connection breaks.
    pub(crate) async fn serve(&self, stream: &TcpStream) {
        loop {
            match self.write_now() {
                Written::Over => return,
                Written::Blocked => {
                    if stream.writable().await.is_err() {
                        return;
                    }
                }
                Written::All => self.work.notified().await,
            }
        }
    }

    /// The same on any other stream.
    pub(crate) async fn serve_alone<W: AsyncWrite + Unpin>(&self, sink: &mut W) {
        loop {
            let (piece, end) = {
                let mut under_way = self.under_way.lock();
                if under_way.pieces.is_empty() && under_way.end == End::Open {
                    under_way.take(&self.outbox);
                }
                (under_way.pieces.pop_front(), under_way.end)
            };
            match (piece, end) {
                (Some(mut piece), _) => {
                    if sink.write_all_buf(&mut piece).await.is_err() {
                        return;
                    }
                }
                (None, End::Open) => {
                    if sink.flush().await.is_err() {
                        return;
                    }
                    if self.outbox.is_empty() {
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
    /// Takes all that waits. False when there is nothing.
    fn take(&mut self, outbox: &Outbox) -> bool {
        let Some(Taken { items, ending }) = outbox.take() else {
            return false;
        };
        let mut gathered = BytesMut::new();
        for item in items {
            match item {
                Item::Frame(frame) => {
                    header(BINARY, frame.len(), &mut gathered);
                    if frame.len() <= GATHERED {
                        gathered.extend_from_slice(&frame);
                    } else {
                        self.pieces.push_back(gathered.split().freeze());
                        self.pieces.push_back(frame);
                    }
                }
                Item::Raw(bytes) => gathered.extend_from_slice(&bytes),
                Item::Ping => header(PING, 0, &mut gathered),
                Item::Replaced => {}
            }
        }
        if let Some(ending) = ending {
            close(&ending, &mut gathered);
            self.end = End::Closing;
        }
        if !gathered.is_empty() {
            self.pieces.push_back(gathered.freeze());
        }
        true
    }

    /// One write; more may have to follow.
    fn write_some(&mut self, stream: &TcpStream) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        let mut written = stream.try_write_vectored(&slices[..count])?;
        while let Some(first) = self.pieces.front_mut() {
            if written < first.len() {
                first.advance(written);
                break;
            }
            written -= first.len();
            self.pieces.pop_front();
        }
        Ok(())
    }

    fn give_up(&mut self) {
        self.pieces.clear();
        self.end = End::Broken;
    }
}

/// The header of an unmasked, final frame (RFC 6455, section 5.2).
fn header(kind: u8, length: usize, out: &mut BytesMut) {
    out.put_u8(kind);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => out.put_u8(short),
        (_, Ok(long)) => {
            out.put_u8(126);
            out.put_u16(long);
        }
        _ => {
            out.put_u8(127);
            out.put_u64(length as u64);
        }
    }
}

fn close(ending: &Ending, out: &mut BytesMut) {
    let mut reason = ending.reason.as_str();
    while reason.len() > MAX_REASON {
        reason = &reason[..reason.floor_char_boundary(reason.len() - 1)];
    }
    header(CLOSE, 2 + reason.len(), out);
    out.put_u16(ending.code);
    out.put_slice(reason.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::StreamExt;
    use tokio::net::TcpListener;
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;
    use crate::outbox::{Waits, Weight};

    /// A line whose own task runs, and who reads from it.
    async fn pair() -> (Arc<Line>, WebSocketStream<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reader = TcpStream::connect(listener.local_addr().unwrap());
        let (reader, accepted) = tokio::join!(reader, listener.accept());
        let stream = Arc::new(accepted.unwrap().0);
        let line = Arc::new(Line::direct(usize::MAX, Arc::clone(&stream)));
        let own = Arc::clone(&line);
        tokio::spawn(async move { own.serve(&stream).await });
        let reader = WebSocketStream::from_raw_socket(reader.unwrap(), Role::Client, None).await;
        (line, reader)
    }

    async fn next(reader: &mut WebSocketStream<TcpStream>) -> Message {
        let next = tokio::time::timeout(Duration::from_secs(20), reader.next());
        next.await.expect("something comes").unwrap().unwrap()
    }

    #[tokio::test]
    async fn every_length_of_frame_is_read_as_it_was_queued_and_the_ending_comes_last() {
        let (line, mut reader) = pair().await;
        let lengths = [0, 1, 125, 126, 4096, 4097, 65_535, 65_536, 3_000_000];
        let frame = |length: usize| Bytes::from(vec![u8::try_from(length % 251).unwrap(); length]);
        for length in lengths {
            if line.outbox().send(frame(length), Weight::Answer) == Waits::Newly {
                line.flush();
            }
        }
        assert_eq!(line.outbox().ping(), Waits::Newly);
        line.end(4404, "é".repeat(200));
        for length in lengths {
            assert_eq!(next(&mut reader).await, Message::Binary(frame(length)));
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
                    if line.outbox().send(frame.freeze(), Weight::Counted) == Waits::Newly {
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
}
