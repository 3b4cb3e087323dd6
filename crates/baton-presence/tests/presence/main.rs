//! Tests of baton-presence: stories for every row of the table of states and for the heartbeats, a
//! reference implementation beside the real one, and a simulation that is also broken on purpose.

mod failure_detector;
mod handoffs;
mod harness;
mod reference;
mod simulation;
mod table;
