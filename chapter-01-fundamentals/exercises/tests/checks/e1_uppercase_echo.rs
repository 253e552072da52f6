//! The checks of exercise 1.1.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread;

use crate::exercise_checks;
use crate::peer::{answer_to, connect, listen, next, reset, send};

type Serve = fn(&TcpListener) -> io::Result<()>;

exercise_checks!(
    exercises_01,
    e1_uppercase_echo::serve,
    [
        lowercase_letters_come_back_in_uppercase,
        other_bytes_come_back_unchanged,
        every_segment_is_answered,
        a_long_message_comes_back_whole,
        the_next_client_is_served_after_a_reset,
    ]
);

/// Runs the server on a port that the kernel chooses; its thread ends with the test's process.
fn start(serve: Serve) -> SocketAddr {
    let (listener, address) = listen();
    thread::spawn(move || serve(&listener));
    address
}

fn lowercase_letters_come_back_in_uppercase(serve: Serve) {
    assert_eq!(answer_to(start(serve), b"hello, World\n"), "HELLO, WORLD\\n");
}

fn other_bytes_come_back_unchanged(serve: Serve) {
    assert_eq!(answer_to(start(serve), "a\0é\r\nz".as_bytes()), "A\\x00\\xc3\\xa9\\r\\nZ");
}

fn every_segment_is_answered(serve: Serve) {
    let client = connect(start(serve));
    for (sent, expected) in [(b"one", "ONE"), (b"two", "TWO"), (b"six", "SIX")] {
        send(&client, sent);
        assert_eq!(next(&client, 3), expected, "the answer to one segment of several");
    }
}

fn a_long_message_comes_back_whole(serve: Serve) {
    // Two letters, so that a lost byte is visible; short enough for the socket buffers.
    let answer = answer_to(start(serve), &b"ab".repeat(10_000));
    assert_eq!(answer.len(), 20_000, "all 20,000 bytes should come back");
    assert!(answer == "AB".repeat(10_000), "20,000 bytes came back, but not the upper case of what was sent");
}

fn the_next_client_is_served_after_a_reset(serve: Serve) {
    let address = start(serve);
    reset(connect(address));
    assert_eq!(answer_to(address, b"still there?"), "STILL THERE?", "the answer to the next client");
}
