//! The basis of the measurements: `origin` answers what was requested, and `floor` loses no byte. If one of them were
//! wrong, every figure measured with it would be.
#![allow(clippy::unwrap_used, reason = "test code: it panics to fail")]

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::client::Client;
use integration_tests::wait::{TEST_TIMEOUT, ms, pause};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

/// A tool of ours as a process. Dropped: killed and waited for.
struct Tool {
    child: Child,
    addr: SocketAddr,
}

impl Tool {
    fn start(program: &str, args: &[&str]) -> Self {
        let mut child = Command::new(program).args(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addr = line.trim().strip_prefix("listening on ").and_then(|addr| addr.parse().ok());
        let addr = addr.unwrap_or_else(|| panic!("{program} said {line:?}"));
        Self { child, addr }
    }

    fn origin(args: &[&str]) -> Self {
        Self::start(env!("CARGO_BIN_EXE_origin"), &[&["0"], args].concat())
    }

    fn floor(backend: SocketAddr, workers: &str) -> Self {
        Self::start(env!("CARGO_BIN_EXE_floor"), &["0", workers, &backend.to_string()])
    }

    fn client(&self) -> Client {
        Client::connect(self.addr)
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Byte `i` is `i % 251`: out of step with every buffer size.
fn pattern(bytes: usize) -> Vec<u8> {
    (0..251).cycle().take(bytes).collect()
}

/// The connections and requests that `origin` has counted.
fn counts(client: &mut Client) -> (u64, u64) {
    let counted: Value = serde_json::from_slice(&client.get("/_count").body).unwrap();
    (counted["connections"].as_u64().unwrap(), counted["requests"].as_u64().unwrap())
}

#[test]
fn origin_answers_a_head_that_comes_byte_by_byte() {
    let origin = Tool::origin(&[]);
    let mut client = origin.client();
    let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send_pieces(head.chunks(1), Duration::ZERO);
    assert_eq!(client.response("GET").body, b"Hello, world!\n");
    assert_eq!(client.get("/").body.len(), 14, "on the same connection");
}

#[test]
fn origin_echoes_datagrams_of_several_clients() {
    let origin = Tool::origin(&["--echo"]);
    let clients: Vec<_> = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    for (number, client) in (0_u8..).zip(&clients) {
        client.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
        client.connect(origin.addr).unwrap();
        for part in 0_u8..20 {
            client.send(&vec![number; usize::from(part)]).unwrap();
        }
    }
    for (number, client) in (0_u8..).zip(&clients) {
        for part in 0_u8..20 {
            let mut received = [9; 100];
            let length = client.recv(&mut received).unwrap();
            assert_eq!(received[..length], vec![number; usize::from(part)]);
        }
    }
    assert_eq!(origin.client().get("/").body.len(), 14, "and it serves requests");
}

#[test]
fn origin_reads_a_posted_body_to_its_end() {
    let origin = Tool::origin(&[]);
    let mut client = origin.client();
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in ["3\r\nGE", "T\r\n", "A;x=y\r\n0123456789\r", "\n0\r\nX: y\r\n"] {
        client.send(piece);
        client.expect_no_input(ms(20));
    }
    client.send("\r\n");
    assert_eq!(client.response("POST").body.len(), 14);

    client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n");
    client.send(pattern(65_535));
    client.expect_no_input(ms(20));
    client.send("x");
    assert_eq!(client.response("POST").body.len(), 14);
    assert_eq!(counts(&mut client), (1, 2));
}

#[test]
fn origin_sends_as_many_bytes_as_asked() {
    let origin = Tool::origin(&[]);
    let mut client = origin.client();
    for bytes in [0, 1, 16_384, 257_023, 257_024, 257_025, 8 << 20] {
        let body = client.get(&format!("/bytes/{bytes}")).body;
        assert!(body == pattern(bytes), "{bytes} asked for, {} received, or others", body.len());
    }
}

#[test]
fn origin_counts_connections_and_requests() {
    let origin = Tool::origin(&[]);
    let mut first = origin.client();
    assert_eq!(counts(&mut first), (1, 0));
    for _ in 0..3 {
        let mut other = origin.client();
        other.get("/");
        other.get("/bytes/10");
    }
    assert_eq!(counts(&mut first), (4, 7), "the first counter request is counted by now");
}

#[cfg(target_os = "linux")]
#[test]
fn origin_is_every_loopback_address_and_counts_no_health_checks() {
    let origin = Tool::origin(&["--bind", "0.0.0.0"]);
    let backend = |last| SocketAddr::from(([127, 0, 1, last], origin.addr.port()));
    for _ in 0..3 {
        drop(TcpStream::connect(backend(1)).unwrap());
    }
    let mut clients = [1, 2].map(|last| Client::connect(backend(last)));
    assert!(clients.iter_mut().all(|client| client.get("/").body.len() == 14));
    assert_eq!(counts(&mut clients[0]), (2, 2));
}

#[test]
fn origin_closes_when_it_is_asked_to() {
    let origin = Tool::origin(&[]);
    let mut client = origin.client();
    client.request("GET", "/bytes/1000", "Connection: close\r\n");
    let response = client.response("GET");
    assert_eq!(response.body.len(), 1000);
    client.expect_closed();
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what it measures is time")]
fn origin_delays_each_answer_and_no_other() {
    let origin = Tool::origin(&["--delay", "100ms"]);
    let began = Instant::now();
    let mut clients: Vec<_> = (0..20).map(|_| origin.client()).collect();
    for client in &mut clients {
        client.request("GET", "/", "");
    }
    for client in &mut clients {
        assert_eq!(client.response("GET").body.len(), 14);
    }
    let took = began.elapsed();
    // Sequentially they would take two seconds.
    assert!(took >= ms(100) && took < ms(1900), "{took:?}");
}

/// Through `floor`, `sent` goes to a backend that echoes it and closes; both sides read slowly.
fn echoed_by_a_slow_backend(sent: &[u8], workers: &str) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let floor = Tool::floor(listener.local_addr().unwrap(), workers);
    let backend = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let received = read_slowly(&mut stream);
        stream.write_all(&received).unwrap();
    });
    let mut client = TcpStream::connect(floor.addr).unwrap();
    client.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    client.write_all(sent).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let received = read_slowly(&mut client);
    backend.join().unwrap();
    received
}

/// Reads until the end, with a pause after each of the first reads, so that the buffers on the way fill.
fn read_slowly(stream: &mut TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    let (mut all, mut piece) = (Vec::new(), [0; 10_000]);
    loop {
        match stream.read(&mut piece).unwrap() {
            0 => return all,
            read => all.extend_from_slice(&piece[..read]),
        }
        if all.len() < 1 << 20 {
            pause(ms(3));
        }
    }
}

#[test]
fn floor_passes_every_byte_to_slow_readers_and_then_the_end() {
    // 16 MiB: more than the socket buffers on the way hold, so that backpressure is needed.
    for (bytes, workers) in [(1 << 20, "1"), (16 << 20, "2")] {
        let sent = pattern(bytes);
        let received = echoed_by_a_slow_backend(&sent, workers);
        assert!(received == sent, "{bytes} sent, {} received, or others", received.len());
    }
}

#[test]
fn floor_assigns_each_client_a_backend_round_robin() {
    let backends = [Tool::origin(&[]), Tool::origin(&[])];
    let addresses = backends.each_ref().map(|backend| backend.addr.to_string());
    let floor = Tool::start(env!("CARGO_BIN_EXE_floor"), &["0", "1", &addresses[0], &addresses[1]]);
    for _ in 0..6 {
        let mut client = floor.client();
        for _ in 0..5 {
            assert_eq!(client.get("/").body.len(), 14);
        }
    }
    for backend in &backends {
        assert_eq!(counts(&mut backend.client()), (4, 15), "three of floor's and the one that reads the counters");
    }
}

#[test]
fn floor_ends_the_client_of_a_backend_that_refuses() {
    // Bound but not listening: connects are refused, and no other program can take the port.
    let refuses = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    refuses.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let floor = Tool::floor(refuses.local_addr().unwrap().as_socket().unwrap(), "1");
    match Client::try_connect(floor.addr) {
        Ok(mut client) => client.expect_closed(),
        // As early as that.
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
}
