//! Suite `rate_limit`: each client gets what its limits grant, exactly, and is told so.

use crate::backend::{Backend, Conn, ok_response};
use crate::client::{Client, Response};

pub(super) mod answers;
pub(super) mod bandwidth;
pub(super) mod keys;
pub(super) mod rules;
pub(super) mod slow;

/// A backend that keeps its connections open.
fn backend() -> Backend {
    Backend::start(|conn| respond(conn, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
}

fn respond(conn: &mut Conn, raw: &[u8]) {
    while conn.request().is_ok() {
        conn.write(raw);
    }
}

/// A backend that answers with these headers and closes.
fn backend_with(fields: &str) -> Backend {
    let response = String::from_utf8(ok_response("ok")).unwrap();
    Backend::answering(response.replacen("\r\n", &format!("\r\n{fields}"), 1))
}

/// The statuses of `count` requests, with these headers.
fn statuses(client: &mut Client, target: &str, extra: &str, count: usize) -> Vec<u16> {
    let ask = |_| {
        client.request("GET", target, extra);
        client.response("GET").status()
    };
    (0..count).map(ask).collect()
}

/// How many of `count` requests pass; the others are refused.
fn passed(client: &mut Client, target: &str, extra: &str, count: usize) -> usize {
    let statuses = statuses(client, target, extra, count);
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    statuses.iter().filter(|status| **status == 200).count()
}

/// The number behind `name=` in an item such as `"login";r=3;t=6`.
fn parameter(item: &str, name: &str) -> u32 {
    let value = item.split(';').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {item}"))
}

fn field<'a>(response: &'a Response, name: &str) -> &'a str {
    response.fields().get(name).unwrap_or_else(|| panic!("no {name}: {response:?}"))
}
