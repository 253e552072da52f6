//! Interim responses and `Expect: 100-continue` (RFC 9110 §10.1.1 and §15.2): relayed, never invented.

use crate::Context;
use crate::backend::{Backend, Conn, ok_response};
use crate::case::cases;
use crate::wait::ms;

cases! { "proxy";
    Fast expect_is_forwarded_and_the_100_relayed,
    Fast a_100_is_never_invented,
    Fast a_final_status_instead_of_100_is_relayed_and_closes,
    Fast early_hints_are_relayed_in_order,
    Fast interim_responses_lose_length_and_coding,
    Fast interim_responses_never_reach_an_http_1_0_client,
}

const EXPECT: &str = "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";

/// Reads the body that follows the head of [`EXPECT`], and answers with it.
fn take_body(conn: &mut Conn) {
    let mut body = Vec::new();
    let framing = crate::checker::Framing::Length(5);
    if conn.body(framing, &mut |piece| body.extend_from_slice(piece)).is_ok() {
        conn.write(ok_response(&String::from_utf8_lossy(&body)));
    }
}

fn expect_is_forwarded_and_the_100_relayed(ctx: &Context) {
    let backend = Backend::start(|conn| {
        let Ok(head) = conn.head() else { return };
        assert_eq!(head.fields.list("expect"), ["100-continue"]);
        conn.write("HTTP/1.1 100 Continue\r\n\r\n");
        take_body(conn);
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for _ in 0..3 {
        client.send(EXPECT);
        assert_eq!(client.reader().response_head().unwrap().status, 100);
        client.send("hello");
        let response = client.response("POST");
        assert_eq!((response.status(), response.text().as_str()), (200, "hello"));
        assert!(!response.head.says_close());
    }
}

fn a_100_is_never_invented(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if conn.head().is_ok() {
            take_body(conn);
        }
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.send(EXPECT);
    backend.wait_for("the head is forwarded without its body", |seen| !seen.is_empty());
    client.expect_no_input(ms(300));
    // A client may send the body without having seen a 100.
    client.send("hello");
    let response = client.response("POST");
    assert_eq!((response.status(), response.text().as_str()), (200, "hello"));
    assert!(response.interim.is_empty());
}

fn a_final_status_instead_of_100_is_relayed_and_closes(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if conn.head().is_ok() {
            conn.write("HTTP/1.1 413 Too Much\r\nContent-Length: 3\r\n\r\nno!");
            conn.read_until_closed();
        }
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.send(EXPECT);
    let response = client.response("POST");
    assert_eq!((response.status(), response.text().as_str()), (413, "no!"));
    // Whether the body still comes is unknown now, so the connection cannot be reused.
    assert!(response.head.says_close(), "{:?}", response.head);
    client.expect_closed();
    backend.wait_for("the upstream is closed", |seen| seen[0].ended);
}

fn early_hints_are_relayed_in_order(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if conn.request().is_ok() {
            conn.write("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nLink: </b.css>\r\n\r\n");
            conn.write("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 More\r\nLink: </c.css>\r\n\r\n");
            conn.write(ok_response("done"));
        }
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for _ in 0..2 {
        let response = client.get("/");
        assert_eq!(response.text(), "done");
        let statuses: Vec<_> = response.interim.iter().map(|head| head.status).collect();
        assert_eq!(statuses, [103, 102, 103]);
        assert_eq!(response.interim[0].fields.all("link"), ["</a.css>", "</b.css>"]);
        assert_eq!(response.interim[2].fields.get("link"), Some("</c.css>"));
    }
}

fn interim_responses_lose_length_and_coding(ctx: &Context) {
    let backend = Backend::answering(
        [
            &b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\nLink: </a>\r\n\r\n"[..],
            b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n",
            &ok_response("done"),
        ]
        .concat(),
    );
    let program = ctx.start(&[backend.addr()], &[]);
    // The strict reader refuses a 1xx with either field.
    let response = program.client().get("/");
    assert_eq!((response.interim.len(), response.text().as_str()), (2, "done"));
}

fn interim_responses_never_reach_an_http_1_0_client(ctx: &Context) {
    let backend = Backend::start(|conn| {
        let Ok(head) = conn.head() else { return };
        assert!(!head.fields.has("expect"), "Expect from HTTP/1.0 is ignored: {head:?}");
        conn.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n");
        take_body(conn);
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.send(EXPECT.replace("HTTP/1.1", "HTTP/1.0") + "hello");
    let response = client.response("POST");
    assert_eq!((response.status(), response.text().as_str()), (200, "hello"));
    assert!(response.interim.is_empty());
    client.expect_closed();
}
