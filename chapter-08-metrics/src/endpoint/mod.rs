//! Where metrics are read: paths of the admin interface, and of the interface that `--metrics` opens.
//!
//! | module | what it serves |
//! |---|---|
//! | [`metrics`] | `/metrics`, for a scraper |
//! | [`health`] | `/healthz` and `/readyz`, for whatever decides whether this process gets traffic |
//! | [`stats`] | `/stats`, for you: the statistics as JSON |
//! | [`requests`] | `/requests`, for you: the last requests that were slow or failed |
//! | [`log`] | `/log/reopen`, for logrotate |

pub mod health;
pub mod log;
pub mod metrics;
pub mod requests;
pub mod stats;

use advanced_features::admin::{AdminHandler, AdminRequest, AdminResponse};

/// The response of a handler that serves one path, to reads only.
pub(crate) fn read(
    request: &AdminRequest,
    path: &str,
    response: impl FnOnce() -> AdminResponse,
) -> Option<AdminResponse> {
    (request.path == path).then(|| match request.method.as_str() {
        "GET" | "HEAD" => response(),
        _ => AdminResponse::method_not_allowed("GET, HEAD"),
    })
}

/// Answers every path with 404: behind the others, so that an interface for anybody serves those and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct NothingElse;

impl AdminHandler for NothingElse {
    fn endpoints(&self) -> &'static [&'static str] {
        &[]
    }

    fn handle(&self, _request: &AdminRequest) -> Option<AdminResponse> {
        Some(AdminResponse::error(404, "not found; this serves /metrics, /healthz and /readyz"))
    }
}
