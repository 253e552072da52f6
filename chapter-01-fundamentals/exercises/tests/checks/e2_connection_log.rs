//! The checks of exercise 1.2.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use integration_tests::wait::{TEST_TIMEOUT, eventually, ms, pause};
use socket2::{Domain, Socket, Type};

use crate::exercise_checks;
use crate::peer::{
    answer_to, connect, connect_with_small_buffers, listen, listen_with_small_buffers, next, reset, send,
};

type Serve = fn(&TcpListener, &mut dyn Write) -> io::Result<()>;

exercise_checks!(
    exercises_01,
    e2_connection_log::serve,
    [
        a_connection_is_logged_in_one_write,
        a_client_that_sends_nothing_is_logged,
        a_client_that_resets_is_logged,
        bytes_taken_by_the_kernel_count_as_out,
        the_logged_time_is_the_connection_duration,
        an_ipv4_client_of_an_ipv6_listener_is_logged_as_ipv4,
        a_failing_log_does_not_stop_serving,
    ]
);

/// A log in memory: an element for each call of `write`.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(bytes.escape_ascii().to_string());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Waits until there are `count` lines.
    fn lines(&self, count: usize) -> Vec<String> {
        let text = || self.0.lock().unwrap().concat();
        let complete = eventually(TEST_TIMEOUT, || Some(text()).filter(|text| text.matches("\\n").count() >= count));
        let lines = if count == 1 { "a line" } else { "more than one line" };
        let text = complete.unwrap_or_else(|| panic!("the log should have {lines} by now, but it is `{}`", text()));
        text.split_terminator("\\n").map(str::to_owned).collect()
    }
}

fn start(serve: Serve, listener: TcpListener) -> Log {
    let log = Log::default();
    let mut to = log.clone();
    thread::spawn(move || serve(&listener, &mut to));
    log
}

/// The fields of a log line: the address, the bytes in, the bytes out, the milliseconds.
fn parsed(line: &str) -> (String, u64, u64, f64) {
    let read = || {
        let (address, rest) = line.split_once(' ')?;
        let (bytes_in, rest) = rest.split_once(" bytes in, ")?;
        let (bytes_out, rest) = rest.split_once(" out, ")?;
        let time = rest.strip_suffix(" ms")?;
        let (_, decimals) = time.split_once('.')?;
        let numbers = (bytes_in.parse().ok()?, bytes_out.parse().ok()?, time.parse().ok()?);
        (decimals.len() == 1).then_some((address.to_owned(), numbers.0, numbers.1, numbers.2))
    };
    read().unwrap_or_else(|| {
        panic!("a line should be like `127.0.0.1:54321 5 bytes in, 5 out, 1.2 ms`, but this one is `{line}`")
    })
}

fn address_of(client: &TcpStream) -> String {
    client.local_addr().unwrap().to_string()
}

fn a_connection_is_logged_in_one_write(serve: Serve) {
    let (listener, address) = listen();
    let log = start(serve, listener);
    assert_eq!(answer_to(address, b"hello"), "hello");
    let (_, bytes_in, bytes_out, _) = parsed(&log.lines(1)[0]);
    assert_eq!((bytes_in, bytes_out), (5, 5), "bytes in and out");
    let client = connect(address);
    let from = address_of(&client);
    for _ in 0..3 {
        send(&client, b"hi");
        assert_eq!(next(&client, 2), "hi");
    }
    drop(client);
    let lines = log.lines(2);
    let (address, bytes_in, bytes_out, _) = parsed(&lines[1]);
    assert_eq!((address, bytes_in, bytes_out), (from, 6, 6), "address, bytes in and out");
    let writes = log.0.lock().unwrap().clone();
    assert_eq!(writes.len(), 2, "each line should be one write, but the writes are {writes:?}");
}

fn a_client_that_sends_nothing_is_logged(serve: Serve) {
    let (listener, address) = listen();
    let log = start(serve, listener);
    let client = connect(address);
    let from = address_of(&client);
    drop(client);
    let (address, bytes_in, bytes_out, _) = parsed(&log.lines(1)[0]);
    assert_eq!((address, bytes_in, bytes_out), (from, 0, 0), "address, bytes in and out");
}

