//! Suite `identity`: the client's identity, as backends and hashes see it; only a trusted proxy may set it.

use std::collections::HashSet;
use std::thread;

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::checker::Fields;
use crate::client::Client;
use crate::process::Program;
use crate::suites::local_reply;
use crate::suites::support::{named, reserved_port};

cases! { "identity";
    Fast exactly_one_x_forwarded_for_reaches_the_backend,
    Fast headers_of_an_untrusted_peer_are_replaced,
    Fast the_hash_uses_the_first_untrusted_address_from_the_right,
    Fast an_untrusted_client_cannot_choose_its_backend,
    Fast a_request_id_is_unique,
    Fast a_request_id_is_kept_from_a_trusted_proxy,
    Fast a_retry_keeps_the_request_id,
    Fast via_names_this_process_and_finds_a_loop,
    Fast two_chained_balancers_each_add_the_client_address_once,
}

const TRUSTED: [&str; 4] = ["--trusted-proxy", "127.0.0.0/8", "--trusted-proxy", "10.0.0.0/8"];

/// The headers that the backend receives for a request with `extra`.
fn seen(client: &mut Client, backend: &Backend, extra: &str) -> Fields {
    client.request("GET", "/", extra);
    assert_eq!(client.response("GET").status(), 200, "{extra:?}");
    backend.last_request().0.fields
}

fn exactly_one_x_forwarded_for_reaches_the_backend(ctx: &Context) {
    let backend = Backend::ok("ok");
    for (flags, trusted) in [(&[][..], false), (&TRUSTED[..], true)] {
        let program = ctx.start(&[backend.addr()], flags);
        let mut client = program.client();
        for (came, kept) in [
            ("", ""),
            ("X-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7, "),
            ("x-forwarded-for:203.0.113.7 ,  198.51.100.2\r\n", "203.0.113.7 ,  198.51.100.2, "),
            ("X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 198.51.100.2\r\n", "203.0.113.7, 198.51.100.2, "),
            ("X-Forwarded-For:\r\nX-FORWARDED-FOR: 198.51.100.2\r\n", "198.51.100.2, "),
            ("X-Forwarded-For: unknown\r\nX-Forwarded-For: 2001:db8::1\r\n", "unknown, 2001:db8::1, "),
            // Some servers read an underscore as a hyphen, so an alias with one is removed.
            ("X_Forwarded_For: 203.0.113.7\r\n", ""),
            ("Connection: X-Forwarded-For\r\nX-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7, "),
        ] {
            let fields = seen(&mut client, &backend, came);
            let named: Vec<_> = fields
                .iter()
                .filter(|(name, _)| name.replace('_', "-").eq_ignore_ascii_case("x-forwarded-for"))
                .collect();
            assert_eq!(named.len(), 1, "{came:?}: {fields:?}");
            let expected = if trusted { format!("{kept}127.0.0.1") } else { "127.0.0.1".to_owned() };
            if !came.starts_with("Connection") {
                assert_eq!(named[0].1, expected, "{came:?}");
            }
            assert!(named[0].1.ends_with("127.0.0.1"), "{came:?}: {fields:?}");
        }
    }
}

fn headers_of_an_untrusted_peer_are_replaced(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &["--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "::/0"]);
    let mut client = program.client();
    let lies = "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\n\
                X-Real-IP: 10.0.0.1\r\nForwarded: for=10.0.0.1;proto=https\r\nX-Request-ID: mine\r\n";
    for _ in 0..2 {
        let fields = seen(&mut client, &backend, lies);
        for (name, value) in [
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "test"),
            ("x-real-ip", "127.0.0.1"),
        ] {
            assert_eq!(fields.get(name), Some(value), "{fields:?}");
        }
        assert!(!fields.has("forwarded"), "{fields:?}");
        assert_ne!(fields.get("x-request-id"), Some("mine"));
    }
}

const HASHES: [&str; 4] = ["iphash", "ketama", "rendezvous", "maglev"];

/// The backend that answers a request with this X-Forwarded-For chain.
fn backend_of(client: &mut Client, chain: &str) -> String {
    client.request("GET", "/", &format!("X-Forwarded-For: {chain}\r\n"));
    let response = client.response("GET");
    assert_eq!(response.status(), 200);
    response.text()
}

fn the_hash_uses_the_first_untrusted_address_from_the_right(ctx: &Context) {
    let (_backends, addrs) = named(&["a", "b", "c", "d"]);
    for algorithm in HASHES {
        let program = ctx.start(&addrs, &[&TRUSTED[..], &["-a", algorithm]].concat());
        let mut client = program.client();
        let mut answered = HashSet::new();
        for last in 1..=40 {
            let home = format!("203.0.113.{last}");
            let answer = backend_of(&mut client, &home);
            for chain in [
                home.clone(),
                format!("{home}, 10.1.2.3"),
                format!("{home}, 127.0.0.9 ,10.1.2.3"),
                format!("198.51.100.{last}, {home}"),
                format!("10.0.0.1, nonsense, {home}, 10.1.2.3"),
                format!("::ffff:{home}"),
                format!("{home}:4711"),
                format!("198.51.100.7\r\nX-Forwarded-For: {home}\r\nx-forwarded-for: 10.0.0.1"),
            ] {
                assert_eq!(backend_of(&mut client, &chain), answer, "{algorithm}: {chain}");
            }
            answered.insert(answer);
        }
        assert_eq!(answered.len(), 4, "{algorithm}: 40 clients reach only {answered:?}");
    }
}

