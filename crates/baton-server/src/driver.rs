//! The task of one open document: sleeps until the next deadline, passes on what became durable, and takes the
//! document out of memory when nobody is in it.
//!
//! Owns no state: everything is in [`Hosted`]. One next deadline, one place that acts on it.

use std::sync::Arc;
use std::time::Duration;

use baton_log::Durability;
use baton_presence::Time;
use tokio::sync::watch;

use crate::config::Settings;
use crate::hosted::{Disk, Gone, Hosted, Next};
use crate::slots::Slots;

/// Least time between two looks at what is due: the pings of a crowd leave many at a time, and cost one look.
const TICK: Duration = Duration::from_millis(10);

/// Drives a document until it is out of memory.
pub(crate) async fn drive(
    hosted: Arc<Hosted>,
    slots: Arc<Slots>,
    settings: Arc<Settings>,
    mut durability: watch::Receiver<Durability>,
) {
    let mut soonest = Time::ZERO;
    loop {
        let (next, disk) = hosted.next(&settings);
        tokio::select! {
            biased;
            changed = durability.changed(), if disk == Disk::Awaited => {
                if changed.is_err() || pass_on(&hosted, &mut durability, &settings).is_err() {
                    break;
                }
            }
            () = sleep(&hosted, next, soonest) => {
                soonest = hosted.clock.now() + TICK;
                if hosted.step(None, baton_room::Room::handle_timeout).is_err() {
                    break;
                }
                if disk == Disk::Ignored && pass_on(&hosted, &mut durability, &settings).is_err() {
                    break;
                }
                hosted.compact_if_idle(&settings);
                if slots.unload_if_idle(&hosted, &settings) {
                    break;
                }
            }
            () = hosted.wake.notified() => {}
        }
        if next == Next::Gone {
            break;
        }
    }
    slots.forget(&hosted);
}

/// Tells the document what the disk says.
fn pass_on(
    hosted: &Arc<Hosted>,
    durability: &mut watch::Receiver<Durability>,
    settings: &Settings,
) -> Result<(), Gone> {
    let durable = durability.borrow_and_update().clone();
    match durable {
        Durability::UpTo(position) => {
            hosted.step(None, |room, now| room.durable(position.get(), now))?;
            hosted.compact_if_due(settings);
            Ok(())
        }
        Durability::Failed(error) => {
            hosted.store_failed(&error);
            Err(Gone)
        }
    }
}

async fn sleep(hosted: &Hosted, next: Next, soonest: Time) {
    match next {
        Next::At(time) => tokio::time::sleep_until(hosted.clock.at(time.max(soonest))).await,
        Next::Woken => std::future::pending().await,
        Next::Gone => {}
    }
}