fn a_client_that_resets_is_logged(serve: Serve) {
    let (listener, address) = listen();
    let log = start(serve, listener);
    let client = connect(address);
    let from = address_of(&client);
    send(&client, b"hello");
    assert_eq!(next(&client, 5), "hello");
    reset(client);
    let (address, bytes_in, bytes_out, _) = parsed(&log.lines(1)[0]);
    assert_eq!((address, bytes_in, bytes_out), (from, 5, 5), "address, bytes in and out");
}

fn bytes_taken_by_the_kernel_count_as_out(serve: Serve) {
    const SENT: usize = 32 * 1024;
    const READ: usize = 1000;
    let (listener, address) = listen_with_small_buffers();
    let log = start(serve, listener);
    let mut connections = 0;
    let mut logged = || {
        let client = connect_with_small_buffers(address);
        send(&client, &vec![b'x'; SENT]);
        // Soon the server is blocked in a send: the rest does not fit the socket buffers.
        next(&client, READ);
        reset(client);
        connections += 1;
        let (_, bytes_in, bytes_out, _) = parsed(&log.lines(connections)[connections - 1]);
        assert!(bytes_in <= SENT as u64, "only {SENT} bytes were sent, but {bytes_in} are logged as received");
        assert!(bytes_out <= bytes_in, "only what came in can go out, but the log says {bytes_in} in, {bytes_out} out");
        assert!(bytes_out >= READ as u64, "{READ} bytes came back, but only {bytes_out} are logged as out");
        (bytes_out < bytes_in).then_some(())
    };
    let has_some_left = eventually(TEST_TIMEOUT, &mut logged);
    assert!(has_some_left.is_some(), "a send was cut off by a reset, but all that came in is always logged as out");
}

#[expect(clippy::disallowed_methods, reason = "the time in the log is compared with the time that passed here")]
fn the_logged_time_is_the_connection_duration(serve: Serve) {
    let (listener, address) = listen();
    let log = start(serve, listener);
    assert_eq!(answer_to(address, b"first"), "first");
    log.lines(1);
    // The time in which the server waits for a client does not belong to it.
    pause(ms(100));
    let started_at = Instant::now();
    let client = connect(address);
    send(&client, b"a");
    assert_eq!(next(&client, 1), "a");
    pause(ms(50));
    drop(client);
    let (.., logged) = parsed(&log.lines(2)[1]);
    let at_most = started_at.elapsed().as_secs_f64() * 1000.0;
    assert!(logged >= 49.9, "the client was connected for 50 ms, but the log says {logged}");
    assert!(logged <= at_most + 0.1, "the client was connected for at most {at_most:.1} ms, but the log says {logged}");
}

fn an_ipv4_client_of_an_ipv6_listener_is_logged_as_ipv4(serve: Serve) {
    let any: SocketAddr = "[::]:0".parse().unwrap();
    let bound = Socket::new(Domain::IPV6, Type::STREAM, None).and_then(|socket| {
        socket.set_only_v6(false)?;
        socket.bind(&any.into())?;
        Ok(socket)
    });
    let socket = match bound {
        Ok(socket) => socket,
        Err(error) => {
            println!("skipped: this machine has no IPv6: {error}");
            return;
        }
    };
    socket.listen(8).unwrap();
    let listener = TcpListener::from(socket);
    let port = listener.local_addr().unwrap().port();
    let log = start(serve, listener);
    let client = connect(SocketAddr::from(([127, 0, 0, 1], port)));
    let from = address_of(&client);
    drop(client);
    assert_eq!(parsed(&log.lines(1)[0]).0, from, "the address in the log");
}

fn a_failing_log_does_not_stop_serving(serve: Serve) {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }
    let (listener, address) = listen();
    thread::spawn(move || serve(&listener, &mut Full));
    assert_eq!(answer_to(address, b"one"), "one", "the echo, while the log is full");
    assert_eq!(answer_to(address, b"two"), "two", "the echo for the next client, while the log is full");
}
