//! Access control: which clients may use the proxy, and for which destinations.

use backends::TcpEcho;

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::suites::local_reply::assert_local;

use super::{ask, connect, run, start};

cases! { "forward";
    Fast credentials_are_required_and_not_forwarded,
    Fast a_tunnel_needs_credentials_too,
    Fast only_allowed_destinations_are_reached,
    Fast a_name_cannot_bypass_the_rules,
    Fast remote_clients_are_accepted_only_with_a_rule,
}

/// `user:password`, and the header that a client sends for it.
const AUTH: &str = "user:pass word";
const RIGHT: &str = "Proxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n";

fn credentials_are_required_and_not_forwarded(ctx: &Context) {
    let (backend, program) = (Backend::ok("ok"), start(ctx, &["--auth", AUTH, "--log-requests"]));
    let url = format!("http://{}/", backend.addr());
    let mut client = program.client();
    let wrong = [
        String::new(),
        "Proxy-Authorization: Basic dXNlcjpwYXNzIHdvcmU=\r\n".into(),
        "Proxy-Authorization: Bearer dXNlcjpwYXNzIHdvcmQ=\r\n".into(),
        "Proxy-Authorization: Basic\r\n".into(),
        "Authorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n".into(),
        format!("{RIGHT}{RIGHT}"),
    ];
    for extra in &wrong {
        let response = ask(&mut client, "GET", &url, extra);
        assert_local(&response, 407);
        let challenge = response.fields().get("proxy-authenticate").expect("a challenge");
        assert!(challenge.starts_with("Basic realm=\""), "{challenge}");
    }
    assert_eq!(backend.connections(), 0);
    // The same connection, with the right credentials.
    assert_eq!(ask(&mut client, "GET", &url, RIGHT).text(), "ok");
    let (head, _) = backend.last_request();
    assert!(!head.fields.has("proxy-authorization"), "{head:?}");
    assert!(!backend.recordings()[0].bytes.windows(8).any(|part| part == b"dXNlcjpw"));
    let printed = program.stdout() + &program.stderr();
    assert!(!printed.contains("pass word") && !printed.contains("dXNlcjpw"), "{printed}");
}

fn a_tunnel_needs_credentials_too(ctx: &Context) {
    let (echo, program) = (TcpEcho::start().unwrap(), start(ctx, &["--auth", AUTH]));
    let at = echo.addr();
    let mut client = program.client();
    client.send(format!("CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n\r\nnot to be sent on"));
    let response = client.response("GET");
    assert_local(&response, 407);
    assert!(response.fields().has("proxy-authenticate") && response.head.says_close());
    client.expect_closed();
    assert_eq!(echo.connections(), 0);
    let mut client = program.client();
    client.send(format!("CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n{RIGHT}\r\nearly"));
    assert_eq!(client.reader().response_head().unwrap().status, 200);
    assert_eq!(client.read_exact(5), b"early");
}

fn only_allowed_destinations_are_reached(ctx: &Context) {
    let backend = Backend::ok("ok");
    let port = backend.addr().port();
    let mut reached = 0;
    for (allow, host, allowed) in [
        (&["127.0.0.0/8"][..], "127.0.0.1", true),
        (&["127.0.0.1"], "127.0.0.1", true),
        (&["10.0.0.0/8", "127.0.0.1/32"], "127.0.0.1", true),
        (&["10.0.0.0/8"], "127.0.0.1", false),
        (&["localhost"], "localhost", true),
        (&["localhost"], "LocalHost", true),
        (&["localhost"], "127.0.0.1", false),
        (&["example.com", "*.example.org"], "127.0.0.1", false),
        (&["example.com", "*.example.org"], "localhost", false),
    ] {
        let flags: Vec<_> = allow.iter().flat_map(|rule| ["--allow", rule]).collect();
        let program = start(ctx, &flags);
        let mut client = program.client();
        let response = ask(&mut client, "GET", &format!("http://{host}:{port}/"), "");
        let status = connect(&mut program.client(), format_args!("{host}:{port}"));
        if allowed {
            assert_eq!((response.status(), status), (200, 200), "{allow:?} {host}");
            reached += 2;
        } else {
            assert_local(&response, 403);
            assert_eq!(status, 403, "{allow:?} {host}");
        }
        backend.wait_for("what is allowed arrives", |seen| seen.len() == reached);
    }
}

/// `localhost` resolves everywhere, to an address that these rules do not allow.
fn a_name_cannot_bypass_the_rules(ctx: &Context) {
    let backend = Backend::ok("never");
    let port = backend.addr().port();
    for host in ["localhost", "127.1", "0x7f.1", "2130706433"] {
        let program = start(ctx, &["--allow", "10.0.0.0/8"]);
        let response = ask(&mut program.client(), "GET", &format!("http://{host}:{port}/"), "");
        // A host that libc does not parse as an address does not resolve.
        assert!(matches!(response.status(), 403 | 502), "{host}: {response:?}");
        assert!(matches!(connect(&mut program.client(), format_args!("{host}:{port}")), 403 | 502), "{host}");
    }
    assert_eq!(backend.connections(), 0);
}

fn remote_clients_are_accepted_only_with_a_rule(ctx: &Context) {
    let finished = run(ctx, "0", &["--bind", "0.0.0.0"]);
    assert_eq!((finished.code, finished.stderr.lines().count()), (64, 1), "{finished:?}");
    assert!(finished.stderr.contains("--allow") && finished.stderr.contains("--auth"), "{finished:?}");
    assert!(!finished.stdout.contains("listening"), "{finished:?}");
    let backend = Backend::ok("ok");
    let url = format!("http://{}/", backend.addr());
    let program = start(ctx, &["--bind", "0.0.0.0", "--allow", "127.0.0.0/8"]);
    assert_eq!(ask(&mut program.client(), "GET", &url, "").text(), "ok");
    // With --bind 0.0.0.0 every address of this machine is the proxy's own.
    for host in ["127.0.0.1", "127.0.0.9"] {
        assert_eq!(connect(&mut program.client(), format_args!("{host}:{}", program.addr().port())), 403, "{host}");
    }
    let program = start(ctx, &["--bind", "0.0.0.0", "--auth", AUTH]);
    assert_local(&ask(&mut program.client(), "GET", &url, ""), 407);
    assert_eq!(ask(&mut program.client(), "GET", &url, RIGHT).text(), "ok");
}
