//! Request targets and Host: one of four forms, one authority (RFC 9112 §3.2, RFC 9110 §7.2).

use super::table::{Row, assert_refused, row};
use crate::Context;
use crate::case::cases;

cases! { "smuggling";
    Fast a_target_of_unknown_form_is_refused,
    Fast bytes_not_allowed_in_a_target_are_refused,
    Fast an_absolute_target_that_contradicts_host_is_refused,
    Fast a_missing_repeated_or_invalid_host_is_refused,
}

const FORMS: &[Row] = &[
    row("no slash", b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("a dot", b"GET ./a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("a query alone", b"GET ?a=b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("authority-form with GET", b"GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 400),
    row("asterisk with GET", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("asterisk with POST", b"POST * HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 400),
    row("two asterisks", b"OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("another scheme", b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("https with the port of http", b"GET https://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n", 400),
    row("https without an authority", b"GET https:/// HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("file", b"GET file:///etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("one slash after the scheme", b"GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("no authority", b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("CONNECT", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405),
];

const AUTHORITIES: &[Row] = &[
    row("another host", b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("another port", b"GET http://a:81/ HTTP/1.1\r\nHost: a:82\r\n\r\n", 400),
    row("the port of https", b"GET http://a:443/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("an empty port and another", b"GET http://a:/ HTTP/1.1\r\nHost: a:81\r\n\r\n", 400),
    row("a longer host", b"GET http://a.b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("userinfo", b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("userinfo in both", b"GET http://u@a/ HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    row("userinfo that looks like the host", b"GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    row("no Host beside it", b"GET http://a/ HTTP/1.1\r\nX: y\r\n\r\n", 400),
    row("a bad port in both", b"GET http://a:99999/ HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400),
];

const HOSTS: &[Row] = &[
    row("missing", b"GET / HTTP/1.1\r\nX: y\r\n\r\n", 400),
    row("no field at all", b"GET / HTTP/1.1\r\n\r\n", 400),
    row("twice the same", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    row("twice, different", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: b\r\n\r\n", 400),
    row("twice in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    row("empty", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    row("blank", b"GET / HTTP/1.1\r\nHost: \t \r\n\r\n", 400),
    row("empty in HTTP/1.0", b"GET / HTTP/1.0\r\nHost:\r\n\r\n", 400),
    row("two words", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    row("a list", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    row("a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    row("a query", b"GET / HTTP/1.1\r\nHost: a?b\r\n\r\n", 400),
    row("a fragment", b"GET / HTTP/1.1\r\nHost: a#b\r\n\r\n", 400),
    row("a backslash", b"GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n", 400),
    row("angle brackets", b"GET / HTTP/1.1\r\nHost: <a>\r\n\r\n", 400),
    row("a URL", b"GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", 400),
    row("userinfo", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    row("only a port", b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400),
    row("port 65536", b"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400),
    row("port of 20 digits", b"GET / HTTP/1.1\r\nHost: a:18446744073709551696\r\n\r\n", 400),
    row("port with a sign", b"GET / HTTP/1.1\r\nHost: a:+80\r\n\r\n", 400),
    row("port of letters", b"GET / HTTP/1.1\r\nHost: a:http\r\n\r\n", 400),
    row("two ports", b"GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", 400),
    row("IPv6 without brackets", b"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", 400),
    row("an open bracket", b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
    row("text after the bracket", b"GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n", 400),
    row("no address in brackets", b"GET / HTTP/1.1\r\nHost: [zz]\r\n\r\n", 400),
    row("a broken escape", b"GET / HTTP/1.1\r\nHost: a%zz\r\n\r\n", 400),
    row("non-ASCII", b"GET / HTTP/1.1\r\nHost: \xe4\r\n\r\n", 400),
    row("NUL", b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 400),
];

fn a_target_of_unknown_form_is_refused(ctx: &Context) {
    assert_refused(ctx, FORMS);
}

fn bytes_not_allowed_in_a_target_are_refused(ctx: &Context) {
    let anywhere = b"#\x01\x08\x0b\x1f\x7f\x80\xe4\xff";
    let in_path = [&b"\"<>\\"[..], anywhere].concat();
    let in_query = anywhere.iter().map(|&byte| (&b"/a?q="[..], byte));
    let rows: Vec<_> = in_path
        .iter()
        .map(|&byte| (&b"/a"[..], byte))
        .chain(in_query)
        .map(|(before, byte)| {
            let raw = [b"GET ", before, &[byte], b"b HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
            Row::made(format!("{byte:#04x} after {}", before.escape_ascii()), raw, 400)
        })
        .collect();
    assert_refused(ctx, &rows);
}

fn an_absolute_target_that_contradicts_host_is_refused(ctx: &Context) {
    assert_refused(ctx, AUTHORITIES);
}

fn a_missing_repeated_or_invalid_host_is_refused(ctx: &Context) {
    assert_refused(ctx, HOSTS);
}
