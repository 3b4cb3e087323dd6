//! The task of one open document: sleeps until the next deadline, passes on what became durable, and takes the
//! document out of memory when nobody is in it.
//!
//! Owns no state: everything is in [`Hosted`]. One next deadline, one place that acts on it.

use std::sync::Arc;

use baton_log::Durability;
use tokio::sync::watch;

use crate::config::Settings;
use crate::hosted::{Hosted, Next};
use crate::slots::Slots;

/// Drives a document until it is out of memory.
pub(crate) async fn drive(
    hosted: Arc<Hosted>,
    slots: Arc<Slots>,
    settings: Arc<Settings>,
    mut durability: watch::Receiver<Durability>,
) {
    loop {
        let next = hosted.next(&settings);
        tokio::select! {
            biased;
            changed = durability.changed() => {
                if changed.is_err() {
                    break;
                }
                let durable = durability.borrow_and_update().clone();
                match durable {
                    Durability::UpTo(position) => {
                        let told = hosted.step(None, |room, now| room.durable(position.get(), now));
                        if told.is_err() {
                            break;
                        }
                        hosted.compact_if_due(&settings);
                    }
                    Durability::Failed(error) => {
                        hosted.store_failed(&error);
                        break;
                    }
                }
            }
            () = sleep(&hosted, next) => {
                if hosted.step(None, baton_room::Room::handle_timeout).is_err() {
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

async fn sleep(hosted: &Hosted, next: Next) {
    match next {
        Next::At(time) => tokio::time::sleep_until(hosted.clock.at(time)).await,
        Next::Woken => std::future::pending().await,
        Next::Gone => {}
    }
}
