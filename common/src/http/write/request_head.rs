//! The request head for a backend: which headers are forwarded, and which are added (RFC 9110 §7.6).
//!
//! A head is not forwarded byte by byte. It is written from the parsed one, so that the backend reads what we read.
//! Order, case and duplicates of the headers are kept.

use std::net::IpAddr;

use super::fields::{put_display_field, put_field, put_own_field, put_received_field, put_request_id, put_via};
use crate::http::{
    exchange::{Method, Version},
    forwarding::{ClientAddress, Forwarding},
    parse::{
        field_name::{KnownField, list_elements, trim_empty_elements},
        head::HeadView,
        message_info::Framing,
        request_target::ProxyRole,
    },
    protocol_error::ProtocolError,
};

/// The approximate size of the added headers: a hint, so that the buffer is reallocated at most once.
const ADDED_BYTES: usize = 384;

/// Writes the head for the backend. Returns the client address that it names.
pub(crate) fn write_request_head(
    head: HeadView<'_>,
    forwarding: &Forwarding,
    client: &ClientAddress,
    request_id: u128,
    out: &mut Vec<u8>,
) -> Result<IpAddr, ProtocolError> {
    if is_forwarding_loop(head, &forwarding.via_pseudonym) {
        return Err(ProtocolError::LoopDetected);
    }
    let websocket = is_websocket_request(head);
    out.reserve(head.approx_len() + ADDED_BYTES);
    write_request_line(head, out);
    if head.target_overrides_host() || head.field_values(KnownField::Host).next().is_none() {
        // RFC 9110 §7.1: with neither authority nor Host, the target is the address that the client connected to.
        match head.authority() {
            Some(authority) => put_field(out, b"Host", authority),
            None => put_display_field(out, "Host", client.local_addr()),
        }
    }
    // ANCHOR: fields
    for field in head.end_to_end_fields() {
        let is_forwarded = match field.known {
            KnownField::TransferEncoding | KnownField::UnderscoreVariant => false,
            KnownField::Host => !head.target_overrides_host(),
            KnownField::Expect => head.version() == Version::Http11,
            KnownField::MaxForwards => head.max_forwards().is_none(),
            _ if forwarding.role == ProxyRole::Forward => true,
            KnownField::ForwardedFor | KnownField::RealIp => false,
            // Aliases too: a backend may trust `Forwarded` as it trusts X-Forwarded-For, and a client can forge it.
            KnownField::ForwardedProto
            | KnownField::ForwardedHost
            | KnownField::ForwardedAlias
            | KnownField::RequestId => client.is_trusted_proxy(),
            _ => true,
        };
        if is_forwarded {
            put_received_field(out, &field);
        }
    }
    // ANCHOR_END: fields
    if head.message_info().framing == Framing::Chunked {
        put_field(out, b"Transfer-Encoding", b"chunked");
    }
    if let Some(hops) = head.max_forwards() {
        put_display_field(out, "Max-Forwards", hops.saturating_sub(1));
    }
    let client_ip = match forwarding.role {
        ProxyRole::Reverse => write_forwarded_fields(head, forwarding, client, request_id, out),
        ProxyRole::Forward => client.peer(),
    };
    put_via(out, head.version(), &forwarding.via_pseudonym);
    if websocket {
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
    } else if !forwarding.backend_keep_alive {
        put_field(out, b"Connection", b"close");
    }
    out.extend_from_slice(b"\r\n");
    Ok(client_ip)
}

/// Whether the request asks for WebSocket, the only upgrade that is forwarded (RFC 6455 §4.1 requires GET). With a body
/// it would be ambiguous where the new protocol begins. A server may ignore any request for an upgrade (RFC 9110 §7.8),
/// so all others go on without it.
pub(crate) fn is_websocket_request(head: HeadView<'_>) -> bool {
    let info = head.message_info();
    head.method() == Method::Get && info.is_websocket_upgrade(head.version()) && !info.framing.has_body()
}

