//! Slow clients, many clients, and the end of the process.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::Context;
use crate::case::cases;
use crate::checker::Framing;
use crate::client::Client;
use crate::process::Program;
use crate::rng::{Rng, Sha256Hasher};
use crate::wait::{TEST_TIMEOUT, ms, pause, until};

use super::{Site, ask};

cases! { "files";
    Fast stalled_downloads_cost_no_memory_and_delay_nobody,
    Fast a_client_that_takes_no_byte_is_cut_off,
    Slow a_client_that_takes_few_bytes_is_served,
    Fast a_drain_finishes_downloads_and_closes_idle_connections,
    Fast a_drain_answers_what_was_pipelined,
    Fast a_second_signal_ends_downloads,
    Fast a_client_beyond_the_limit_waits_and_is_served,
    Fast a_drain_serves_clients_that_wait_beyond_the_limit,
    Fast clients_that_vanish_leave_no_descriptor,
}

const MEGABYTES_30: usize = 30_000_000;
/// A worker's buffer, the connections' own, and the allocator's slack.
const MAX_GROWTH_KIB: u64 = 2 * 1024;

fn site_with_30_megabytes() -> (Site, [u8; 32]) {
    let (site, content) = (Site::new(), Rng::new(11).bytes(MEGABYTES_30));
    site.write("big", &content);
    site.write("small", b"small");
    let mut digest = Sha256Hasher::default();
    digest.add(&content);
    (site, digest.finish())
}

/// A client that has asked for the large file and reads nothing.
fn stalled(program: &Program) -> Client {
    let mut client = Client::connect_with_recv_buffer(program.addr(), 32 * 1024);
    client.request("GET", "/big", "");
    client
}

fn read_and_hash(client: &mut Client) -> [u8; 32] {
    let (_, head, framing) = client.response_head("GET").unwrap();
    assert_eq!(head.status, 200);
    body_digest(client, framing)
}

fn body_digest(client: &mut Client, framing: Framing) -> [u8; 32] {
    let mut digest = Sha256Hasher::default();
    client.reader().body(framing, &mut |piece| digest.add(piece)).unwrap();
    digest.finish()
}

fn stalled_downloads_cost_no_memory_and_delay_nobody(ctx: &Context) {
    let (site, expected) = site_with_30_megabytes();
    for flags in [&["--workers", "1"][..], &["--workers", "1", "--copy"]] {
        let program = site.start(ctx, flags);
        let mut fast = program.client();
        assert_eq!(fast.get("/small").text(), "small");
        let before = program.rss_kib();
        let mut clients: Vec<_> = (0..16).map(|_| stalled(&program)).collect();
        for _ in 0..40 {
            assert_eq!(fast.get("/small").text(), "small");
            pause(ms(5));
        }
        let grown = program.peak_rss_kib().saturating_sub(before);
        assert!(grown < MAX_GROWTH_KIB, "{flags:?}: 16 stalled readers cost {grown} KiB");
        for client in &mut clients[..4] {
            assert!(read_and_hash(client) == expected, "{flags:?}: the body differs");
            assert_eq!(client.get("/small").text(), "small", "{flags:?}: the connection stays open");
        }
    }
}

/// The program's descriptors with one idle client, and that client: by then its worker has all of its own. A file could
/// still be open when its last byte has arrived, so the client asks for none.
fn with_idle_client(program: &Program) -> (usize, Client) {
    let mut client = program.client();
    assert_eq!(client.get("/none").status(), 404);
    (program.fds(), client)
}

fn a_client_that_takes_no_byte_is_cut_off(ctx: &Context) {
    let (site, _) = site_with_30_megabytes();
    let program = site.start(ctx, &["--workers", "1", "--body-timeout", "300ms", "--log-requests"]);
    let (before, _idle) = with_idle_client(&program);
    let mut client = stalled(&program);
    until("the log says so", || program.stderr().contains("timed out"));
    until("its descriptors are closed", || program.fds() == before);
    let received = client.read_until_closed(TEST_TIMEOUT).expect("it is closed");
    assert!(received.len() < MEGABYTES_30, "it is not whole");
}

/// A client that always takes a little makes progress. The kernel's send buffer has grown meanwhile, and does not become
/// writable again within the limit: that needs a third of it to be free.
fn a_client_that_takes_few_bytes_is_served(ctx: &Context) {
    let (site, expected) = site_with_30_megabytes();
    let program = site.start(ctx, &["--body-timeout", "1s"]);
    let mut client = program.client();
    client.request("GET", "/big", "");
    client.response_head("GET").unwrap();
    let (started, mut received) = (Instant::now(), client.read_exact(8_000_000));
    while started.elapsed() < Duration::from_secs(5) {
        received.extend(client.read_exact(4 * 1024));
        pause(ms(20));
    }
    // Reading what the kernel holds would go on for long after the connection was given up.
    received.extend(client.read_exact(MEGABYTES_30 - received.len()));
    let mut digest = Sha256Hasher::default();
    digest.add(&received);
    assert!(digest.finish() == expected, "the body differs");
}

