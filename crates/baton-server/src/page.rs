//! The demo page, embedded from `web-demo/dist` at build time.
//!
//! Owns the mapping from a path to a file with its type and caching; knows nothing of documents. A binary built
//! without the page answers `/` with how to get it.

use axum::body::Body;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

#[derive(rust_embed::RustEmbed)]
#[folder = "../../web-demo/dist"]
#[allow_missing = true]
struct Page;

const WITHOUT: &str = "This baton was built without its demo page.\n\
Documents are served all the same at /ws/{document}.\n\
To get the page: `cargo xtask build` makes a binary with it, `cargo xtask demo` builds and runs one.\n";

/// Answers a GET for a file of the page.
pub(crate) async fn serve(method: Method, uri: Uri) -> Response {
    if method != Method::GET && method != Method::HEAD {
        let allowed = [(header::ALLOW, "GET, HEAD")];
        let text = "There is nothing here but what can be read.\n";
        return (StatusCode::METHOD_NOT_ALLOWED, allowed, text).into_response();
    }
    let path = uri.path().trim_start_matches('/');
    let name = if path.is_empty() { "index.html" } else { path };
    let Some(file) = Page::get(name) else {
        return absent(name);
    };
    // Vite names what it puts under assets/ by content, so those may be kept for ever.
    let caching = if name.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    (
        [
            (header::CONTENT_TYPE, file.metadata.mimetype().to_owned()),
            (header::CACHE_CONTROL, caching.to_owned()),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        ],
        Body::from(file.data.into_owned()),
    )
        .into_response()
}

fn absent(name: &str) -> Response {
    if name == "index.html" {
        return (StatusCode::OK, WITHOUT).into_response();
    }
    (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response()
}
