//! Stories for every row of the table of states, for handoffs and for the heartbeats, and a reference
//! implementation beside the real one.
//!
//! Every order of records is checked in `tests/model`, and schedules of whole servers and clients in
//! `tests/sim`; both are also broken on purpose.

mod driver;
mod failure_detector;
mod handoffs;
mod harness;
mod reference;
mod revocation;
mod table;
