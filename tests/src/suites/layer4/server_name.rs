//! TLS connections are routed by the name that the client asks for, and not decrypted.

use super::{Listening, Peer, expect_ended, start};
use crate::Context;
use crate::case::cases;
use crate::process::Program;
use crate::suites::support::assert_usage_error;
use crate::third_party;
use crate::wait::{ms, pause};

cases! { "layer4";
    Fast the_server_name_chooses_the_group,
    Fast a_client_hello_may_come_in_pieces,
    Fast what_is_no_client_hello_is_reset,
    Fast a_wrong_rule_is_one_line,
}

/// Python's `ssl` writes the first message of a client that asks for `argv[1]`, and offers the protocols in `argv[2]`.
const CLIENT_HELLO: &str = "
import ssl, sys
context = ssl.create_default_context()
if sys.argv[2]:
    context.set_alpn_protocols(sys.argv[2].split(','))
name = sys.argv[1] or None
context.check_hostname = name is not None
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
try:
    context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
except ssl.SSLWantReadError:
    pass
print(outgoing.read().hex())
";

/// The message; `None` where there is no Python.
pub(super) fn client_hello(name: &str, protocols: &str) -> Option<Vec<u8>> {
    let printed = third_party::python(CLIENT_HELLO, &[name, protocols])?;
    let digits = printed.trim().as_bytes();
    Some(digits.chunks(2).map(|byte| u8::from_str_radix(str::from_utf8(byte).unwrap(), 16).unwrap()).collect())
}

/// The program with a group of its own for each of two rules.
fn start_with_groups(ctx: &Context, default: &Listening, api: &Listening, fast: &Listening, flags: &[&str]) -> Program {
    let (api, fast) = (format!("api={}", api.addr()), format!("fast={}", fast.addr()));
    let rules = ["--sni", "host=api.example.com -> api", "--sni", "host=*.example.com alpn=h2 -> fast"];
    start(ctx, &[default], &[&["--group", &api, "--group", &fast][..], &rules, flags].concat())
}

fn the_server_name_chooses_the_group(ctx: &Context) {
    let (default, api, fast) = (Listening::start(), Listening::start(), Listening::start());
    let program = start_with_groups(ctx, &default, &api, &fast, &[]);
    for (name, protocols, group) in [
        ("api.example.com", "", &api),
        ("API.Example.COM", "h2", &api),
        ("www.example.com", "h2,http/1.1", &fast),
        ("www.example.com", "http/1.1", &default),
        ("other.example.org", "", &default),
        ("", "", &default),
    ] {
        let Some(hello) = client_hello(name, protocols) else { return };
        let mut client = Peer::connect(&program);
        client.send(&hello);
        let mut server = group.accept();
        server.expect(hello);
        server.send("the rest is encrypted");
        client.expect("the rest is encrypted");
    }
}

fn a_client_hello_may_come_in_pieces(ctx: &Context) {
    let (default, api, fast) = (Listening::start(), Listening::start(), Listening::start());
    let program = start_with_groups(ctx, &default, &api, &fast, &["--accept-proxy", "127.0.0.1"]);
    let Some(hello) = client_hello("api.example.com", "") else { return };
    let mut client = Peer::connect(&program);
    let bytes = [b"PROXY UNKNOWN\r\n", &hello[..]].concat();
    for piece in bytes.chunks(7) {
        client.send(piece);
        pause(ms(1));
    }
    api.accept().expect(hello);
}

fn what_is_no_client_hello_is_reset(ctx: &Context) {
    let (default, api, fast) = (Listening::start(), Listening::start(), Listening::start());
    let program = start_with_groups(ctx, &default, &api, &fast, &["--prelude-timeout", "300ms"]);
    let mut http = Peer::connect(&program);
    http.send("GET / HTTP/1.1\r\n\r\n");
    http.expect_reset();
    // Records without end, of a message that says it is 64 KiB long.
    let mut endless = Peer::connect(&program);
    let record = [&b"\x16\x03\x01\x40\0\x01\x01\0\0"[..], &[0; 16_380]].concat();
    endless.send(record);
    endless.expect_reset();
    Peer::connect(&program).expect_reset();
    let mut half = Peer::connect(&program);
    half.send(b"\x16\x03\x01\x02\0\x01");
    half.half_close();
    half.expect_reset();
    expect_ended(&program, "no_hello", 4);
    assert!(default.accept_within(ms(0)).is_none());
}

fn a_wrong_rule_is_one_line(ctx: &Context) {
    for (rule, says) in [
        ("host=a -> nowhere", "unknown group 'nowhere'"),
        ("host=a.b", "host=a.b"),
        ("name=a -> default", "name"),
        ("host=*a -> default", "*a"),
    ] {
        assert_usage_error(ctx, &["0", "127.0.0.1:1", "--sni", rule], says);
    }
    let twice = ["0", "127.0.0.1:1", "--sni", "host=*.a -> default", "--sni", "host=b.a -> default"];
    assert_usage_error(ctx, &twice, "never matches");
    assert_usage_error(ctx, &["0", "127.0.0.1:1", "--send-proxy", "v3"], "known: v1, v2");
    assert_usage_error(ctx, &["0", "127.0.0.1:1", "--accept-proxy", "localhost"], "expected a network");
}
