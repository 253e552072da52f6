//! The three echoes: HTTP, WebSocket, TCP.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use backends::{Backend, BackendConfig, Fault, TcpEcho, pattern};

use crate::client::{Client, DEADLINE};

fn start() -> Backend {
    Backend::start(BackendConfig::default()).unwrap()
}

#[test]
fn echo_keeps_content_type_and_content_length() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    for method in ["POST", "PUT", "PATCH", "DELETE", "GET"] {
        client.send(format!(
            "{method} /echo HTTP/1.1\r\nHost: test\r\nContent-Type: text/x-odd\r\nContent-Length: 5\r\n\r\nhello"
        ));
        let response = client.read_response(true);
        assert_eq!(response.field("content-type"), Some("text/x-odd"), "{method}");
        assert_eq!(response.field("content-length"), Some("5"), "{method}");
        assert_eq!(response.body, b"hello", "{method}");
    }
    let empty = client.request("GET /echo", b"");
    assert_eq!((empty.field("content-length"), empty.field("content-type")), (Some("0"), None));
}

#[test]
fn echo_streams_each_chunk_back_before_the_next_is_sent() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(client.read_head().unwrap().field("transfer-encoding"), Some("chunked"));
    for word in ["one", "two", "three"] {
        client.send(format!("{:x}\r\n{word}\r\n", word.len()));
        assert_eq!(client.read_chunk().unwrap(), word.as_bytes());
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.read_chunk(), None);
    assert_eq!(client.request("GET /", b"").status, 200, "the connection was not kept");
}

#[test]
fn large_body_is_echoed_while_it_is_sent() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    let body = pattern(20_000_000);
    let mut sender = client.0.get_ref().try_clone().unwrap();
    let response = std::thread::scope(|scope| {
        scope.spawn(|| {
            let head = format!("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len());
            sender.write_all(head.as_bytes()).unwrap();
            sender.write_all(&body).unwrap();
        });
        client.read_response(true)
    });
    assert!(response.body == body, "the echoed body differs");
}

#[test]
fn expect_100_continue_gets_one_100_before_the_response() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    let head = "POST /echo HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    client.send(head);
    assert_eq!(client.read_head().unwrap().status, 100);
    client.send("hello");
    let response = client.read_response(true);
    assert_eq!((response.status, response.field("content-length")), (200, Some("5")));
    assert_eq!(response.body, b"hello");
}

#[test]
fn websocket_messages_come_back_until_close() {
    use tokio_tungstenite::tungstenite::handshake::client::generate_key;
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
    use tokio_tungstenite::tungstenite::{Error, Message};

    let backend = start();
    let mut client = Client::connect(backend.addr());
    client.send(format!(
        "GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\r\n",
        generate_key()
    ));
    let response = client.read_response(false);
    assert_eq!(response.status, 101);
    assert!(response.field("sec-websocket-accept").is_some());
    let mut socket = WebSocket::from_raw_socket(client.0.into_inner(), Role::Client, None);
    for message in [Message::text("hello"), Message::binary(pattern(100_000))] {
        socket.send(message.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), message);
    }
    socket.send(Message::Ping("p".into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong("p".into()));
    assert_eq!(backend.counts().open_connections, 1);
    socket.close(None).unwrap();
    let ended = loop {
        match socket.read() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(ended, Error::ConnectionClosed), "{ended}");
}

#[test]
fn websocket_ends_when_the_backend_goes_down() {
    let backend = start();
    let mut client = Client::connect(backend.addr());
    client.send(
        "GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let response = client.read_response(false);
    // The key and its answer are the example of RFC 6455 §1.3.
    assert_eq!(response.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    backend.set_fault(Fault::Down).unwrap();
    client.read_fin().unwrap();
}

#[test]
fn request_to_ws_without_upgrade_gets_400() {
    let backend = start();
    assert_eq!(crate::client::request(backend.addr(), "GET /ws").status, 400);
}

#[test]
fn tcp_echo_sends_back_all_bytes_and_the_fin() {
    let echo = TcpEcho::start().unwrap();
    let mut stream = TcpStream::connect(echo.addr()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut first = [0; 4];
    stream.write_all(b"ping").unwrap();
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"ping");
    stream.write_all(&pattern(10_000)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest == pattern(10_000), "the echoed bytes differ");
    assert_eq!(echo.connections(), 1);
    let addr = echo.addr();
    echo.stop();
    assert!(TcpStream::connect(addr).is_err());
}
