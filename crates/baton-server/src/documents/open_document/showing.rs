//! What parks would change, worked out beside the document: nothing waits for it but the connection that asked.
//!
//! Owns that a document has one at a time of it on the pool, since each needs the memory of a whole document.

use std::sync::Arc;
use std::time::{Duration, Instant};

use baton_room::ParkPreview;
use tokio::sync::Semaphore;

use crate::connection::send_queue::Waits;
use crate::connection::socket_writer::SocketWriter as Line;
use crate::connection::wire_codec as wire;
use crate::documents::work_cost;
use crate::documents::work_pool::WorkPool;

/// See the module.
#[derive(Debug)]
pub(crate) struct Showing {
    one: Arc<Semaphore>,
    pool: Arc<WorkPool>,
}

impl Showing {
    pub(super) fn new(pool: Arc<WorkPool>) -> Self {
        Self {
            one: Arc::new(Semaphore::new(1)),
            pool,
        }
    }

    /// Works it out and queues the answer on the line. Returns the time that it took, of a processor. It is not begun for a
    /// connection that is not `wanted` any more when its turn comes.
    pub(crate) async fn show(
        &self,
        line: &Arc<Line>,
        preview: ParkPreview,
        wanted: impl Fn() -> bool,
    ) -> Duration {
        // Never closed. It goes with the work, which goes on when its connection is gone.
        let one = Arc::clone(&self.one).acquire_owned().await;
        let (document, parked) = preview.bytes();
        let turn = self.pool.turn(work_cost::show(document, parked)).await;
        if !wanted() {
            return Duration::ZERO;
        }
        let rendering = turn.run(move || {
            let began = Instant::now();
            let message = preview.render();
            drop(one);
            (wire::encode(&message), began.elapsed())
        });
        let Ok(((frame, weight), took)) = rendering.await else {
            return Duration::ZERO;
        };
        if line.outbox().send(frame, weight) == Waits::Newly {
            line.flush();
        }
        took
    }
}
