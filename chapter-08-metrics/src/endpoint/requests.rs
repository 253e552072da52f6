//! `/requests`: the last requests that were slow or failed, the newest first.

use advanced_features::admin::{AdminHandler, AdminRequest, AdminResponse};

use super::read;
use crate::access_log::AccessLog;

/// Serves them.
#[derive(Debug)]
pub struct RequestsHandler(pub AccessLog);

impl RequestsHandler {
    fn body(&self) -> String {
        let lines = self.0.recent().map(|recent| recent.lines().join(&b",\n"[..])).unwrap_or_default();
        // The lines are JSON objects already, and ASCII.
        format!("{{\"requests\": [\n{}\n]}}\n", String::from_utf8_lossy(&lines))
    }
}

impl AdminHandler for RequestsHandler {
    fn endpoints(&self) -> &'static [&'static str] {
        &["GET /requests"]
    }

    fn handle(&self, request: &AdminRequest) -> Option<AdminResponse> {
        read(request, "/requests", || AdminResponse::text(200, "application/json", self.body()))
    }
}
