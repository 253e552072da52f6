//! The command line, the metrics, the log and the bare start.

use super::{Listening, Peer, expect_ended, session, start};
use crate::Context;
use crate::admin_client::AdminClient;
use crate::backend::reserved_port;
use crate::case::cases;
use crate::suites::support::assert_usage_error;
use crate::wait::until;

cases! { "layer4";
    Fast a_wrong_option_is_one_line,
    Fast options_of_requests_are_refused,
    Fast sessions_are_counted_in_the_metrics,
    Fast a_session_is_logged_in_one_line,
    Fast requests_are_balanced_in_http_mode,
}

fn a_wrong_option_is_one_line(ctx: &Context) {
    for (flags, says) in [
        (&["--mode", "sctp"][..], "expected tcp, udp or http"),
        (&["--session-timeout", "5"], "--session-timeout"),
        (&["--splice-threshold", "5"], "--splice-threshold"),
        (&["--copy", "--splice-threshold", "1KiB"], "--splice-threshold"),
    ] {
        let line: Vec<_> = ["0", "127.0.0.1:1"].into_iter().chain(flags.iter().copied()).collect();
        assert_usage_error(ctx, &line, says);
    }
}

fn options_of_requests_are_refused(ctx: &Context) {
    for (flags, says) in [
        (&["--limit", "5/s"][..], "--limit needs --mode http"),
        (&["--sticky"], "--sticky needs --mode http"),
        (&["--retries", "2"], "--retries needs --mode http"),
        (&["--access-log", "-", "--slow", "5s"], "--slow needs --mode http"),
        (&["--access-log", "-", "--access-log-redact-query"], "--access-log-redact-query needs --mode http"),
        (&["--mode", "http", "--session-timeout", "1m"], "--session-timeout needs --mode tcp"),
        (
            &["--mode", "http", "--send-proxy", "v2"],
            "--send-proxy needs --mode tcp or udp: in http mode a connection to a backend is pooled",
        ),
    ] {
        let line: Vec<_> = ["0", "127.0.0.1:1"].into_iter().chain(flags.iter().copied()).collect();
        assert_usage_error(ctx, &line, says);
    }
}

fn sessions_are_counted_in_the_metrics(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &["--admin", "127.0.0.1:0", "--splice-threshold", "0"]);
    let (mut client, mut server) = session(&program, &backend);
    client.send([1; 1_000]);
    server.expect([1; 1_000]);
    let admin = AdminClient::of(&program);
    let scrape = || admin.send("GET", "/metrics", "Host: localhost\r\n", "").text();
    let name = backend.addr();
    let in_flight = format!("lb_backend_in_flight{{backend=\"{name}\",group=\"default\"}} ");
    assert!(scrape().contains(&format!("{in_flight}1\n")), "{}", scrape());
    client.reset();
    server.expect_reset();
    until("the session is counted", || {
        scrape().contains("lb_sessions_total{end=\"client_reset\",group=\"default\"} 1\n")
    });
    until("its slot is given back, a moment later", || scrape().contains(&format!("{in_flight}0\n")));
    let metrics = scrape();
    for line in [
        "lb_bytes_spliced_total 1000\n",
        "lb_bytes_copied_total 0\n",
        "lb_connections_accepted_total 1\n",
        "lb_sessions_total{end=\"done\",group=\"default\"} 0\n",
        &format!("lb_backend_sessions_total{{backend=\"{name}\",group=\"default\"}} 1\n"),
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert_eq!(admin.send("GET", "/readyz", "Host: localhost\r\n", "").status(), 200);
}

fn a_session_is_logged_in_one_line(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &["--log-requests"]);
    let (mut client, mut server) = session(&program, &backend);
    let peer = client.0.local_addr().unwrap();
    client.send("four");
    server.expect("four");
    server.send("six...");
    client.expect("six...");
    drop((client, server));
    expect_ended(&program, "done", 1);
    until("the session is logged", || program.stderr().contains(&peer.to_string()));
    let text = program.stderr();
    let line = text.lines().find(|line| line.contains(&peer.to_string())).unwrap();
    let moved = format!(" backend={} in=4 out=6 spliced=0 copied=10 connected=", backend.addr());
    assert!(line.contains(&moved) && line.ends_with(" done"), "{line}");
    // With a pipe from the first byte on, and without a backend.
    let program = start(ctx, &[&backend], &["--log-requests", "--splice-threshold", "0"]);
    let (mut client, mut server) = session(&program, &backend);
    client.send("four");
    server.expect("four");
    drop((client, server));
    until("the session is logged", || program.stderr().contains(" in=4 out=0 spliced=4 copied=0 "));
    let program = ctx.start(&[reserved_port().addr], &["--log-requests"]);
    Peer::connect(&program).expect_reset();
    until("the session is logged", || {
        program.stderr().contains(" backend=- in=0 out=0 spliced=0 copied=0 connected=- ")
    });
}

fn requests_are_balanced_in_http_mode(ctx: &Context) {
    let program = ctx.start_bundled(&["--mode", "http"]);
    let mut client = program.client();
    let mut servers: Vec<_> = (0..6).map(|_| client.get("/").fields().get("x-server-id").unwrap().to_owned()).collect();
    servers.sort();
    servers.dedup();
    assert_eq!(servers.len(), 3, "each of the three gets requests: {servers:?}");
}
