//! Which events extend a deadline, and which do not. Time is an argument, so no test waits.

mod support;

use std::time::{Duration, Instant};

use common::{
    http::{ExchangeTimeouts, Input, Relay, TimeoutKind},
    timeouts::Timeouts,
};
use support::{
    exchange::{pump_until_wait, relay_with_request},
    memory_stream::MemoryStream,
};

/// Computes the relay's deadline, in seconds from the start.
struct DeadlineClock {
    exchange_timeouts: ExchangeTimeouts,
    start: Instant,
}

impl DeadlineClock {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        Self { exchange_timeouts: ExchangeTimeouts::new(), start: Instant::now() }
    }

    fn deadline_at(&mut self, relay: &Relay, second: u64) -> u64 {
        let timeouts = Timeouts {
            body: Duration::from_secs(10),
            first_byte: Duration::from_secs(20),
            stream: Duration::from_secs(40),
            ..Timeouts::default()
        };
        (self.exchange_timeouts.deadline(relay, &timeouts, self.start + Duration::from_secs(second)) - self.start)
            .as_secs()
    }
}

#[test]
fn interim_responses_do_not_extend_the_first_byte_timeout() {
    let mut relay = relay_with_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false);
    relay.attempt(false);
    let (mut client, mut backend) = (MemoryStream::with_input(b""), MemoryStream::with_input(b""));
    pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("no response yet");
    let mut clock = DeadlineClock::new();
    assert_eq!(clock.deadline_at(&relay, 0), 20);
    for second in 1..5 {
        backend.input.extend(b"HTTP/1.1 102 Processing\r\n\r\n");
        pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("no final response yet");
        assert_eq!(clock.deadline_at(&relay, second), 20);
    }
    // Nor does a client that is slow to read them.
    client.write_capacity = 0;
    backend.input.extend(b"HTTP/1.1 102 Processing\r\n\r\n");
    assert_eq!(pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().unwrap().timeout, TimeoutKind::ClientIo);
    assert_eq!(clock.deadline_at(&relay, 6), 16);
    client.write_capacity = usize::MAX;
    pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("no final response yet");
    assert_eq!(clock.deadline_at(&relay, 7), 20);
}

#[test]
fn a_slow_upload_does_not_extend_the_deadline_of_a_stalled_download() {
    let mut relay = relay_with_request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", false);
    relay.attempt(false);
    let mut client = MemoryStream::with_input(b"");
    let mut backend = MemoryStream::with_input(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello");
    client.write_capacity = 10;
    let mut clock = DeadlineClock::new();
    for second in 0..5 {
        client.input.push_back(b'x');
        assert_eq!(
            pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().unwrap().timeout,
            TimeoutKind::ClientIo
        );
        assert_eq!(clock.deadline_at(&relay, second), 10);
    }
    client.write_capacity = 1;
    pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("bytes are pending");
    assert_eq!(clock.deadline_at(&relay, 5), 15, "a byte was written");
    // Once the client has read everything, the upload does not extend the deadline of a silent backend either.
    client.write_capacity = usize::MAX;
    pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("more is to come");
    assert_eq!(clock.deadline_at(&relay, 6), 16);
    client.input.push_back(b'x');
    pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("more is to come");
    assert_eq!(clock.deadline_at(&relay, 9), 16);
}

#[test]
fn the_first_byte_timeout_restarts_when_the_upload_is_complete() {
    let mut relay =
        relay_with_request(b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", false);
    relay.attempt(false);
    let (mut client, mut backend) = (MemoryStream::with_input(b""), MemoryStream::with_input(b""));
    pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("100 is to come");
    let mut clock = DeadlineClock::new();
    assert_eq!(clock.deadline_at(&relay, 0), 20, "the client waits for the backend");
    backend.input.extend(b"HTTP/1.1 103 Early Hints\r\n\r\n");
    pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("100 is still to come");
    assert_eq!(clock.deadline_at(&relay, 1), 20, "103 does not start the upload");
    backend.input.extend(b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().unwrap().timeout, TimeoutKind::ClientIo);
    assert_eq!(clock.deadline_at(&relay, 2), 12, "the client is to send the body");
    relay.from_client(Input::Bytes(b"hi")).unwrap();
    pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("the response is to come");
    assert_eq!(clock.deadline_at(&relay, 3), 23);
}

#[test]
fn a_timeout_does_not_run_while_the_exchange_waits_for_bandwidth() {
    let mut relay = relay_with_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false);
    relay.attempt(false);
    let mut client = MemoryStream::with_input(b"");
    let mut backend = MemoryStream::with_input(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello");
    client.write_capacity = 10;
    pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("bytes are pending");
    let mut clock = DeadlineClock::new();
    assert_eq!(clock.deadline_at(&relay, 0), 10);
    // Polled more than once in a pause.
    for second in [4, 5, 100] {
        clock.exchange_timeouts.suspend(clock.start + Duration::from_secs(second));
    }
    assert_eq!(clock.deadline_at(&relay, 104), 110, "the six seconds that were left");
    clock.exchange_timeouts.suspend(clock.start + Duration::from_secs(105));
    assert_eq!(clock.deadline_at(&relay, 106), 111, "no pause starts it again");
    client.write_capacity = 1;
    pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().expect("bytes are pending");
    assert_eq!(clock.deadline_at(&relay, 107), 117, "a byte was written");
}
