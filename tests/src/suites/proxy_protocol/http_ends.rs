//! Connections in HTTP mode that get no header: how each of them ends, and that other clients do not wait for it.

use std::io::Write as _;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::http::start_trusting;
use super::{V1, malformed};
use crate::Context;
use crate::admin_client::AdminClient;
use crate::backend::Backend;
use crate::case::cases;
use crate::process::Program;
use crate::suites::layer4::{Peer, statistic, wait_until_accepted, wait_until_closed};
use crate::wait::{TEST_TIMEOUT, ms, pause, until};

cases! { "proxy_protocol";
    Fast anything_else_before_a_request_is_reset,
    Fast a_stalled_header_ends_in_time_and_holds_up_nobody,
    Fast a_drain_ends_the_wait_for_a_header,
    Fast a_header_that_comes_in_the_drain_is_served,
}

/// Waits until `count` connections have ended so in the wait for their header.
fn expect_headers(program: &Program, end: &str, count: u64) {
    until(&format!("{count} headers: {end}"), || statistic(program, &format!("PROXY headers {end}")) == count);
}

fn anything_else_before_a_request_is_reset(ctx: &Context) {
    let backend = Backend::ok("a");
    let program = start_trusting(ctx, &[&backend], &["--admin", "127.0.0.1:0"]);
    let malformed = malformed();
    for bytes in &malformed {
        let mut client = Peer::connect(&program);
        client.send(bytes);
        client.expect_reset();
    }
    let mut cut_off = Peer::connect(&program);
    cut_off.send(&V1[..20]);
    cut_off.half_close();
    cut_off.expect_reset();
    let count = malformed.len() as u64 + 1;
    expect_headers(&program, "malformed", count);
    let mut leaving = Peer::connect(&program);
    leaving.send(&V1[..20]);
    wait_until_accepted(&program, count + 1);
    leaving.reset();
    expect_headers(&program, "client_reset", 1);
    let metrics = AdminClient::of(&program).send("GET", "/metrics", "Host: localhost\r\n", "").text();
    for line in [
        format!("lb_proxy_headers_total{{end=\"malformed\"}} {count}\n"),
        "lb_proxy_headers_total{end=\"client_reset\"} 1\n".to_owned(),
    ] {
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    assert_eq!(backend.connections(), 0, "no request went to the backend");
}

fn a_stalled_header_ends_in_time_and_holds_up_nobody(ctx: &Context) {
    let backend = Backend::ok("a");
    let program = start_trusting(ctx, &[&backend], &["--workers", "1", "--prelude-timeout", "2s"]);
    let began = Instant::now();
    let (mut silent, mut slow) = (Peer::connect(&program), Peer::connect(&program));
    slow.send(&V1[..10]);
    wait_until_accepted(&program, 2);
    let mut client = program.client();
    client.send(V1);
    assert_eq!(client.get("/").status(), 200);
    assert_eq!(statistic(&program, "PROXY headers timeout"), 0, "it was served while they were waited for");
    // The deadline is for the whole header: a byte now and then does not move it.
    let is_reset = V1[10..].iter().any(|byte| {
        pause(ms(100));
        slow.0.write_all(&[*byte]).is_err()
    });
    assert!(is_reset, "the header was taken though it was late");
    silent.expect_reset();
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    expect_headers(&program, "timeout", 2);
    // A connection with a header has an idle client's time.
    assert_eq!(client.get("/").status(), 200);
}

fn a_drain_ends_the_wait_for_a_header(ctx: &Context) {
    let backend = Backend::ok("a");
    let mut program = start_trusting(ctx, &[&backend], &["--prelude-timeout", "5m", "--drain-timeout", "5m"]);
    let (mut silent, mut stalled) = (Peer::connect(&program), Peer::connect(&program));
    stalled.send(&V1[..20]);
    wait_until_accepted(&program, 2);
    program.signal(Signal::SIGTERM);
    silent.expect_fin();
    stalled.expect_fin();
    drop((silent, stalled));
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
    program.wait_stdout("PROXY headers drained 2");
}

fn a_header_that_comes_in_the_drain_is_served(ctx: &Context) {
    let backend = Backend::ok("a");
    let mut program = start_trusting(ctx, &[&backend], &["--drain-timeout", "5m"]);
    let mut client = program.client();
    wait_until_accepted(&program, 1);
    program.signal(Signal::SIGTERM);
    wait_until_closed(&program);
    client.send(V1);
    let response = client.get("/");
    assert_eq!(response.status(), 200);
    assert!(response.head.says_close(), "{response:?}");
    client.expect_closed();
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}
