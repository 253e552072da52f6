//! The command line, the metrics, the log and the bundled backends.

use super::{Peer, echoes, expect_statistic, start_echoing};
use crate::Context;
use crate::admin_client::AdminClient;
use crate::case::cases;
use crate::suites::support::assert_usage_error;
use crate::wait::until;

cases! { "udp";
    Fast a_wrong_option_is_one_line,
    Fast options_of_other_modes_are_refused,
    Fast a_port_in_use_is_an_error,
    Fast flows_are_counted_in_the_metrics,
    Fast a_flow_is_logged_in_one_line,
    Fast bundled_echoes_reply_with_their_names,
}

fn a_wrong_option_is_one_line(ctx: &Context) {
    for (flags, says) in [
        (&["--udp-timeout", "5"][..], "--udp-timeout"),
        (&["--max-flows", "0"], "--max-flows"),
        (&["--max-flows-per-source", "0"], "--max-flows-per-source"),
        (&["--send-proxy", "v1"], "--send-proxy v1 needs --mode tcp"),
    ] {
        let line = [&["0", "127.0.0.1:1", "--mode", "udp"], flags].concat();
        assert_usage_error(ctx, &line, says);
    }
}

fn options_of_other_modes_are_refused(ctx: &Context) {
    for (flags, says) in [
        (&["--mode", "udp", "--copy"][..], "--copy needs --mode tcp or http:"),
        (&["--mode", "udp", "--retries", "2"], "--retries needs --mode http:"),
        (&["--mode", "udp", "--max-clients", "2"], "--max-clients needs --mode tcp or http:"),
        (&["--mode", "udp", "--accept-proxy", "127.0.0.1"], "--accept-proxy needs --mode "),
        (&["--udp-timeout", "5s"], "--udp-timeout needs --mode udp:"),
        (&["--mode", "http", "--max-flows", "5"], "--max-flows needs --mode udp:"),
    ] {
        let line = [&["0", "127.0.0.1:1"], flags].concat();
        assert_usage_error(ctx, &line, says);
    }
}

fn a_port_in_use_is_an_error(ctx: &Context) {
    let holder = Peer::bind("127.0.0.1");
    for workers in ["1", "2"] {
        let finished = ctx.run_named(
            &holder.addr().port().to_string(),
            &["127.0.0.1:1"],
            &["--mode", "udp", "--workers", workers],
        );
        assert_eq!(finished.code, 1, "{finished:?}");
        assert!(finished.stderr.contains("the address is in use"), "{finished:?}");
    }
}

fn flows_are_counted_in_the_metrics(ctx: &Context) {
    let backends = echoes(1);
    let program = start_echoing(ctx, &backends, &["--admin", "127.0.0.1:0", "--max-flows", "1"]);
    let (admin, client) = (AdminClient::of(&program), Peer::of(&program));
    client.ask("hello");
    Peer::of(&program).send("no room");
    expect_statistic(&program, "dropped max_flows", 1);
    let metrics = admin.send("GET", "/metrics", "Host: localhost\r\n", "").text();
    let backend = format!("backend=\"{}\",group=\"default\"", backends[0].addr());
    for line in [
        "lb_udp_flows 1",
        "lb_udp_flows_total{end=\"idle\"} 0",
        "lb_udp_datagrams_total{to=\"backend\"} 1",
        "lb_udp_datagrams_total{to=\"client\"} 1",
        "lb_udp_bytes_total{to=\"backend\"} 5",
        "lb_udp_bytes_total{to=\"client\"} 8",
        "lb_udp_dropped_total{reason=\"max_flows\"} 1",
        "lb_udp_dropped_total{reason=\"draining\"} 0",
        &format!("lb_backend_in_flight{{{backend}}} 1"),
        &format!("lb_backend_flows_total{{{backend}}} 1"),
    ] {
        assert!(metrics.lines().any(|other| other == line), "{line} is not in {metrics}");
    }
}

fn a_flow_is_logged_in_one_line(ctx: &Context) {
    let backends = echoes(1);
    let program = start_echoing(ctx, &backends, &["--log-requests", "--udp-timeout", "300ms", "--bind", "::"]);
    let client = Peer::bind("127.0.0.1");
    client.0.connect(("127.0.0.1", program.addr().port())).unwrap();
    client.ask("hello");
    client.ask("again!");
    let (client, backend) = (client.addr(), backends[0].addr());
    let line = format!(" {client} backend={backend} datagrams_in=2 in=11 datagrams_out=2 out=17 total=");
    until("the flow is logged", || {
        program.stderr().lines().any(|logged| logged.contains(&line) && logged.ends_with("ms moves=0 idle"))
    });
}

fn bundled_echoes_reply_with_their_names(ctx: &Context) {
    let program = ctx.start_bundled(&["--mode", "udp", "--workers", "1"]);
    program.wait_stdout(&format!("nc -u -w 1 127.0.0.1 {}", program.addr().port()));
    let reached: Vec<_> = (0..3).map(|_| Peer::of(&program).ask("hello")).collect();
    assert_eq!(reached, ["echo-1", "echo-2", "echo-3"]);
}
