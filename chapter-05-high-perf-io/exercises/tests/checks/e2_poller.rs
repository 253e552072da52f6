//! The checks of exercise 5.2.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::clock::now;
use exercises_05::contracts::{Interest, Poller, Ready};
use integration_tests::wait::{TEST_TIMEOUT, ms};
use nix::fcntl::{FcntlArg, OFlag};
use nix::time::{ClockId, clock_gettime};
use socket2::SockRef;

use crate::exercise_checks;

exercise_checks!(
    exercises_05,
    e2_poller::poller,
    [
        a_ready_socket_is_reported_until_it_is_not_ready,
        all_ready_sockets_are_reported_at_once,
        only_the_interest_is_reported,
        a_fin_is_reported_as_readable,
        a_reset_is_reported_as_readable_and_writable,
        a_pipe_with_a_closed_end_is_reported,
        a_socket_without_interest_ends_no_wait,
        a_wait_takes_at_least_its_timeout,
        a_wait_does_not_burn_cpu_time,
        a_wait_of_centuries_is_no_error,
        unknown_and_used_tokens_are_rejected,
        a_deregistered_socket_is_dropped,
        an_echo_server_on_it_serves_slow_and_fast_clients,
    ]
);

const READ: Interest = Interest { read: true, write: false };
const WRITE: Interest = Interest { read: false, write: true };
const BOTH: Interest = Interest { read: true, write: true };
const NONE: Interest = Interest { read: false, write: false };

/// The two ends of a connection.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

/// The same socket, for a poller.
fn fd(stream: &TcpStream) -> Arc<OwnedFd> {
    Arc::new(stream.try_clone().unwrap().into())
}

/// The sockets that a wait of at most this long reports, sorted by token.
fn wait(poller: &mut impl Poller, within: Duration) -> Vec<Ready> {
    // The old content of the list has to be removed.
    let mut ready = vec![Ready { token: 99, read: true, write: true }];
    poller.wait(&mut ready, Some(within)).expect("a wait should work");
    ready.sort_by_key(|ready| ready.token);
    ready
}

fn reads(token: usize) -> Ready {
    Ready { token, read: true, write: false }
}

fn writes(token: usize) -> Ready {
    Ready { token, read: false, write: true }
}

fn reset(client: TcpStream) {
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
}

fn a_ready_socket_is_reported_until_it_is_not_ready<P: Poller>(new: fn() -> P) {
    let ((mut client, mut server), mut poller) = (pair(), new());
    poller.register(3, fd(&server), READ).unwrap();
    assert_eq!(wait(&mut poller, ms(1)), [], "before anything was sent");
    client.write_all(b"hello").unwrap();
    for wait_number in ["first", "second"] {
        assert_eq!(wait(&mut poller, TEST_TIMEOUT), [reads(3)], "five bytes are unread, {wait_number} wait");
    }
    server.read_exact(&mut [0; 4]).unwrap();
    assert_eq!(wait(&mut poller, TEST_TIMEOUT), [reads(3)], "one byte is unread");
    server.read_exact(&mut [0; 1]).unwrap();
    assert_eq!(wait(&mut poller, ms(1)), [], "all bytes are read");
}

fn all_ready_sockets_are_reported_at_once<P: Poller>(new: fn() -> P) {
    let (pairs, mut poller): (Vec<_>, _) = ((0..100).map(|_| pair()).collect(), new());
    for (token, (_, server)) in pairs.iter().enumerate() {
        poller.register(token, fd(server), READ).unwrap();
    }
    for (client, _) in pairs.iter().step_by(3) {
        { client }.write_all(b"x").unwrap();
    }
    let expected: Vec<_> = (0..100).step_by(3).map(reads).collect();
    assert_eq!(wait(&mut poller, TEST_TIMEOUT), expected, "every third of 100 has unread bytes");
}

fn only_the_interest_is_reported<P: Poller>(new: fn() -> P) {
    let ((mut client, server), mut poller) = (pair(), new());
    client.write_all(b"x").unwrap();
    poller.register(0, fd(&server), WRITE).unwrap();
    assert_eq!(wait(&mut poller, TEST_TIMEOUT), [writes(0)], "registered for writing, though a byte is there");
    poller.reregister(0, BOTH).unwrap();
    assert_eq!(wait(&mut poller, TEST_TIMEOUT), [Ready { token: 0, read: true, write: true }], "registered for both");
    poller.reregister(0, READ).unwrap();
    assert_eq!(wait(&mut poller, TEST_TIMEOUT), [reads(0)], "registered for reading, though it could be written to");
    poller.reregister(0, NONE).unwrap();
    assert_eq!(wait(&mut poller, ms(1)), [], "registered without interest");
}

fn a_fin_is_reported_as_readable<P: Poller>(new: fn() -> P) {
    let ((client, server), mut poller) = (pair(), new());
    poller.register(0, fd(&server), READ).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(wait(&mut poller, TEST_TIMEOUT), [reads(0)], "a FIN is something to read");
    server.shutdown(Shutdown::Write).unwrap();
    drop(client);
    assert_eq!(wait(&mut poller, TEST_TIMEOUT), [reads(0)], "both ends are closed");
}

