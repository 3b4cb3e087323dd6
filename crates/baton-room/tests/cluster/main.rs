//! Rooms of one document on several hosts, whose log places records later.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod beliefs;
mod client;
mod cluster;
mod interleavings;
mod stories;
