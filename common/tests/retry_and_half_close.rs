//! What a relay keeps after a failed attempt for a retry, how half-closed streams end, and what it discards.

mod support;

use common::http::AfterClient;
use support::{
    exchange::{begin_request, pump_until_wait, relay_with_request},
    memory_stream::{MemoryStream, StreamEnd},
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const WEBSOCKET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[test]
fn retry_reads_the_second_backend_after_the_first_closed_without_a_response() {
    let mut relay = relay_with_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true);
    let mut client = MemoryStream::with_input(b"");
    relay.attempt(true);
    let error =
        pump_until_wait(&mut relay, &mut client, &mut MemoryStream::with_input(b"").ending_with(StreamEnd::Fin))
            .unwrap_err();
    assert!(relay.may_retry(&error), "{error}");
    relay.attempt(false);
    let mut second = MemoryStream::with_input(OK);
    let ended = pump_until_wait(&mut relay, &mut client, &mut second).unwrap();
    assert_eq!(ended, None, "waits although the response is readable");
    assert!(client.sent.ends_with(b"\r\n\r\nhi"));
}

#[test]
fn tunnel_closed_by_both_peers_at_once_sends_fin_to_both_and_ends() {
    let mut relay = relay_with_request(WEBSOCKET, false);
    relay.attempt(false);
    let (mut client, mut backend) = (MemoryStream::with_input(b""), MemoryStream::with_input(SWITCH));
    pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("a tunnel that waits");
    (client.input_end, backend.input_end) = (Some(StreamEnd::Fin), Some(StreamEnd::Fin));
    let ended = pump_until_wait(&mut relay, &mut client, &mut backend).unwrap();
    assert!(
        client.write_shut_down && backend.write_shut_down,
        "FIN sent: client {}, backend {}; waits for {ended:?}",
        client.write_shut_down,
        backend.write_shut_down
    );
    assert_eq!(ended, None);
}

#[test]
fn tunnel_delivers_the_backends_bytes_after_writes_to_it_fail() {
    let mut relay = relay_with_request(WEBSOCKET, false);
    relay.attempt(false);
    let (mut client, mut backend) = (MemoryStream::with_input(b""), MemoryStream::with_input(SWITCH));
    backend.broken_pipe = true;
    let wants = pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("the backend may send more");
    assert!(wants.backend.read && !wants.client.read, "{wants:?}");
    backend.input.extend(b"bye");
    backend.input_end = Some(StreamEnd::Fin);
    assert_eq!(pump_until_wait(&mut relay, &mut client, &mut backend).unwrap(), None);
    assert!(client.sent.ends_with(b"\r\n\r\nbye") && client.write_shut_down);
}

#[test]
fn upload_larger_than_the_replay_buffer_is_not_retried() {
    let mut relay = relay_with_request(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n", true);
    relay.attempt(true);
    let (mut client, mut backend) = (MemoryStream::with_input(b""), MemoryStream::with_input(b""));
    pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("the body is still to come");
    for _ in 0..20 {
        client.input.extend([b'x'; 1000]);
        pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("most of the body is still to come");
    }
    backend.input_end = Some(StreamEnd::Reset);
    let error = pump_until_wait(&mut relay, &mut client, &mut backend).unwrap_err();
    assert!(!relay.may_retry(&error), "a body larger than the replay buffer may be retried");
}

#[test]
fn small_body_in_its_own_segment_is_replayed_on_a_retry() {
    let mut relay = relay_with_request(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", true);
    relay.attempt(true);
    let (mut client, mut backend) = (MemoryStream::with_input(b""), MemoryStream::with_input(b""));
    pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("the body is still to come");
    client.input.extend(b"hello");
    pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("the response is still to come");
    backend.input_end = Some(StreamEnd::Reset);
    let error = pump_until_wait(&mut relay, &mut client, &mut backend).unwrap_err();
    assert!(relay.may_retry(&error));
    relay.attempt(false);
    let mut another = MemoryStream::with_input(b"HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(pump_until_wait(&mut relay, &mut client, &mut another).unwrap(), None);
    assert_eq!(another.sent, backend.sent);
    assert!(another.sent.ends_with(b"\r\n\r\nhello"));
}

#[test]
fn client_that_stops_its_upload_at_an_early_response_still_receives_it_whole() {
    let mut relay = relay_with_request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n", false);
    relay.attempt(false);
    let (mut client, mut backend) = (
        MemoryStream::with_input(b""),
        MemoryStream::with_input(b"HTTP/1.1 413 Too Large\r\nContent-Length: 6\r\n\r\n"),
    );
    pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("the response's body is still to come");
    client.input_end = Some(StreamEnd::Fin);
    pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("the response's body is still to come");
    backend.input.extend(b"answer");
    assert_eq!(pump_until_wait(&mut relay, &mut client, &mut backend).unwrap(), None);
    assert!(client.sent.ends_with(b"\r\n\r\nanswer"));
    let (exchange, client, _) = relay.end();
    assert!(exchange.failure.is_none() && client == AfterClient::Linger);
}

#[test]
fn pipelined_bytes_of_one_client_never_reach_the_next_client_of_the_relay() {
    let mut relay = relay_with_request(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false);
    relay.push_pipelined(b"GET /secret HTTP/1.1\r\n");
    begin_request(&mut relay, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false).unwrap();
    assert!(relay.take_pipelined().is_empty());
}
