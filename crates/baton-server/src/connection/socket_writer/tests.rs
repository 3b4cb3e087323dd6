use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use baton_sync::y_websocket::{FrameHeader, PayloadKind};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::connection::close_codes;
use crate::connection::outbox::WriterEvent;
use crate::connection::send_queue::{BroadcastUpdate, FrameClass, NeedsFlush};
use crate::connection::ws_frame::Frame;

/// A line whose own task runs, and who reads from it.
async fn pair_with(patience: SlowReaderLimits) -> (Arc<SocketWriter>, WebSocketStream<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let reader = TcpStream::connect(listener.local_addr().unwrap());
    let (reader, accepted) = tokio::join!(reader, listener.accept());
    let (from, to) = accepted.unwrap().0.into_split();
    let line = Arc::new(SocketWriter::direct(patience, to));
    let own = Arc::clone(&line);
    tokio::spawn(async move {
        own.serve().await;
        drop(from);
    });
    let reader = WebSocketStream::from_raw_socket(reader.unwrap(), Role::Client, None).await;
    (line, reader)
}

async fn pair() -> (Arc<SocketWriter>, WebSocketStream<TcpStream>) {
    let (most, behind) = (usize::MAX, Duration::from_secs(60));
    pair_with(SlowReaderLimits { most, behind }).await
}

/// A message that carries so many bytes.
fn frame(length: usize) -> Frame {
    let fill = u8::try_from(length % 251).unwrap();
    Frame::new(PayloadKind::Update, &Bytes::from(vec![fill; length]))
}

/// Returns the message that a client reads.
fn message(frame: &Frame) -> Message {
    let head = FrameHeader::new(PayloadKind::Update, frame.payload().len());
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
        if line.outbox().send(frame(length), FrameClass::Answer) == NeedsFlush::Yes {
            line.flush();
        }
    }
    assert_eq!(line.outbox().ping(), NeedsFlush::Yes);
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

/// Frames of several writers at once, each of which leaves its items to the one that writes: none
/// is lost, none overtakes an earlier one of the same writer, also while the kernel takes nothing
/// for a time.
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
                let frame = Frame::copied(PayloadKind::Update, &frame);
                if line.outbox().send(frame, FrameClass::Required) == NeedsFlush::Yes {
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

/// Lets so much wait that the kernel takes no more, however far it stretches its buffers, and then
/// an edit too many.
fn fall_behind(line: &SocketWriter) {
    let _answered = line.outbox().send(frame(15_000_000), FrameClass::Answer);
    line.flush();
    let edit = BroadcastUpdate::new(frame(100_000));
    while !line.outbox().is_behind() {
        if line.outbox().edit(&edit) == NeedsFlush::Yes {
            line.flush();
        }
    }
}

#[tokio::test]
async fn who_is_behind_and_takes_nothing_is_told_to_come_again() {
    let (most, behind) = (300_000, Duration::from_millis(50));
    let (line, mut reader) = pair_with(SlowReaderLimits { most, behind }).await;
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
    let (line, mut reader) = pair_with(SlowReaderLimits { most, behind }).await;
    fall_behind(&line);
    assert_eq!(line.outbox().news().await, WriterEvent::Alive);
    let reading = tokio::spawn(async move {
        let mut read = 0;
        while next(&mut reader).await != message(&frame(7)) {
            read += 1;
        }
        read
    });
    while line.outbox().news().await != WriterEvent::Behind {}
    assert_eq!(line.outbox().caught_up([frame(7)]), NeedsFlush::Yes);
    line.flush();
    assert!(reading.await.unwrap() > 0);
    assert!(!line.outbox().is_behind());
}

/// A pong to a ping that waits behind megabytes would come too late.
#[tokio::test]
async fn a_ping_overtakes_what_waits() {
    let (line, mut reader) = pair().await;
    let_much_wait(&line);
    assert_eq!(line.outbox().ping(), NeedsFlush::No, "something waits");
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
    let line = SocketWriter::direct(SlowReaderLimits { most, behind }, to);
    to_be_writable(&line).await;
    let lengths: Vec<usize> = (5000..5040).collect();
    for length in &lengths {
        let _written_below = line.outbox().send(frame(*length), FrameClass::Required);
    }
    let mut turns = 0;
    while line.write_now(10_000) == Written::Enough {
        turns += 1;
    }
    // A write takes up to sixteen pieces.
    assert!((2..=20).contains(&turns), "{turns}");
    let mut reader = WebSocketStream::from_raw_socket(reader.unwrap(), Role::Client, None).await;
    for length in lengths {
        assert_eq!(next(&mut reader).await, message(&frame(length)));
    }
}

async fn to_be_writable(line: &SocketWriter) {
    let WriterStream::Direct(stream) = &line.stream else {
        panic!("a TCP stream");
    };
    stream.writable().await.unwrap();
}

const FRAMES: usize = 400;

/// Lets more wait than the kernel takes, within the limit.
fn let_much_wait(line: &SocketWriter) {
    for _ in 0..FRAMES {
        if line.outbox().send(frame(100_000), FrameClass::Required) == NeedsFlush::Yes {
            line.flush();
        }
    }
}

/// A sink that keeps what it is given, write by write.
#[derive(Default)]
struct Writes(Vec<Vec<u8>>);

impl AsyncWrite for Writes {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.push(bytes.to_vec());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Each write became a record of TLS and a system call: two for a frame, of its head and of its
/// payload.
#[tokio::test]
async fn short_pieces_leave_a_stream_of_its_own_task_in_one_write() {
    let (most, behind) = (usize::MAX, Duration::from_secs(60));
    for (lengths, expected) in [
        (&[100, 200, 300][..], 1),
        (&[10_000; 3][..], 2),
        (&[100_000, 100][..], 3),
        (&[10; 200][..], 1),
    ] {
        let line = SocketWriter::indirect(SlowReaderLimits { most, behind });
        for length in lengths {
            let _written_below = line.outbox().send(frame(*length), FrameClass::Required);
        }
        let mut sink = Writes::default();
        // Nothing is queued after that, so it waits for ever.
        assert!(line.serve_alone(&mut sink).now_or_never().is_none());
        assert_eq!(sink.0.len(), expected, "{lengths:?}");
        let written = sink.0.concat().len();
        let payload: usize = lengths.iter().sum();
        assert!(written > payload && written < payload + 20 * lengths.len());
        assert_eq!(line.outbox().written(), written as u64);
    }
}
