//! Snapshots in a bucket of an S3-like store.
//!
//! | module | content |
//! | --- | --- |
//! | `bucket_options` | the bucket, how it is reached; the names of its objects |
//! | `bucket_http` | requests, over the HTTP and TLS that all of Baton uses |
//! | `bucket_requests` | one request: bounded, its failure sorted |
//! | `in_flight` | one transfer of a snapshot at a time, however often it is asked for |
//! | `bucket_snapshots` | the snapshots |
//! | `bucket_check` | what is checked at the start |

mod bucket_check;
mod bucket_http;
mod bucket_options;
mod bucket_requests;
mod bucket_snapshots;
mod in_flight;

pub(super) use bucket_check::{check, claim};
pub use bucket_options::BucketOptions;
pub(super) use bucket_snapshots::BucketSnapshots;
