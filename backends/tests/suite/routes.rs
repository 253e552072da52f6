//! Every route that is not an echo.

use std::time::{Duration, Instant};

use backends::{Backend, BackendConfig, pattern};

use crate::client::{Client, request};

fn start() -> Backend {
    Backend::start(BackendConfig { id: "Server-7".to_owned(), ..BackendConfig::default() }).unwrap()
}

#[test]
fn root_returns_the_server_id_and_request_number() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    for number in 1..=3 {
        let response = client.request("GET /", b"");
        assert_eq!(response.status, 200);
        assert_eq!(response.field("content-type"), Some("application/json"));
        let json = response.json();
        assert_eq!(json["server_id"], "Server-7");
        assert_eq!(json["port"], backend.addr().port());
        assert_eq!(json["request_number"], number);
        assert!(json["timestamp"].as_u64().unwrap() > 1_500_000_000);
        assert_eq!(json["message"], "Hello from Server-7!");
    }
    assert_eq!((backend.requests(), backend.connections()), (3, 1));
}

#[test]
fn root_answers_any_method_and_path_and_drains_the_body() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    let body = vec![b'x'; 300_000];
    for line in ["POST /", "PUT /no/such/path", "DELETE /a?b=c", "PATCH /_fault", "BREW /pot"] {
        let response = client.request(line, &body);
        assert_eq!(response.json()["server_id"], "Server-7", "{line}");
    }
    assert_eq!(client.request("OPTIONS *", b"").status, 200);
    assert_eq!(client.request("HEAD /", b"").status, 200);
    assert_eq!(backend.connections(), 1, "the connection was not kept");
}

#[test]
fn every_response_has_x_server_id() {
    let backend = start();
    for line in [
        "GET /",
        "GET /health",
        "GET /count",
        "GET /headers",
        "GET /delay/0",
        "GET /delay/x",
        "GET /bytes/1",
        "GET /bytes/-1",
        "GET /chunked/1",
        "GET /stream?count=1",
        "GET /stream?count=x",
        "GET /status/204",
        "GET /status/404",
        "GET /status/99",
        "GET /echo",
        "GET /ws",
        "POST /upload",
        "GET /_fault/up",
        "POST /_fault/up",
        "POST /_fault/nothing",
        "CONNECT a:1",
    ] {
        assert_eq!(request(backend.addr(), line).field("x-server-id"), Some("Server-7"), "{line}");
    }
}

#[test]
fn health_is_ok_and_not_a_request() {
    let backend = start();
    let response = request(backend.addr(), "GET /health");
    assert_eq!((response.status, response.body.as_slice()), (200, br#"{"status":"ok"}"#.as_slice()));
    assert_eq!((backend.requests(), backend.counts().health_checks), (0, 1));
}

#[test]
fn count_reads_the_counters() {
    let backend = start();
    request(backend.addr(), "GET /");
    let json = request(backend.addr(), "GET /count").json();
    assert_eq!((json["requests"].as_u64(), json["connections"].as_u64()), (Some(1), Some(2)));
    assert_eq!(json["in_flight"], 1, "/count itself is in flight");
}

#[test]
fn headers_returns_the_request_as_received() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    client.send(b"POST /headers?a=%20b HTTP/1.1\r\nHost: test\r\nX-Two: 1\r\nVia: x\r\nX-Two: \xe9\r\n\r\n");
    let json = client.read_response(true).json();
    assert_eq!(json["method"], "POST");
    assert_eq!(json["target"], "/headers?a=%20b");
    assert_eq!(json["version"], "HTTP/1.1");
    let expected = serde_json::json!([["host", "test"], ["x-two", "1"], ["x-two", "é"], ["via", "x"]]);
    assert_eq!(json["fields"], expected);
}

#[test]
fn head_with_over_100_fields_is_read() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    let fields = "X-Filler: 1\r\n".repeat(150);
    client.send(format!("GET /headers HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
    assert_eq!(client.read_response(true).json()["fields"].as_array().unwrap().len(), 151);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the delay is the subject")]
fn delay_responds_after_the_requested_time() {
    let backend = start();
    let start = Instant::now();
    assert_eq!(request(backend.addr(), "GET /delay/50").json()["delayed_ms"], 50);
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert_eq!(request(backend.addr(), "GET /delay/soon").status, 400);
}

#[test]
fn bytes_and_chunked_send_the_pattern() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    let expected = pattern(1 << 20);
    let bytes = client.request("GET /bytes/1048576", b"");
    assert_eq!(bytes.field("content-length"), Some("1048576"));
    assert!(bytes.body == expected, "/bytes differs");
    let chunked = client.request("GET /chunked/1048576", b"");
    assert_eq!(chunked.field("transfer-encoding"), Some("chunked"));
    assert!(chunked.body == expected, "/chunked differs");

    for line in ["GET /bytes/0", "GET /chunked/0"] {
        assert_eq!(client.request(line, b"").body, b"", "{line}");
    }
    let head = client.request("HEAD /bytes/5000000000", b"");
    assert_eq!(head.field("content-length"), Some("5000000000"));
    assert_eq!(client.request("GET /bytes/3", b"").body, [0, 1, 2]);
    assert_eq!(backend.connections(), 1);
}

#[test]
fn client_of_http_1_0_gets_a_body_until_close() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    client.send("GET /chunked/1000 HTTP/1.0\r\n\r\n");
    let response = client.read_response(true);
    assert_eq!(response.field("transfer-encoding"), None);
    assert_eq!(response.body, pattern(1000));
}

#[test]
fn stream_sends_each_event_when_it_is_due() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    let response = client.request("GET /stream?every=5&count=3", b"");
    assert_eq!(response.field("content-type"), Some("text/event-stream"));
    let text = String::from_utf8(response.body).unwrap();
    assert_eq!(text.matches("\n\n").count(), 3, "{text}");
    assert!(text.starts_with("id: 1\ndata: {\"event\":1,\"server_id\":\"Server-7\"}\n\n"), "{text}");

    client.send("GET /stream?every=1 HTTP/1.1\r\nHost: test\r\n\r\n");
    client.read_head().unwrap();
    for _ in 0..5 {
        assert!(client.read_chunk().unwrap().starts_with(b"id: "));
    }
    assert_eq!(backend.in_flight(), 1);
    drop(client);
    crate::client::wait_until("the stream ends with its client", || backend.in_flight() == 0);
}

#[test]
fn status_answers_any_final_code() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    for code in [200, 201, 204, 301, 304, 404, 429, 500, 503, 599] {
        let response = client.request(&format!("GET /status/{code}"), b"");
        assert_eq!(response.status, code);
        assert_eq!(response.body.is_empty(), matches!(code, 204 | 304), "{code}");
    }
    for code in ["100", "101", "199", "600", "99", "x"] {
        assert_eq!(client.request(&format!("POST /status/{code}"), b"body").status, 400, "{code}");
    }
}

#[test]
fn status_with_early_responds_before_the_body() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    client.send("POST /status/413?early HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n");
    assert_eq!(client.read_response(true).status, 413);
}

#[test]
fn upload_hashes_the_whole_body() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(client.request("POST /upload", b"abc").json(), serde_json::json!({ "bytes": 3, "sha256": abc }));
    assert_eq!(client.request("PUT /upload", &pattern(3_000_000)).json()["bytes"], 3_000_000);
    client.send(
        "POST /upload HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
    );
    assert_eq!(client.read_response(true).json()["sha256"], abc);
}
