//! One document in memory.
//!
//! | file | content |
//! | --- | --- |
//! | `steps` | [`OpenDocument`]: the gate, and the step that takes an input through the room |
//! | `step` | the input and the result of a step |
//! | `held_state` | the state while a task or the pool holds it |
//! | `lifecycle` | joining and leaving, snapshots, erasing, the ways out of memory |
//! | `document_state` | the state behind the gate: room, log, connections, snapshots |
//! | `room_journal` | between the room and its log |
//! | `placement_waiters` | connections that wait until the log has placed what they sent |
//! | `awareness_relay`, `relay_inbox` | awareness to and from the other nodes of a cluster |
//! | `connections` | from the room's outputs to the send queues |
//! | `departures` | connections that ended, until the room is told |
//! | `snapshot_schedule` | the times at which the document gets a snapshot |
//! | `park_previews` | previews of parks, made beside the document |
//! | `error` | errors |

mod awareness_relay;
mod connections;
mod departures;
mod document_state;
mod error;
mod held_state;
mod lifecycle;
mod park_previews;
mod placement_waiters;
mod relay_inbox;
mod room_journal;
mod snapshot_schedule;
mod step;
mod steps;

pub(crate) use self::document_state::{DurabilityNews, NextWake};
pub(crate) use self::error::{Gone, JoinError, NotErased};
pub(crate) use self::step::Step;
pub(crate) use self::steps::OpenDocument;
