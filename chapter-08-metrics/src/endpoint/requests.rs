//! `/requests`: the last requests that were slow or failed, the newest first.

use advanced_features::admin::{AdminHandler, AdminRequest, AdminResponse};

use super::read;
use crate::access_log::{AccessLog, recent::RecentRequests};

/// Serves them.
#[derive(Debug)]
pub struct RequestsHandler(pub AccessLog);

impl RequestsHandler {
    fn body(&self) -> String {
        let lines = self.0.recent().map(RecentRequests::lines).unwrap_or_default();
        // They are JSON objects already, and ASCII.
        let objects: Vec<_> = lines.iter().map(|line| format!("\n{}", String::from_utf8_lossy(line))).collect();
        format!("{{\"requests\": [{}]}}\n", objects.join(","))
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
