//! Long bodies that are cut off: no peer may treat them as complete, and every byte that arrived is delivered.

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::checker::ReadError;
use crate::rng::Rng;
use crate::suites::framing::chunks;
use crate::third_party::python;

cases! { "framing";
    Fast the_received_part_of_a_truncated_download_is_delivered,
    Fast python_notices_a_truncated_download,
    Fast a_truncated_upload_is_not_finished_at_the_backend,
}

const PYTHON_CLIENT: &str = r#"
import http.client, sys
for path in ("/length", "/chunked"):
    c = http.client.HTTPConnection(sys.argv[1], timeout=15)
    c.request("GET", path)
    try:
        got = c.getresponse().read()
        print("took", len(got), "bytes for complete")
    except (http.client.IncompleteRead, ConnectionResetError):
        print("noticed")
"#;

/// Announces 1 MB (or chunks) and closes after 300 kB.
fn cut_off() -> (Backend, Vec<u8>) {
    let part = Rng::new(8).bytes(300_000);
    let sent = part.clone();
    let backend = Backend::start(move |conn| {
        let Ok(request) = conn.request() else { return };
        if request.head.target == "/chunked" {
            conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            conn.write(chunks(&sent, &[10_000]));
        } else {
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
            conn.write(&sent);
        }
    });
    (backend, part)
}

fn the_received_part_of_a_truncated_download_is_delivered(ctx: &Context) {
    let (backend, part) = cut_off();
    let program = ctx.start(&[backend.addr()], &[]);
    for target in ["/length", "/chunked"] {
        let mut client = program.client();
        client.request("GET", target, "");
        let (_, head, framing) = client.response_head("GET").unwrap();
        assert_eq!(head.status, 200);
        let mut got = Vec::new();
        let end = client.reader().body(framing, &mut |piece| got.extend_from_slice(piece));
        assert!(matches!(end, Err(ReadError::Truncated(_) | ReadError::Reset)), "{target}: {end:?}");
        assert!(got == part, "{target}: {} of {} bytes", got.len(), part.len());
    }
}

fn python_notices_a_truncated_download(ctx: &Context) {
    let (backend, _) = cut_off();
    let program = ctx.start(&[backend.addr()], &[]);
    if let Some(said) = python(PYTHON_CLIENT, &[&program.addr().to_string()]) {
        assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["noticed", "noticed"]);
    }
}

fn a_truncated_upload_is_not_finished_at_the_backend(ctx: &Context) {
    let backend = Backend::start(|conn| {
        let Ok(head) = conn.head() else { return };
        let mut length = 0;
        let end = conn.body(head.framing, &mut |piece| length += piece.len());
        assert!(end.is_err(), "the backend took {length} bytes for complete");
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let part = Rng::new(8).bytes(300_000);
    let uploads = [("Content-Length: 1000000", part.clone()), ("Transfer-Encoding: chunked", chunks(&part, &[10_000]))];
    for (turn, (field, raw)) in uploads.into_iter().enumerate() {
        let mut client = program.client();
        client.request("POST", "/", &format!("{field}\r\n"));
        client.send(&raw);
        client.half_close();
        let response = client.response("POST");
        assert_eq!(response.status(), 400, "{field}");
        client.expect_closed();
        backend.wait_for("the upload is cut", |seen| seen.get(turn).is_some_and(|s| s.ended));
        let seen = &backend.recordings()[turn];
        assert!(!seen.bytes.ends_with(b"0\r\n\r\n"), "{field}: an invented last chunk");
    }
}
