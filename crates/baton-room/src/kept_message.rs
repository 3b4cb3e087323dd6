//! A message of a client that is taken up later, in its order.

use baton_sync::handshake::SyncKind;
use bytes::Bytes;

use crate::message::Incoming;

/// Bytes that a kept message counts beyond its own.
const OVERHEAD: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) enum KeptMessage {
    Step1(Vec<u8>),
    Sync(SyncKind, Bytes),
    Awareness(Vec<u8>),
    QueryAwareness,
    Channel(String),
    Barrier(Vec<u8>),
    QueueSent,
    Other,
}

impl KeptMessage {
    pub(crate) fn of(message: Incoming<'_>) -> Self {
        match message {
            Incoming::Step1(vector) => Self::Step1(vector.to_vec()),
            Incoming::Sync(kind, update) => Self::Sync(kind, update),
            Incoming::Awareness(payload) => Self::Awareness(payload.to_vec()),
            Incoming::QueryAwareness => Self::QueryAwareness,
            Incoming::Channel(payload) => Self::Channel(payload.to_owned()),
            Incoming::Barrier(version) => Self::Barrier(version.to_vec()),
            Incoming::QueueSent => Self::QueueSent,
            Incoming::Other => Self::Other,
        }
    }

    /// Bytes that it takes.
    pub(crate) fn cost(&self) -> usize {
        let own = match self {
            Self::Step1(bytes) | Self::Awareness(bytes) | Self::Barrier(bytes) => bytes.len(),
            Self::Sync(_, update) => update.len(),
            Self::Channel(payload) => payload.len(),
            Self::QueryAwareness | Self::QueueSent | Self::Other => 0,
        };
        own + OVERHEAD
    }

    /// The message as it came.
    pub(crate) fn as_incoming(&self) -> Incoming<'_> {
        match self {
            Self::Step1(vector) => Incoming::Step1(vector),
            Self::Sync(kind, update) => Incoming::Sync(*kind, update.clone()),
            Self::Awareness(payload) => Incoming::Awareness(payload),
            Self::QueryAwareness => Incoming::QueryAwareness,
            Self::Channel(payload) => Incoming::Channel(payload),
            Self::Barrier(version) => Incoming::Barrier(version),
            Self::QueueSent => Incoming::QueueSent,
            Self::Other => Incoming::Other,
        }
    }
}
