//! The outboxes of the addresses that share one socket, as far as something waits in them.
//!
//! Owns the order in which the addresses are written: in turns, so that the first sync of a large
//! document does not hold up the others for longer than one turn.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::connection::send_queue::{Ending, FrameClass, Item, Taken};
use crate::connection::wire::AddressEnd;
use crate::connection::ws_frame::{Frame, address_probe_frame};

/// Bytes after which a refill is enough, about.
const REFILL: usize = 128 * 1024;

/// Shortest time between two pings. Each address asks for its own, and the answer to one is a sign
/// of life for all.
const PING_EVERY: Duration = Duration::from_secs(1);

/// An address of a socket, as far as its socket takes from its outbox.
pub(crate) trait ReadyAddress: Debug + Send + Sync {
    /// Notes if it is in the list of its socket. Returns true if it was.
    fn set_listed(&self, listed: bool) -> bool;

    /// Returns true if it misses something that waits for its client to read.
    fn is_behind(&self) -> bool;

    /// Moves items into `into`, as many as may leave at once. Also returns true if the socket has
    /// to look here again.
    fn take(&self, into: &mut VecDeque<Item>) -> (Taken, bool);

    /// Returns its number on the socket.
    fn number(&self) -> u32;

    /// Returns how its socket carries out this ending.
    fn end(&self, ending: &Ending) -> AddressEnd;

    /// Returns true if it was ended because its client reads too slowly.
    fn is_slow_reader(&self) -> bool;
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct ReadyAddresses {
    ready: VecDeque<Arc<dyn ReadyAddress>>,
    pinged: Option<Instant>,
}

/// The ending of a whole socket because of one address.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SocketEnding {
    pub(super) ending: Ending,
    /// True if the client of the address reads too slowly.
    pub(super) slow_reader: bool,
}

impl ReadyAddresses {
    /// Adds an address, in which something can be written.
    pub(super) fn list(&mut self, address: Arc<dyn ReadyAddress>) {
        if !address.set_listed(true) {
            self.ready.push_back(address);
        }
    }

    /// Returns true if an address misses something that waits for its client to read.
    pub(super) fn any_behind(&self) -> bool {
        self.ready.iter().any(|address| address.is_behind())
    }

    /// Moves items of the addresses into `into`, each address once. Stops at an address with which
    /// the socket ends.
    pub(super) fn take(&mut self, into: &mut VecDeque<Item>) -> Option<SocketEnding> {
        let mut bytes = 0;
        for _ in 0..self.ready.len() {
            let address = self.ready.pop_front()?;
            // First, so that an item that is queued from now on lists the address again.
            address.set_listed(false);
            let from = into.len();
            let (taken, more) = address.take(into);
            self.adapt(into, from, address.number());
            bytes += into.range(from..).map(Item::len).sum::<usize>();
            if let Taken::Last(ending) = taken {
                match address.end(&ending) {
                    AddressEnd::Messages(messages) => {
                        let frames = messages.iter().map(|message| Frame::encoded(message));
                        into.extend(frames.map(|frame| Item::Frame(frame, FrameClass::Required)));
                    }
                    AddressEnd::Socket => {
                        let slow_reader = address.is_slow_reader();
                        return Some(SocketEnding {
                            ending,
                            slow_reader,
                        });
                    }
                }
            }
            if more {
                self.list(address);
            }
            if bytes >= REFILL {
                break;
            }
        }
        None
    }

    /// Leaves out pings that another address has just sent, and says in a probe whose it is.
    fn adapt(&mut self, items: &mut VecDeque<Item>, from: usize, number: u32) {
        let mut index = from;
        while let Some(item) = items.get_mut(index) {
            match item {
                Item::Probe(mark) => *item = Item::Raw(address_probe_frame(*mark, number)),
                Item::Ping => {
                    let now = Instant::now();
                    if self.pinged.is_some_and(|pinged| now < pinged + PING_EVERY) {
                        items.remove(index);
                        continue;
                    }
                    self.pinged = Some(now);
                }
                _ => {}
            }
            index += 1;
        }
    }
}
