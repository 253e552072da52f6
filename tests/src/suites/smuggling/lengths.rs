//! Where a request ends: one length or one transfer coding, never an ambiguous framing (RFC 9112 §6).

use super::table::{Row, assert_refused, row};
use crate::Context;
use crate::case::cases;

cases! { "smuggling";
    Fast a_content_length_that_is_not_one_number_is_refused,
    Fast content_length_beside_a_coding_is_refused,
    Fast a_transfer_coding_other_than_one_chunked_is_refused,
    Fast a_disguised_transfer_encoding_is_refused,
}

/// Values of Content-Length that are not `1*DIGIT` in 64 bits.
const LENGTHS: &[&[u8]] = &[
    b"",
    b" ",
    b"+5",
    b"-5",
    b"-0",
    b"0x5",
    b"5,",
    b",5",
    b"5,5",
    b"5, 5",
    b"5 5",
    b"5;a",
    b"5.0",
    b"1e1",
    b"five",
    b"\"5\"",
    b"0 0",
    b"5\t5",
    b"\x0b5",
    b"5\0",
    b"\xd9\xa5",
    b"1_000",
    b"0b1",
    b"5h",
    b"18446744073709551616",
    b"18446744073709551621",
    b"99999999999999999999999999999999999999",
];

const LENGTH_TWICE: &[Row] = &[
    row("twice the same", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    row(
        "twice, different",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX: y\r\ncontent-length: 6\r\n\r\nhello!",
        400,
    ),
    row("0 and another", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\n", 400),
    row("one of them empty", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\nContent-Length: 5\r\n\r\nhello", 400),
    row("twice in HTTP/1.0", b"POST / HTTP/1.0\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    row("twice with GET", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", 400),
];

const BOTH: &[Row] = &[
    row(
        "length first",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    row(
        "coding first",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        400,
    ),
    row(
        "length 0",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    row(
        "with GET",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    row(
        "with HEAD",
        b"HEAD / HTTP/1.1\r\nHost: a\r\nX: y\r\nContent-Length: +1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    row(
        "odd case",
        b"POST / HTTP/1.1\r\nHost: a\r\ncOnTeNt-LeNgTh: 5\r\ntRANSFER-eNCODING: CHUNKED\r\n\r\n0\r\n\r\n",
        400,
    ),
    row(
        "identity",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nhello",
        400,
    )
    .or(501),
    row("empty coding", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding:\r\n\r\nhello", 400),
    row("in HTTP/1.0", b"POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
];

/// Values of Transfer-Encoding and the accepted statuses: 400, 501, or either.
const CODINGS: &[(&[u8], u16, u16)] = &[
    (b"", 400, 400),
    (b",", 400, 400),
    (b"chunked,", 400, 400),
    (b", chunked", 400, 400),
    (b"chunked, chunked", 400, 400),
    (b"chunked,chunked", 400, 400),
    (b"chunked chunked", 400, 400),
    (b"chunked, gzip", 400, 400),
    (b"gzip", 400, 400),
    (b"gzip, chunked, gzip", 400, 501),
    (b"\"chunked\"", 400, 400),
    (b"chun ked", 400, 400),
    (b"[chunked]", 400, 400),
    (b"chunked\0", 400, 400),
    (b"\x0bchunked", 400, 400),
    (b"chunked\x0c", 400, 400),
    (b"chun\xe2\x84\xaaed", 400, 400),
    (b"\xc2\xa0chunked", 400, 400),
    (b"chunked;a=b", 400, 501),
    (b"chunked, identity", 400, 501),
    (b"gzip, chunked", 501, 501),
    (b"identity, chunked", 501, 501),
    (b"identity", 501, 501),
    (b"xchunked", 501, 501),
    (b"chunkedx", 501, 501),
    (b"cow", 501, 400),
];

const DISGUISED: &[Row] = &[
    row(
        "two fields",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    row(
        "two fields, the second identity",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        400,
    )
    .or(501),
    row(
        "two fields, the first of another kind",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\nX: y\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    )
    .or(501),
    row(
        "two fields, the first empty",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    row(
        "space before the colon",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    row(
        "space before the name",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    row("folded", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    row(
        "behind a CR",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    row(
        "NUL behind the name",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding\0: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    row("in HTTP/1.0", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    row("identity in HTTP/1.0", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 400).or(501),
];

fn a_content_length_that_is_not_one_number_is_refused(ctx: &Context) {
    let mut rows = LENGTH_TWICE.to_vec();
    rows.extend(LENGTHS.iter().map(|value| {
        let raw = [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ", *value, b"\r\n\r\nhello"];
        Row::made(format!("{:?}", value.escape_ascii().to_string()), raw.concat(), 400)
    }));
    assert_refused(ctx, &rows);
}

fn content_length_beside_a_coding_is_refused(ctx: &Context) {
    assert_refused(ctx, BOTH);
}

fn a_transfer_coding_other_than_one_chunked_is_refused(ctx: &Context) {
    let rows: Vec<_> = CODINGS
        .iter()
        .map(|(value, status, or)| {
            let before = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ";
            let raw = [before, *value, b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n"].concat();
            Row::made(format!("{:?}", value.escape_ascii().to_string()), raw, *status).or(*or)
        })
        .collect();
    assert_refused(ctx, &rows);
}

fn a_disguised_transfer_encoding_is_refused(ctx: &Context) {
    assert_refused(ctx, DISGUISED);
}
