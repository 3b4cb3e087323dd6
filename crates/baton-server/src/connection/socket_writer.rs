//! Writes the send queue of a connection to its socket.
//!
//! Owns the order of bytes on one connection. On TCP and Unix sockets the task that queued a frame
//! also writes it, as far as the kernel takes it at once: waking the connection's own task for
//! every frame would cost more than the frame. The connection's own task writes the rest when the
//! kernel is ready ([`SocketWriter::serve`]). One task writes at a time; a task that finds another
//! one writing leaves its items to it.
//!
//! A client that takes bytes is alive, however long its answer to a ping waits behind them. A
//! client that is behind and takes nothing for `max_behind` is told to come again. The reading side
//! learns of both events ([`Outbox::news`]), because it knows the room.

mod own_task_stream;
mod slow_reader;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use baton_room::{Outgoing, Receipts, Source};
use futures_util::FutureExt;
use tokio::io::{AsyncWrite, Interest};
use tokio::sync::Notify;

use self::own_task_stream::OwnTaskStream;
pub(crate) use self::slow_reader::SlowReaderLimits;
use self::slow_reader::{Progress, reached};
use crate::connection::direct_stream::DirectWriter;
use crate::connection::outbox::{Outbox, ReadyAddress};
use crate::connection::send_queue::{Ending, FrameClass, Item, NeedsFlush, Taken};
use crate::connection::wire::{AddressEnd, HocuspocusAddress, Wire};
use crate::connection::wire_codec;
use crate::connection::ws_frame::Frame;

/// Bytes that a connection's own task writes before others have their turn, about. A client that
/// reads as fast as the task writes would keep a thread for itself otherwise.
const OWN_TURN: usize = 256 * 1024;

/// Bytes that a task writes for another connection in one turn, about.
const OTHERS_TURN: usize = 32 * 1024;

/// The outbox of one connection and the stream that it is written to.
#[derive(Debug)]
pub(crate) struct SocketWriter {
    outbox: Outbox,
    wire: Wire,
    source: Option<Source>,
    receipts: Receipts,
    patience: Duration,
    stream: WriterStream,
    /// Wakes the connection's own task.
    work: Notify,
}

/// The stream of a connection.
#[derive(Debug)]
enum WriterStream {
    /// Any task can write to it.
    Direct(DirectWriter),
    /// Only its own task can write to it, as under TLS.
    OwnTask,
    /// It is that of a socket with several addresses.
    Shared(AddressOnSocket),
}

/// The place of an address on its socket.
#[derive(Debug)]
struct AddressOnSocket {
    socket: Arc<SocketWriter>,
    /// Number of the address on its socket, never used twice there.
    number: u32,
    /// The writer of the address itself, for the socket's list.
    this: Weak<SocketWriter>,
}

impl AddressOnSocket {
    /// Tells the socket that its address has something to write.
    fn list(&self) {
        // An address whose last owner is letting it go has nothing to write any more.
        if let Some(this) = self.this.upgrade() {
            self.socket.outbox.list(this);
        }
    }
}

/// The result of a turn of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// Everything is written, or another task is writing it.
    All,
    /// The kernel takes nothing more at the moment.
    Blocked,
    /// The turn is over, and there may be more.
    Enough,
    /// The close frame is out, or the connection is broken: nothing will ever follow.
    Over,
}

impl SocketWriter {
    /// Returns the writer of a stream that any task may write to.
    pub(crate) fn direct(patience: SlowReaderLimits, stream: impl Into<DirectWriter>) -> Self {
        let mut writer = Self::indirect(patience);
        writer.stream = WriterStream::Direct(stream.into());
        writer
    }

    /// Returns the writer of any other stream.
    pub(crate) fn indirect(patience: SlowReaderLimits) -> Self {
        Self {
            outbox: Outbox::new(patience.most),
            wire: Wire::YWebsocket,
            source: None,
            receipts: Receipts::None,
            patience: patience.behind,
            stream: WriterStream::OwnTask,
            work: Notify::new(),
        }
    }