fn an_untrusted_client_cannot_choose_its_backend(ctx: &Context) {
    let (_backends, addrs) = named(&["a", "b", "c", "d"]);
    for algorithm in HASHES {
        let program = ctx.start(&addrs, &["-a", algorithm, "--trusted-proxy", "10.0.0.0/8"]);
        let home = program.client().get("/").text();
        let mut client = program.client();
        for last in 1..=40 {
            assert_eq!(backend_of(&mut client, &format!("203.0.113.{last}")), home, "{algorithm}");
        }
    }
}

fn request_id(fields: &Fields) -> String {
    let id = fields.get("x-request-id").expect("an id").to_owned();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    id
}

fn a_request_id_is_unique(ctx: &Context) {
    let backend = Backend::ok("ok");
    let programs: Vec<Program> = (0..2).map(|_| ctx.start(&[backend.addr()], &[])).collect();
    thread::scope(|scope| {
        for program in &programs {
            for _ in 0..10 {
                scope.spawn(|| {
                    let mut client = program.client();
                    for _ in 0..50 {
                        assert_eq!(client.get("/").status(), 200);
                    }
                });
            }
        }
    });
    let ids: HashSet<_> = backend.recordings().iter().map(|seen| request_id(&seen.request().0.fields)).collect();
    assert_eq!(ids.len(), 1000);
}

fn a_request_id_is_kept_from_a_trusted_proxy(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &TRUSTED);
    let mut client = program.client();
    let fields = seen(&mut client, &backend, "x-request-id: From-The-Edge.1\r\n");
    assert_eq!(fields.get("x-request-id"), Some("From-The-Edge.1"));
    let _ = request_id(&seen(&mut client, &backend, ""));
}

fn a_retry_keeps_the_request_id(ctx: &Context) {
    let broken = Backend::start(|conn| {
        let _ = conn.request();
        conn.reset();
    });
    let (dead, well) = (reserved_port(), Backend::ok("well"));
    let program = ctx.start(&[dead.addr, broken.addr(), well.addr()], &["--down-time", "60s"]);
    let mut client = program.client();
    for _ in 0..6 {
        assert_eq!(client.get("/").text(), "well");
    }
    let tried: HashSet<_> = broken.recordings().iter().map(|seen| request_id(&seen.request().0.fields)).collect();
    let served: Vec<_> = well.recordings().iter().map(|seen| request_id(&seen.request().0.fields)).collect();
    assert!(!tried.is_empty(), "no request was retried");
    assert!(tried.iter().all(|id| served.contains(id)), "{tried:?} and {served:?}");
    assert_eq!(served.iter().collect::<HashSet<_>>().len(), 6);
}

fn via_names_this_process_and_finds_a_loop(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    let ours = seen(&mut client, &backend, "").get("via").expect("Via").to_owned();
    let name = ours.strip_prefix("1.1 ").unwrap_or_else(|| panic!("{ours}")).to_owned();
    let appended = seen(&mut client, &backend, "Via: 1.0 edge\r\nvia: 1.1 other (note, with a comma)\r\n");
    assert_eq!(appended.all("via"), ["1.0 edge", "1.1 other (note, with a comma)", &ours]);
    let mut old = program.client();
    old.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(old.response("GET").status(), 200);
    assert_eq!(backend.last_request().0.fields.get("via"), Some(format!("1.0 {name}").as_str()));
    let reached = backend.connections();
    for via in [format!("1.1 {name}"), format!("1.0 edge, 1.1 {}", name.to_uppercase()), format!("HTTP/1.1 {name} (x)")]
    {
        let mut client = program.client();
        client.request("GET", "/", &format!("Via: {via}\r\n"));
        local_reply::assert_local(&client.response("GET"), 508);
    }
    assert_eq!(backend.connections(), reached);
}

fn two_chained_balancers_each_add_the_client_address_once(ctx: &Context) {
    let backend = Backend::ok("ok");
    let inner = ctx.start(&[backend.addr()], &TRUSTED);
    let outer = ctx.start(&[inner.addr()], &[]);
    let mut client = outer.client();
    for _ in 0..3 {
        let fields = seen(&mut client, &backend, "X-Forwarded-For: 6.6.6.6\r\n");
        assert_eq!(fields.get("x-forwarded-for"), Some("127.0.0.1, 127.0.0.1"));
        assert_eq!(fields.get("x-real-ip"), Some("127.0.0.1"));
        assert_eq!(fields.get("x-forwarded-host"), Some("test"));
        let _ = request_id(&fields);
        let via = fields.all("via");
        assert!(via.len() == 2 && via[0] != via[1], "{via:?}");
    }
}
