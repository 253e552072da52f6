//! An error response of a route: a status and one line of explanation.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Answers `{"error": …}` with its status.
#[derive(Debug)]
pub(crate) struct ErrorResponse(pub(crate) StatusCode, pub(crate) String);

impl ErrorResponse {
    pub(crate) fn bad_request(error: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, error.into())
    }

    pub(crate) fn incomplete_body() -> Self {
        Self::bad_request("the body ended early")
    }

    pub(crate) fn not_found(error: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, error.into())
    }
}

impl IntoResponse for ErrorResponse {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}