fn a_drain_finishes_downloads_and_closes_idle_connections(ctx: &Context) {
    let (site, expected) = site_with_30_megabytes();
    let mut program = site.start(ctx, &[]);
    let (mut idle, mut download) = (program.client(), stalled(&program));
    assert_eq!(idle.get("/small").text(), "small");
    // Its head has come before the drain begins, so it doesn't announce that the connection closes.
    let (_, _, framing) = download.response_head("GET").unwrap();
    program.signal(Signal::SIGTERM);
    until("new connections are refused", || Client::try_connect(program.addr()).is_err());
    idle.expect_closed();
    assert!(program.wait(ms(50)).is_none(), "the download is in flight");
    assert!(body_digest(&mut download, framing) == expected, "the body differs");
    let last = ask(&mut download, "GET", "/small", "");
    assert_eq!((last.text().as_str(), last.fields().get("connection")), ("small", Some("close")));
    download.expect_closed();
    drop(download);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
    program.wait_stdout("requests: 3 (0 cut short)");
}

fn a_drain_answers_what_was_pipelined(ctx: &Context) {
    let (site, _) = site_with_30_megabytes();
    let mut program = site.start(ctx, &[]);
    let mut client = Client::connect_with_recv_buffer(program.addr(), 32 * 1024);
    client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\nGET /small HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2));
    let (_, _, framing) = client.response_head("GET").unwrap();
    program.signal(Signal::SIGTERM);
    until("new connections are refused", || Client::try_connect(program.addr()).is_err());
    client.reader().body(framing, &mut |_| {}).unwrap();
    assert_eq!(client.response("GET").text(), "small");
    assert_eq!(client.response("GET").body.len(), MEGABYTES_30);
    let last = client.response("GET");
    assert_eq!((last.text().as_str(), last.fields().get("connection")), ("small", Some("close")));
    client.expect_closed();
    drop(client);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}

fn a_second_signal_ends_downloads(ctx: &Context) {
    let (site, _) = site_with_30_megabytes();
    let mut program = site.start(ctx, &[]);
    let mut client = stalled(&program);
    client.response_head("GET").unwrap();
    program.signal(Signal::SIGTERM);
    until("new connections are refused", || Client::try_connect(program.addr()).is_err());
    program.signal(Signal::SIGTERM);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}

fn a_client_beyond_the_limit_waits_and_is_served(ctx: &Context) {
    let (site, _) = site_with_30_megabytes();
    let program = site.start(ctx, &["--max-clients", "2"]);
    let mut clients: Vec<_> = (0..2).map(|_| program.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/small").text(), "small");
    }
    let mut third = program.client();
    third.request("GET", "/small", "");
    third.expect_no_input(ms(200));
    assert_eq!(clients[0].get("/small").text(), "small");
    clients.remove(0);
    assert_eq!(third.response("GET").text(), "small");
}

fn a_drain_serves_clients_that_wait_beyond_the_limit(ctx: &Context) {
    let (site, expected) = site_with_30_megabytes();
    let mut program = site.start(ctx, &["--max-clients", "1"]);
    let mut download = stalled(&program);
    let (_, _, framing) = download.response_head("GET").unwrap();
    let mut waiting: Vec<_> = (0..6).map(|_| program.client()).collect();
    for client in &mut waiting {
        client.request("GET", "/small", "");
    }
    waiting[0].expect_no_input(ms(100));
    program.signal(Signal::SIGTERM);
    for client in &mut waiting {
        assert_eq!(client.response("GET").text(), "small");
    }
    assert!(body_digest(&mut download, framing) == expected, "the body differs");
    drop((download, waiting));
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}

fn clients_that_vanish_leave_no_descriptor(ctx: &Context) {
    let (site, _) = site_with_30_megabytes();
    let program = site.start(ctx, &["--workers", "1"]);
    let (before, mut other) = with_idle_client(&program);
    for _ in 0..20 {
        let mut client = stalled(&program);
        client.response_head("GET").unwrap();
        client.reset();
    }
    until("all descriptors are closed", || program.fds() == before);
    assert_eq!(other.get("/small").text(), "small");
}