fn write_request_line(head: HeadView<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(head.method_name());
    out.push(b' ');
    match head.target() {
        [] if head.method() == Method::Options => out.push(b'*'), // RFC 9112 §3.2.4
        target @ ([] | [b'?', ..]) => {
            out.push(b'/');
            out.extend_from_slice(target);
        }
        target => out.extend_from_slice(target),
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// Writes X-Forwarded-*, X-Real-IP and X-Request-ID. Those of an untrusted client were dropped before; those of a
/// trusted proxy are kept, and the client is the first untrusted address from the right.
fn write_forwarded_fields(
    head: HeadView<'_>,
    forwarding: &Forwarding,
    client: &ClientAddress,
    request_id: u128,
    out: &mut Vec<u8>,
) -> IpAddr {
    let client_ip = client.real_ip(head, forwarding);
    out.extend_from_slice(b"X-Forwarded-For: ");
    if client.is_trusted_proxy() {
        let lists = head.field_values(KnownField::ForwardedFor).map(trim_empty_elements);
        for hops in lists.filter(|hops| !hops.is_empty()) {
            out.extend_from_slice(hops);
            out.extend_from_slice(b", ");
        }
    }
    out.extend_from_slice(client.peer_text());
    out.extend_from_slice(b"\r\n");
    let has = |known| client.is_trusted_proxy() && head.end_to_end_fields().any(|field| field.known == known);
    if !has(KnownField::ForwardedProto) {
        put_own_field(out, b"X-Forwarded-Proto: ", forwarding.scheme.as_bytes());
    }
    if let Some(authority) = head.authority().filter(|_| !has(KnownField::ForwardedHost)) {
        put_own_field(out, b"X-Forwarded-Host: ", authority);
    }
    if client_ip == client.peer() {
        put_own_field(out, b"X-Real-IP: ", client.peer_text());
    } else {
        put_display_field(out, "X-Real-IP", client_ip);
    }
    if !has(KnownField::RequestId) {
        put_request_id(out, request_id);
    }
    client_ip
}

fn is_forwarding_loop(head: HeadView<'_>, via: &str) -> bool {
    let names_us = |entry: &[u8]| {
        let mut words = entry.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        words.nth(1).is_some_and(|word| word.eq_ignore_ascii_case(via.as_bytes()))
    };
    head.field_values(KnownField::Via).flat_map(list_elements).any(names_us)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Head;

    fn forwarding() -> Forwarding {
        Forwarding {
            role: ProxyRole::Reverse,
            via_pseudonym: "lb".into(),
            scheme: "http",
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            backend_keep_alive: false,
        }
    }

    fn forward(peer: &str, request: &str) -> Result<String, ProtocolError> {
        forward_as(ProxyRole::Reverse, peer, request)
    }

    fn forward_as(role: ProxyRole, peer: &str, request: &str) -> Result<String, ProtocolError> {
        let mut head = Head::with_role(role);
        head.read_request(request.as_bytes(), &mut 0)?.expect("the head is complete");
        let forwarding = Forwarding { role, ..forwarding() };
        let client = ClientAddress::new(peer.parse().unwrap(), "192.0.2.9:8080".parse().unwrap(), &forwarding);
        let mut out = Vec::new();
        write_request_head(head.view(request.as_bytes()), &forwarding, &client, 0xabc, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn headers_of_untrusted_clients_are_replaced() {
        let got = forward(
            "192.0.2.1",
            "GET http://a/x?y HTTP/1.1\r\nHost: A\r\nX-Forwarded-For: 1.1.1.1\r\nx-real-ip: 1.1.1.1\r\nForwarded: for=x\r\n\
             X_Forwarded_For: 2.2.2.2\r\nContent_Length: 9\r\nX-Request-ID: mine\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\nTE: trailers\r\nB: 1\r\nb: 2\r\n\r\n",
        );
        assert_eq!(
            got.unwrap(),
            "GET /x?y HTTP/1.1\r\nHost: a\r\nB: 1\r\nb: 2\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n\
             X-Forwarded-Host: a\r\nX-Real-IP: 192.0.2.1\r\n\
             X-Request-ID: 00000000000000000000000000000abc\r\nVia: 1.1 lb\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn headers_are_written_with_one_space_whatever_whitespace_they_came_with() {
        let got = forward(
            "192.0.2.1",
            "GET / HTTP/1.1\r\nHost: a\r\nA:1\r\nB: 2\r\nC:  3\r\nD: 4 \r\nE:\t5\r\nF:\r\nG: \r\nH: 8\r\n\r\n",
        );
        let got = got.unwrap();
        assert!(got.contains("Host: a\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\nF: \r\nG: \r\nH: 8\r\nX-F"), "{got}");
    }

    /// What some server takes for the client's address, its connection or its target.
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
        "X-Forwarded-Ssl",
        "X-Forwarded-Server",
        "x-forwarded-anything",
    ];

    #[test]
    fn aliases_of_forwarding_headers_are_kept_from_trusted_proxies_only() {
        for alias in ALIASES {
            for name in [(*alias).to_owned(), alias.to_ascii_uppercase()] {
                let line = format!("\r\n{name}: 6.6.6.6\r\n");
                let request = format!("GET / HTTP/1.1\r\nHost: a{line}\r\n");
                for (role, peer, kept) in [
                    (ProxyRole::Reverse, "192.0.2.1", false),
                    (ProxyRole::Reverse, "10.0.0.1", true),
                    (ProxyRole::Forward, "192.0.2.1", true),
                ] {
                    let target = if role == ProxyRole::Forward { "http://a/" } else { "/" };
                    let request = request.replace(" / ", &format!(" {target} "));
                    let got = forward_as(role, peer, &request).unwrap();
                    assert_eq!(got.contains(&line), kept, "{role:?} {peer} {name}: {got}");
                }
            }
            if alias.contains('-') {
                let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{}: 6.6.6.6\r\n\r\n", alias.replace('-', "_"));
                assert!(!forward("10.0.0.1", &request).unwrap().contains("6.6.6.6"), "{request}");
            }
        }
    }

    #[test]
    fn headers_of_trusted_proxies_are_kept_and_the_client_is_the_first_untrusted_from_the_right() {
        let got = forward(
            "10.0.0.1",
            "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.7\r\nX-Forwarded-For: 10.1.1.1\r\n\
             X-Forwarded-Proto: https\r\nX-Request-ID: theirs\r\nVia: 1.1 other\r\n\r\n",
        )
        .unwrap();
        for line in [
            "X-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.1.1.1, 10.0.0.1\r\n",
            "X-Real-IP: 192.0.2.7\r\n",
            "X-Forwarded-Proto: https\r\n",
            "X-Request-ID: theirs\r\n",
            "Via: 1.1 other\r\n",
            "Via: 1.1 lb\r\n",
        ] {
            assert!(got.contains(line), "{line} in {got}");
        }
        assert!(!got.contains("X-Forwarded-Proto: http\r\n"));
    }

    #[test]
    fn a_forward_proxy_replaces_host_and_does_not_reveal_its_client() {
        let got = forward_as(
            ProxyRole::Forward,
            "192.0.2.1",
            "GET http://b:81/x HTTP/1.1\r\nHost: a\r\nProxy-Authorization: Basic c2VjcmV0\r\nProxy-Connection: keep-alive\r\n\
             Authorization: theirs\r\n\r\n",
        );
        assert_eq!(
            got.unwrap(),
            "GET /x HTTP/1.1\r\nHost: b:81\r\nAuthorization: theirs\r\nVia: 1.1 lb\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn expect_of_http_1_0_clients_is_dropped_in_both_roles() {
        for (role, target) in [(ProxyRole::Reverse, "/"), (ProxyRole::Forward, "http://a/")] {
            for (version, kept) in [("1.0", false), ("1.1", true)] {
                let request = format!("GET {target} HTTP/{version}\r\nHost: a\r\nExpect: 100-continue\r\n\r\n");
                let got = forward_as(role, "192.0.2.1", &request).unwrap();
                assert_eq!(got.contains("Expect: 100-continue\r\n"), kept, "{role:?} {version}: {got}");
            }
        }
    }

    #[test]
    fn the_authority_of_the_target_counts_if_it_is_equivalent_to_host() {
        for (target, host, expected) in [
            ("http://h:80/", "h", Some("h:80")),
            ("http://h/", "H:80", Some("h")),
            ("http://h:/", "h", Some("h")),
            ("http://h:/", "h:80", Some("h")),
            ("http://h/", "h:", Some("h")),
            ("https://h:443/", "h", Some("h:443")),
            ("https://h/", "h:443", Some("h")),
            ("https://h/", "h:80", None),
            ("http://h:443/", "h", None),
            ("http://h/", "i", None),
        ] {
            let got = forward("1.1.1.1", &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            let Some(expected) = expected else {
                assert_eq!(got, Err(ProtocolError::HostMismatch), "{target} {host}");
                continue;
            };
            let got = got.unwrap();
            assert!(got.contains(&format!("\r\nHost: {expected}\r\n")), "{target} {host}: {got}");
            assert!(got.contains(&format!("\r\nX-Forwarded-Host: {expected}\r\n")), "{target} {host}: {got}");
            assert!(got.contains("\r\nX-Forwarded-Proto: http\r\n"), "the scheme of the connection: {got}");
        }
    }

    #[test]
    fn max_forwards_of_options_and_trace_is_counted_down() {
        for (method, sent, forwarded) in [
            ("OPTIONS", "1", "0"),
            ("TRACE", "007", "6"),
            ("OPTIONS", "18446744073709551615", "18446744073709551614"),
            ("OPTIONS", "many", "many"),
            ("GET", "0", "0"),
            ("PROPFIND", "5", "5"),
        ] {
            for (role, target) in [(ProxyRole::Reverse, "/"), (ProxyRole::Forward, "http://a/")] {
                let request = format!("{method} {target} HTTP/1.1\r\nHost: a\r\nMax-Forwards: {sent}\r\n\r\n");
                let got = forward_as(role, "192.0.2.1", &request).unwrap();
                assert!(got.contains(&format!("\r\nMax-Forwards: {forwarded}\r\n")), "{method} {sent}: {got}");
                assert_eq!(got.matches("Max-Forwards").count(), 1, "{method} {sent}: {got}");
            }
        }
    }

    #[test]
    fn absolute_form_is_forwarded_as_origin_form() {
        for (request, line) in [
            ("GET http://a/x?y", "GET /x?y "),
            ("GET http://a", "GET / "),
            ("GET http://a?y", "GET /?y "),
            ("OPTIONS http://a", "OPTIONS * "),
            ("OPTIONS *", "OPTIONS * "),
        ] {
            let got = forward("1.1.1.1", &format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
            assert!(got.starts_with(line), "{request}: {got}");
        }
    }

    #[test]
    fn handles_loops_http_1_0_and_upgrades() {
        assert_eq!(
            forward("1.1.1.1", "GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 x, 1.1 LB (c)\r\n\r\n"),
            Err(ProtocolError::LoopDetected)
        );
        let old = forward("1.1.1.1", "GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").unwrap();
        assert!(old.starts_with("GET / HTTP/1.1\r\nHost: 192.0.2.9:8080\r\n") && !old.contains("Expect"), "{old}");
        let switch =
            forward("1.1.1.1", "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\n")
                .unwrap();
        assert!(switch.ends_with("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), "{switch}");
        let other =
            forward("1.1.1.1", "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n").unwrap();
        assert!(!other.contains("Upgrade") && !other.contains("h2c"), "{other}");
        for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
            let request =
                format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n{framing}\r\n\r\n");
            let with_body = forward("1.1.1.1", &request).unwrap();
            assert!(!with_body.contains("pgrade") && with_body.contains(framing), "{with_body}");
        }
    }
}