    /// Returns the writer of one address of a socket. It has an outbox of its own, with the same
    /// limit, and the socket writes what is in it.
    pub(crate) fn of_address(
        socket: &Arc<Self>,
        patience: SlowReaderLimits,
        address: HocuspocusAddress,
        number: u32,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| {
            let mut writer = Self::indirect(patience);
            writer.wire = Wire::Hocuspocus(address);
            writer.source = socket.source;
            writer.receipts = socket.receipts;
            writer.stream = WriterStream::Shared(AddressOnSocket {
                socket: Arc::clone(socket),
                number,
                this: Weak::clone(this),
            });
            writer
        })
    }

    /// Lets the socket have several addresses.
    #[must_use]
    pub(crate) fn with_addresses(mut self) -> Self {
        self.outbox.admit_addresses();
        self
    }

    /// Notes from where the connection comes, and how its client is told that an edit is saved.
    #[must_use]
    pub(crate) fn comes_from(mut self, source: Source, receipts: Receipts) -> Self {
        (self.source, self.receipts) = (Some(source), receipts);
        self
    }

    /// Returns the way in which the client is told that an edit is saved.
    pub(crate) const fn receipts(&self) -> Receipts {
        self.receipts
    }

    /// Returns from where the connection comes, if that is known.
    pub(crate) const fn source(&self) -> Option<Source> {
        self.source
    }

    /// Returns the wire of the connection.
    pub(crate) const fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Queues a message, if the wire of the connection has such a message.
    pub(crate) fn send(&self, message: &Outgoing) -> NeedsFlush {
        match wire_codec::encode(&self.wire, message) {
            Some((frame, class)) => self.outbox.send(frame, class),
            None => NeedsFlush::No,
        }
    }

    /// Queues a message that is encoded already, and flushes it.
    pub(crate) fn send_encoded(&self, message: &[u8]) {
        let frame = Frame::encoded(message);
        if self.outbox.send(frame, FrameClass::Required) == NeedsFlush::Yes {
            self.flush();
        }
    }

    /// Returns what waits to be written.
    pub(crate) const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Waits until something is queued, for a task that takes it out by itself. For one
    /// waiter.
    pub(crate) async fn woken(&self) {
        self.work.notified().await;
    }

    /// Ends the connection after what is queued, and flushes it. The first ending stands.
    pub(crate) fn end(&self, code: u16, reason: impl Into<String>) {
        self.outbox.end(code, reason);
        self.flush();
    }

    /// Writes what is queued, as far as that is possible at once; never waits.
    pub(crate) fn flush(&self) {
        match &self.stream {
            WriterStream::Direct(_) if self.write_now(OTHERS_TURN) == Written::All => {}
            WriterStream::Direct(_) | WriterStream::OwnTask => self.work.notify_one(),
            WriterStream::Shared(place) => {
                place.list();
                place.socket.flush();
            }
        }
    }

    /// Leaves what is queued to the connection's own task.
    pub(crate) fn hand_over(&self) {
        match &self.stream {
            WriterStream::Direct(_) | WriterStream::OwnTask => self.work.notify_one(),
            WriterStream::Shared(place) => {
                place.list();
                place.socket.hand_over();
            }
        }
    }

    /// Returns true if the client is known to be gone, though what it sent may not be read yet.
    pub(crate) fn is_gone(&self) -> bool {
        if self.outbox.has_ending() {
            return true;
        }
        let stream = match &self.stream {
            WriterStream::Direct(stream) => stream,
            WriterStream::OwnTask => return false,
            WriterStream::Shared(place) => return place.socket.is_gone(),
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

    /// Ends the stream, also while a document that is at long work still refers to this connection.
    pub(crate) fn hang_up(&self) {
        self.outbox.forget_addresses();
        if let WriterStream::Direct(stream) = &self.stream {
            stream.hang_up();
        }
    }

    /// The connection's own task on a TCP stream: writes what other tasks could not, until the
    /// ending is out or the connection breaks.
    pub(crate) async fn serve(&self) {
        let WriterStream::Direct(stream) = &self.stream else {
            return;
        };
        let mut progress = Progress::default();
        loop {
            match self.write_now(OWN_TURN) {
                Written::Over => return,
                Written::Blocked => {
                    let until = progress.check(&self.outbox, self.patience);
                    tokio::select! {
                        biased;
                        broken = stream.writable() => {
                            if broken.is_err() {
                                return;
                            }
                        }
                        // The queue may have dropped items, and the connection may be behind now.
                        () = self.work.notified() => {}
                        () = reached(until) => {}
                    }
                }
                Written::Enough => tokio::task::yield_now().await,
                Written::All => self.work.notified().await,
            }
        }
    }

    /// The connection's own task on any other stream, which no other task can write to.
    pub(crate) async fn serve_alone<W: AsyncWrite + Unpin>(&self, sink: &mut W) {
        let own_task = OwnTaskStream {
            outbox: &self.outbox,
            work: &self.work,
            patience: self.patience,
            sink,
        };
        own_task.serve().await;
    }

    /// Writes about `turn` bytes.
    fn write_now(&self, turn: usize) -> Written {
        let WriterStream::Direct(stream) = &self.stream else {
            return Written::Blocked;
        };
        let Some(mut batch) = self.outbox.borrow_batch() else {
            return Written::All;
        };
        let mut written = 0;
        let result = loop {
            if written >= turn && !batch.is_last() {
                break Written::Enough;
            }
            if batch.is_written() {
                if batch.is_last() {
                    break Written::Over;
                }
                match self.outbox.refill_or_give_back(batch, written) {
                    Some(refilled) => batch = refilled,
                    None => return Written::All,
                }
            }
            match batch.write_some(stream) {
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Written::Blocked,
                Err(_) => batch.give_up(),
            }
        };
        self.outbox.give_back(batch, written);
        result
    }
}

impl ReadyAddress for SocketWriter {
    fn set_listed(&self, listed: bool) -> bool {
        self.outbox.set_listed(listed)
    }

    fn is_behind(&self) -> bool {
        self.outbox.is_behind()
    }

    fn take(&self, into: &mut VecDeque<Item>) -> (Taken, bool) {
        self.outbox.take(into)
    }

    fn number(&self) -> u32 {
        match &self.stream {
            WriterStream::Shared(place) => place.number,
            WriterStream::Direct(_) | WriterStream::OwnTask => 0,
        }
    }

    fn end(&self, ending: &Ending) -> AddressEnd {
        match &self.wire {
            Wire::Hocuspocus(address) => address.end(ending),
            Wire::YWebsocket => AddressEnd::Socket,
        }
    }

    fn is_slow_reader(&self) -> bool {
        self.outbox.slow_reader().is_some()
    }
}

impl Drop for SocketWriter {
    fn drop(&mut self) {
        // The reading half closes the socket, in one go.
        if let WriterStream::Direct(stream) =
            std::mem::replace(&mut self.stream, WriterStream::OwnTask)
        {
            stream.forget();
        }
    }
}

#[cfg(test)]
mod tests;
