//! Large bodies: exact by SHA-256, and the balancer's memory does not grow with them.

use std::fmt::Write as _;
use std::io::Write;
use std::thread;

use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::checker::Framing;
use crate::process::Program;
use crate::rng::{Sha256Hasher, block};

cases! { "framing";
    Fast sixty_four_mebibytes_up_and_down_are_exact_in_bounded_memory,
    Full a_gibibyte_up_and_down_is_exact_in_bounded_memory,
}

/// How much memory may grow after the first request.
const MAX_GROWTH_KIB: u64 = 8 * 1024;

fn sixty_four_mebibytes_up_and_down_are_exact_in_bounded_memory(ctx: &Context) {
    assert_exact(ctx, 64);
}

fn a_gibibyte_up_and_down_is_exact_in_bounded_memory(ctx: &Context) {
    assert_exact(ctx, 1024);
}

fn hex(digest: [u8; 32]) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The body: blocks of 64 KiB that begin with their number, so that no two are alike.
fn blocks(mebibytes: usize) -> impl Iterator<Item = Vec<u8>> {
    let block = block();
    (0..mebibytes * 16).map(move |number| {
        let mut numbered = block.clone();
        numbered[..8].copy_from_slice(&(number as u64).to_be_bytes());
        numbered
    })
}

/// Writes the body with one of the two framings.
fn write_body(out: &mut impl Write, mebibytes: usize, framing: Framing) -> std::io::Result<()> {
    for block in blocks(mebibytes) {
        if framing == Framing::Chunked {
            write!(out, "{:x}\r\n", block.len())?;
            out.write_all(&block)?;
            out.write_all(b"\r\n")?;
        } else {
            out.write_all(&block)?;
        }
    }
    if framing == Framing::Chunked { out.write_all(b"0\r\n\r\n") } else { Ok(()) }
}

/// `/length` and `/chunked` send the body; a POST is answered with the digest of what arrived.
fn backend(mebibytes: usize) -> Backend {
    Backend::start(move |conn| {
        let Ok(head) = conn.head() else { return };
        let mut digest = Sha256Hasher::default();
        if conn.body(head.framing, &mut |piece| digest.add(piece)).is_err() {
            return;
        }
        if head.method == "POST" {
            conn.write(ok_response(&hex(digest.finish())));
            return;
        }
        let (field, framing) = framing_of(&head.target, mebibytes);
        conn.write(format!("HTTP/1.1 200 OK\r\n{field}\r\n"));
        let _ = write_body(&mut conn.stream(), mebibytes, framing);
    })
}

fn framing_of(target: &str, mebibytes: usize) -> (String, Framing) {
    let length = (mebibytes as u64) << 20;
    match target {
        "/chunked" => ("Transfer-Encoding: chunked\r\n".into(), Framing::Chunked),
        _ => (format!("Content-Length: {length}\r\n"), Framing::Length(length)),
    }
}

fn assert_exact(ctx: &Context, mebibytes: usize) {
    let backend = backend(mebibytes);
    let program = ctx.start(&[backend.addr()], &[]);
    let mut expected = Sha256Hasher::default();
    blocks(mebibytes).for_each(|block| expected.add(&block));
    let expected = hex(expected.finish());
    let mut warm = program.client();
    warm.request("POST", "/warm", "Content-Length: 0\r\n");
    assert_eq!(warm.response("POST").status(), 200);
    let before = program.rss_kib();
    for target in ["/length", "/chunked"] {
        assert_eq!(download(&program, target), expected, "down {target}");
        assert_eq!(upload(&program, target, mebibytes), expected, "up {target}");
    }
    let grown = program.peak_rss_kib().saturating_sub(before);
    assert!(grown <= MAX_GROWTH_KIB, "resident memory grew by {grown} KiB");
}

fn download(program: &Program, target: &str) -> String {
    let mut client = program.client();
    client.request("GET", target, "");
    let mut digest = Sha256Hasher::default();
    let response = client.response_into("GET", &mut |piece| digest.add(piece));
    assert_eq!(response.unwrap_or_else(|error| panic!("{target}: {error:?}")).status(), 200);
    hex(digest.finish())
}

fn upload(program: &Program, target: &str, mebibytes: usize) -> String {
    let mut client = program.client();
    let (field, framing) = framing_of(target, mebibytes);
    client.request("POST", target, &field);
    let mut out = client.stream();
    let writing = thread::spawn(move || write_body(&mut out, mebibytes, framing));
    let response = client.response("POST");
    writing.join().unwrap().expect("the upload is taken whole");
    response.text()
}
