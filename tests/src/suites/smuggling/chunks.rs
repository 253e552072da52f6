//! Malformed chunked requests get 400 and a close, and the backend never sees an end of body that was not sent.

use crate::Context;
use crate::backend::{Backend, Conn};
use crate::case::cases;
use crate::checker::{ReadError, single_request};
use crate::process::Program;
use crate::rng::Rng;
use crate::suites::local_reply;
use crate::wait::ms;

cases! { "smuggling";
    Fast malformed_chunk_sizes_and_line_ends_are_refused,
    Fast malformed_or_endless_extensions_and_trailers_are_refused,
}

const HEAD: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

const SIZES: &[&[u8]] = &[
    b"\r\nhello\r\n0\r\n\r\n",
    b"g\r\nhello\r\n0\r\n\r\n",
    b"+5\r\nhello\r\n0\r\n\r\n",
    b"-5\r\nhello\r\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"5h\r\nhello\r\n0\r\n\r\n",
    b"5,\r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n",
    b"\t5\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n",
    b"5\t\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0 \r\n\r\n",
    b"5\0\r\nhello\r\n0\r\n\r\n",
    b"\xd9\xa5\r\nhello\r\n0\r\n\r\n",
    b"00000000000000005\r\nhello\r\n0\r\n\r\n",
    b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    b"5\nhello\r\n0\r\n\r\n",
    b"5\rhello\r\n0\r\n\r\n",
    b"5\r\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\n0\r\n\r\n",
    b"5\r\nhello\r0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
    b"5\r\nhello!\r\n0\r\n\r\n",
    b"4\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\r\n\r\n0\r\n\r\n",
    b"5\r\nhello\r\nx\r\n\r\n",
    b"5\r\nhello\r\n-0\r\n\r\n",
    b"5\r\nhello\r\n0\n\r\n",
    b"5\r\nhello\r\n0\r\n\n",
    b"5\r\nhello\r\n0\n\n",
    b"5\r\nhello\r\n0\rx\r\n\r\n",
    b"0x0\r\n\r\n",
    b"0\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
];

const TAILS: &[&[u8]] = &[
    b"5;a\nhello\r\n0\r\n\r\n",
    b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    b"5;a\0b\r\nhello\r\n0\r\n\r\n",
    b"5;a\x7f\r\nhello\r\n0\r\n\r\n",
    b"0;a\n\r\n",
    b"0\r\nX : y\r\n\r\n",
    b"0\r\nX y\r\n\r\n",
    b"0\r\n: y\r\n\r\n",
    b"0\r\n X: y\r\n\r\n",
    b"0\r\nX: y\r\n z\r\n\r\n",
    b"0\r\nX: y\n\r\n",
    b"0\r\nX: y\r\n\n",
    b"0\r\nX: y\rz\r\n\r\n",
    b"0\r\nX: \0\r\n\r\n",
    b"0\r\nX\xe4: y\r\n\r\n",
];

fn malformed_chunk_sizes_and_line_ends_are_refused(ctx: &Context) {
    assert_refused(ctx, SIZES.iter().map(|body| body.to_vec()));
}

fn malformed_or_endless_extensions_and_trailers_are_refused(ctx: &Context) {
    let made = [
        format!("5;{}\r\nhello\r\n0\r\n\r\n", "e".repeat(300)),
        format!("5;{}", "e".repeat(40 << 10)),
        format!("5;{}", "e".repeat(1 << 20)),
        format!("0\r\nX: {}\r\n\r\n", "t".repeat(9 << 10)),
        format!("0\r\n{}\r\n", "X: y\r\n".repeat(2000)),
        format!("0\r\nX: {}", "t".repeat(40 << 10)),
        "0".repeat(40 << 10),
    ];
    let rows = TAILS.iter().map(|body| body.to_vec());
    assert_refused(ctx, rows.chain(made.map(String::into_bytes)));
}

fn assert_refused(ctx: &Context, bodies: impl Iterator<Item = Vec<u8>>) {
    let backend = Backend::start(Conn::read_until_closed);
    let program = ctx.start(&[backend.addr()], &[]);
    let mut rng = Rng::new(11);
    let mut broken = Vec::new();
    for body in bodies {
        let at = 1 + rng.below(body.len() - 1);
        let whole = [HEAD.as_bytes(), &body].concat();
        let behind_a_chunk = [HEAD.as_bytes(), b"3\r\nabc\r\n", &body].concat();
        let (first, second) = whole.split_at(HEAD.len() + at);
        for pieces in [vec![&whole[..]], vec![first, second], vec![&behind_a_chunk]] {
            if let Err(what) = refused(&program, &backend, pieces) {
                let shown = &body[..body.len().min(60)];
                broken.push(format!("{:?}: {what}", shown.escape_ascii().to_string()));
                break;
            }
        }
        if broken.len() == 8 {
            break;
        }
    }
    assert!(broken.is_empty(), "{} bodies:\n{}", broken.len(), broken.join("\n"));
}

fn refused(program: &Program, backend: &Backend, pieces: Vec<&[u8]>) -> Result<(), String> {
    let before = backend.connections();
    let mut client = program.client();
    client.set_read_timeout(ms(5000));
    client.send_pieces(pieces, ms(4));
    let response = client.try_response("POST").map_err(|error| format!("{error:?}"))?;
    if response.status() != 400 {
        return Err(format!("{} instead of 400", response.status()));
    }
    local_reply::check(&response)?;
    match client.read_until_closed(ms(5000)) {
        Some(rest) if rest.is_empty() => {}
        other => return Err(format!("after the 400: {other:?}")),
    }
    // The balancer may have connected or not; if it has, the upstream body must stay unfinished.
    let left = backend.holds_within(ms(5000), |seen| seen[before..].iter().all(|s| s.ended));
    if !left {
        return Err("the upstream connection stays open".into());
    }
    for seen in &backend.recordings()[before..] {
        match single_request(&seen.bytes) {
            Err(ReadError::Truncated(_) | ReadError::Closed) => {}
            other => return Err(format!("the backend read {other:?}")),
        }
    }
    Ok(())
}
