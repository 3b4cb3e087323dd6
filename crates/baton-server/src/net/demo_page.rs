//! Serves the demo page, which is embedded from `web-demo/dist` at build time.
//!
//! Owns the mapping from a path to a file with its type, coding and caching. The build of the page
//! puts a brotli and a gzip copy beside each file that they make smaller. The copies have no
//! address of their own. A binary that was built without the page answers `/` with instructions.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use crate::config::FrameAncestors;
use crate::net::accept_encoding::{Coding, preferred};

#[derive(rust_embed::RustEmbed)]
#[folder = "../../web-demo/dist"]
#[allow_missing = true]
struct Page;

const WITHOUT_PAGE: &str = "This baton was built without the demo page.\n\
It serves documents at /ws/{document}.\n\
In a checkout of its repository, `cargo xtask build` makes a binary with the page, and\n\
`cargo xtask demo` makes one and runs it.\n";

/// Answers a request for a file of the page.
pub(crate) fn serve(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    ancestors: &FrameAncestors,
) -> Response {
    let mut response = answer_method(method, uri, headers);
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(header::CONTENT_SECURITY_POLICY, policy(ancestors));
    response
}

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// Returns the Content-Security-Policy header, for what a `meta` element cannot state. Each page
/// states the sources of its scripts, styles and connections in a `meta` element; a browser applies
/// both.
fn policy(ancestors: &FrameAncestors) -> HeaderValue {
    let strictest = HeaderValue::from_static("frame-ancestors 'none'");
    HeaderValue::try_from(ancestors.directive()).unwrap_or(strictest)
}

fn answer_method(method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        let allowed = [(header::ALLOW, "GET, HEAD")];
        let text = "This address answers only GET and HEAD.\n";
        return (StatusCode::METHOD_NOT_ALLOWED, allowed, text).into_response();
    }
    answer(uri.path(), headers, &embedded)
}

/// One stored file: a file of the page, or a compressed copy of one.
struct StoredFile {
    data: Cow<'static, [u8]>,
    hash: [u8; 32],
    media_type: String,
}

fn embedded(name: &str) -> Option<StoredFile> {
    Page::get(name).map(|file| StoredFile {
        hash: file.metadata.sha256_hash(),
        media_type: file.metadata.mimetype().to_owned(),
        data: file.data,
    })
}

fn answer(
    path: &str,
    headers: &HeaderMap,
    stored: &dyn Fn(&str) -> Option<StoredFile>,
) -> Response {
    let path = path.trim_start_matches('/');
    let name = if path.is_empty() { "index.html" } else { path };
    let Some(file) = stored(name).filter(|_| !is_copy(name, stored)) else {
        return absent(name);
    };
    let media_type = file.media_type.clone();
    let (coding, sent) = chosen(name, file, headers, stored);
    let tag = entity_tag(&sent.hash);
    // Vite names files under assets/ by their content, so caches may keep them for ever.
    let caching = if name.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let common = [
        (header::CACHE_CONTROL, caching),
        (header::ETAG, tag.as_str()),
        // Sent for files with a single coding as well, so that caches treat all files alike.
        (header::VARY, "accept-encoding"),
    ];
    if is_known(headers, &tag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let mut response = (
        common,
        [(header::CONTENT_TYPE, media_type)],
        Body::from(sent.data),
    )
        .into_response();
    if let Some(token) = coding.token() {
        let token = HeaderValue::from_static(token);
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, token);
    }
    response
}

/// Returns the copy of the file that the client prefers among those that exist.
fn chosen(
    name: &str,
    file: StoredFile,
    headers: &HeaderMap,
    stored: &dyn Fn(&str) -> Option<StoredFile>,
) -> (Coding, StoredFile) {
    for coding in preferred(headers) {
        if coding == Coding::Identity {
            break;
        }
        if let Some(copy) = stored(&format!("{name}{}", coding.suffix())) {
            return (coding, copy);
        }
    }
    (Coding::Identity, file)
}

/// Returns true for a compressed copy of another file, which has no address of its own.
fn is_copy(name: &str, stored: &dyn Fn(&str) -> Option<StoredFile>) -> bool {
    [Coding::Brotli, Coding::Gzip].iter().any(|coding| {
        name.strip_suffix(coding.suffix())
            .is_some_and(|of| stored(of).is_some())
    })
}

