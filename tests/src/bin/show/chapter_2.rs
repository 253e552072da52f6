//! Chapter 2: a proxy that copies bytes, and one that parses messages.

use backends::{Backend, BackendConfig, Fault};
use integration_tests::client::{Client, Response};
use integration_tests::wait::{ms, pause};

use crate::narrator::{Narrator, Programs};

const LATE_BODY_HEAD: &str = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";

pub(crate) fn demo(narrator: &Narrator, programs: &Programs) {
    let backend = Backend::start(BackendConfig::default()).expect("a free port");
    let port = backend.addr().port().to_string();
    let to_backend = ["0", "127.0.0.1", &port];
    a_late_body_is_lost(narrator, programs, &to_backend);

    narrator
        .section("The finished proxy", "It reads the head, finds out how long the body is, and waits for all of it.");
    let proxy = programs.start(narrator, "reverse_proxy", &to_backend);
    let mut client = proxy.client();
    client.send(LATE_BODY_HEAD);
    pause(ms(150));
    client.send("hello");
    answered(narrator, "POST /echo, body 150 ms later", &client.response("POST"), 200, "hello");
    let mut client = proxy.client();
    for turn in ["GET /", "GET / on the same connection"] {
        answered(narrator, turn, &client.get("/"), 200, "Hello from backend-1!");
    }

    what_the_backend_sees(narrator, &mut client);
    what_is_refused(narrator, &proxy);
    a_backend_that_goes(narrator, &backend, &mut client);
    a_tunnel(narrator, programs, &backend);
}

/// Prints a response and checks its status and a part of its body.
fn answered(narrator: &Narrator, what: &str, response: &Response, status: u16, part: &str) {
    let body = response.text();
    // A local reply begins with its status.
    let said = body.trim_end();
    let said = if said.starts_with(&status.to_string()) { said.to_owned() } else { format!("{status} {said}") };
    narrator.output(&format!("{what}: {said}"));
    assert_eq!(response.status(), status);
    assert!(body.contains(part), "{part:?} is not in {body:?}");
}

fn a_late_body_is_lost(narrator: &Narrator, programs: &Programs, to_backend: &[&str]) {
    narrator.section(
        "A proxy that reads once",
        "It takes the result of one `read` for the whole request. On one machine head and body mostly arrive together. \
         Here the body comes 150 ms after the head, as it may over a mobile network.",
    );
    let naive = programs.start_example(narrator, "step2_one_request", to_backend);
    let mut client = naive.client();
    client.send(LATE_BODY_HEAD);
    pause(ms(150));
    let _ = client.try_send(b"hello");
    client.set_read_timeout(ms(700));
    let lost = client.try_response("POST");
    assert!(lost.as_ref().map_or(true, |response| response.text() != "hello"), "{lost:?}");
    narrator.output("POST /echo, body 150 ms later: no `hello` comes back");
    narrator.say("The backend was promised 5 bytes and waits for them; the proxy waits for the backend.");
}

fn what_the_backend_sees(narrator: &Narrator, client: &mut Client) {
    narrator.section(
        "What the backend receives",
        "Hop-by-hop headers are removed, and the client's address is added. A forwarded address that the client claims \
         is replaced.",
    );
    narrator.command("curl -H 'X-Forwarded-For: 1.2.3.4' -H 'Connection: X-Private' -H 'X-Private: 1' …/headers");
    client.request("GET", "/headers", "X-Forwarded-For: 1.2.3.4\r\nConnection: X-Private\r\nX-Private: 1\r\n");
    let seen = client.response("GET").text();
    for field in seen.split("],[").map(|field| field.trim_matches(['[', ']', '}'])) {
        narrator.output(field.rsplit('[').next().unwrap_or(field));
    }
    assert!(!seen.contains("1.2.3.4") && !seen.contains("x-private") && seen.contains("\"x-real-ip\",\"127.0.0.1\""));
}

fn what_is_refused(narrator: &Narrator, proxy: &integration_tests::process::Program) {
    narrator.section(
        "Ambiguous messages are refused",
        "A body with two lengths ends in different places for different programs: the bytes between are a smuggled \
         request.",
    );
    let ambiguous = [
        ("two lengths", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
        ("a signed length", "Content-Length: +4\r\n"),
        ("a space before the colon", "Content-Length : 4\r\n"),
    ];
    for (name, fields) in ambiguous {
        let mut client = proxy.client();
        client.request("POST", "/echo", fields);
        answered(narrator, name, &client.response("POST"), 400, "");
        client.expect_closed();
    }
}

fn a_backend_that_goes(narrator: &Narrator, backend: &Backend, client: &mut Client) {
    narrator.section(
        "The backend goes away",
        "There is only one, so the proxy can only send an error, but a well-formed one.",
    );
    backend.set_fault(Fault::Down).expect("it goes down");
    answered(narrator, "GET / without a backend", &client.get("/"), 502, "502");
    backend.set_fault(Fault::None).expect("its port is still free");
    answered(narrator, "GET / after its restart, on the same connection", &client.get("/"), 200, "Hello");
}

fn a_tunnel(narrator: &Narrator, programs: &Programs, backend: &Backend) {
    narrator.section(
        "The other proxy",
        "A forward proxy works for the client. CONNECT requests a tunnel; bytes that are sent early are not lost.",
    );
    let proxy = programs.start(narrator, "forward_proxy", &["0"]);
    let mut client = proxy.client();
    let to = backend.addr();
    client.send(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\nGET / HTTP/1.1\r\nHost: {to}\r\n\r\n"));
    let (_, opened, _) = client.response_head("CONNECT").expect("the proxy answers");
    assert_eq!(opened.status, 200);
    narrator.output(&format!("CONNECT {to}: {}", opened.status));
    answered(narrator, "GET / through the tunnel", &client.response("GET"), 200, "Hello from backend-1!");
}
