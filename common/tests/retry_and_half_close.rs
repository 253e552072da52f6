//! What an exchange keeps from an attempt, and what it must forget.

mod support;

use common::http::AfterClient;
use support::{
    drive::{begin, begun, turn},
    wire::{Ended, Memory},
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const WEBSOCKET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[test]
fn second_backend_is_read_after_the_first_closed_without_a_word() {
    let mut relay = begun(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true);
    let mut client = Memory::willing(b"");
    relay.attempt(true);
    let error = turn(&mut relay, &mut client, &mut Memory::willing(b"").then(Ended::Fin)).unwrap_err();
    assert!(relay.may_retry(&error), "{error}");
    relay.attempt(false);
    let mut second = Memory::willing(OK);
    let ended = turn(&mut relay, &mut client, &mut second).unwrap();
    assert_eq!(ended, None, "waits, with the answer there to be read");
    assert!(client.sent.ends_with(b"\r\n\r\nhi"));
}

#[test]
fn tunnel_whose_ends_close_at_once_tells_both_and_ends() {
    let mut relay = begun(WEBSOCKET, false);
    relay.attempt(false);
    let (mut client, mut backend) = (Memory::willing(b""), Memory::willing(SWITCH));
    turn(&mut relay, &mut client, &mut backend).unwrap().expect("a tunnel that waits");
    (client.inbox_end, backend.inbox_end) = (Some(Ended::Fin), Some(Ended::Fin));
    let ended = turn(&mut relay, &mut client, &mut backend).unwrap();
    assert!(client.shut && backend.shut, "told: client {}, backend {}; waits for {ended:?}", client.shut, backend.shut);
    assert_eq!(ended, None);
}

#[test]
fn tunnel_to_a_backend_that_takes_nothing_delivers_what_it_says_and_ends_with_it() {
    let mut relay = begun(WEBSOCKET, false);
    relay.attempt(false);
    let (mut client, mut backend) = (Memory::willing(b""), Memory::willing(SWITCH));
    backend.broken = true;
    let wants = turn(&mut relay, &mut client, &mut backend).unwrap().expect("the backend may say more");
    assert!(wants.backend.read && !wants.client.read, "{wants:?}");
    backend.inbox.extend(b"bye");
    backend.inbox_end = Some(Ended::Fin);
    assert_eq!(turn(&mut relay, &mut client, &mut backend).unwrap(), None);
    assert!(client.sent.ends_with(b"\r\n\r\nbye") && client.shut);
}

#[test]
fn upload_that_went_on_after_the_first_buffer_is_neither_kept_nor_sent_again() {
    let mut relay = begun(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n", true);
    relay.attempt(true);
    let (mut client, mut backend) = (Memory::willing(b""), Memory::willing(b""));
    turn(&mut relay, &mut client, &mut backend).unwrap().expect("the body is still to come");
    for _ in 0..20 {
        client.inbox.extend([b'x'; 1000]);
        turn(&mut relay, &mut client, &mut backend).unwrap().expect("most of the body is still to come");
    }
    backend.inbox_end = Some(Ended::Reset);
    let error = turn(&mut relay, &mut client, &mut backend).unwrap_err();
    assert!(!relay.may_retry(&error), "the body was kept, however long it is");
}

#[test]
fn small_body_in_a_segment_of_its_own_is_sent_again_whole() {
    let mut relay = begun(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", true);
    relay.attempt(true);
    let (mut client, mut backend) = (Memory::willing(b""), Memory::willing(b""));
    turn(&mut relay, &mut client, &mut backend).unwrap().expect("the body is still to come");
    client.inbox.extend(b"hello");
    turn(&mut relay, &mut client, &mut backend).unwrap().expect("the answer is still to come");
    backend.inbox_end = Some(Ended::Reset);
    let error = turn(&mut relay, &mut client, &mut backend).unwrap_err();
    assert!(relay.may_retry(&error));
    relay.attempt(false);
    let mut another = Memory::willing(b"HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(turn(&mut relay, &mut client, &mut another).unwrap(), None);
    assert_eq!(another.sent, backend.sent);
    assert!(another.sent.ends_with(b"\r\n\r\nhello"));
}

#[test]
fn client_that_stops_its_upload_at_an_early_answer_still_gets_all_of_it() {
    let mut relay = begun(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n", false);
    relay.attempt(false);
    let (mut client, mut backend) =
        (Memory::willing(b""), Memory::willing(b"HTTP/1.1 413 Too Large\r\nContent-Length: 6\r\n\r\n"));
    turn(&mut relay, &mut client, &mut backend).unwrap().expect("the answer's body is still to come");
    client.inbox_end = Some(Ended::Fin);
    turn(&mut relay, &mut client, &mut backend).unwrap().expect("the answer's body is still to come");
    backend.inbox.extend(b"answer");
    assert_eq!(turn(&mut relay, &mut client, &mut backend).unwrap(), None);
    assert!(client.sent.ends_with(b"\r\n\r\nanswer"));
    let (exchange, client, _) = relay.end();
    assert!(exchange.failure.is_none() && client == AfterClient::Linger);
}

#[test]
fn what_one_client_sent_ahead_never_reaches_the_next_client_of_the_same_relay() {
    let mut relay = begun(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false);
    relay.push_pipelined(b"GET /secret HTTP/1.1\r\n");
    begin(&mut relay, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false).unwrap();
    assert!(relay.take_pipelined().is_empty());
}
