//! Access to the admin interface, and invalid requests.

use std::net::TcpListener;

use nix::sys::signal::Signal;

use super::{answers, named, start};
use crate::Context;
use crate::admin_client::json;
use crate::case::cases;
use crate::client::{Client, Response};
use crate::rng::Rng;
use crate::wait::TEST_TIMEOUT;

cases! { "admin";
    Fast a_foreign_host_is_refused,
    Fast another_sites_page_changes_nothing,
    Fast garbage_is_refused_and_changes_nothing,
    Fast a_wrong_path_is_404_and_a_wrong_method_405,
    Fast only_loopback_is_listened_on,
    Fast it_ends_with_the_process,
}

/// Asserts that this is an error of the interface: one line of JSON.
fn assert_refused(response: &Response, status: u16, what: &str) {
    assert_eq!(response.status(), status, "{what}: {response:?}");
    let json = json(response);
    let error = json["error"].as_str().unwrap_or_else(|| panic!("{what}: {json}"));
    assert!(!error.is_empty() && !error.contains('\n'), "{what}: {error:?}");
}

fn a_foreign_host_is_refused(ctx: &Context) {
    let a = named("a");
    let (_program, admin) = start(ctx, &[&a], &[]);
    let port = admin.addr().port();
    for host in ["localhost".to_owned(), format!("localhost:{port}"), "127.0.0.1".into(), format!("[::1]:{port}")] {
        let response = admin.send("GET", "/backends", &format!("Host: {host}\r\n"), "");
        assert_eq!(response.status(), 200, "{host}: {response:?}");
    }
    let foreign = ["evil.example", "evil.example:9900", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1"];
    for host in foreign {
        for (method, target) in [("GET", "/backends"), ("DELETE", "/backends/x"), ("GET", "/nothing")] {
            let response = admin.send(method, target, &format!("Host: {host}\r\n"), "");
            assert_refused(&response, 403, host);
        }
        let absolute = format!("http://{host}/backends");
        assert_refused(&admin.send("GET", &absolute, "Host: localhost\r\n", ""), 403, &absolute);
    }
    assert_refused(&admin.send("GET", "/backends", "Host: localhost\r\nHost: evil.example\r\n", ""), 403, "two hosts");
    assert_refused(&admin.send("GET", "/backends", "", ""), 403, "no host");
}

fn another_sites_page_changes_nothing(ctx: &Context) {
    let (a, b) = (named("a"), named("b"));
    let (_program, admin) = start(ctx, &[&a, &b], &[]);
    let one = format!("/backends/{}", a.addr());
    let body = r#"{"backend": "127.0.0.1:9"}"#;
    let requests = [
        ("POST", "/backends".to_owned(), body),
        ("POST", format!("{one}/drain"), ""),
        ("PUT", format!("{one}/weight"), r#"{"weight": 0}"#),
        ("DELETE", one.clone(), ""),
    ];
    let before = admin.request_ok("GET", "/backends", "");
    for fields in [
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://127.0.0.1:1\r\n",
        "Origin: http://evil.example\r\nContent-Type: text/plain\r\nSec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ] {
        for (method, target, body) in &requests {
            let fields = format!("Host: {}\r\n{fields}", admin.addr());
            assert_refused(&admin.send(method, target, &fields, body), 403, &format!("{method} {target} {fields}"));
        }
    }
    assert_eq!(admin.request_ok("GET", "/backends", ""), before);
    let own = format!("Host: {0}\r\nOrigin: http://{0}\r\nSec-Fetch-Site: same-origin\r\n", admin.addr());
    assert_eq!(admin.send("DELETE", &one, &own, "").status(), 200, "a same-origin request may");
}

fn garbage_is_refused_and_changes_nothing(ctx: &Context) {
    let (a, b) = (named("a"), named("b"));
    let (program, admin) = start(ctx, &[&a, &b], &[]);
    let host = format!("Host: {}\r\n", admin.addr());
    let before = admin.request_ok("GET", "/backends", "");
    let one = format!("/backends/{}", a.addr());
    let targets =
        [("POST", "/backends".to_owned()), ("PUT", format!("{one}/weight")), ("PUT", format!("{one}/max-connections"))];
    let deep = "[".repeat(60_000);
    let texts = ["", "{", "[]", "null", "\"x\"", "{}", r#"{"backend": []}"#, r#"{"weight": "1"}"#, deep.as_str()];
    for (method, target) in &targets {
        for text in texts {
            assert_refused(&admin.send(method, target, &host, text), 400, target);
        }
        for seed in 0..20 {
            assert_refused(&admin.send(method, target, &host, Rng::new(seed).bytes(300)), 400, target);
        }
        for length in [65_537, 900_000] {
            assert_refused(&admin.send(method, target, &host, " ".repeat(length)), 413, target);
        }
    }
    for backend in ["", "x", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "1.2.3.4:5:-1", "::1:80", "a b:1"] {
        let body = serde_json::json!({ "backend": backend }).to_string();
        assert_refused(&admin.send("POST", "/backends", &host, &body), 400, backend);
    }
    // Input that is not HTTP.
    for raw in
        ["\r\n\r\n\r\n", "GET /backends\r\n\r\n", "\u{16}\u{3}\u{1}\u{0}", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"]
    {
        let mut client = Client::connect(admin.addr());
        client.send(raw);
        client.half_close();
        assert!(client.read_until_closed(TEST_TIMEOUT).is_some(), "{raw:?} leaves the connection open");
    }
    assert_eq!(admin.request_ok("GET", "/backends", ""), before);
    assert_eq!(answers(&mut program.client(), 2), "ab");
}

fn a_wrong_path_is_404_and_a_wrong_method_405(ctx: &Context) {
    let a = named("a");
    let (_program, admin) = start(ctx, &[&a], &[]);
    let host = format!("Host: {}\r\n", admin.addr());
    for target in ["/x", "/backends/", "/backends/1.2.3.4:5", "/backends/x/y", "/backends/%zz", "/%2e%2e/backends"] {
        assert_refused(&admin.send("GET", target, &host, ""), 404, target);
    }
    for (method, target, allow) in [
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/backends", "GET, HEAD, POST"),
        ("PUT", "/backends/x", "GET, HEAD, DELETE"),
        ("GET", "/backends/x/drain", "POST"),
        ("POST", "/backends/x/weight", "PUT"),
        ("BREW", "/groups", "GET, HEAD"),
    ] {
        let response = admin.send(method, target, &host, "");
        assert_refused(&response, 405, target);
        assert_eq!(response.fields().get("allow"), Some(allow), "{method} {target}");
    }
    let response = admin.send("HEAD", "/backends", &host, "");
    assert_eq!((response.status(), response.body.len()), (200, 0));
}

fn only_loopback_is_listened_on(ctx: &Context) {
    for address in ["0.0.0.0:9900", "[::]:9900", "10.0.0.1:9900", "127.0.0.1", "localhost:9900", "x", "127.0.0.1:70000"]
    {
        let finished = ctx.run_named("0", &["127.0.0.1:9"], &["--admin", address]);
        assert_eq!(finished.code, 64, "{address}: {finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{address}: {finished:?}");
        assert!(finished.stderr.contains("loopback"), "{address}: {finished:?}");
    }
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let finished = ctx.run_named("0", &["127.0.0.1:9"], &["--admin", &address]);
    assert_eq!((finished.code, finished.stderr.lines().count()), (1, 1), "{finished:?}");
    assert!(finished.stderr.contains(&address) && !finished.stdout.contains("listening"), "{finished:?}");
}

fn it_ends_with_the_process(ctx: &Context) {
    let a = named("a");
    let (mut program, admin) = start(ctx, &[&a], &[]);
    let mut idle = Client::connect(admin.addr());
    let mut stalled = Client::connect(admin.addr());
    stalled.send(format!("POST /backends HTTP/1.1\r\nHost: {}\r\nContent-Length: 99\r\n\r\n{{", admin.addr()));
    assert_eq!(admin.backend_names().len(), 1, "the interface does not wait for a missing body");
    program.signal(Signal::SIGTERM);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
    idle.expect_closed();
}
