//! Rooms of one document on several hosts, whose log places records later.

mod client;
mod cluster;
mod interleavings;
mod stories;
