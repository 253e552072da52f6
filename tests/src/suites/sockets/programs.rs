//! The three programs from the outside: their arguments, their errors, their output.

use std::net::TcpListener;

use super::{run_other, words};
use crate::Context;
use crate::case::cases;
use crate::process::ExitedProgram;
use crate::rng::Rng;

cases! { "sockets";
    Fast help_and_version_exit_0,
    Fast refused_command_lines_are_one_line_and_64,
    Fast an_environment_error_is_one_line_and_1,
    Fast the_client_prints_exactly_what_it_reads,
    Fast the_client_reports_a_server_that_leaves_early,
    Fast it_listens_on_the_given_address,
    Fast getaddrinfo_shows_every_answer_and_the_peer,
    Fast getaddrinfo_exits_0_although_the_connect_is_refused,
    Fast getaddrinfo_exits_1_when_the_name_does_not_resolve,
}

const PROGRAMS: [&str; 3] = ["echo_server", "echo_client", "getaddrinfo_demo"];

fn run(ctx: &Context, name: &str, args: &[&str]) -> ExitedProgram {
    if name == "echo_server" { ctx.run(args) } else { run_other(ctx, name, args, b"") }
}

fn assert_refused(finished: &ExitedProgram, code: i32) {
    assert_eq!((finished.code, finished.stdout.as_str()), (code, ""), "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "one line: {finished:?}");
    assert!(!finished.stderr.contains("panicked"), "{finished:?}");
}

fn help_and_version_exit_0(ctx: &Context) {
    for name in PROGRAMS {
        let help = run(ctx, name, &["--help"]);
        assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{help:?}");
        assert!(help.stdout.contains(&format!("Usage: {name} ")), "{help:?}");
        let version = run(ctx, name, &["--version"]);
        assert!(version.code == 0 && version.stdout.starts_with(&format!("{name} ")), "{version:?}");
    }
    let help = ctx.run(&["--help"]).stdout;
    assert!(["--bind", "--threads", "--udp"].iter().all(|flag| help.contains(flag)), "{help}");
}

fn refused_command_lines_are_one_line_and_64(ctx: &Context) {
    for (name, args) in [
        ("echo_server", &["70000"][..]),
        ("echo_server", &["http"]),
        ("echo_server", &["0", "0"]),
        ("echo_server", &["0", "--thread"]),
        ("echo_server", &["0", "--udp", "--threads"]),
        ("echo_server", &["0", "--bind", "localhost"]),
        ("echo_client", &["127.0.0.1", "0"]),
        ("echo_client", &["127.0.0.1", "echo"]),
        ("echo_client", &["--tcp"]),
        ("getaddrinfo_demo", &["localhost", "-1"]),
        ("getaddrinfo_demo", &["localhost", "80", "81"]),
    ] {
        assert_refused(&run(ctx, name, args), 64);
    }
}

fn an_environment_error_is_one_line_and_1(ctx: &Context) {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let [host, port] = words(holder.local_addr().unwrap());
    let in_use = ctx.run(&[&port]);
    assert_refused(&in_use, 1);
    assert!(in_use.stderr.contains("is in use"), "{in_use:?}");
    assert_refused(&ctx.run(&["0", "--bind", "192.0.2.1"]), 1);
    drop(holder);
    let nobody = crate::suites::support::reserved_port();
    let [_, port] = words(nobody.addr);
    let refused = run(ctx, "echo_client", &[&host, &port]);
    assert_refused(&refused, 1);
    assert!(refused.stderr.contains("ECONNREFUSED"), "{refused:?}");
    assert_refused(&run(ctx, "echo_client", &["no..such", "80"]), 1);
}

fn the_client_prints_exactly_what_it_reads(ctx: &Context) {
    let program = ctx.start(&[], &["--threads"]);
    let [host, port] = words(program.addr());
    let long: String = Rng::new(6).bytes(4 << 20).iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    for input in ["", "x", "no line end", "a line\n", "\n\n\n", "a\0b\n", &long] {
        let finished = run_other(ctx, "echo_client", &[&host, &port], input.as_bytes());
        assert_eq!((finished.code, finished.stderr.as_str()), (0, ""), "{} bytes", input.len());
        assert!(finished.stdout == input, "{} bytes came back for {}", finished.stdout.len(), input.len());
    }
}

fn the_client_reports_a_server_that_leaves_early(ctx: &Context) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let [host, port] = words(server.local_addr().unwrap());
    let leaving = std::thread::spawn(move || {
        let (mut client, _) = server.accept().unwrap();
        let mut byte = [0];
        std::io::Read::read_exact(&mut client, &mut byte).unwrap();
        std::io::Write::write_all(&mut client, &byte).unwrap();
    });
    let finished = run_other(ctx, "echo_client", &[&host, &port], b"ab");
    leaving.join().unwrap();
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(!finished.stderr.is_empty() && !finished.stderr.contains("panicked"), "{finished:?}");
}

fn it_listens_on_the_given_address(ctx: &Context) {
    for ip in ["127.0.0.2", "[::1]"] {
        if TcpListener::bind(format!("{ip}:0")).is_err() {
            continue; // a machine without this address
        }
        let program = ctx.start(&[], &["--bind", ip]);
        assert!(program.addr().to_string().starts_with(ip), "{}", program.addr());
        super::assert_echo(&mut program.client(), b"here");
    }
}

fn getaddrinfo_shows_every_answer_and_the_peer(ctx: &Context) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let [_, port] = words(address);
    let found = run(ctx, "getaddrinfo_demo", &["127.0.0.1", &port]);
    assert_eq!((found.code, found.stderr.as_str()), (0, ""), "{found:?}");
    let lines: Vec<_> = found.stdout.lines().collect();
    assert_eq!(lines[0], format!(" 1  IPv4  stream    TCP  {address}"));
    assert!(lines.iter().any(|line| line.ends_with(" addresses, 1 for stream sockets")), "{found:?}");
    assert_eq!(*lines.last().unwrap(), format!("connected to {address}"));
    // `localhost` may resolve to ::1 first, where nothing listens: the next address is tried.
    let local = run(ctx, "getaddrinfo_demo", &["localhost", &port]);
    assert!(local.stdout.ends_with(&format!("connected to {address}\n")), "{local:?}");
}

fn getaddrinfo_exits_0_although_the_connect_is_refused(ctx: &Context) {
    let nobody = crate::suites::support::reserved_port();
    let [host, port] = words(nobody.addr);
    let refused = run(ctx, "getaddrinfo_demo", &[&host, &port]);
    assert_eq!((refused.code, refused.stderr.as_str()), (0, ""), "{refused:?}");
    assert!(refused.stdout.ends_with(&format!("{}: ECONNREFUSED: Connection refused\n", nobody.addr)), "{refused:?}");
    let hole = crate::suites::support::black_hole();
    let [host, port] = words(hole.addr);
    let late = run(ctx, "getaddrinfo_demo", &[&host, &port]);
    assert_eq!(late.code, 0, "{late:?}");
    assert!(late.stdout.contains("ETIMEDOUT"), "{late:?}");
}

fn getaddrinfo_exits_1_when_the_name_does_not_resolve(ctx: &Context) {
    let unknown = run(ctx, "getaddrinfo_demo", &["no..such"]);
    assert_refused(&unknown, 1);
    assert!(unknown.stderr.contains("'no..such'"), "{unknown:?}");
}
