//! The log from outside: stories, a model under random use, crashes, faults, and real kills.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod backup;
mod crash;
mod damage;
mod disk;
mod fault;
mod journals;
mod kill;
mod model;
mod property;
mod recover;
mod story;
