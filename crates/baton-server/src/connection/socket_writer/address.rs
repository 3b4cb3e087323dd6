//! The writer of one address of a socket: an outbox of its own, and the socket's stream.

use std::sync::{Arc, Weak};

use super::{SlowReaderLimits, SocketWriter, WriterStream};
use crate::connection::outbox::{AddressOutbox, Outbox};
use crate::connection::send_queue::Ending;
use crate::connection::wire::{AddressEnd, HocuspocusAddress, Wire};

/// The place of an address on its socket.
#[derive(Debug)]
pub(super) struct AddressOnSocket {
    pub(super) socket: Arc<SocketWriter>,
    /// Number of the address on its socket, never used twice there.
    number: u32,
    /// The writer of the address itself, for the socket's list.
    this: Weak<SocketWriter>,
}

impl SocketWriter {
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
}

impl AddressOnSocket {
    /// Tells the socket that its address has something to write.
    pub(super) fn list(&self) {
        // An address whose last owner is letting it go has nothing to write any more.
        if let Some(this) = self.this.upgrade() {
            self.socket.outbox.list(this);
        }
    }
}

impl AddressOutbox for SocketWriter {
    fn outbox(&self) -> &Outbox {
        &self.outbox
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
}
