//! Where the live page and its document are read.

use advanced_features::admin::{AdminHandler, AdminRequest, AdminResponse};

use super::feed::{LiveFeed, MAX_STREAMS};
use crate::endpoint::read;

/// Serves the document, once or as a stream.
#[derive(Debug)]
pub struct LiveHandler(pub LiveFeed);

impl LiveHandler {
    fn document(&self) -> AdminResponse {
        // One line: indented, a histogram would be a number per line.
        match serde_json::to_string(&self.0.document()) {
            Ok(json) => AdminResponse::text(200, "application/json", json + "\n"),
            Err(error) => AdminResponse::error(500, format!("cannot serialize the document: {error}")),
        }
    }

    fn events(&self) -> AdminResponse {
        match self.0.subscribe() {
            Some((first, stream)) => AdminResponse::events(first, stream),
            None => AdminResponse::error(
                503,
                format!("{MAX_STREAMS} streams are open, as many as may be; close a page, or read /live.json"),
            ),
        }
    }
}

impl AdminHandler for LiveHandler {
    fn endpoints(&self) -> &'static [&'static str] {
        &["GET /live.json", "GET /events"]
    }

    fn handle(&self, request: &AdminRequest) -> Option<AdminResponse> {
        let document = read(request, "/live.json", || self.document());
        document.or_else(|| read(request, "/events", || self.events()))
    }
}
