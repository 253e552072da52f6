//! `POST /log/reopen`: what logrotate calls when it has moved the file away.

use std::sync::Arc;

use advanced_features::admin::{AdminHandler, AdminRequest, AdminResponse};
use serde::Serialize;

use crate::access_log::{log_file::Target, writer::LogWriter};

/// Reopens the access log of this writer, if there is one.
#[derive(Debug)]
pub struct ReopenHandler(pub Option<Arc<LogWriter>>);

#[derive(Serialize)]
struct Reopened {
    reopened: String,
}

impl ReopenHandler {
    fn reopen(&self) -> AdminResponse {
        let Some(writer) = &self.0 else {
            return AdminResponse::error(409, "there is no access log; start the program with --access-log FILE");
        };
        let Target::File(path) = writer.target() else {
            return AdminResponse::error(409, "the access log goes to standard output, which cannot be reopened");
        };
        match writer.reopen() {
            Ok(()) => AdminResponse::json(200, &Reopened { reopened: path.display().to_string() }),
            Err(error) => AdminResponse::error(500, format!("access log {}: {error}", path.display())),
        }
    }
}

impl AdminHandler for ReopenHandler {
    fn endpoints(&self) -> &'static [&'static str] {
        &["POST /log/reopen"]
    }

    fn handle(&self, request: &AdminRequest) -> Option<AdminResponse> {
        (request.path == "/log/reopen").then(|| match request.method.as_str() {
            "POST" => self.reopen(),
            _ => AdminResponse::method_not_allowed("POST"),
        })
    }
}
