//! Puts all routes under the base path.
//!
//! A path under it reaches the routes without it. Its own path without a slash is redirected, so
//! that the relative addresses of the page are right.

use axum::Router;
use axum::extract::Request;
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

use crate::config::BasePath;

/// Returns the routes under the base path.
pub(crate) fn under(base: &BasePath, routes: Router) -> Router {
    if base.prefix().is_empty() {
        return routes;
    }
    let base = base.clone();
    Router::new().fallback(move |request: Request| {
        let (base, routes) = (base.clone(), routes.clone());
        async move { pass_on(&base, routes, request).await }
    })
}

async fn pass_on(base: &BasePath, routes: Router, mut request: Request) -> Response {
    match base.rest(request.uri().path()) {
        None => {
            let text = format!("All addresses of this server are under {base}/ (base).\n");
            (StatusCode::NOT_FOUND, text).into_response()
        }
        Some("") => redirect(base, request.uri().query()),
        Some(rest) => match with_path(request.uri(), rest) {
            Some(uri) => {
                *request.uri_mut() = uri;
                // A router never fails.
                match routes.oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            }
            None => StatusCode::BAD_REQUEST.into_response(),
        },
    }
}

/// Sends the client to the base path with a slash. The address is relative, so that it is right
/// behind a proxy with a path of its own as well.
fn redirect(base: &BasePath, query: Option<&str>) -> Response {
    let (segment, mark) = (base.last_segment(), query.map_or("", |_| "?"));
    let location = format!("{segment}/{mark}{}", query.unwrap_or_default());
    let text = format!("The page of this server is at {base}/.\n");
    let location = [(header::LOCATION, location)];
    (StatusCode::PERMANENT_REDIRECT, location, text).into_response()
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    let text = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};

    use super::*;

    async fn answer(uri: &str) -> (StatusCode, Option<String>, String) {
        let echo = Router::new().fallback(async |request: Request| request.uri().to_string());
        let routes = under(&"/a/collab".parse().unwrap(), echo);
        let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
        let response = routes.oneshot(request).await.unwrap();
        let location = response.headers().get(header::LOCATION);
        let location = location.map(|value| value.to_str().unwrap().to_owned());
        let status = response.status();
        let body = to_bytes(response.into_body(), 1024).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        (status, location, body)
    }

    #[tokio::test]
    async fn a_path_under_the_base_reaches_the_routes_without_it() {
        for (uri, inner) in [
            ("/a/collab/", "/"),
            ("/a/collab/ws/a%20b?x=1&y=%2f", "/ws/a%20b?x=1&y=%2f"),
            ("/a/collab//x", "//x"),
            ("http://h:1/a/collab/healthz", "http://h:1/healthz"),
        ] {
            let (status, _, body) = answer(uri).await;
            assert_eq!((status, body.as_str()), (StatusCode::OK, inner), "{uri}");
        }
    }

    #[tokio::test]
    async fn every_other_path_is_told_where_the_server_is() {
        for uri in ["/", "/ws/a", "/a", "/a/collaboration", "/a/Collab/", "*"] {
            let (status, location, body) = answer(uri).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{uri}");
            assert!(body.contains("/a/collab/") && location.is_none());
        }
        let (status, location, _) = answer("/a/collab?doc=x").await;
        assert_eq!(status, StatusCode::PERMANENT_REDIRECT);
        assert_eq!(location.as_deref(), Some("collab/?doc=x"));
        assert_eq!(answer("/a/collab").await.1.as_deref(), Some("collab/"));
    }
}
