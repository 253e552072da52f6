//! Request lines: methods, separators, versions, and bytes before them (RFC 9112 §2.2, §3).

use super::table::{Row, assert_refused, row};
use crate::Context;
use crate::case::cases;

cases! { "smuggling";
    Fast bytes_before_the_method_are_refused,
    Fast a_garbled_request_line_is_refused,
    Fast other_versions_are_refused,
    Fast other_protocols_are_refused,
}

const BEFORE: &[Row] = &[
    row("two leading CRLF", b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("leading LF", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("leading CRLF and LF", b"\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("leading CR CR LF", b"\r\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("leading CR", b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("leading space", b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("leading CRLF and space", b"\r\n GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("leading tab", b"\tGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("leading NUL", b"\0GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("leading byte order mark", b"\xef\xbb\xbfGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
];

const LINES: &[Row] = &[
    row("LF after the request line", b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    row("LF everywhere", b"GET / HTTP/1.1\nHost: a\n\n", 400),
    row("LF inside the request line", b"GET /\nHTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("CR inside the request line", b"GET /\rx HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("CR before the CRLF", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400),
    row("two spaces before the target", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("two spaces after the target", b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("space after the version", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    row("tabs for spaces", b"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("vertical tab for a space", b"GET\x0b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("space inside the target", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("a second target", b"GET /a /b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("no target", b"GET HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("an empty target", b"GET  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("only a method", b"GET\r\nHost: a\r\n\r\n", 400),
    row("parenthesis in the method", b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("at sign in the method", b"GET@ / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("colon in the method", b"GET: / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("slash in the method", b"G/T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("non-ASCII in the method", b"G\xcbT / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("NUL in the method", b"GE\0T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("a quoted method", b"\"GET\" / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("a bracket first", b"[GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
];

const VERSIONS: &[Row] = &[
    row("HTTP/0.9 without a version", b"GET /\r\n\r\n", 400),
    row("lower case", b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    row("no minor", b"GET / HTTP/1.\r\nHost: a\r\n\r\n", 400),
    row("no dot", b"GET / HTTP/11\r\nHost: a\r\n\r\n", 400),
    row("two minor digits", b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
    row("two major digits", b"GET / HTTP/01.1\r\nHost: a\r\n\r\n", 400),
    row("a letter behind", b"GET / HTTP/1.1x\r\nHost: a\r\n\r\n", 400),
    row("a sign", b"GET / HTTP/+1.1\r\nHost: a\r\n\r\n", 400),
    row("another name", b"GET / HTTPS/1.1\r\nHost: a\r\n\r\n", 400),
    row("a comma", b"GET / HTTP/1,1\r\nHost: a\r\n\r\n", 400),
    row("a space", b"GET / HTTP /1.1\r\nHost: a\r\n\r\n", 400),
    row("a NUL", b"GET / HTTP/1.1\0\r\nHost: a\r\n\r\n", 400),
    row("HTTP/0.9", b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    row("HTTP/1.2", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    row("HTTP/2.0", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    row("HTTP/3.0", b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    row("HTTP/9.9", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505),
    row("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
];

const OTHERS: &[Row] = &[
    row("a TLS ClientHello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    row("PROXY protocol 1", b"PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("PROXY protocol 2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\0\x01\0\x02", 400),
    row("a redis command", b"*1\r\n$4\r\nPING\r\n\r\n", 400),
    row("binary", b"\x80\x81\x82\x83\xff\xfe\xfd", 400),
    row("JSON", b"{\"a\": 1}\r\n\r\n", 400),
];

fn bytes_before_the_method_are_refused(ctx: &Context) {
    assert_refused(ctx, BEFORE);
}

fn a_garbled_request_line_is_refused(ctx: &Context) {
    assert_refused(ctx, LINES);
}

fn other_versions_are_refused(ctx: &Context) {
    assert_refused(ctx, VERSIONS);
}

fn other_protocols_are_refused(ctx: &Context) {
    assert_refused(ctx, OTHERS);
}
