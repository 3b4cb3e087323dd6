//! Errors of the HTTP API, as JSON: `{"code": "...", "message": "..."}`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::access::AccessDenied;
use crate::connection::close_codes;

/// An error that is answered to a request of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    /// For machines; never changes its meaning.
    code: &'static str,
    /// For people: whose fault it is, what changed, what to do. Names no secret.
    message: String,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }
}

/// The answer to a caller whose token does not let it do what it asks for.
impl From<AccessDenied> for ApiError {
    fn from(denied: AccessDenied) -> Self {
        let status = if denied.is_temporary() {
            StatusCode::SERVICE_UNAVAILABLE
        } else if denied.code == close_codes::FORBIDDEN {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::UNAUTHORIZED
        };
        Self::new(status, denied.reason, denied.text)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            code: self.code,
            message: &self.message,
        };
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 11.6.1.
            let scheme = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
