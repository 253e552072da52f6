//! The checks of exercise 1.1.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use integration_tests::{held_to, wait::PATIENCE};

type Serve = fn(&TcpListener) -> io::Result<()>;

held_to!(
    exercises_01,
    e1_shout::serve,
    [
        small_letters_come_back_as_capitals,
        other_bytes_come_back_as_they_are,
        every_segment_is_answered,
        the_next_client_is_served_after_a_reset,
    ]
);

/// Runs the server on a port of the kernel's choice; its thread ends with the test's process.
fn start(serve: Serve) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(&listener));
    address
}

fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

/// What comes back for `sent`, up to the end of the stream, escaped so that a failure can be read.
fn answer_to(address: SocketAddr, sent: &[u8]) -> String {
    let mut client = connect(address);
    client.write_all(sent).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("the stream ends after the last byte owed");
    answer.escape_ascii().to_string()
}

fn small_letters_come_back_as_capitals(serve: Serve) {
    assert_eq!(answer_to(start(serve), b"hello, World\n"), "HELLO, WORLD\\n");
}

fn other_bytes_come_back_as_they_are(serve: Serve) {
    assert_eq!(answer_to(start(serve), "a\0é\r\nz".as_bytes()), "A\\x00\\xc3\\xa9\\r\\nZ");
}

fn every_segment_is_answered(serve: Serve) {
    let mut client = connect(start(serve));
    let mut answer = [0; 3];
    for (sent, expected) in [(b"one", b"ONE"), (b"two", b"TWO"), (b"six", b"SIX")] {
        client.write_all(sent).unwrap();
        client.read_exact(&mut answer).expect("a connection has more than one message");
        assert_eq!(answer.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
}

fn the_next_client_is_served_after_a_reset(serve: Serve) {
    let address = start(serve);
    let rude = connect(address);
    socket2::SockRef::from(&rude).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(rude);
    assert_eq!(answer_to(address, b"still there?"), "STILL THERE?");
}