fn a_reset_is_reported_as_readable_and_writable<P: Poller>(new: fn() -> P) {
    for (interest, expected) in [(READ, reads(0)), (WRITE, writes(0))] {
        let ((client, mut server), mut poller) = (pair(), new());
        SockRef::from(&server).set_nonblocking(true).unwrap();
        // Until it is not writable; then only the reset can make it ready.
        while server.write(&[0; 8_192]).is_ok() {}
        poller.register(0, fd(&server), interest).unwrap();
        assert_eq!(wait(&mut poller, ms(1)), [], "not readable, not writable");
        reset(client);
        assert_eq!(wait(&mut poller, TEST_TIMEOUT), [expected], "a reset connection, registered for {interest:?}");
    }
}

/// A closed socket is readable too; an empty pipe is not, and a full one is not writable. Only the hang-up is reported.
fn a_pipe_with_a_closed_end_is_reported<P: Poller>(new: fn() -> P) {
    let (mut poller, (read, write)) = (new(), nix::unistd::pipe().unwrap());
    poller.register(0, Arc::new(read), READ).unwrap();
    assert_eq!(wait(&mut poller, ms(1)), [], "the pipe is empty");
    drop(write);
    assert_eq!(wait(&mut poller, TEST_TIMEOUT), [reads(0)], "the write end is closed: a read returns 0");

    let (mut poller, (read, write)) = (new(), nix::unistd::pipe().unwrap());
    nix::fcntl::fcntl(&write, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    while nix::unistd::write(&write, &[0; 4_096]).is_ok() {}
    poller.register(0, Arc::new(write), WRITE).unwrap();
    assert_eq!(wait(&mut poller, ms(1)), [], "the pipe is full");
    drop(read);
    assert_eq!(wait(&mut poller, TEST_TIMEOUT), [writes(0)], "the read end is closed: a write fails at once");
}

fn a_socket_without_interest_ends_no_wait<P: Poller>(new: fn() -> P) {
    let ((client, server), mut poller) = (pair(), new());
    poller.register(0, fd(&server), NONE).unwrap();
    reset(client);
    let begun = now();
    assert_eq!(wait(&mut poller, ms(30)), [], "it has no interest");
    let took = begun.elapsed();
    assert!(
        took >= ms(30),
        "its connection was reset; the wait of 30 ms ended after {took:?}, and so would every later one"
    );
    poller.reregister(0, READ).unwrap();
    assert_eq!(wait(&mut poller, TEST_TIMEOUT), [reads(0)], "now it is registered for reading");
}

fn a_wait_takes_at_least_its_timeout<P: Poller>(new: fn() -> P) {
    let ((mut client, server), mut poller) = (pair(), new());
    poller.register(0, fd(&server), READ).unwrap();
    for micros in [1, 300, 1_500, 20_000] {
        let (begun, time) = (now(), Duration::from_micros(micros));
        assert_eq!(wait(&mut poller, time), [], "nothing is there");
        assert!(begun.elapsed() >= time, "a wait of {time:?} should not be over after {:?}", begun.elapsed());
    }
    let begun = now();
    assert_eq!(wait(&mut poller, Duration::ZERO), [], "nothing is there");
    client.write_all(b"x").unwrap();
    assert_eq!(wait(&mut poller, TEST_TIMEOUT * 6), [reads(0)], "a byte is there");
    assert!(begun.elapsed() < TEST_TIMEOUT, "neither should have waited: {:?}", begun.elapsed());
}

/// The kernel counts in milliseconds. A remaining time that is rounded down makes the loop call `poll` with a timeout
/// of 0.
fn a_wait_does_not_burn_cpu_time<P: Poller>(new: fn() -> P) {
    let ((_client, server), mut poller) = (pair(), new());
    poller.register(0, fd(&server), READ).unwrap();
    let used = cpu();
    for _ in 0..200 {
        wait(&mut poller, Duration::from_micros(990));
    }
    // Not compared with the time that has passed: on a busy machine, others have most of that.
    let used = cpu().saturating_sub(used) / 200;
    assert!(used < Duration::from_micros(100), "a wait of 990 µs should block, but takes {used:?} of CPU time");
}

/// The CPU time of this thread.
fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

fn a_wait_of_centuries_is_no_error<P: Poller>(new: fn() -> P) {
    let ((mut client, server), mut poller) = (pair(), new());
    poller.register(0, fd(&server), READ).unwrap();
    client.write_all(b"x").unwrap();
    for time in [Some(Duration::MAX), Some(Duration::from_hours(24 * 365 * 300)), None] {
        let mut ready = Vec::new();
        poller.wait(&mut ready, time).unwrap_or_else(|error| panic!("a wait of {time:?}: {error}"));
        assert_eq!(ready, [reads(0)], "a byte is there");
    }
}

fn unknown_and_used_tokens_are_rejected<P: Poller>(new: fn() -> P) {
    let ((_client, server), (mut other, second), mut poller) = (pair(), pair(), new());
    let kind = |result: io::Result<()>| result.map_err(|error| error.kind());
    assert_eq!(kind(poller.reregister(7, READ)), Err(ErrorKind::NotFound), "nothing is registered");
    assert_eq!(kind(poller.deregister(7)), Err(ErrorKind::NotFound), "nothing is registered");
    poller.register(7, fd(&server), READ).unwrap();
    assert_eq!(kind(poller.register(7, fd(&second), READ)), Err(ErrorKind::AlreadyExists), "7 is in use");
    other.write_all(b"x").unwrap();
    assert_eq!(wait(&mut poller, ms(5)), [], "7 is still the first socket, to which nothing was sent");
    poller.deregister(7).unwrap();
    assert_eq!(kind(poller.deregister(7)), Err(ErrorKind::NotFound), "it is gone");
    poller.register(7, fd(&second), READ).unwrap();
    assert_eq!(wait(&mut poller, TEST_TIMEOUT), [reads(7)], "7 is the second socket now");
}

fn a_deregistered_socket_is_dropped<P: Poller>(new: fn() -> P) {
    let ((mut client, server), mut poller) = (pair(), new());
    let socket: Arc<OwnedFd> = Arc::new(server.into());
    poller.register(0, Arc::clone(&socket), READ).unwrap();
    wait(&mut poller, ms(1));
    let held = Arc::downgrade(&socket);
    drop(socket);
    client.write_all(b"x").unwrap();
    assert_eq!(wait(&mut poller, TEST_TIMEOUT), [reads(0)], "a registered socket stays open");
    poller.deregister(0).unwrap();
    assert_eq!(held.strong_count(), 0, "a deregistered socket should be dropped");
    assert_eq!(wait(&mut poller, ms(1)), [], "nothing is registered");
}

/// A client of the echo server below, and the bytes that it has not been sent yet.
struct Connection {
    stream: TcpStream,
    unsent: Vec<u8>,
}

impl Connection {
    /// Reads if no unsent bytes are left, and sends what can be sent. Returns the next interest; `None`: it is closed.
    fn serve(&mut self, ready: Ready) -> Option<Interest> {
        let mut buffer = [0; 4096];
        if ready.read && self.unsent.is_empty() {
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(length) => self.unsent.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(length) => drop(self.unsent.drain(..length)),
                // No read until all bytes are sent: backpressure makes a slow reader a slow sender.
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(WRITE),
                Err(_) => return None,
            }
        }
        Some(READ)
    }
}

