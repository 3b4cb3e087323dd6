//! One WebSocket: its frames, its sessions in documents, their send queues and the writer of those
//! queues.

pub mod close_codes;
pub(crate) mod direct_stream;
pub(crate) mod document_name;
mod first_message;
pub(crate) mod hocuspocus;
pub(crate) mod inbound_stream;
pub(crate) mod outbox;
pub(crate) mod pending_flushes;
pub(crate) mod send_queue;
pub(crate) mod session;
pub(crate) mod shared_message;
pub(crate) mod single_document;
pub(crate) mod socket;
pub(crate) mod socket_writer;
pub(crate) mod wire;
pub(crate) mod wire_codec;
pub(crate) mod write_batch;
pub(crate) mod ws_frame;
