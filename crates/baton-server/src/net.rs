//! The path from a TCP connection to a request: the accept loop, routes, client addresses, web
//! origins, and the demo page.

pub(crate) mod accept_encoding;
pub(crate) mod client_addr;
pub(crate) mod demo_page;
pub(crate) mod host_name;
pub(crate) mod http_stream;
pub(crate) mod listen;
pub(crate) mod routes;
pub(crate) mod source_key;
pub(crate) mod web_origin;
