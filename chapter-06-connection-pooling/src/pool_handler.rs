//! The pool in the admin interface.

use std::sync::Arc;

use advanced_features::admin::{AdminHandler, AdminRequest, AdminResponse};

use crate::{filter::Filter, server::Server};

/// Serves the pool's statistics at `/pool` of the admin interface.
pub(crate) struct PoolHandler<F, P>(pub(crate) Arc<Server<F, P>>);

impl<F: Filter, P: 'static> AdminHandler for PoolHandler<F, P> {
    fn endpoints(&self) -> &'static [&'static str] {
        &["GET /pool"]
    }

    fn handle(&self, request: &AdminRequest) -> Option<AdminResponse> {
        (request.path == "/pool").then(|| match request.method.as_str() {
            "GET" | "HEAD" => AdminResponse::json(200, &self.0.pool_status()),
            _ => AdminResponse::method_not_allowed("GET, HEAD"),
        })
    }
}
