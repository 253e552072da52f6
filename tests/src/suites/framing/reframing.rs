//! What the balancer rewrites between the two connections, and which parts of a chunked body it drops.

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::checker::{Framing, single_request};
use crate::suites::framing::chunked;

cases! { "framing";
    Fast trailers_and_extensions_of_a_request_are_dropped,
    Fast trailers_and_extensions_of_a_response_are_dropped,
    Fast a_request_that_announces_trailers_is_chunked_once,
    Fast a_long_body_until_close_becomes_chunked,
    Fast a_long_chunked_body_reaches_an_http_1_0_client,
    Fast an_http_1_0_request_body_with_a_length_goes_on,
}

fn trailers_and_extensions_of_a_request_are_dropped(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    let long = "e".repeat(200);
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
         3;a=b\r\nabc\r\n2;{long}\r\nde\r\n0;last\r\nX-Sum: 1\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
    ));
    assert_eq!(client.response("POST").status(), 200);
    let (head, body, end) = single_request(&backend.recordings()[0].bytes).unwrap();
    assert_eq!(body, b"abcde");
    assert!(!end.extensions && end.trailers.is_empty(), "{end:?}");
    assert!(!head.fields.has("trailer") && !head.fields.has("x-sum"), "{:?}", head.fields);
    assert_eq!(head.fields.get("transfer-encoding"), Some("chunked"));
    assert!(!head.fields.has("content-length"));
}

fn trailers_and_extensions_of_a_response_are_dropped(ctx: &Context) {
    let backend = Backend::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nTrailer: X-Sum\r\n\r\n\
         3;a=b\r\nabc\r\n2;c\r\nde\r\n0;last\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\n\r\n",
    );
    let program = ctx.start(&[backend.addr()], &[]);
    let response = program.client().get("/");
    assert_eq!((response.framing, response.text().as_str()), (Framing::Chunked, "abcde"));
    assert!(!response.end.extensions && response.end.trailers.is_empty(), "{:?}", response.end);
    assert!(!response.fields().has("trailer") && !response.fields().has("x-sum"));
}

fn a_request_that_announces_trailers_is_chunked_once(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for coding in ["chunked", "CHUNKED", "Chunked"] {
        client.request("PUT", "/", &format!("tE: trailers\r\nTransfer-encoding: {coding}\r\nConnection: TE\r\n"));
        client.send("1\r\nx\r\n0\r\n\r\n");
        assert_eq!(client.response("PUT").status(), 200);
        let (head, body) = backend.last_request();
        assert_eq!((head.framing, body.as_slice()), (Framing::Chunked, &b"x"[..]));
        assert!(!head.fields.has("te"));
    }
}

fn long_body() -> Vec<u8> {
    crate::rng::Rng::new(4).bytes(700_000)
}

fn a_long_body_until_close_becomes_chunked(ctx: &Context) {
    let backend = Backend::answering([b"HTTP/1.0 200 OK\r\n\r\n", &long_body()[..]].concat());
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for _ in 0..2 {
        let response = client.get("/");
        assert_eq!(response.framing, Framing::Chunked);
        assert!(response.body == long_body(), "the body differs");
    }
}

fn a_long_chunked_body_reaches_an_http_1_0_client(ctx: &Context) {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let backend = Backend::answering([head, &chunked(&long_body(), &[1, 50_000, 777])[..]].concat());
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let response = client.response("GET");
    assert_eq!(response.framing, Framing::UntilClose);
    assert!(response.body == long_body(), "the body differs");
}

fn an_http_1_0_request_body_with_a_length_goes_on(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.send("POST /old HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.response("POST").text(), "ok");
    let (head, body) = backend.last_request();
    assert_eq!((head.framing, body.as_slice()), (Framing::Length(5), &b"hello"[..]));
}
