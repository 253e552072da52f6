//! Connections: keep-alive, pipelining, `Connection: close`, and half-closed clients.

use crate::Context;
use crate::backend::{Backend, Conn, ok_response};
use crate::case::cases;
use crate::checker::Framing;
use crate::wait::{ms, pause};

cases! { "proxy";
    Fast keep_alive_serves_a_hundred_requests_on_one_connection,
    Fast pipelined_requests_are_answered_in_order,
    Fast pipelined_requests_may_be_split_anywhere,
    Fast thousands_of_pipelined_requests_are_all_answered,
    Fast connection_close_ends_the_connection_after_the_answer,
    Fast a_connection_option_that_is_no_token_ends_the_connection_after_the_answer,
    Fast a_backend_connection_with_such_an_option_is_not_used_again,
    Fast an_http_1_0_client_is_answered_and_closed,
    Fast a_half_closed_client_is_answered,
    Fast a_half_closed_client_gets_all_its_pipelined_answers,
    Fast a_backend_that_keeps_its_connection_does_not_hold_the_answer,
    Fast a_closing_backend_does_not_close_the_client,
    Fast an_empty_line_between_requests_is_skipped,
    Fast many_clients_at_once_each_get_their_own_response,
}

/// Answers with the target and the body that it received, and closes.
fn mirror(conn: &mut Conn) {
    if let Ok(request) = conn.request() {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        conn.write(ok_response(&format!("{} {body}", request.head.target)));
    }
}

fn keep_alive_serves_a_hundred_requests_on_one_connection(ctx: &Context) {
    let backend = Backend::ok("hello");
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for turn in 0..100 {
        let response = client.get(&format!("/{turn}"));
        assert_eq!((response.status(), response.text().as_str()), (200, "hello"));
        assert_eq!(response.framing, Framing::Length(5));
        assert!(!response.head.says_close(), "turn {turn}: {:?}", response.head);
        assert_eq!(backend.last_request().0.target, format!("/{turn}"));
    }
    client.expect_no_input(ms(50));
    assert_eq!(backend.connections(), 100);
}

fn stream_of_requests() -> (Vec<u8>, Vec<String>) {
    let mut raw = Vec::new();
    let mut answers = Vec::new();
    for turn in 0..12 {
        let (head, body) = match turn % 3 {
            0 => (String::new(), String::new()),
            1 => (format!("Content-Length: {}\r\n", 5 + turn), "x".repeat(5 + turn)),
            _ => ("Transfer-Encoding: chunked\r\n".into(), "chunky".into()),
        };
        let sent = match turn % 3 {
            2 => "4\r\nchun\r\n2\r\nky\r\n0\r\n\r\n".to_owned(),
            _ => body.clone(),
        };
        let request = format!("POST /{turn} HTTP/1.1\r\nHost: a\r\n{head}\r\n{sent}");
        raw.extend_from_slice(request.as_bytes());
        answers.push(format!("/{turn} {body}"));
    }
    (raw, answers)
}

fn pipelined_requests_are_answered_in_order(ctx: &Context) {
    let backend = Backend::start(mirror);
    let program = ctx.start(&[backend.addr()], &[]);
    let (raw, answers) = stream_of_requests();
    let mut client = program.client();
    client.send(raw);
    for answer in answers {
        assert_eq!(client.response("POST").text(), answer);
    }
    client.expect_no_input(ms(50));
}

fn pipelined_requests_may_be_split_anywhere(ctx: &Context) {
    let backend = Backend::start(mirror);
    let program = ctx.start(&[backend.addr()], &[]);
    let (raw, answers) = stream_of_requests();
    for size in [7, 61, 250] {
        let mut client = program.client();
        client.send_pieces(raw.chunks(size), ms(1));
        for answer in &answers {
            assert_eq!(&client.response("POST").text(), answer, "pieces of {size}");
        }
    }
}

fn thousands_of_pipelined_requests_are_all_answered(ctx: &Context) {
    let backend = Backend::start(mirror);
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    let mut writer = client.stream();
    // Far more than the balancer may buffer: it must stop reading and resume later.
    let writing = std::thread::spawn(move || {
        (0..3000).all(|turn| {
            let raw = format!("GET /{turn} HTTP/1.1\r\nHost: a\r\nX-Pad: {}\r\n\r\n", "p".repeat(100));
            std::io::Write::write_all(&mut writer, raw.as_bytes()).is_ok()
        })
    });
    for turn in 0..3000 {
        assert_eq!(client.response("GET").text(), format!("/{turn} "));
    }
    assert!(writing.join().unwrap());
}

fn connection_close_ends_the_connection_after_the_answer(ctx: &Context) {
    let backend = Backend::ok("bye");
    let program = ctx.start(&[backend.addr()], &[]);
    for option in ["close", "Close", "x-other, CLOSE"] {
        let before = backend.connections();
        let mut client = program.client();
        // The second request comes after a close: it must not be executed (RFC 9112 §9.6).
        client.send(format!(
            "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: {option}\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
        ));
        let response = client.response("GET");
        assert_eq!(response.text(), "bye");
        assert!(response.head.says_close(), "{option}: {:?}", response.head);
        client.expect_closed();
        assert_eq!(backend.connections(), before + 1, "{option}");
    }
}

