//! Suite `admin`: backends are listed, added, drained, weighted and removed under traffic.

use crate::Context;
use crate::admin_client::AdminClient;
use crate::backend::Backend;
use crate::client::Client;
use crate::process::Program;

pub(super) mod access;
pub(super) mod changes;
pub(super) mod traffic;

/// The program with its admin interface, in front of `backends`.
fn start(ctx: &Context, backends: &[&Backend], flags: &[&str]) -> (Program, AdminClient) {
    let addrs: Vec<_> = backends.iter().map(|backend| backend.addr()).collect();
    let program = ctx.start(&addrs, &[&["--admin", "127.0.0.1:0"], flags].concat());
    let admin = AdminClient::of(&program);
    (program, admin)
}

/// A backend that answers each request with its name, and keeps its connections open.
fn named(name: &'static str) -> Backend {
    Backend::start(move |conn| {
        while conn.request().is_ok() {
            let length = name.len();
            if !conn.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}")) {
                return;
            }
        }
    })
}

/// The backends that answer the next `count` requests of a client, sorted.
fn answers(client: &mut Client, count: usize) -> String {
    let answer = |_| {
        let response = client.get("/");
        assert_eq!(response.status(), 200, "{response:?}");
        response.text()
    };
    let mut answers: Vec<_> = (0..count).map(answer).collect();
    answers.sort();
    answers.concat()
}
