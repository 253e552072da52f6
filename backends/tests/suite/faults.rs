//! Setting and clearing faults, from the library and over HTTP.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use backends::{Backend, BackendConfig, Fault, start_bundled};

use crate::client::{Client, request, wait_until};

fn start() -> Backend {
    Backend::start(BackendConfig::default()).unwrap()
}

fn refused(addr: SocketAddr) -> bool {
    TcpStream::connect(addr).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[test]
fn down_refuses_connections_and_recovers_on_the_same_port() {
    let backend = start();
    let addr = backend.addr();
    let mut idle = Client::connect(addr);
    assert_eq!(idle.request("GET /", b"").status, 200);
    for _ in 0..3 {
        backend.set_fault(Fault::Down).unwrap();
        assert!(refused(addr));
        assert_eq!(backend.fault(), Fault::Down);
        backend.set_fault(Fault::None).unwrap();
        assert_eq!(request(addr, "GET /").status, 200);
    }
    idle.read_fin().unwrap();
    assert_eq!(backend.requests(), 4, "the counter continues");
}

#[test]
fn down_truncates_a_response() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    client.send("GET /delay/60000 HTTP/1.1\r\nHost: test\r\n\r\n");
    wait_until("the request is in flight", || backend.in_flight() == 1);
    backend.set_fault(Fault::Down).unwrap();
    client.read_fin().unwrap();
    wait_until("nothing is in flight", || backend.in_flight() == 0);
}

#[test]
fn down_with_a_duration_recovers_by_itself() {
    let backend = start();
    backend.set_fault_for(Fault::Down, Duration::from_millis(30)).unwrap();
    wait_until("the backend is up again", || TcpStream::connect(backend.addr()).is_ok());
    assert_eq!(backend.fault(), Fault::None);
}

#[test]
fn post_down_gets_a_response_and_recovers_after_its_duration() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    let response = client.request("POST /_fault/down?for=50ms", b"");
    assert_eq!(response.status, 200);
    let expected = serde_json::json!({
        "server_id": "backend-1", "port": backend.addr().port(), "fault": "down", "for_ms": 50,
    });
    assert_eq!(response.json(), expected);
    client.read_fin().unwrap();
    wait_until("the backend is up again", || backend.fault() == Fault::None);
    assert_eq!(request(backend.addr(), "GET /").status, 200);
    assert_eq!(request(backend.addr(), "POST /_fault/down").json()["for_ms"], 10_000);
}

#[test]
fn sibling_takes_a_backend_down_and_up() {
    let bundled = start_bundled(3, 0).unwrap();
    let addrs = bundled.addrs();
    for (down, up) in [
        ("id=backend-2".to_owned(), "id=backend-2".to_owned()),
        (format!("port={}", addrs[1].port()), format!("port={}", addrs[1].port())),
    ] {
        let response = request(addrs[0], &format!("POST /_fault/down?{down}"));
        assert_eq!((response.status, response.json()["server_id"].as_str()), (200, Some("backend-2")));
        assert!(refused(addrs[1]));
        assert_eq!(request(addrs[0], "GET /").status, 200);
        assert_eq!(request(addrs[2], &format!("POST /_fault/up?{up}")).status, 200);
        assert_eq!(request(addrs[1], "GET /").json()["server_id"], "backend-2");
    }
    let unknown = request(addrs[0], "POST /_fault/up?id=backend-9");
    assert_eq!(unknown.status, 404);
    let error = unknown.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("backend-1, backend-2, backend-3"), "{error}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the delay is the subject")]
fn slow_delays_each_response() {
    let backend = start();
    assert_eq!(request(backend.addr(), "POST /_fault/slow").status, 200);
    assert_eq!(backend.fault(), Fault::Slow(Duration::from_secs(2)));
    assert_eq!(request(backend.addr(), "POST /_fault/slow?ms=60").status, 200);
    let start = Instant::now();
    assert_eq!(request(backend.addr(), "GET /").status, 200);
    assert!(start.elapsed() >= Duration::from_millis(60));
}

#[test]
fn hang_never_answers_but_can_be_cleared() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    assert_eq!(client.request("POST /_fault/hang", b"").status, 200);
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    wait_until("the request hangs", || backend.in_flight() == 1);
    client.0.get_ref().set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert_eq!(client.read_fin().unwrap_err().kind(), ErrorKind::WouldBlock);
    client.0.get_ref().set_read_timeout(Some(crate::client::DEADLINE)).unwrap();
    assert_eq!(request(backend.addr(), "POST /_fault/up").status, 200);
    client.read_fin().unwrap();
    assert_eq!(request(backend.addr(), "GET /").status, 200);
}

#[test]
fn hung_request_ends_with_its_client() {
    let backend = start();
    backend.set_fault(Fault::Hang).unwrap();
    let mut client = Client::connect(backend.addr());
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    wait_until("the request hangs", || backend.in_flight() == 1);
    drop(client);
    wait_until("the request is dropped", || backend.in_flight() == 0);
}

#[test]
fn reset_ends_a_request_with_a_rst() {
    let backend = start();
    assert_eq!(request(backend.addr(), "POST /_fault/reset").status, 200);
    let mut client = Client::connect(backend.addr());
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.read_fin().unwrap_err().kind(), ErrorKind::ConnectionReset);
    backend.set_fault(Fault::None).unwrap();
    assert_eq!(request(backend.addr(), "GET /").status, 200);
}

#[test]
fn close_ends_a_request_with_a_fin() {
    let backend = start();
    assert_eq!(request(backend.addr(), "POST /_fault/close").status, 200);
    for request in ["GET / HTTP/1.1\r\nHost: t\r\n\r\n", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbody"]
    {
        let mut client = Client::connect(backend.addr());
        client.send(request);
        client.read_fin().unwrap();
    }
    assert_eq!(request(backend.addr(), "POST /_fault/up").status, 200);
    assert_eq!(request(backend.addr(), "GET /").status, 200);
}

#[test]
fn error_answers_500_and_keeps_the_connection() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    assert_eq!(client.request("POST /_fault/error?for=1m", b"").status, 200);
    for line in ["GET /", "GET /health", "POST /echo"] {
        let response = client.request(line, b"body");
        assert_eq!((response.status, response.field("x-server-id")), (500, Some("backend-1")), "{line}");
    }
    assert_eq!(client.request("POST /_fault/up", b"").status, 200);
    assert_eq!(client.request("GET /health", b"").status, 200);
    assert_eq!((backend.connections(), backend.requests()), (1, 2));
}

#[test]
fn invalid_commands_are_rejected_and_change_nothing() {
    let backend = start();
    for (line, status) in [
        ("GET /_fault/down", 405),
        ("POST /_fault/sideways", 404),
        ("POST /_fault/down?for=ever", 400),
        ("POST /_fault/slow?ms=long", 400),
        ("POST /_fault/down?port=1", 404),
    ] {
        assert_eq!(request(backend.addr(), line).status, status, "{line}");
        assert_eq!(backend.fault(), Fault::None, "{line}");
    }
    assert_eq!(request(backend.addr(), "GET /_fault/down").field("allow"), Some("POST"));
}
