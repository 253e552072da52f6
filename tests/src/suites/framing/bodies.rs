//! Request and response bodies: with a length, chunked, until close; from zero bytes to a megabyte; any byte value.

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::checker::Framing;
use crate::rng::Rng;
use crate::suites::framing::chunked;
use crate::wait::ms;

cases! { "framing";
    Fast uploads_with_a_length_arrive_whole,
    Fast chunked_uploads_arrive_whole,
    Fast a_body_in_a_later_segment_arrives_whole,
    Fast downloads_with_a_length_arrive_whole,
    Fast chunked_downloads_arrive_whole,
    Fast downloads_until_close_arrive_whole,
    Fast bodies_of_nul_bytes_arrive_whole,
}

/// Zero bytes, one, many, and both sides of common buffer sizes.
const SIZES: &[usize] =
    &[0, 1, 1000, 4096, 16_383, 16_384, 16_385, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537, 100_000, 1 << 20];

/// Sends `raw` after the head, perhaps later, and checks what the backend received.
fn assert_upload(ctx: &Context, bodies: &[Vec<u8>], is_chunked: bool, later: bool) {
    let backend = Backend::ok("got it");
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for body in bodies {
        let (field, raw) = if is_chunked {
            ("Transfer-Encoding: chunked".into(), chunked(body, &[1, 4000, 17, 60_000]))
        } else {
            (format!("Content-Length: {}", body.len()), body.clone())
        };
        let head = format!("POST /up HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
        if later {
            client.send_pieces([head.as_bytes(), &raw[..raw.len() / 2], &raw[raw.len() / 2..]], ms(60));
        } else {
            client.send([head.as_bytes(), &raw].concat());
        }
        assert_eq!(client.response("POST").text(), "got it", "{} bytes", body.len());
        let (head, got) = backend.last_request();
        assert!(&got == body, "{} bytes: the body differs", body.len());
        let want = if is_chunked { Framing::Chunked } else { Framing::Length(body.len() as u64) };
        assert_eq!(head.framing, want);
    }
    assert_eq!(backend.connections(), bodies.len());
}

fn random_bodies() -> Vec<Vec<u8>> {
    SIZES.iter().map(|size| Rng::new(*size as u64).bytes(*size)).collect()
}

fn uploads_with_a_length_arrive_whole(ctx: &Context) {
    assert_upload(ctx, &random_bodies(), false, false);
}

fn chunked_uploads_arrive_whole(ctx: &Context) {
    assert_upload(ctx, &random_bodies(), true, false);
}

fn a_body_in_a_later_segment_arrives_whole(ctx: &Context) {
    let body = [Rng::new(1).bytes(100_000)];
    assert_upload(ctx, &body, false, true);
    assert_upload(ctx, &body, true, true);
}

fn assert_downloads(ctx: &Context, head: &str, frame: fn(&[u8]) -> Vec<u8>, framing: Option<Framing>) {
    let bodies = random_bodies();
    let answers = bodies.clone();
    let head = head.to_owned();
    let backend = Backend::start(move |conn| {
        if let Ok(request) = conn.request() {
            let body = &answers[request.head.target[1..].parse::<usize>().unwrap_or(0)];
            conn.write(head.replace("LENGTH", &body.len().to_string()));
            conn.write(frame(body));
        }
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for (index, body) in bodies.iter().enumerate() {
        let response = client.get(&format!("/{index}"));
        assert!(
            &response.body == body,
            "{} bytes: the body differs, {} bytes received",
            body.len(),
            response.body.len()
        );
        assert_eq!(response.framing, framing.unwrap_or(Framing::Length(body.len() as u64)));
    }
}

fn downloads_with_a_length_arrive_whole(ctx: &Context) {
    assert_downloads(ctx, "HTTP/1.1 200 OK\r\nContent-Length: LENGTH\r\n\r\n", <[u8]>::to_vec, None);
}

fn chunked_downloads_arrive_whole(ctx: &Context) {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let frame = |body: &[u8]| chunked(body, &[3, 9000, 1, 70_000]);
    assert_downloads(ctx, head, frame, Some(Framing::Chunked));
}

fn downloads_until_close_arrive_whole(ctx: &Context) {
    assert_downloads(ctx, "HTTP/1.1 200 OK\r\n\r\n", <[u8]>::to_vec, Some(Framing::Chunked));
}

fn bodies_of_nul_bytes_arrive_whole(ctx: &Context) {
    let mut bodies = vec![vec![0], vec![0; 10], vec![0; 100_000]];
    bodies.push(b"ab\0cd\0\0\r\n\r\n0\r\n\r\n".to_vec());
    assert_upload(ctx, &bodies, false, false);
    assert_upload(ctx, &bodies, true, false);
    assert_upload(ctx, &bodies, false, true);
}
