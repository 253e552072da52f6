//! Limits: flows beyond them are dropped and counted, and known ones go on.

use super::{Peer, ask_all, echoes, expect_statistic, start_echoing};
use crate::Context;
use crate::case::cases;
use crate::process::Options;
use crate::suites::layer4::statistic;
use crate::wait::until;

cases! { "udp";
    Fast a_source_has_so_many_flows,
    Fast there_are_so_many_flows,
    Fast a_backend_has_so_many_flows,
    Fast the_open_file_limit_bounds_flows,
}

/// Three clients have flows; a fourth gets none for this reason, until one has expired.
fn assert_three_flows(ctx: &Context, flags: &[&str], reason: &str) {
    let backends = echoes(1);
    // Long enough for the first flow to be there when the fourth client comes, also on a loaded machine.
    let program = start_echoing(ctx, &backends, &[&["--udp-timeout", "3s", "--workers", "2"], flags].concat());
    let clients: Vec<_> = (0..3).map(|_| Peer::of(&program)).collect();
    ask_all(&clients, "in");
    let late = Peer::of(&program);
    late.send("in?");
    late.expect_silence();
    expect_statistic(&program, &format!("dropped {reason}"), 1);
    ask_all(&clients, "still in");
    until("a flow has expired", || statistic(&program, "ended idle") > 0);
    late.ask_until_answered("in now");
}

fn a_source_has_so_many_flows(ctx: &Context) {
    assert_three_flows(ctx, &["--max-flows-per-source", "3"], "max_flows_per_source");
    let backends = echoes(1);
    let program = start_echoing(ctx, &backends, &["--max-flows-per-source", "1", "--bind", "0.0.0.0"]);
    let first = Peer::bind("127.0.0.1");
    for source in [first, Peer::bind("127.0.0.2")] {
        source.0.connect(("127.0.0.1", program.addr().port())).unwrap();
        source.ask("another source has its own limit");
    }
}

fn there_are_so_many_flows(ctx: &Context) {
    assert_three_flows(ctx, &["--max-flows", "3"], "max_flows");
}

fn a_backend_has_so_many_flows(ctx: &Context) {
    assert_three_flows(ctx, &["--max-connections", "3"], "backend_limit");
}

fn the_open_file_limit_bounds_flows(ctx: &Context) {
    let backends = echoes(1);
    let name = backends[0].addr().to_string();
    let start = |flags: &[&str]| {
        let flags = [&["--mode", "udp", "--workers", "1"], flags].concat();
        ctx.start_with(&[&name], &flags, Options { max_files: Some(100), ..Options::default() })
    };
    let program = start(&["--max-flows", "1000"]);
    let allowed = 100 - 32 - 4;
    program.wait_stdout(&format!("1 worker thread, at most {allowed} flows"));
    let says = format!("allows {allowed} flows, not 1000");
    until("that is said", || program.stderr().contains(&says));
    let clients: Vec<_> = (0..allowed).map(|_| Peer::of(&program)).collect();
    ask_all(&clients, "in");
    Peer::of(&program).send("in?");
    expect_statistic(&program, "dropped max_flows", 1);
    assert_eq!(program.stderr().matches(&says).count(), 1, "once");
    let program = start(&[]);
    program.wait_stdout(&format!("at most {allowed} flows"));
    assert!(!program.stderr().contains("open files"), "nobody has asked for more");
}
