//! Suite `admin`: backends are listed, added, drained, weighed and removed while traffic flows.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::Context;
use crate::backend::Backend;
use crate::client::{Client, Response};
use crate::process::Program;
use crate::runner::Case;

mod access;
mod changes;
mod traffic;

/// The suite.
pub(crate) fn cases() -> Vec<Case> {
    super::collect(&[changes::CASES, traffic::CASES, access::CASES])
}

/// A name that does not resolve may take as long as this to be known not to.
const RESOLVER_PATIENCE: Duration = Duration::from_secs(40);

/// The admin interface of a running program.
#[derive(Debug, Clone, Copy)]
struct Panel {
    addr: SocketAddr,
}

impl Panel {
    /// Where `program` says that it is.
    fn of(program: &Program) -> Self {
        let stdout = program.wait_stdout("admin on ");
        let addr = stdout.lines().find_map(|line| line.strip_prefix("admin on ")?.trim().parse().ok());
        Self { addr: addr.unwrap_or_else(|| panic!("no address behind `admin on`: {stdout}")) }
    }

    /// Sends a request with these header lines besides its length.
    fn send(self, method: &str, target: &str, fields: &str, body: impl AsRef<[u8]>) -> Response {
        let (mut client, body) = (Client::connect(self.addr), body.as_ref());
        client.patience(RESOLVER_PATIENCE);
        client.send(format!("{method} {target} HTTP/1.1\r\n{fields}Content-Length: {}\r\n\r\n", body.len()));
        let _ = client.try_send(body); // one that is refused early need not be read to its end
        client.response(method)
    }

    /// What it answers to this machine's own `curl`.
    fn ask(self, method: &str, target: &str, body: &str) -> (u16, Value) {
        let response = self.send(method, target, &format!("Host: {}\r\n", self.addr), body);
        (response.status(), json(&response))
    }

    /// As [`ask`](Self::ask), for what must succeed.
    fn done(self, method: &str, target: &str, body: &str) -> Value {
        let (status, json) = self.ask(method, target, body);
        assert!(matches!(status, 200 | 201), "{method} {target} {body}: {status} {json}");
        json
    }

    fn add(self, backend: SocketAddr) -> Value {
        self.done("POST", "/backends", &format!(r#"{{"backend": "{backend}"}}"#))
    }

    fn remove(self, backend: SocketAddr) -> Value {
        self.done("DELETE", &format!("/backends/{backend}"), "")
    }

    /// What is done to the backend by a POST: `drain`, `enable`.
    fn tell(self, backend: SocketAddr, what: &str) -> Value {
        self.done("POST", &format!("/backends/{backend}/{what}"), "")
    }

    fn weigh(self, backend: SocketAddr, weight: u32) -> Value {
        self.done("PUT", &format!("/backends/{backend}/weight"), &format!(r#"{{"weight": {weight}}}"#))
    }

    /// The names of all backends, in order.
    fn names(self) -> Vec<String> {
        let list = self.done("GET", "/backends", "");
        let rows = list["backends"].as_array().expect("a list");
        rows.iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
    }
}

/// The body, which must be JSON and said to be.
fn json(response: &Response) -> Value {
    assert_eq!(response.fields().get("content-type"), Some("application/json"), "{response:?}");
    serde_json::from_slice(&response.body).unwrap_or_else(|error| panic!("{error}: {response:?}"))
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

/// Raised when dropped, through a panic too: nobody runs on for a test that has failed.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
