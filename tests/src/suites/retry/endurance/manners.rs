//! The clients: most send one request after another, some are slow, some disappear in the middle.

use std::net::SocketAddr;
use std::time::Instant;

use super::world::{World, content};
use crate::checker::Fault;
use crate::client::Client;
use crate::seed::Seed;
use crate::suites::local_reply;
use crate::wait::{ms, pause};

const SMALL: usize = 100;
const LARGE: usize = 300_000;

/// Sends requests in various manners until `end`.
pub(super) fn client(world: &World, addr: SocketAddr, number: usize, end: Instant) {
    let _alarm = world.alarm();
    let mut seed = Seed::new(number as u64);
    let mut client = Client::connect(addr);
    for turn in 0.. {
        if !world.goes_on(end) {
            return;
        }
        let stays = match seed.below(20) {
            0 => get(world, &mut client, LARGE, "", 200),
            1 => get(world, &mut client, SMALL, "Connection: close\r\n", 0),
            2 => leave(&mut client),
            3 => be_idle(&mut seed),
            4..8 => post(world, &mut client, &format!("{number}-{turn}")),
            8..11 => get(world, &mut client, LARGE + seed.below(2), "", 0),
            _ => get(world, &mut client, SMALL + seed.below(2), "", 0),
        };
        if !stays {
            let before = std::mem::replace(&mut client, Client::connect(addr));
            if seed.below(2) == 0 {
                before.reset();
            }
        }
        pause(ms(seed.below(6) as u64));
    }
}

/// GET, and after so many milliseconds its body. Returns whether the connection stays open. The head of a response
/// always comes; its body may be truncated, since what was forwarded cannot be taken back.
fn get(world: &World, client: &mut Client, length: usize, extra: &str, slow: u64) -> bool {
    client.request("GET", &format!("/{length}"), extra);
    let (_, head, framing) = client.response_head("GET").unwrap_or_else(|fault| panic!("a GET failed: {fault:?}"));
    assert_eq!(head.status, 200, "a GET failed: {head:?}");
    pause(ms(slow));
    let mut body = Vec::new();
    match client.reader().body(framing, &mut |piece| body.extend_from_slice(piece)) {
        Ok(_) => {
            assert!(body == content(length), "the body differs");
            world.note_answer();
            !head.says_close()
        }
        Err(Fault::Truncated(_) | Fault::Reset) => {
            assert!(content(length).starts_with(&body), "the body differs");
            world.note_broken();
            false
        }
        Err(fault) => panic!("a body that neither arrives nor ends: {fault:?}"),
    }
}

fn post(world: &World, client: &mut Client, body: &str) -> bool {
    let length = body.len();
    client.send(format!("POST /{SMALL} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{body}"));
    let response = client.response("POST");
    if response.status() == 200 {
        world.note_done(body);
        world.note_answer();
    } else {
        local_reply::assert_local(&response, 502);
    }
    !response.head.says_close()
}

/// Sends a request and does not wait for the response.
fn leave(client: &mut Client) -> bool {
    client.request("GET", &format!("/{LARGE}"), "");
    false
}

/// Long enough, now and then, for its idle upstream connections to be closed.
fn be_idle(seed: &mut Seed) -> bool {
    pause(ms(seed.below(1_500) as u64));
    true
}
