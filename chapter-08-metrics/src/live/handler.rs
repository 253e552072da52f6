//! Where the live page and its document are read.

use std::sync::Arc;

use advanced_features::admin::{AdminHandler, AdminRequest, AdminResponse};

use super::source::LiveSource;
use crate::endpoint::read;

/// Serves the document.
#[derive(Debug)]
pub struct LiveHandler(pub Arc<LiveSource>);

impl LiveHandler {
    fn document(&self) -> AdminResponse {
        // One line: indented, a histogram would be a number per line.
        match serde_json::to_string(&self.0.document(Vec::new())) {
            Ok(json) => AdminResponse::text(200, "application/json", json + "\n"),
            Err(error) => AdminResponse::error(500, format!("cannot serialize the document: {error}")),
        }
    }
}

impl AdminHandler for LiveHandler {
    fn endpoints(&self) -> &'static [&'static str] {
        &["GET /live.json"]
    }

    fn handle(&self, request: &AdminRequest) -> Option<AdminResponse> {
        read(request, "/live.json", || self.document())
    }
}
