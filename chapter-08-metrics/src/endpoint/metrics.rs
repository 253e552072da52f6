//! `/metrics`: the counters in Prometheus's text format.

use advanced_features::admin::{AdminHandler, AdminRequest, AdminResponse};

use super::read;
use crate::exposition::Exposition;

/// Serves the metrics.
#[derive(Debug)]
pub struct MetricsHandler(pub Exposition);

impl AdminHandler for MetricsHandler {
    fn endpoints(&self) -> &'static [&'static str] {
        &["GET /metrics"]
    }

    fn handle(&self, request: &AdminRequest) -> Option<AdminResponse> {
        read(request, "/metrics", || match self.0.text() {
            Ok(text) => AdminResponse::text(200, Exposition::CONTENT_TYPE, text),
            Err(error) => AdminResponse::error(500, format!("cannot write the metrics: {error}")),
        })
    }
}
