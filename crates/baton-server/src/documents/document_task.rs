//! The task of one open document: sleeps until the next deadline, passes on what became durable,
//! and takes the document out of memory when it has no connection.
//!
//! Owns no state: everything is in [`OpenDocument`]. One next deadline, one place that acts on it.

use std::sync::Arc;
use std::time::Duration;

use baton_log::Durability;
use baton_presence::Time;
use baton_room::Room;
use tokio::sync::watch;

use crate::config::Settings;
use crate::documents::compaction;
use crate::documents::open_document::{DurabilityNews, Gone, NextWake, OpenDocument};
use crate::documents::open_documents::OpenDocuments;
use crate::documents::work_cost::StepKind;

/// Least time between two looks at what is due: the pings of a crowd leave many at a time, and cost
/// one look.
const TICK: Duration = Duration::from_millis(10);

/// Drives a document until it is out of memory.
pub(crate) async fn drive(
    document: Arc<OpenDocument>,
    open_documents: Arc<OpenDocuments>,
    settings: Arc<Settings>,
    mut durability: watch::Receiver<Durability>,
) {
    let mut soonest = Time::ZERO;
    loop {
        let (next, disk) = document.next(&settings).await;
        tokio::select! {
            biased;
            changed = durability.changed(), if disk == DurabilityNews::Awaited => {
                if changed.is_err() || pass_on(&document, &mut durability, &settings).await.is_err() {
                    break;
                }
            }
            () = sleep(&document, next, soonest) => {
                soonest = document.clock().now() + TICK;
                if document.own_step(StepKind::Timeout, Room::handle_timeout).await.is_err() {
                    break;
                }
                // A closed channel has news as well: that the log has failed.
                let news = durability.has_changed().unwrap_or(true);
                if disk == DurabilityNews::Ignored
                    && news
                    && pass_on(&document, &mut durability, &settings).await.is_err()
                {
                    break;
                }
                compaction::compact_if_due(&document, &settings).await;
                compaction::compact_if_idle(&document, &settings).await;
                if open_documents.unload_if_idle(&document, &settings) {
                    break;
                }
            }
            () = document.woken() => {
                if document.has_work()
                    && document.own_step(StepKind::Light, |_, _| ()).await.is_err()
                {
                    break;
                }
            }
        }
        if next == NextWake::Gone {
            break;
        }
    }
    open_documents.forget(&document);
}

/// Tells the document what the disk says.
async fn pass_on(
    document: &Arc<OpenDocument>,
    durability: &mut watch::Receiver<Durability>,
    settings: &Arc<Settings>,
) -> Result<(), Gone> {
    let durable = durability.borrow_and_update().clone();
    match durable {
        Durability::UpTo(position) => {
            // The room may not have all that a cluster's log has placed.
            let durable = move |room: &mut Room, now| {
                let taken = room.state().position();
                room.durable(position.get().min(taken), now);
            };
            document.own_step(StepKind::Light, durable).await?;
            compaction::compact_if_due(document, settings).await;
            Ok(())
        }
        Durability::Failed(error) => {
            document.store_failed(&error).await;
            Err(Gone)
        }
    }
}

async fn sleep(document: &OpenDocument, next: NextWake, soonest: Time) {
    match next {
        NextWake::At(time) => {
            tokio::time::sleep_until(document.clock().at(time.max(soonest))).await;
        }
        NextWake::Woken => std::future::pending().await,
        NextWake::Gone => {}
    }
}
