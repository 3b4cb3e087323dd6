//! The engine against real servers.
//!
//! The program is the one that `BATON_NATS_SERVER` names, else the `nats-server` on the `PATH`.
//! Without one these tests do nothing and say so; under `CI=true` that is a failure.

mod appends;
mod faults;
mod nodes;
mod reads;
mod servers;
mod start;
