//! Makes previews of parks beside the document: only the client that asked waits for one.
//!
//! Owns the limits of this work, since the library that reads a document needs much memory for a
//! large one and much time for a crowded one: one preview of a document at a time, of up to
//! [`PREVIEW_BYTES`], for up to [`PREVIEW_TIME`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use baton_room::{Outgoing, ParkPreview};
use tokio::sync::Semaphore;

use crate::connection::send_queue::NeedsFlush;
use crate::connection::socket_writer::SocketWriter;
use crate::documents::work_cost;
use crate::documents::work_pool::WorkPool;

/// Bytes of a document with its parked edits, above which no preview is made.
const PREVIEW_BYTES: usize = 64 << 20;

/// Time after which the client that asked gets an error. The library cannot be interrupted: the
/// work goes on until it ends, and the document has no other preview meanwhile.
const PREVIEW_TIME: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(crate) struct ParkPreviews {
    /// Admits one preview at a time.
    one: Arc<Semaphore>,
    pool: Arc<WorkPool>,
}

impl ParkPreviews {
    /// Returns the maker of previews of one document.
    pub(super) fn new(pool: Arc<WorkPool>) -> Self {
        Self {
            one: Arc::new(Semaphore::new(1)),
            pool,
        }
    }

    /// Makes a preview and queues the answer for its connection. Returns the processor time that it
    /// took. A preview is not begun if `wanted` returns false when its turn comes, because the
    /// connection is gone.
    pub(crate) async fn answer(
        &self,
        writer: &Arc<SocketWriter>,
        preview: ParkPreview,
        wanted: impl Fn() -> bool,
    ) -> Duration {
        let (document, parked) = preview.bytes();
        if document + parked > PREVIEW_BYTES {
            let why = format!(
                "the document is too large for a preview of a park (at most {PREVIEW_BYTES} bytes): merge or discard the park without one"
            );
            send(writer, &preview.refused(&why));
            return Duration::ZERO;
        }
        let late = preview.refused(
            "the preview of this park takes too long: merge or discard the park without one, or ask again later",
        );
        let began = Instant::now();
        // Never closed. The permit goes with the work, which goes on when its connection is gone.
        let one = Arc::clone(&self.one).acquire_owned();
        let Ok(Ok(one)) = tokio::time::timeout(PREVIEW_TIME, one).await else {
            send(writer, &late);
            return Duration::ZERO;
        };
        let turn = self.pool.turn(work_cost::preview(document, parked)).await;
        if !wanted() {
            return Duration::ZERO;
        }
        let rendering = turn.run(move || {
            let began = Instant::now();
            let message = preview.render();
            drop(one);
            (message, began.elapsed())
        });
        let left = PREVIEW_TIME.saturating_sub(began.elapsed());
        match tokio::time::timeout(left, rendering).await {
            Ok(Ok((message, took))) => {
                send(writer, &message);
                took
            }
            Ok(Err(_)) => Duration::ZERO,
            Err(_) => {
                send(writer, &late);
                left
            }
        }
    }
}

fn send(writer: &Arc<SocketWriter>, message: &Outgoing) {
    if writer.send(message) == NeedsFlush::Yes {
        writer.flush();
    }
}
