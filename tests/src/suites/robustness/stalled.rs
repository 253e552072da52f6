//! Peers that stop reading: other clients are not affected, memory stays bounded, no byte is lost.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::client::Client;
use crate::process::{Options, Program};
use crate::rng::{Sha256Hasher, block};
use crate::wait::{TEST_TIMEOUT, eventually, ms, pause};

cases! { "robustness";
    Fast stalled_readers_cost_little_and_then_get_every_byte,
    Fast a_backend_that_stops_reading_bounds_the_upload,
    Fast a_client_beyond_the_cap_waits_and_is_served,
    Fast running_out_of_descriptors_is_survived,
    Fast a_closing_backend_under_load_gives_no_error,
}

const BLOCKS: usize = 480;
const STALLED: usize = 4;
const MAX_GROWTH_KIB: u64 = 8 * 1024;

fn digest_of_30_megabytes() -> Sha256Hasher {
    let (block, mut digest) = (block(), Sha256Hasher::default());
    (0..BLOCKS).for_each(|_| digest.add(&block));
    digest
}

fn stalled_readers_cost_little_and_then_get_every_byte(ctx: &Context) {
    let backend = Backend::start(|conn| {
        let Ok(request) = conn.request() else { return };
        if request.head.target == "/big" {
            let block = block();
            conn.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", BLOCKS * block.len()));
            (0..BLOCKS).all(|_| conn.write(&block));
        } else {
            conn.write(ok_response("fast"));
        }
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut fast = program.client();
    assert_eq!(fast.get("/").text(), "fast");
    let before = program.rss_kib();
    let mut stalled: Vec<_> = (0..STALLED)
        .map(|_| {
            let mut client = Client::connect_with_recv_buffer(program.addr(), 32 * 1024);
            client.request("GET", "/big", "");
            client
        })
        .collect();
    for _ in 0..40 {
        assert_eq!(fast.get("/").text(), "fast");
        pause(ms(10));
    }
    let grown = program.peak_rss_kib().saturating_sub(before);
    assert!(grown < MAX_GROWTH_KIB, "{STALLED} stalled readers cost {grown} KiB");
    let expected = digest_of_30_megabytes().finish();
    for client in &mut stalled {
        let mut digest = Sha256Hasher::default();
        let response = client.response_into("GET", &mut |piece| digest.add(piece)).unwrap();
        assert_eq!(response.status(), 200);
        assert!(digest.finish() == expected, "the body differs");
        client.request("GET", "/", "");
        assert_eq!(client.response("GET").text(), "fast", "the connection stays open");
    }
}

fn a_backend_that_stops_reading_bounds_the_upload(ctx: &Context) {
    let resume = Arc::new(AtomicBool::new(false));
    let go = Arc::clone(&resume);
    let backend = Backend::start(move |conn| {
        let Ok(head) = conn.head() else { return };
        eventually(2 * TEST_TIMEOUT, || go.load(Ordering::SeqCst).then_some(()));
        let mut digest = Sha256Hasher::default();
        if conn.body(head.framing, &mut |piece| digest.add(piece)).is_ok() {
            let same = digest.finish() == digest_of_30_megabytes().finish();
            conn.write(ok_response(if same { "same" } else { "changed" }));
        }
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let before = program.rss_kib();
    let mut client = program.client();
    let block = block();
    client.request("PUT", "/", &format!("Content-Length: {}\r\n", BLOCKS * block.len()));
    let mut writer = client.stream();
    let uploading = thread::spawn(move || (0..BLOCKS).all(|_| writer.write_all(&block).is_ok()));
    pause(ms(500));
    let grown = program.peak_rss_kib().saturating_sub(before);
    resume.store(true, Ordering::SeqCst);
    assert!(grown < MAX_GROWTH_KIB, "a stalled upload costs {grown} KiB");
    assert_eq!(client.response("PUT").text(), "same");
    assert!(uploading.join().unwrap(), "the upload is cut");
}

fn a_client_beyond_the_cap_waits_and_is_served(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &["--max-clients", "4"]);
    let mut within: Vec<_> = (0..4).map(|_| program.client()).collect();
    for client in &mut within {
        assert_eq!(client.get("/").status(), 200);
    }
    let mut fifth = program.client();
    fifth.request("GET", "/fifth", "");
    fifth.expect_no_input(ms(400));
    for client in &mut within {
        assert_eq!(client.get("/").status(), 200, "accepted clients are still served");
    }
    within.pop();
    assert_eq!(fifth.response("GET").status(), 200);
    within.clear();
    for _ in 0..12 {
        // A client that leaves frees its slot, over and over.
        assert_eq!(program.client().get("/").status(), 200);
    }
}

fn running_out_of_descriptors_is_survived(ctx: &Context) {
    let backend = Backend::ok("ok");
    let name = backend.addr().to_string();
    let options = Options { max_files: Some(40), ..Options::default() };
    let mut program = ctx.start_with(&[&name], &[], options);
    assert_eq!(program.client().get("/").status(), 200);
    // More clients than descriptors, each with a request that needs one more.
    let mut clients: Vec<_> = (0..80).map(|_| program.client()).collect();
    for client in &mut clients {
        client.request("GET", "/", "");
    }
    pause(ms(300));
    program.assert_running();
    drop(clients);
    crate::wait::until("it serves again", || {
        let mut client = program.client();
        client.request("GET", "/", "");
        client.try_response("GET").is_ok_and(|response| response.status() == 200)
    });
}

fn a_closing_backend_under_load_gives_no_error(ctx: &Context) {
    let backend = Backend::ok("closing");
    let program = ctx.start(&[backend.addr()], &[]);
    let deadline = Instant::now() + ms(2000);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..16).map(|_| scope.spawn(|| send_requests(&program, deadline))).collect();
        for client in clients {
            assert!(client.join().unwrap() > 0);
        }
    });
}

/// Sends requests until the deadline; each must be answered.
fn send_requests(program: &Program, deadline: Instant) -> usize {
    let mut client = program.client();
    let mut answered = 0;
    while Instant::now() < deadline {
        let response = client.get("/");
        assert_eq!((response.status(), response.text().as_str()), (200, "closing"));
        answered += 1;
    }
    answered
}
