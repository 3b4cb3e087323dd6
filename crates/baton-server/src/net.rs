//! The path from an accepted connection to a request: listening, TLS, routes, client addresses, web
//! origins, and the demo page.

#[cfg(feature = "demo-page")]
pub(crate) mod accept_encoding;
pub(crate) mod accepted_stream;
pub(crate) mod api_error;
pub(crate) mod base_route;
pub(crate) mod client_addr;
#[cfg(feature = "demo-page")]
pub(crate) mod demo_page;
#[cfg(feature = "tokens")]
pub(crate) mod document_transfer;
pub(crate) mod handshake;
pub(crate) mod host_name;
pub(crate) mod http_stream;
pub(crate) mod listen;
pub(crate) mod listener;
pub(crate) mod routes;
pub(crate) mod sessions_api;
pub(crate) mod source_key;
#[cfg(feature = "tls")]
pub(crate) mod tls;
pub(crate) mod web_origin;
#[cfg(feature = "tokens")]
pub(crate) mod y_sweet_api;
