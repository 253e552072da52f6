//! What feeds a deadline, and what does not. Time is an argument here: nothing waits.

mod support;

use std::time::{Duration, Instant};

use common::{
    http::{ExchangeTimeouts, Input, Relay, TimeoutKind},
    timeouts::Timeouts,
};
use support::{
    drive::{begun, turn},
    wire::Memory,
};

/// When the relay's patience ends, asked at `second`; in seconds from the start.
struct Clock {
    patience: ExchangeTimeouts,
    start: Instant,
}

impl Clock {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        Self { patience: ExchangeTimeouts::new(), start: Instant::now() }
    }

    fn until(&mut self, relay: &Relay, second: u64) -> u64 {
        let timeouts = Timeouts {
            body: Duration::from_secs(10),
            first_byte: Duration::from_secs(20),
            stream: Duration::from_secs(40),
            ..Timeouts::default()
        };
        (self.patience.deadline(relay, &timeouts, self.start + Duration::from_secs(second)) - self.start).as_secs()
    }
}

#[test]
fn interim_responses_buy_a_backend_no_time() {
    let mut relay = begun(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false);
    relay.attempt(false);
    let (mut client, mut backend) = (Memory::willing(b""), Memory::willing(b""));
    turn(&mut relay, &mut client, &mut backend).unwrap().expect("no response yet");
    let mut clock = Clock::new();
    assert_eq!(clock.until(&relay, 0), 20);
    for second in 1..5 {
        backend.inbox.extend(b"HTTP/1.1 102 Processing\r\n\r\n");
        turn(&mut relay, &mut client, &mut backend).unwrap().expect("no final response yet");
        assert_eq!(clock.until(&relay, second), 20);
    }
    // Nor does a client that is slow to take them.
    client.room = 0;
    backend.inbox.extend(b"HTTP/1.1 102 Processing\r\n\r\n");
    assert_eq!(turn(&mut relay, &mut client, &mut backend).unwrap().unwrap().timeout, TimeoutKind::ClientIo);
    assert_eq!(clock.until(&relay, 6), 16);
    client.room = usize::MAX;
    turn(&mut relay, &mut client, &mut backend).unwrap().expect("no final response yet");
    assert_eq!(clock.until(&relay, 7), 20);
}

#[test]
fn an_upload_that_drips_does_not_hold_a_stalled_download() {
    let mut relay = begun(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", false);
    relay.attempt(false);
    let mut client = Memory::willing(b"");
    let mut backend = Memory::willing(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello");
    client.room = 10;
    let mut clock = Clock::new();
    for second in 0..5 {
        client.inbox.push_back(b'x');
        assert_eq!(turn(&mut relay, &mut client, &mut backend).unwrap().unwrap().timeout, TimeoutKind::ClientIo);
        assert_eq!(clock.until(&relay, second), 10);
    }
    client.room = 1;
    turn(&mut relay, &mut client, &mut backend).unwrap().expect("more is owed");
    assert_eq!(clock.until(&relay, 5), 15, "a byte was taken");
    // Once the client has caught up, a silent backend is not excused by the upload either.
    client.room = usize::MAX;
    turn(&mut relay, &mut client, &mut backend).unwrap().expect("more is to come");
    assert_eq!(clock.until(&relay, 6), 46);
    client.inbox.push_back(b'x');
    turn(&mut relay, &mut client, &mut backend).unwrap().expect("more is to come");
    assert_eq!(clock.until(&relay, 9), 46);
}

#[test]
fn the_first_byte_is_waited_for_anew_once_the_upload_is_whole() {
    let mut relay = begun(b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", false);
    relay.attempt(false);
    let (mut client, mut backend) = (Memory::willing(b""), Memory::willing(b""));
    turn(&mut relay, &mut client, &mut backend).unwrap().expect("100 is to come");
    let mut clock = Clock::new();
    assert_eq!(clock.until(&relay, 0), 20, "the client waits for the backend");
    backend.inbox.extend(b"HTTP/1.1 103 Early Hints\r\n\r\n");
    turn(&mut relay, &mut client, &mut backend).unwrap().expect("100 is still to come");
    assert_eq!(clock.until(&relay, 1), 20, "103 lets no client begin");
    backend.inbox.extend(b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(turn(&mut relay, &mut client, &mut backend).unwrap().unwrap().timeout, TimeoutKind::ClientIo);
    assert_eq!(clock.until(&relay, 2), 12, "the client's turn");
    relay.from_client(Input::Bytes(b"hi")).unwrap();
    turn(&mut relay, &mut client, &mut backend).unwrap().expect("the response is to come");
    assert_eq!(clock.until(&relay, 3), 23);
}
