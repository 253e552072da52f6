//! The clients: most send one request after another, some read slowly, some disconnect during an exchange.

use std::net::SocketAddr;
use std::time::Instant;

use super::faulty_backends::{FaultyBackends, content};
use crate::checker::ReadError;
use crate::client::Client;
use crate::rng::Rng;
use crate::suites::local_reply;
use crate::wait::{ms, pause};

const SMALL: usize = 100;
const LARGE: usize = 300_000;

/// Sends requests of various kinds until `end`.
pub(super) fn run(backends: &FaultyBackends, addr: SocketAddr, number: usize, end: Instant) {
    let _alarm = backends.stop_on_panic();
    let mut rng = Rng::new(number as u64);
    let mut client = Client::connect(addr);
    for request_number in 0.. {
        if !backends.is_running(end) {
            return;
        }
        let keeps_alive = match rng.below(20) {
            0 => get(backends, &mut client, LARGE, "", 200),
            1 => get(backends, &mut client, SMALL, "Connection: close\r\n", 0),
            2 => disconnect_early(&mut client),
            3 => stay_idle(&mut rng),
            4..8 => post(backends, &mut client, &format!("{number}-{request_number}")),
            8..11 => get(backends, &mut client, LARGE + rng.below(2), "", 0),
            _ => get(backends, &mut client, SMALL + rng.below(2), "", 0),
        };
        if !keeps_alive {
            let before = std::mem::replace(&mut client, Client::connect(addr));
            if rng.below(2) == 0 {
                before.reset();
            }
        }
        pause(ms(rng.below(6) as u64));
    }
}

/// GET, and after so many milliseconds its body. Returns whether the connection stays open. The head of a response
/// always comes; its body may be truncated, since bytes that were forwarded cannot be recalled.
fn get(backends: &FaultyBackends, client: &mut Client, length: usize, extra: &str, delay_ms: u64) -> bool {
    client.request("GET", &format!("/{length}"), extra);
    let (_, head, framing) = client.response_head("GET").unwrap_or_else(|error| panic!("a GET failed: {error:?}"));
    assert_eq!(head.status, 200, "a GET failed: {head:?}");
    pause(ms(delay_ms));
    let mut body = Vec::new();
    match client.reader().body(framing, &mut |piece| body.extend_from_slice(piece)) {
        Ok(_) => {
            assert!(body == content(length), "the body differs");
            backends.count_response();
            !head.says_close()
        }
        Err(ReadError::Truncated(_) | ReadError::Reset) => {
            assert!(content(length).starts_with(&body), "the body differs");
            backends.count_truncated();
            false
        }
        Err(error) => panic!("a body that stalls: {error:?}"),
    }
}

fn post(backends: &FaultyBackends, client: &mut Client, body: &str) -> bool {
    let length = body.len();
    client.send(format!("POST /{SMALL} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{body}"));
    let response = client.response("POST");
    if response.status() == 200 {
        backends.record_executed_post(body);
        backends.count_response();
    } else {
        local_reply::assert_local(&response, 502);
    }
    !response.head.says_close()
}

/// Sends a request and does not wait for the response.
fn disconnect_early(client: &mut Client) -> bool {
    client.request("GET", &format!("/{LARGE}"), "");
    false
}

/// Long enough, now and then, for its idle upstream connections to be closed.
fn stay_idle(rng: &mut Rng) -> bool {
    pause(ms(rng.below(1_500) as u64));
    true
}
