//! Bodies: every byte, whatever the length and the way it takes; and files that change while they are sent.

use std::fs::File;
use std::io::Write as _;

use crate::Context;
use crate::case::cases;
use crate::checker::{Framing, ReadError};
use crate::client::Client;
use crate::process::Program;
use crate::rng::{Rng, Sha256Hasher};
use crate::wait::until;

use super::{Site, ask, counters};

cases! { "files";
    Fast bodies_are_exact_at_every_length,
    Fast copying_sends_the_same_bytes_and_counts_them_apart,
    Fast an_empty_file_is_a_response_without_a_body,
    Fast a_file_truncated_while_it_is_sent_ends_the_connection,
    Fast a_file_that_grows_while_it_is_sent_keeps_its_announced_length,
    Fast a_file_replaced_while_it_is_sent_stays_the_old_one,
}

const MEGABYTES_30: usize = 30_000_000;
/// Files up to this length are copied, together with their heads.
const SMALL_FILE_BYTES: usize = 4 * 1024;
const LENGTHS: [usize; 8] = [1, 100, SMALL_FILE_BYTES, SMALL_FILE_BYTES + 1, 65_535, 65_536, 65_537, MEGABYTES_30];

/// All lengths over one connection: a byte too few or too many would shift the next response.
fn assert_exact(ctx: &Context, flags: &[&str]) -> [u64; 3] {
    let site = Site::new();
    for length in LENGTHS {
        site.write(&format!("{length}.bin"), &Rng::new(length as u64).bytes(length));
    }
    let program = site.start(ctx, flags);
    let mut client = program.client();
    for length in LENGTHS {
        let (mut digest, mut expected) = (Sha256Hasher::default(), Sha256Hasher::default());
        expected.add(&Rng::new(length as u64).bytes(length));
        client.request("GET", &format!("/{length}.bin"), "");
        let response = client.response_into("GET", &mut |piece| digest.add(piece)).unwrap();
        assert_eq!((response.status(), response.framing), (200, Framing::Length(length as u64)));
        assert!(digest.finish() == expected.finish(), "{length} bytes: the body differs");
    }
    let total = LENGTHS.iter().sum::<usize>() as u64;
    until("all is counted", || counters(&program)[1..].iter().sum::<u64>() == total);
    counters(&program)
}

fn bodies_are_exact_at_every_length(ctx: &Context) {
    let [requests, by_sendfile, by_copy] = assert_exact(ctx, &[]);
    assert_eq!(requests, LENGTHS.len() as u64);
    if cfg!(target_os = "linux") {
        let (small, large): (Vec<_>, Vec<_>) = LENGTHS.iter().partition(|length| **length <= SMALL_FILE_BYTES);
        let sum = |lengths: Vec<usize>| lengths.iter().sum::<usize>() as u64;
        assert_eq!((by_sendfile, by_copy), (sum(large), sum(small)));
    }
}

fn copying_sends_the_same_bytes_and_counts_them_apart(ctx: &Context) {
    let [_, by_sendfile, by_copy] = assert_exact(ctx, &["--copy"]);
    assert!(by_sendfile == 0 && by_copy > 0, "{by_sendfile} by sendfile, {by_copy} by copy");
}

fn an_empty_file_is_a_response_without_a_body(ctx: &Context) {
    let site = Site::new();
    site.write("empty", b"");
    site.write("next", b"next");
    let program = site.start(ctx, &[]);
    let mut client = program.client();
    let response = ask(&mut client, "GET", "/empty", "");
    assert_eq!((response.status(), response.framing), (200, Framing::Length(0)));
    assert_eq!(client.get("/next").text(), "next");
}

/// A site with a file of 30 MB, and a client that has read the head of the response and no more: the rest is larger
/// than the sockets' buffers.
fn stopped_download(ctx: &Context, flags: &[&str]) -> (Site, Program, Client) {
    let site = Site::new();
    site.write("big.bin", &Rng::new(1).bytes(MEGABYTES_30));
    let program = site.start(ctx, flags);
    let mut client = Client::connect_with_recv_buffer(program.addr(), 32 * 1024);
    client.request("GET", "/big.bin", "");
    let (_, head, framing) = client.response_head("GET").unwrap();
    assert_eq!((head.status, framing), (200, Framing::Length(MEGABYTES_30 as u64)));
    (site, program, client)
}

fn a_file_truncated_while_it_is_sent_ends_the_connection(ctx: &Context) {
    for flags in [&["--log-requests"][..], &["--log-requests", "--copy"]] {
        let (site, program, mut client) = stopped_download(ctx, flags);
        // What the sockets hold by now has been sent, and must arrive.
        File::options().write(true).open(site.path("big.bin")).unwrap().set_len(20_000_000).unwrap();
        let (mut digest, mut expected, mut length) = (Sha256Hasher::default(), Sha256Hasher::default(), 0);
        let end = client.reader().body(Framing::Length(MEGABYTES_30 as u64), &mut |piece| {
            length += piece.len();
            digest.add(piece);
        });
        assert!(matches!(end, Err(ReadError::Truncated(_))), "{flags:?}: it must look truncated: {end:?}");
        assert_eq!(length, 20_000_000, "{flags:?}: nothing is padded or lost");
        expected.add(&Rng::new(1).bytes(length));
        assert!(digest.finish() == expected.finish(), "{flags:?}: the body differs");
        until("the log says why", || program.stderr().contains("the file was truncated"));
    }
}

fn a_file_that_grows_while_it_is_sent_keeps_its_announced_length(ctx: &Context) {
    for flags in [&[][..], &["--copy"]] {
        let (site, _program, mut client) = stopped_download(ctx, flags);
        let mut file = File::options().append(true).open(site.path("big.bin")).unwrap();
        file.write_all(&vec![0xff; 100_000]).unwrap();
        let mut digest = Sha256Hasher::default();
        let mut expected = Sha256Hasher::default();
        expected.add(&Rng::new(1).bytes(MEGABYTES_30));
        client.reader().body(Framing::Length(MEGABYTES_30 as u64), &mut |piece| digest.add(piece)).unwrap();
        assert!(digest.finish() == expected.finish(), "{flags:?}: the body differs");
        let next = ask(&mut client, "HEAD", "/big.bin", "");
        assert_eq!(next.fields().get("content-length"), Some("30100000"), "{flags:?}: the connection stays open");
    }
}

/// An editor writes a new file and renames it over the old one.
fn a_file_replaced_while_it_is_sent_stays_the_old_one(ctx: &Context) {
    let (site, _program, mut client) = stopped_download(ctx, &[]);
    site.write("new", b"new");
    std::fs::rename(site.path("new"), site.path("big.bin")).unwrap();
    let (mut digest, mut expected) = (Sha256Hasher::default(), Sha256Hasher::default());
    expected.add(&Rng::new(1).bytes(MEGABYTES_30));
    client.reader().body(Framing::Length(MEGABYTES_30 as u64), &mut |piece| digest.add(piece)).unwrap();
    assert!(digest.finish() == expected.finish(), "the body differs");
    assert_eq!(client.get("/big.bin").text(), "new");
}