/// Echoes for this many clients on one thread, until all have closed.
fn echo(mut poller: impl Poller, listener: &TcpListener, clients: usize) -> io::Result<()> {
    let (mut connections, mut ready) = (Vec::<Option<Connection>>::new(), Vec::new());
    poller.register(usize::MAX, Arc::new(listener.try_clone()?.into()), READ)?;
    while connections.len() < clients || connections.iter().any(Option::is_some) {
        poller.wait(&mut ready, Some(TEST_TIMEOUT))?;
        assert!(!ready.is_empty(), "no socket is ready, but clients are still connected");
        for event in &ready {
            if event.token == usize::MAX {
                let Ok((stream, _)) = listener.accept() else { continue };
                stream.set_nonblocking(true)?;
                poller.register(connections.len(), fd(&stream), READ)?;
                connections.push(Some(Connection { stream, unsent: Vec::new() }));
            } else if let Some(connection) = &mut connections[event.token] {
                if let Some(interest) = connection.serve(*event) {
                    poller.reregister(event.token, interest)?;
                } else {
                    poller.deregister(event.token)?;
                    connections[event.token] = None;
                }
            }
        }
    }
    Ok(())
}

/// Sends a million bytes and reads them back; a slow client starts to read late.
fn client(address: SocketAddr, slow: bool) {
    const LENGTH: usize = 1_000_000;
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    stream.set_write_timeout(Some(TEST_TIMEOUT)).unwrap();
    let sent: Vec<u8> = (0..LENGTH).map(|at| at.to_le_bytes()[usize::from(at % 7 == 0)]).collect();
    let mut back = Vec::new();
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            (&stream).write_all(&sent).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        if slow {
            thread::park_timeout(ms(50));
        }
        (&stream).take(LENGTH as u64).read_to_end(&mut back).unwrap();
        sender.join().unwrap();
    });
    assert!(back == sent, "a client (slow: {slow}) should get back what it sent, {} of {LENGTH} bytes", back.len());
}

fn an_echo_server_on_it_serves_slow_and_fast_clients<P: Poller>(new: fn() -> P) {
    const CLIENTS: usize = 20;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let (done, results) = mpsc::channel();
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let done = done.clone();
            scope.spawn(move || {
                client(address, number % 4 == 0);
                let _ = done.send(());
            });
        }
        echo(new(), &listener, CLIENTS).expect("the poller should work");
    });
    drop(done);
    assert_eq!(results.iter().count(), CLIENTS, "clients that got back what they sent");
}
