//! Suite `admin`: backends are listed, added, drained, weighed and removed while traffic flows.

use crate::Context;
use crate::backend::Backend;
use crate::client::Client;
use crate::panel::Panel;
use crate::process::Program;
use crate::runner::Case;

mod access;
mod changes;
mod traffic;

/// The suite.
pub(crate) fn cases() -> Vec<Case> {
    super::collect(&[changes::CASES, traffic::CASES, access::CASES])
}

/// The program in front of these, with its admin interface.
fn start(ctx: &Context, backends: &[&Backend], flags: &[&str]) -> (Program, Panel) {
    let addrs: Vec<_> = backends.iter().map(|backend| backend.addr()).collect();
    let program = ctx.start(&addrs, &[&["--admin", "127.0.0.1:0"], flags].concat());
    let panel = Panel::of(&program);
    (program, panel)
}

/// A backend that answers each request with its name, and keeps its connections.
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

/// Who answers the next `count` requests of a client, sorted.
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
