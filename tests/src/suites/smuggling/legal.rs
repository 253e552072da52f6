//! Unusual but legal requests are forwarded, so a balancer that refuses everything fails too.

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::checker::Framing;
use crate::rng::Rng;
use crate::wait::ms;

cases! { "smuggling";
    Fast odd_but_legal_requests_reach_the_backend_as_meant,
    Fast odd_but_legal_bodies_reach_the_backend_as_meant,
    Fast field_values_keep_every_legal_byte,
    Fast blanks_that_backends_add_are_removed,
}

/// Name of the row, request, and the method and target that the backend must see. No bodies.
const REQUESTS: &[(&str, &str, &str)] = &[
    ("one leading CRLF", "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a"),
    ("braces, bar, backtick", "GET /{a|b}`c HTTP/1.1\r\nHost: a\r\n\r\n", "GET /{a|b}`c"),
    ("what browsers send unescaped", "GET /a^b?{c|d}`^\\e HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a^b?{c|d}`^\\e"),
    ("what curl and Python send unescaped", "GET /?q=\"<a>\" HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?q=\"<a>\""),
    ("absolute-form, quotes in the query", "GET http://a/?\"<\\> HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?\"<\\>"),
    ("brackets", "GET /a[1]?b[]=2 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a[1]?b[]=2"),
    ("escapes", "GET /%2e%2E/%00%0d%0a?%20 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /%2e%2E/%00%0d%0a?%20"),
    ("dots and slashes", "GET //a/./b/../c// HTTP/1.1\r\nHost: a\r\n\r\n", "GET //a/./b/../c//"),
    ("an empty query", "GET /? HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?"),
    ("query in query", "GET /a;b=c?d=/e?f&g=http://h/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a;b=c?d=/e?f&g=http://h/"),
    ("absolute-form", "GET http://a/x?y=z HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x?y=z"),
    ("absolute-form, other case", "GET HTTP://EXAMPLE.test:81/X HTTP/1.1\r\nHost: example.TEST:81\r\n\r\n", "GET /X"),
    ("absolute-form without a path", "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", "GET /"),
    ("absolute-form, query only", "GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?q"),
    ("absolute-form, default port", "GET http://a:80/x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x"),
    ("absolute-form, default port in Host", "GET http://a/x HTTP/1.1\r\nHost: a:80\r\n\r\n", "GET /x"),
    ("absolute-form, empty port", "GET http://a:/x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x"),
    ("absolute-form, https", "GET https://a:443/x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x"),
    ("asterisk-form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS *"),
    ("an unknown method", "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", "BREW /pot"),
    ("a lower-case method", "get / HTTP/1.1\r\nHost: a\r\n\r\n", "get /"),
    ("a method of every sign", "!#$%&'*+-.^_`|~ / HTTP/1.1\r\nHost: a\r\n\r\n", "!#$%&'*+-.^_`|~ /"),
    ("the largest port", "GET / HTTP/1.1\r\nHost: a:65535\r\n\r\n", "GET /"),
    ("an IPv6 Host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "GET /"),
    ("an IPv4 Host", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "GET /"),
    ("underscore and dot in Host", "GET / HTTP/1.1\r\nHost: a_b.c-d.\r\n\r\n", "GET /"),
    ("Host last, odd case, tabs", "GET / HTTP/1.1\r\nX: y\r\nhOST:\ta \t\r\n\r\n", "GET /"),
    ("HTTP/1.0 without Host", "GET /old HTTP/1.0\r\n\r\n", "GET /old"),
    ("length 0", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "GET /"),
    ("a close among others", "GET / HTTP/1.1\r\nHost: a\r\nConnection: , close,\r\n\r\n", "GET /"),
];

/// Headers and body as sent, and the content that the backend must see.
const BODIES: &[(&str, &str)] = &[
    ("Content-Length: 5\r\n\r\nhello", "hello"),
    ("Content-Length: 005\r\n\r\nhello", "hello"),
    ("content-length:5\t \r\n\r\nhello", "hello"),
    ("Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello"),
    ("TRANSFER-ENCODING:\tchunked \r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello"),
    ("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""),
    ("Transfer-Encoding: chunked\r\n\r\n000\r\n\r\n", ""),
    ("Transfer-Encoding: chunked\r\n\r\n0000000000000005\r\nhello\r\n0\r\n\r\n", "hello"),
    ("Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"),
    ("Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", "hello"),
    ("Transfer-Encoding: chunked\r\n\r\n5;a=b;c=\"d\";e\r\nhello\r\n0;f\r\n\r\n", "hello"),
    ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\nHost: z\r\nContent-Length: 3\r\n\r\n", "hello"),
    ("Transfer-Encoding: chunked\r\n\r\n7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n"),
    (
        "Content-Length: 35\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
];

fn odd_but_legal_requests_reach_the_backend_as_meant(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    let mut rng = Rng::new(3);
    for (name, raw, want) in REQUESTS {
        let (first, second) = raw.as_bytes().split_at(1 + rng.below(raw.len() - 1));
        for pieces in [vec![raw.as_bytes()], vec![first, second]] {
            let mut client = program.client();
            client.send_pieces(pieces, ms(3));
            let response = client.response("GET");
            assert_eq!(response.status(), 200, "{name}: {}", response.text());
            let (head, body) = backend.last_request();
            assert_eq!(format!("{} {}", head.method, head.target), *want, "{name}");
            assert_eq!(body, b"", "{name}");
        }
    }
    assert_eq!(backend.connections(), 2 * REQUESTS.len());
}

fn odd_but_legal_bodies_reach_the_backend_as_meant(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    for (turn, (raw, want)) in BODIES.iter().enumerate() {
        let mut client = program.client();
        client.send(format!("POST /first HTTP/1.1\r\nHost: a\r\n{raw}"));
        client.request("GET", "/second", "");
        assert_eq!(client.response("POST").status(), 200, "{raw}");
        // The second request may have arrived already.
        let (head, body) = backend.recordings()[2 * turn].request();
        assert_eq!((head.target.as_str(), body.as_slice()), ("/first", want.as_bytes()), "{raw}");
        assert!(!head.fields.has("x"), "a trailer became a header: {:?}", head.fields);
        assert_eq!(client.response("GET").status(), 200, "after {raw}");
        assert_eq!(backend.last_request().0.target, "/second", "after {raw}");
    }
    assert_eq!(backend.connections(), 2 * BODIES.len());
}

fn field_values_keep_every_legal_byte(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    let every: Vec<u8> = (0x21..0x7f).chain(0x80..=0xff).collect();
    let raw = [
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Every: ",
        &every[..],
        b"\r\nX-Empty:\r\nX-Inner:  a \t b\t \r\n!#$%&'*+-.^_`|~: z\r\n\r\n",
    ];
    let mut client = program.client();
    client.send(raw.concat());
    assert_eq!(client.response("GET").status(), 200);
    let (head, _) = backend.last_request();
    let latin: String = every.iter().copied().map(char::from).collect();
    assert_eq!(head.fields.get("x-every"), Some(latin.as_str()));
    assert_eq!(head.fields.get("x-empty"), Some(""));
    assert_eq!(head.fields.get("x-inner"), Some("a \t b"));
    assert_eq!(head.fields.get("!#$%&'*+-.^_`|~"), Some("z"));
}

/// Blanks after a chunk size and before a colon: accepted from backends only, and not passed on.
fn blanks_that_backends_add_are_removed(ctx: &Context) {
    for (raw, framing) in [
        ("Content-Length : 5\r\nX-Kept\t : y\r\n\r\nhello", Framing::Length(5)),
        ("X-Kept: y\r\ncontent-length \t: 5\r\n\r\nhello", Framing::Length(5)),
        ("X-Kept :y\r\nTransfer-Encoding : chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Framing::Chunked),
        ("X-Kept: y\r\nTransfer-Encoding: chunked\r\n\r\n5  \r\nhello\r\n0\t\r\n\r\n", Framing::Chunked),
        ("X-Kept: y\r\nTransfer-Encoding: chunked\r\n\r\n3   \r\nhel\r\n2 \r\nlo\r\n0 \r\n\r\n", Framing::Chunked),
    ] {
        let backend = Backend::answering(format!("HTTP/1.1 200 OK\r\n{raw}"));
        let program = ctx.start(&[backend.addr()], &[]);
        let mut client = program.client();
        for _ in 0..2 {
            // The client's reader rejects such blanks.
            let response = client.get("/");
            assert_eq!((response.status(), response.text().as_str()), (200, "hello"), "{raw}");
            assert_eq!(response.framing, framing, "{raw}");
            assert_eq!(response.fields().get("x-kept"), Some("y"), "{raw}");
        }
    }
}
