//! A stream that only the connection's own task can write to, as under TLS.
//!
//! Owns the writing of it, piece by piece, and its flushes.

use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::future::poll_immediate;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

use super::slow_reader::{Progress, reached};
use crate::connection::outbox::Outbox;

/// See the module.
pub(super) struct OwnTaskStream<'a, W> {
    pub(super) outbox: &'a Outbox,
    /// Wakes the connection's own task.
    pub(super) work: &'a Notify,
    /// Time for which a client that is behind may take nothing.
    pub(super) patience: Duration,
    pub(super) sink: &'a mut W,
}

impl<W: AsyncWrite + Unpin> OwnTaskStream<'_, W> {
    /// Writes what is queued, until the ending is out or the connection breaks.
    pub(super) async fn serve(mut self) {
        let mut progress = Progress::default();
        loop {
            let Some(mut batch) = self.outbox.borrow_batch() else {
                if self.sink.flush().await.is_err() {
                    return;
                }
                // A wake-up that comes during the flush is kept by the `Notify`.
                self.work.notified().await;
                continue;
            };
            while let Some(piece) = batch.next_piece() {
                if self.write(piece, &mut progress).await.is_err() {
                    return;
                }
            }
            if batch.is_last() {
                let _broken = self.sink.flush().await;
                return;
            }
            self.outbox.give_back(batch, 0);
        }
    }

    async fn write(&mut self, mut piece: Bytes, progress: &mut Progress) -> io::Result<()> {
        while piece.has_remaining() {
            // A sink that takes bytes at once may be a buffer: that is no sign of life of the
            // client.
            let at_once = poll_immediate(pin!(self.sink.write_buf(&mut piece))).await;
            let written = match at_once {
                Some(written) => written?,
                None => {
                    let until = progress.check(self.outbox, self.patience);
                    tokio::select! {
                        biased;
                        written = self.sink.write_buf(&mut piece) => written?,
                        () = self.work.notified() => 0,
                        () = reached(until) => 0,
                    }
                }
            };
            self.outbox.note_written(written);
        }
        Ok(())
    }
}
