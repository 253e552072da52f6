//! Headers before the first request, in HTTP mode: who the client is then, everywhere.

use super::{V1, v2};
use crate::Context;
use crate::admin_client::AdminClient;
use crate::backend::Backend;
use crate::case::cases;
use crate::checker::RequestHead;
use crate::client::Client;
use crate::process::Program;
use crate::suites::support::named;
use crate::third_party::Haproxy;
use crate::wait::{ms, until};

cases! { "proxy_protocol";
    Fast requests_after_a_header_carry_its_client,
    Fast a_header_before_requests_may_come_in_pieces,
    Fast without_addresses_the_client_is_the_peer,
    Fast requests_are_hashed_by_the_address_in_the_header,
    Fast requests_are_limited_by_the_address_in_the_header,
    Fast connections_are_counted_for_the_address_in_the_header,
    Fast the_access_log_has_the_address_in_the_header,
    Fast a_trusted_proxy_is_the_one_that_the_header_names,
    Fast a_header_of_a_stranger_is_an_invalid_request,
    Fast haproxy_in_front_names_its_clients,
}

/// Starts the program in HTTP mode, with headers from all of 127.0.0.0/8.
pub(super) fn start_trusting(ctx: &Context, backends: &[&Backend], flags: &[&str]) -> Program {
    start_http(ctx, backends, &[&["--accept-proxy", "127.0.0.0/8"], flags].concat())
}

fn start_http(ctx: &Context, backends: &[&Backend], flags: &[&str]) -> Program {
    let addrs: Vec<_> = backends.iter().map(|backend| backend.addr()).collect();
    ctx.start(&addrs, &[&["--mode", "http"], flags].concat())
}

/// A client that `198.51.100.host` has connected to a proxy with.
fn client_of(program: &Program, host: u8) -> Client {
    let mut client = program.client();
    client.send(format!("PROXY TCP4 198.51.100.{host} 192.0.2.2 1 2\r\n"));
    client
}

/// The requests that the backend has received, each on a connection of its own.
fn requests(backend: &Backend) -> Vec<RequestHead> {
    backend.recordings().iter().map(|recording| recording.request().0).collect()
}

/// The value of both headers that name the client.
fn forwarded(request: &RequestHead) -> String {
    let value = |name| request.fields.get(name).unwrap_or_default();
    assert_eq!(value("x-forwarded-for"), value("x-real-ip"));
    value("x-real-ip").to_owned()
}

