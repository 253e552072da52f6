//! Suite `live`: the page shows what happens, its document counts what the clients saw, its stream costs nearly nothing,
//! and nobody but the operator can use its buttons.

use std::net::SocketAddr;

use serde_json::Value;

use crate::Context;
use crate::admin_client::{AdminClient, json};
use crate::backend::{Backend, Conn};
use crate::process::Program;
use crate::wait::until;

pub(super) mod browser;
pub(super) mod document;
mod event_reader;
pub(super) mod page;
pub(super) mod screenshot;
pub(super) mod streams;

use event_reader::EventReader;

/// The program with its admin interface, in front of `backends`.
fn start(ctx: &Context, backends: &[SocketAddr], flags: &[&str]) -> (Program, AdminClient) {
    let program = ctx.start(backends, &[&["--admin", "127.0.0.1:0"], flags].concat());
    let admin = AdminClient::of(&program);
    (program, admin)
}

/// Answers each request with 200, or with the status that its path names: `/status/503`.
fn answer(conn: &mut Conn) {
    while let Ok(request) = conn.request() {
        let status = request.head.target.strip_prefix("/status/").unwrap_or("200").to_owned();
        if !conn.write(format!("HTTP/1.1 {status} Status\r\nContent-Length: 2\r\n\r\nok")) {
            return;
        }
    }
}

/// A backend that answers with [`answer`].
fn backend() -> Backend {
    Backend::start(answer)
}

/// The document now.
fn document(admin: AdminClient) -> Value {
    let response = admin.send("GET", "/live.json", &format!("Host: {}\r\n", admin.addr()), "");
    assert_eq!(response.status(), 200, "{response:?}");
    json(&response)
}

/// The document once `claim` holds for it.
fn document_with(admin: AdminClient, what: &str, claim: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    until(what, || {
        last = document(admin);
        claim(&last)
    });
    last
}

/// The events of a document: the kind, and what it is about.
fn events(document: &Value) -> Vec<(String, String)> {
    let events = document["events"].as_array().unwrap_or_else(|| panic!("no events: {document}"));
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_else(|| panic!("{key}: {event}")).to_owned();
    events.iter().map(|event| (text(event, "kind"), text(event, "subject"))).collect()
}
