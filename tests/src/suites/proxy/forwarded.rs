//! The client's identity: X-Forwarded-*, X-Real-IP and X-Request-ID, kept only from a trusted proxy.

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::checker::Fields;

cases! { "proxy";
    Fast the_client_is_named_to_the_backend,
    Fast an_untrusted_client_cannot_name_another_client,
    Fast the_headers_of_a_trusted_proxy_are_kept_and_extended,
    Fast aliases_of_these_headers_are_kept_from_a_trusted_proxy_only,
    Fast empty_elements_of_the_chain_are_ignored,
    Fast only_the_listed_proxies_are_trusted,
    Fast connection_cannot_remove_what_we_add,
    Fast every_request_of_a_connection_gets_its_own_headers,
}

const SPOOFED: &str = "X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 7.7.7.7\r\n\
    X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\nX-Real-IP: 6.6.6.6\r\n\
    X-Request-ID: evil\r\nForwarded: for=6.6.6.6\r\n";

/// What some servers take for the client's address, its connection or its target.
const ALIASES: &[&str] = &[
    "Forwarded",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Original-Forwarded-For",
    "True-Client-IP",
    "Client-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "CF-Connecting-IP",
    "Fastly-Client-IP",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "x-forwarded-SSL",
];

const CHAIN: &str = "X-Forwarded-For: 203.0.113.7, 198.51.100.2\r\nX-Forwarded-For: 10.1.2.3\r\n\
    X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.test\r\nX-Request-ID: abc-123\r\n";

fn fields_at_backend(ctx: &Context, flags: &[&str], extra: &str) -> Fields {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], flags);
    let mut client = program.client();
    client.send(format!("GET / HTTP/1.1\r\nHost: example.test:81\r\n{extra}\r\n"));
    assert_eq!(client.response("GET").status(), 200);
    backend.last_request().0.fields
}

fn is_request_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

fn assert_plain(fields: &Fields) {
    assert_eq!(fields.get("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(fields.get("x-forwarded-proto"), Some("http"));
    assert_eq!(fields.get("x-forwarded-host"), Some("example.test:81"));
    assert_eq!(fields.get("x-real-ip"), Some("127.0.0.1"));
    assert!(is_request_id(fields.get("x-request-id").unwrap()), "{fields:?}");
    assert!(!fields.has("forwarded"), "{fields:?}");
}

/// The addresses of all X-Forwarded-For lines.
fn chain(fields: &Fields) -> String {
    fields.list("x-forwarded-for").join(" ")
}

fn the_client_is_named_to_the_backend(ctx: &Context) {
    assert_plain(&fields_at_backend(ctx, &[], ""));
}

fn an_untrusted_client_cannot_name_another_client(ctx: &Context) {
    assert_plain(&fields_at_backend(ctx, &[], SPOOFED));
    assert_plain(&fields_at_backend(ctx, &["--trusted-proxy", "10.0.0.0/8"], SPOOFED));
}

fn the_headers_of_a_trusted_proxy_are_kept_and_extended(ctx: &Context) {
    let fields = fields_at_backend(ctx, &["--trusted-proxy", "127.0.0.0/8"], CHAIN);
    assert_eq!(chain(&fields), "203.0.113.7 198.51.100.2 10.1.2.3 127.0.0.1");
    assert_eq!(fields.get("x-real-ip"), Some("10.1.2.3"), "the first untrusted address from the right");
    assert_eq!(fields.get("x-forwarded-proto"), Some("https"));
    assert_eq!(fields.get("x-forwarded-host"), Some("shop.test"));
    assert_eq!(fields.get("x-request-id"), Some("abc-123"));

    // If a trusted proxy sends none of these headers, the balancer adds them.
    assert_plain(&fields_at_backend(ctx, &["--trusted-proxy", "127.0.0.0/8"], ""));
}

fn aliases_of_these_headers_are_kept_from_a_trusted_proxy_only(ctx: &Context) {
    let extra = ALIASES.iter().fold(String::new(), |all, name| all + &format!("{name}: 6.6.6.6\r\n"));
    let fields = fields_at_backend(ctx, &[], &extra);
    assert_plain(&fields);
    for name in ALIASES {
        assert!(!fields.has(name), "{name}: {fields:?}");
    }
    let fields = fields_at_backend(ctx, &["--trusted-proxy", "127.0.0.0/8"], &extra);
    for name in ALIASES {
        assert_eq!(fields.all(name), ["6.6.6.6"], "{name}: {fields:?}");
    }
}

/// RFC 9110 §5.6.1: some proxies leave a comma at the end.
fn empty_elements_of_the_chain_are_ignored(ctx: &Context) {
    for chain_sent in [
        "X-Forwarded-For: 203.0.113.7,\r\n",
        "X-Forwarded-For: 203.0.113.7 , \t, \r\n",
        "X-Forwarded-For: ,203.0.113.7\r\nX-Forwarded-For: ,\r\nX-Forwarded-For:\r\n",
    ] {
        let fields = fields_at_backend(ctx, &["--trusted-proxy", "127.0.0.0/8"], chain_sent);
        assert_eq!(fields.get("x-real-ip"), Some("203.0.113.7"), "{chain_sent}");
        assert_eq!(fields.all("x-forwarded-for"), ["203.0.113.7, 127.0.0.1"], "{chain_sent}");
    }
}

fn only_the_listed_proxies_are_trusted(ctx: &Context) {
    let flags = ["--trusted-proxy", "127.0.0.0/8", "--trusted-proxy", "10.0.0.0/8"];
    let fields = fields_at_backend(ctx, &flags, CHAIN);
    assert_eq!(chain(&fields), "203.0.113.7 198.51.100.2 10.1.2.3 127.0.0.1");
    assert_eq!(fields.get("x-real-ip"), Some("198.51.100.2"));
    let flags = [&flags[..], &["--trusted-proxy", "198.51.100.2/32"]].concat();
    let fields = fields_at_backend(ctx, &flags, CHAIN);
    assert_eq!(fields.get("x-real-ip"), Some("203.0.113.7"));
}

fn connection_cannot_remove_what_we_add(ctx: &Context) {
    let named = "Connection: X-Forwarded-For, X-Real-IP, X-Forwarded-Host, X-Forwarded-Proto, \
                 X-Request-ID, Via, Forwarded\r\n";
    assert_plain(&fields_at_backend(ctx, &[], &format!("{named}{SPOOFED}")));
    let fields = fields_at_backend(ctx, &["--trusted-proxy", "127.0.0.0/8"], named);
    assert_plain(&fields);
    assert_eq!(fields.all("via").len(), 1);
}

fn every_request_of_a_connection_gets_its_own_headers(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    let mut ids = Vec::new();
    for turn in 0..3 {
        client.request("GET", &format!("/{turn}"), SPOOFED);
        assert_eq!(client.response("GET").status(), 200);
        let (head, _) = backend.last_request();
        assert_eq!(head.fields.get("x-forwarded-for"), Some("127.0.0.1"));
        ids.push(head.fields.get("x-request-id").unwrap().to_owned());
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each request has its own id");
}