/// As some clients and servers send it.
const NO_TOKENS: &[&str] = &["keep-alive; timeout=5", "Keep-Alive, timeout=15, max=100", "close;", "x y, X-Hop"];

fn a_connection_option_that_is_no_token_ends_the_connection_after_the_answer(ctx: &Context) {
    let backend = Backend::ok("bye");
    let program = ctx.start(&[backend.addr()], &[]);
    for value in NO_TOKENS {
        let mut client = program.client();
        client.request("GET", "/", &format!("Connection: {value}\r\nX-Hop: 1\r\n"));
        let response = client.response("GET");
        assert_eq!((response.status(), response.text().as_str()), (200, "bye"), "{value}");
        assert!(response.head.says_close(), "{value}: {:?}", response.head);
        client.expect_closed();
        let (head, _) = backend.last_request();
        assert_eq!(head.fields.has("x-hop"), !value.contains("X-Hop"), "{value}: {:?}", head.fields);
        assert!(head.fields.list("connection").iter().all(|option| *option == "close"), "{value}");
    }
}

fn a_backend_connection_with_such_an_option_is_not_used_again(ctx: &Context) {
    for value in NO_TOKENS {
        let backend = Backend::start(move |conn| {
            while conn.request().is_ok() {
                conn.write(format!("HTTP/1.1 200 OK\r\nConnection: {value}\r\nContent-Length: 2\r\n\r\nok"));
            }
        });
        let program = ctx.start(&[backend.addr()], &[]);
        let mut client = program.client();
        for turn in 1..=3 {
            let response = client.get("/");
            assert_eq!((response.status(), response.text().as_str()), (200, "ok"), "{value}");
            assert!(!response.fields().has("connection"), "{value}: {:?}", response.fields());
            assert_eq!(backend.connections(), turn, "{value}");
        }
    }
}

fn an_http_1_0_client_is_answered_and_closed(ctx: &Context) {
    let backend = Backend::ok("old");
    let program = ctx.start(&[backend.addr()], &[]);
    for extra in ["", "Connection: keep-alive\r\n", "Host: a\r\n"] {
        let mut client = program.client();
        client.send(format!("GET /a HTTP/1.0\r\n{extra}\r\n"));
        let response = client.response("GET");
        assert_eq!((response.status(), response.text().as_str()), (200, "old"));
        assert_eq!(response.head.minor, 1, "the version is ours, not the client's");
        assert!(!response.fields().list("connection").contains(&"keep-alive".into()));
        client.expect_closed();
        let (head, _) = backend.last_request();
        assert_eq!(head.minor, 1);
        let host = if extra.starts_with("Host") { "a".into() } else { program.addr().to_string() };
        assert_eq!(head.fields.get("host"), Some(host.as_str()));
    }
}

fn a_half_closed_client_is_answered(ctx: &Context) {
    let body = "z".repeat(30_000);
    let answer = body.clone();
    let backend = Backend::start(move |conn| {
        if conn.request().is_ok() {
            pause(ms(200));
            conn.write(ok_response(&answer));
        }
    });
    let program = ctx.start(&[backend.addr()], &[]);
    for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"] {
        let mut client = program.client();
        client.send(request);
        client.half_close();
        assert_eq!(client.response("GET").text(), body);
        client.expect_closed();
    }
}

fn a_half_closed_client_gets_all_its_pipelined_answers(ctx: &Context) {
    let backend = Backend::start(mirror);
    let program = ctx.start(&[backend.addr()], &[]);
    let (raw, answers) = stream_of_requests();
    let mut client = program.client();
    client.send(raw);
    client.half_close();
    for answer in answers {
        assert_eq!(client.response("POST").text(), answer);
    }
    client.expect_closed();
}

fn a_backend_that_keeps_its_connection_does_not_hold_the_answer(ctx: &Context) {
    let backend = Backend::start(|conn| {
        while conn.request().is_ok() {
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nKeep-Alive: timeout=60\r\n\r\nkept");
        }
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for _ in 0..20 {
        assert_eq!(client.get("/").text(), "kept");
    }
}

fn a_closing_backend_does_not_close_the_client(ctx: &Context) {
    let backend =
        Backend::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close, x-gone\r\nX-Gone: 1\r\n\r\nok");
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for _ in 0..20 {
        let response = client.get("/");
        assert_eq!(response.text(), "ok");
        assert!(!response.head.says_close());
        assert!(!response.fields().has("x-gone"));
    }
}

fn an_empty_line_between_requests_is_skipped(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for _ in 0..3 {
        client.send("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.response("GET").text(), "ok");
    }
}

fn many_clients_at_once_each_get_their_own_response(ctx: &Context) {
    let backend = Backend::start(mirror);
    let program = ctx.start(&[backend.addr()], &[]);
    let mut clients: Vec<_> = (0..120).map(|_| program.client()).collect();
    for turn in 0..3 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.request("GET", &format!("/{number}/{turn}"), "");
        }
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.response("GET").text(), format!("/{number}/{turn} "));
        }
    }
}