fn requests_after_a_header_carry_its_client(ctx: &Context) {
    let backend = Backend::ok("a");
    let program = start_trusting(ctx, &[&backend], &["--admin", "127.0.0.1:0"]);
    let two = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";
    for header in [V1, &v2()] {
        let mut client = program.client();
        client.send([header, two].concat());
        for _ in 0..2 {
            assert_eq!(client.response("GET").text(), "a");
        }
        assert_eq!(client.get("/3").text(), "a");
    }
    let requests = requests(&backend);
    let targets: Vec<_> = requests.iter().map(|request| request.target.as_str()).collect();
    assert_eq!(targets, ["/1", "/2", "/3", "/1", "/2", "/3"]);
    assert!(requests.iter().all(|request| forwarded(request) == "192.0.2.1"), "{requests:?}");
    let metrics = AdminClient::of(&program).send("GET", "/metrics", "Host: localhost\r\n", "").text();
    let third = "GET /3 HTTP/1.1\r\nHost: test\r\n\r\n".len();
    for line in [
        "lb_proxy_headers_total{end=\"done\"} 2\n".to_owned(),
        "lb_proxy_headers_total{end=\"malformed\"} 0\n".to_owned(),
        // Those that came with the header too, but not the header.
        format!("lb_bytes_received_total {}\n", 2 * (two.len() + third)),
    ] {
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
}

fn a_header_before_requests_may_come_in_pieces(ctx: &Context) {
    let backend = Backend::ok("a");
    let program = start_trusting(ctx, &[&backend], &[]);
    for header in [V1, &v2()] {
        let mut client = program.client();
        client.send_pieces([header, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat().chunks(1), ms(1));
        assert_eq!(client.response("GET").text(), "a");
    }
    assert!(requests(&backend).iter().all(|request| forwarded(request) == "192.0.2.1"));
}

fn without_addresses_the_client_is_the_peer(ctx: &Context) {
    let backend = Backend::ok("a");
    let program = start_trusting(ctx, &[&backend], &[]);
    let headers: [&[u8]; 4] = [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",           // LOCAL
        b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\x03\x04\0\0", // UNSPEC
    ];
    for header in headers {
        let mut client = Client::connect_from("127.0.0.7".parse().unwrap(), program.addr());
        client.send(header);
        assert_eq!(client.get("/").text(), "a");
    }
    let clients: Vec<_> = requests(&backend).iter().map(forwarded).collect();
    assert_eq!(clients, ["127.0.0.7"; 4]);
}

fn requests_are_hashed_by_the_address_in_the_header(ctx: &Context) {
    let (backends, _) = named(&["a", "b", "c"]);
    let backends: Vec<_> = backends.iter().collect();
    let program = start_trusting(ctx, &backends, &["-a", "iphash"]);
    let reached = || (0..20).map(|host| client_of(&program, host).get("/").text()).collect::<Vec<_>>();
    let first = reached();
    assert!(["a", "b", "c"].iter().all(|name| first.iter().any(|reached| reached == name)), "{first:?}");
    assert_eq!(reached(), first);
}

fn requests_are_limited_by_the_address_in_the_header(ctx: &Context) {
    let backend = Backend::ok("a");
    let program = start_trusting(ctx, &[&backend], &["--limit", "2/h,burst=2 by=ip"]);
    for (host, expected) in [(1, [200, 200, 429]), (1, [429; 3]), (2, [200, 200, 429])] {
        let mut client = client_of(&program, host);
        assert_eq!([(); 3].map(|()| client.get("/").status()), expected, "{host}");
    }
}

fn connections_are_counted_for_the_address_in_the_header(ctx: &Context) {
    let backend = Backend::ok("a");
    let program = start_trusting(ctx, &[&backend], &["--max-clients-per-ip", "1", "--admin", "127.0.0.1:0"]);
    // They have no client yet, and the proxy is none.
    let _silent = [program.client(), program.client()];
    let mut open = client_of(&program, 1);
    assert_eq!(open.get("/").status(), 200);
    let mut refused = client_of(&program, 1);
    let _ = refused.try_send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"); // it may be closed already
    refused.expect_closed();
    assert_eq!(client_of(&program, 2).get("/").status(), 200);
    let metrics = AdminClient::of(&program).send("GET", "/metrics", "Host: localhost\r\n", "").text();
    assert!(metrics.contains("lb_connections_refused_total 1\n"), "{metrics}");
    drop(open);
    until("its place is free", || {
        let mut client = client_of(&program, 1);
        client.try_send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_ok() && client.try_response("GET").is_ok()
    });
}

fn the_access_log_has_the_address_in_the_header(ctx: &Context) {
    let backend = Backend::ok("a");
    let program = start_trusting(ctx, &[&backend], &["--access-log", "-"]);
    assert_eq!(client_of(&program, 9).get("/").status(), 200);
    program.wait_stdout("\"client\":\"198.51.100.9\"");
}

/// A proxy that speaks HTTP, behind one that does not.
fn a_trusted_proxy_is_the_one_that_the_header_names(ctx: &Context) {
    let backend = Backend::ok("a");
    for (trusted, expected) in [("198.51.100.1", "203.0.113.9, 198.51.100.1"), ("127.0.0.0/8", "198.51.100.1")] {
        let program = start_trusting(ctx, &[&backend], &["--trusted-proxy", trusted]);
        let mut client = client_of(&program, 1);
        client.request("GET", "/", "X-Forwarded-For: 203.0.113.9\r\n");
        assert_eq!(client.response("GET").status(), 200);
        let (request, _) = backend.last_request();
        assert_eq!(request.fields.get("x-forwarded-for"), Some(expected), "{trusted}");
    }
}

fn a_header_of_a_stranger_is_an_invalid_request(ctx: &Context) {
    let backend = Backend::ok("a");
    let program = start_http(ctx, &[&backend], &["--accept-proxy", "192.0.2.0/24", "--accept-proxy", "2001:db8::/32"]);
    for header in [V1, &v2()] {
        let mut client = program.client();
        client.send([header, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
        assert_eq!(client.response("GET").status(), 400);
        client.expect_closed();
    }
    assert_eq!(backend.connections(), 0);
    // Without a header it is a client like any other.
    assert_eq!(program.client().get("/").status(), 200);
    assert_eq!(forwarded(&backend.last_request().0), "127.0.0.1");
}

fn haproxy_in_front_names_its_clients(ctx: &Context) {
    let backend = Backend::ok("a");
    for version in ["send-proxy", "send-proxy-v2"] {
        let program = start_trusting(ctx, &[&backend], &[]);
        let Some(haproxy) = Haproxy::start(program.addr(), version) else { return };
        let mut client = Client::connect_from("127.0.0.9".parse().unwrap(), haproxy.addr());
        assert_eq!(client.get("/").text(), "a", "{version}");
        assert_eq!(forwarded(&backend.last_request().0), "127.0.0.9", "{version}");
    }
}
