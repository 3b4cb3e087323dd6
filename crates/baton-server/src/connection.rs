//! One WebSocket: its frames, its session in a document, its send queue and the writer of that
//! queue.

pub mod close_codes;
pub(crate) mod outbox;
pub(crate) mod pending_flushes;
pub(crate) mod send_queue;
pub(crate) mod session;
pub(crate) mod socket;
pub(crate) mod socket_writer;
pub(crate) mod wire_codec;
pub(crate) mod write_batch;
pub(crate) mod ws_frame;
