//! The engine against real servers.
//!
//! The program is the one that `BATON_NATS_SERVER` names, else the `nats-server` on the `PATH`.
//! Without one these tests do nothing and say so; under `CI=true` that is a failure. Those about a
//! bucket need the S3 server that `BATON_S3_SERVER` names as well: SeaweedFS's `weed`.

mod appends;
mod buckets;
mod faults;
mod full;
mod member;
mod moved;
mod nodes;
mod reads;
mod s3_server;
mod servers;
mod start;