/// Returns a strong entity tag. The copies of a file differ in their bytes, and so in their tags.
fn entity_tag(hash: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    let mut tag = String::with_capacity(34);
    tag.push('"');
    for byte in hash.iter().take(16) {
        // Writing to a string cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

/// Returns true if the client states that it has the file with this tag.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

fn absent(name: &str) -> Response {
    if name == "index.html" {
        return (StatusCode::OK, WITHOUT_PAGE).into_response();
    }
    (StatusCode::NOT_FOUND, "There is no page at this address.\n").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page of three files: one with both copies, one with a gzip copy, one with none.
    fn page(name: &str) -> Option<StoredFile> {
        let (data, media_type): (&'static [u8], &str) = match name {
            "index.html" => (b"<h1>index</h1>", "text/html"),
            "index.html.br" => (b"index in brotli", "application/octet-stream"),
            "index.html.gz" => (b"index in gzip", "application/gzip"),
            "assets/a-1.js" => (b"let a", "text/javascript"),
            "assets/a-1.js.gz" => (b"a in gzip", "application/gzip"),
            "icon.svg" => (b"<svg/>", "image/svg+xml"),
            "manual.gz" => (b"a file that is one itself", "application/gzip"),
            _ => return None,
        };
        let mut hash = [0; 32];
        for (at, byte) in data.iter().enumerate() {
            hash[at % 16] ^= byte.rotate_left(u32::try_from(at).unwrap() % 8);
        }
        Some(StoredFile {
            data: Cow::Borrowed(data),
            hash,
            media_type: media_type.to_owned(),
        })
    }

    fn get(path: &str, asked: &[(header::HeaderName, &str)]) -> Response {
        let mut headers = HeaderMap::new();
        for (name, value) in asked {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        answer(path, &headers, &page)
    }

    fn said(response: &Response, name: header::HeaderName) -> Option<&str> {
        response.headers().get(name).map(|v| v.to_str().unwrap())
    }

    async fn body(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), 1024)
            .await
            .unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_file_is_sent_in_the_coding_that_the_client_prefers_and_keeps_its_type() {
        for (asked, coding, content) in [
            ("gzip, deflate, br", Some("br"), "index in brotli"),
            ("br;q=0.2, gzip;q=0.7", Some("gzip"), "index in gzip"),
            ("br;q=0", None, "<h1>index</h1>"),
            ("identity, gzip;q=0.5", None, "<h1>index</h1>"),
        ] {
            let response = get("/", &[(header::ACCEPT_ENCODING, asked)]);
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(said(&response, header::CONTENT_ENCODING), coding, "{asked}");
            assert_eq!(said(&response, header::CONTENT_TYPE), Some("text/html"));
            assert_eq!(said(&response, header::VARY), Some("accept-encoding"));
            assert_eq!(said(&response, header::CACHE_CONTROL), Some("no-cache"));
            assert_eq!(body(response).await, content);
        }
    }

    #[tokio::test]
    async fn the_next_coding_is_taken_where_a_copy_is_missing() {
        let br = [(header::ACCEPT_ENCODING, "br, gzip;q=0.9")];
        let response = get("/assets/a-1.js", &br);
        assert_eq!(said(&response, header::CONTENT_ENCODING), Some("gzip"));
        assert!(said(&response, header::CACHE_CONTROL).is_some_and(|c| c.contains("immutable")));
        assert_eq!(body(response).await, "a in gzip");
        let response = get("/icon.svg", &br);
        assert_eq!(said(&response, header::CONTENT_ENCODING), None);
        assert_eq!(said(&response, header::VARY), Some("accept-encoding"));
        assert_eq!(body(response).await, "<svg/>");
    }

    #[tokio::test]
    async fn a_client_that_has_the_copy_is_not_sent_it_again() {
        let br = (header::ACCEPT_ENCODING, "br");
        let first = get("/", std::slice::from_ref(&br));
        let tag = said(&first, header::ETAG).unwrap().to_owned();
        let plain = get("/", &[]);
        assert_ne!(said(&plain, header::ETAG), Some(tag.as_str()));
        for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            let again = get("/", &[br.clone(), (header::IF_NONE_MATCH, &known)]);
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(said(&again, header::ETAG), Some(tag.as_str()));
            assert_eq!(said(&again, header::VARY), Some("accept-encoding"));
            assert_eq!(body(again).await, "");
        }
        // The tag of one coding does not answer for another.
        let other = get("/", &[(header::IF_NONE_MATCH, &tag)]);
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_compressed_copy_has_no_address_of_its_own() {
        for path in ["/index.html.br", "/index.html.gz", "/assets/a-1.js.gz"] {
            assert_eq!(get(path, &[]).status(), StatusCode::NOT_FOUND, "{path}");
        }
        assert_eq!(get("/manual.gz", &[]).status(), StatusCode::OK);
        assert_eq!(get("/absent", &[]).status(), StatusCode::NOT_FOUND);
    }
}
