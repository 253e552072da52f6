//! The client side of the checks: every read and write has a timeout, and received bytes are returned escaped, so that
//! a failure message can show them.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use integration_tests::wait::TEST_TIMEOUT;
use socket2::{Domain, SockRef, Socket, Type};

/// Small enough that a peer that does not read causes backpressure after a few kilobytes.
const SMALL_BUFFER: usize = 4 * 1024;

/// A listener on a port that the kernel chooses, and its address.
pub(crate) fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A listener whose accepted sockets have a small send buffer: they inherit it.
pub(crate) fn listen_with_small_buffers() -> (TcpListener, SocketAddr) {
    let (listener, address) = listen();
    SockRef::from(&listener).set_send_buffer_size(SMALL_BUFFER).unwrap();
    (listener, address)
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let connected = TcpStream::connect(address);
    with_timeouts(connected.unwrap_or_else(|error| panic!("the server should go on listening, but does not: {error}")))
}

/// A client with a small receive buffer.
pub(crate) fn connect_with_small_buffers(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(SMALL_BUFFER).unwrap();
    let connected = socket.connect(&address.into());
    connected.unwrap_or_else(|error| panic!("the server should go on listening, but does not: {error}"));
    with_timeouts(socket.into())
}

/// Sends all of `bytes`.
pub(crate) fn send(mut client: &TcpStream, bytes: &[u8]) {
    let sent = client.write_all(bytes);
    sent.unwrap_or_else(|error| {
        panic!("the server should take all that is sent, but it closed the connection before: {error}")
    });
}

/// Ends the sending side.
pub(crate) fn end(client: &TcpStream) {
    let ended = client.shutdown(Shutdown::Write);
    ended.unwrap_or_else(|error| {
        panic!("the server should read to the end, but it closed the connection before: {error}")
    });
}

/// Disables Nagle's algorithm, and sets timeouts for reads and writes.
fn with_timeouts(client: TcpStream) -> TcpStream {
    client.set_nodelay(true).unwrap();
    client.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    client.set_write_timeout(Some(TEST_TIMEOUT)).unwrap();
    client
}

/// Resets the connection, as a program that is killed with unread bytes does.
pub(crate) fn reset(client: TcpStream) {
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
}

/// The bytes up to the end of the stream, escaped.
pub(crate) fn rest_of(mut client: &TcpStream) -> String {
    let mut rest = Vec::new();
    let ended = client.read_to_end(&mut rest);
    let rest = rest.escape_ascii().to_string();
    if let Err(error) = ended {
        let last = &rest[rest.len().saturating_sub(80)..];
        panic!("the stream should end in order, but after {} bytes, the last of them `{last}`: {error}", rest.len());
    }
    rest
}

/// Sends `sent` and the end of the stream, and returns the answer.
pub(crate) fn answer_to(address: SocketAddr, sent: &[u8]) -> String {
    let client = connect(address);
    send(&client, sent);
    end(&client);
    rest_of(&client)
}

/// The next `length` bytes, escaped.
pub(crate) fn next(mut client: &TcpStream, length: usize) -> String {
    let mut bytes = vec![0; length];
    let read = client.read_exact(&mut bytes);
    read.unwrap_or_else(|error| panic!("{length} bytes should come back now, but they do not: {error}"));
    bytes.escape_ascii().to_string()
}
