//! The one failure that must never happen: a client gets the response to another client's request.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Context;
use crate::backend::{Backend, Conn};
use crate::case::cases;
use crate::checker::Framing;
use crate::client::Client;
use crate::rng::Rng;
use crate::suites::support::run_in_parallel;
use crate::wait::{ms, pause};

cases! { "pooling";
    Fast no_response_is_crossed_by_a_misbehaving_backend,
    Full no_response_is_crossed_in_a_hundred_thousand_requests within ms(900_000),
}

fn no_response_is_crossed_by_a_misbehaving_backend(ctx: &Context) {
    crossed(ctx, 4_000);
}

fn no_response_is_crossed_in_a_hundred_thousand_requests(ctx: &Context) {
    crossed(ctx, 100_000);
}

/// Two clients and a pool of one, so that every connection alternates between them, and a backend that misbehaves on
/// every second request.
fn crossed(ctx: &Context, requests: usize) {
    let rng = Mutex::new(Rng::new(66));
    let backend = Backend::start_without_recording(move |conn| {
        while !conn.is_closed() {
            let behaviour = rng.lock().unwrap().below(16);
            if !serve(conn, behaviour) {
                return;
            }
        }
    });
    let flags = ["-p", "1", "--check", "off", "--eject-after", "0", "--breaker", "0", "--down-time", "1ms"];
    for workers in ["1", "2"] {
        let program = ctx.start(&[backend.addr()], &[&flags[..], &["--workers", workers]].concat());
        let complete = AtomicUsize::new(0);
        run_in_parallel(2, |number| {
            let mut client = program.client();
            for request_number in 0..requests / 4 {
                let name = format!("{number}-{request_number}");
                if exchange(&mut client, &name, request_number % 4 == 3) {
                    complete.fetch_add(1, Ordering::SeqCst);
                } else {
                    client = program.client();
                }
            }
        });
        let complete = complete.into_inner();
        assert!(complete > requests / 4, "{complete} of {} responses were complete", requests / 2);
    }
}

/// Sends a request with a unique name, and checks that the response has the same name. Returns whether the connection
/// is reusable.
fn exchange(client: &mut Client, name: &str, with_body: bool) -> bool {
    let sent = if with_body {
        format!("POST /{name} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
    } else {
        format!("GET /{name} HTTP/1.1\r\nHost: a\r\n\r\n")
    };
    if client.try_send(sent.as_bytes()).is_err() {
        return false;
    }
    let Ok(response) = client.try_response(if with_body { "POST" } else { "GET" }) else { return false };
    match response.status() {
        // A response that the backend truncated is ignored; a complete one must be ours.
        200 => assert_eq!(response.text(), name, "the response to another request"),
        502..=504 => {}
        status => panic!("{name}: {status}"),
    }
    response.fields().get("connection") != Some("close")
}

/// Responds with the name of the request, with this behaviour. Returns whether the connection stays open.
fn serve(conn: &mut Conn, behaviour: usize) -> bool {
    let Ok(head) = conn.head() else { return false };
    let name = head.target[1..].to_owned();
    let body = if head.method == "POST" { 5 } else { 0 };
    let length = name.len();
    let complete = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}");
    if behaviour == 0 && body > 0 {
        // Early: the response comes before the body is read.
        conn.write(&complete);
    }
    let framing = if body > 0 { Framing::Length(body) } else { Framing::None };
    if conn.body(framing, &mut |_| {}).is_err() {
        return false;
    }
    match behaviour {
        0 if body > 0 => {}
        1 => conn.reset(),
        2 => conn.close(),
        // Truncated.
        3 => {
            conn.write(&complete[..complete.len() - 1]);
            conn.close();
        }
        // Too long. Without any delay: bytes that come after the next request was sent are its response, as far as
        // any proxy can know.
        4 => drop(conn.write(format!("{complete}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"))),
        5 => {
            pause(ms(1));
            conn.write(&complete);
        }
        // Until close, and then a close without a response.
        6 => {
            conn.write(format!("HTTP/1.1 200 OK\r\n\r\n{name}"));
            conn.close();
        }
        7 => {
            conn.write(&complete);
            conn.close();
        }
        // Chunked, after an interim response.
        8 => {
            conn.write(format!(
                "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{name}\r\n0\r\n\r\n"
            ));
        }
        _ => drop(conn.write(&complete)),
    }
    !conn.is_closed()
}
