//! Stories of handing over: drains, requests, take-overs, warnings, leases.
