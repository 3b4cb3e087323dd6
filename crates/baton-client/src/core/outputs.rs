//! Everything that comes out of the core: frames for the socket, events and answers for the
//! program.
//!
//! Owns the order of the outputs and the count of the bytes that wait to be sent.

use std::collections::VecDeque;

use baton_sync::control_channel::{ClientMessage, ErrorCode};
use baton_sync::y_websocket;
use bytes::Bytes;

use super::operation::Answer;
use crate::events::ClientEvent;

/// One item to write to the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketWrite {
    /// A binary message.
    Frame(Bytes),
    /// A close frame with this code; nothing comes after it.
    Close(u16),
}

impl SocketWrite {
    fn bytes(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.len(),
            Self::Close(_) => 0,
        }
    }
}

/// Events and answers since the last time they were taken.
#[derive(Debug, Default)]
pub struct StepOutput {
    /// Events, in order.
    pub events: Vec<ClientEvent>,
    /// Answers to operations, by the nonce that `ask` returned.
    pub answers: Vec<(u64, Answer)>,
}

/// The outputs that have not been taken yet.
#[derive(Debug)]
pub(super) struct Outputs {
    frames: VecDeque<SocketWrite>,
    frame_bytes: usize,
    max_bytes: usize,
    /// True while a socket is open and no close frame was queued. Other frames are dropped: the
    /// next connection's handshake makes up for them.
    open: bool,
    output: StepOutput,
}

impl Outputs {
    /// Creates empty outputs. `max_bytes` bounds the edits that wait to be sent.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            frames: VecDeque::new(),
            frame_bytes: 0,
            max_bytes,
            open: false,
            output: StepOutput::default(),
        }
    }

    pub(super) const fn open(&mut self) {
        self.open = true;
    }

    /// Queues a close frame, after which nothing more is sent on this connection.
    pub(super) fn close(&mut self, code: u16) {
        self.push(SocketWrite::Close(code));
        self.open = false;
    }

    /// Drops the frames of a connection that is over.
    pub(super) fn connection_over(&mut self) {
        self.open = false;
        self.frames.clear();
        self.frame_bytes = 0;
    }

    /// Returns true if `bytes` more bytes may wait to be sent.
    pub(super) const fn has_room(&self, bytes: usize) -> bool {
        self.frame_bytes + bytes <= self.max_bytes
    }

    pub(super) fn has_frames(&self) -> bool {
        !self.frames.is_empty()
    }

    /// Takes frames to write, until they have `enough` bytes; the last one may exceed that.
    pub(super) fn take_frames(&mut self, enough: usize) -> Vec<SocketWrite> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while bytes < enough
            && let Some(next) = self.frames.pop_front()
        {
            bytes += next.bytes();
            taken.push(next);
        }
        self.frame_bytes -= bytes;
        taken
    }

    pub(super) fn take_output(&mut self) -> StepOutput {
        std::mem::take(&mut self.output)
    }

    /// Queues a sync message.
    pub(super) fn send(&mut self, frame: Bytes) {
        self.push(SocketWrite::Frame(frame));
    }

    /// Queues a message of Baton's channel.
    pub(super) fn say(&mut self, message: &ClientMessage) {
        self.send(y_websocket::baton(&message.encode()));
    }

    fn push(&mut self, outgoing: SocketWrite) {
        if self.open {
            self.frame_bytes += outgoing.bytes();
            self.frames.push_back(outgoing);
        }
    }

    pub(super) fn event(&mut self, event: ClientEvent) {
        self.output.events.push(event);
    }

    /// Reports a fault after which the same may work again.
    pub(super) fn fault(&mut self, code: ErrorCode, message: String) {
        self.event(ClientEvent::Error {
            code,
            message,
            retry: true,
        });
    }

    pub(super) fn answer(&mut self, nonce: u64, answer: Answer) {
        self.output.answers.push((nonce, answer));
    }
}
