//! Header lines: names, separators, folding, control characters, line ends (RFC 9112 §5, RFC 9110 §5.5).

use super::table::{Row, assert_refused, row};
use crate::Context;
use crate::case::cases;

cases! { "smuggling";
    Fast a_malformed_field_line_is_refused,
    Fast controls_in_a_field_are_refused,
    Fast a_bare_line_feed_anywhere_in_a_head_is_refused,
    Fast connection_may_not_name_host_or_framing_headers,
}

const LINES: &[Row] = &[
    row("space before the colon", b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400),
    row("tab before the colon", b"GET / HTTP/1.1\r\nHost: a\r\nX\t: y\r\n\r\n", 400),
    row("space before the colon of a length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello", 400),
    row(
        "tab before the colon of a coding",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    row("space before the colon of Host", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    row("folded by a space", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", 400),
    row("folded by a tab", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\tz\r\n\r\n", 400),
    row("a folded empty line", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n \r\n\r\n", 400),
    row("a folded Host", b"GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n", 400),
    row("space before the first name", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    row("space line first", b"GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", 400),
    row("empty name", b"GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n", 400),
    row("no colon", b"GET / HTTP/1.1\r\nHost: a\r\ngarbage\r\n\r\n", 400),
    row("no colon in the first", b"GET / HTTP/1.1\r\ngarbage\r\nHost: a\r\n\r\n", 400),
    row("space in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n", 400),
    row("parenthesis in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX(Y): z\r\n\r\n", 400),
    row("slash in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX/Y: z\r\n\r\n", 400),
    row("quotes in a name", b"GET / HTTP/1.1\r\nHost: a\r\n\"X\": z\r\n\r\n", 400),
    row("non-ASCII in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX\xe4: z\r\n\r\n", 400),
    row("NUL in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX\0: z\r\n\r\n", 400),
    row("CR in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\rZ: z\r\n\r\n", 400),
    row("CR before the CRLF", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n", 400),
    row("CR before the empty line", b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n\r\n", 400),
    row("CR alone as the line end", b"GET / HTTP/1.1\rHost: a\r\r\n\r\n", 400),
];

const LINE_FEEDS: &[Row] = &[
    row("after Host", b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
    row("as the empty line", b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    row("two for the end", b"GET / HTTP/1.1\r\nHost: a\n\n", 400),
    row("LF CR LF", b"GET / HTTP/1.1\r\nHost: a\n\r\n\r\n", 400),
    row("between two fields", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\nZ: z\r\n\r\n", 400),
    row("inside a name", b"GET / HTTP/1.1\r\nHost: a\r\nX\nY: z\r\n\r\n", 400),
    row("before a value", b"GET / HTTP/1.1\r\nHost: a\r\nX:\ny\r\n\r\n", 400),
    row(
        "hiding a coding",
        b"POST / HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        400,
    ),
    row("at once, before the head is whole", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\n", 400),
    row("at once, in the request line", b"GET / HTTP/1.1\n", 400),
];

const CONNECTION: &[Row] = &[
    row("Host", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n", 400),
    row("HOST in a list", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, HOST\r\n\r\n", 400),
    row("Host in a second field", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nConnection: Host\r\n\r\n", 400),
    row(
        "Content-Length",
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Content-Length\r\nContent-Length: 5\r\n\r\nhello",
        400,
    ),
    row("content-length without one", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\n\r\n", 400),
    row(
        "Transfer-Encoding",
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    row(
        "a list of all",
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: x,Transfer-Encoding ,content-length\r\nContent-Length: 0\r\n\r\n",
        400,
    ),
];

fn a_malformed_field_line_is_refused(ctx: &Context) {
    assert_refused(ctx, LINES);
}

fn controls_in_a_field_are_refused(ctx: &Context) {
    let controls = (0..0x20).chain([0x7f]).filter(|byte| !b"\t\r\n".contains(byte));
    let rows: Vec<_> = controls
        .flat_map(|byte| {
            let value = [b"GET / HTTP/1.1\r\nHost: a\r\nX: y", &[byte][..], b"z\r\n\r\n"].concat();
            let name = [b"GET / HTTP/1.1\r\nHost: a\r\nX", &[byte][..], b"Y: z\r\n\r\n"].concat();
            [
                Row::made(format!("{byte:#04x} in a value"), value, 400),
                Row::made(format!("{byte:#04x} in a name"), name, 400),
            ]
        })
        .collect();
    assert_refused(ctx, &rows);
}

fn a_bare_line_feed_anywhere_in_a_head_is_refused(ctx: &Context) {
    assert_refused(ctx, LINE_FEEDS);
}

fn connection_may_not_name_host_or_framing_headers(ctx: &Context) {
    assert_refused(ctx, CONNECTION);
}
