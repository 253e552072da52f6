//! The access log: one line per session, which never holds a session up.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::server_name::client_hello;
use super::{Listening, Peer, expect_ended, session, start};
use crate::Context;
use crate::admin_client::AdminClient;
use crate::backend::reserved_port;
use crate::case::cases;
use crate::process::{Options, Program};
use crate::suites::log_file::{LogFile, parse, read_lines};
use crate::suites::support::assert_usage_error;
use crate::third_party;
use crate::wait::{TEST_TIMEOUT, until};

cases! { "layer4";
    Fast a_line_has_the_fields_of_a_session_and_none_of_a_request,
    Fast a_line_says_how_its_session_ended,
    Fast a_line_has_the_client_and_the_server_name_that_the_prelude_says,
    Fast a_line_is_written_as_the_format_says,
    Fast what_is_not_done_is_in_every_sample,
    Fast no_session_is_missing_when_the_log_is_rotated,
    Fast a_log_that_takes_no_more_lines_holds_no_session_up,
    Fast wrong_options_of_the_log_are_one_line,
}

fn a_line_has_the_fields_of_a_session_and_none_of_a_request(ctx: &Context) {
    let (backend, log) = (Listening::start(), LogFile::new());
    let flags = ["--access-log", &log.path(), "--splice-threshold", "0", "--log-requests"];
    let program = start(ctx, &[&backend], &flags);
    let (mut client, mut server) = session(&program, &backend);
    let port = client.0.local_addr().unwrap().port();
    client.send("four");
    server.expect("four");
    server.send("six...");
    client.expect("six...");
    drop((client, server));
    let [mut line] = log.wait_for_json(1).try_into().unwrap();
    let fields = line.as_object_mut().unwrap();
    assert!(fields["time"].as_str().is_some_and(|time| time.len() == 24 && time.ends_with('Z')), "{fields:?}");
    let times = ["connect_ms", "first_byte_ms", "total_ms"].map(|name| fields[name].as_f64().unwrap());
    assert!(times.iter().all(|time| (0.0..10_000.0).contains(time)) && times[2] >= times[0] + times[1], "{times:?}");
    for name in ["time", "connect_ms", "first_byte_ms", "total_ms"] {
        fields.remove(name);
    }
    let expected = json!({
        "client": "127.0.0.1", "client_port": port, "peer": "127.0.0.1", "peer_port": port, "server_name": "",
        "group": "default", "backend": backend.addr().to_string(), "attempts": 1, "queue_ms": null,
        "bytes_to_backend": 4, "bytes_to_client": 6, "bytes_spliced": 10, "bytes_copied": 0, "end": "done",
    });
    assert_eq!(line, expected);
    // The line for people is on standard error all the same.
    until("it is there", || program.stderr().contains(" in=4 out=6 spliced=10 copied=0 "));
    // Another reader of JSON than ours, and of the same line.
    let script = "import json, sys; print([json.loads(line)['end'] for line in open(sys.argv[1])])";
    let Some(printed) = third_party::python(script, &[&log.path()]) else { return };
    assert_eq!(printed.trim(), "['done']");
}

fn ends(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["end"].as_str().unwrap()).collect()
}

fn a_line_says_how_its_session_ended(ctx: &Context) {
    let (backend, log) = (Listening::start(), LogFile::new());
    let path = log.path();
    let program = start(ctx, &[&backend], &["--access-log", &path, "--session-timeout", "300ms"]);
    let (client, mut server) = session(&program, &backend);
    client.reset();
    server.expect_reset();
    log.wait_for(1);
    let (mut client, mut server) = session(&program, &backend);
    server.send("half");
    client.expect("half");
    server.reset();
    client.expect_reset();
    log.wait_for(2);
    let (mut client, _server) = session(&program, &backend);
    client.expect_reset();
    let lines = log.wait_for_json(3);
    assert_eq!(ends(&lines), ["client_reset", "backend_reset", "idle"]);
    assert_eq!(lines[1]["bytes_to_client"], 4);
    assert!(lines[2]["total_ms"].as_f64() >= Some(300.0) && lines[2]["first_byte_ms"].is_null(), "{}", lines[2]);
    // Two that refuse; then one that is left when the process ends.
    let (dead, log) = ([reserved_port(), reserved_port()], LogFile::new());
    let path = log.path();
    let flags = ["--access-log", &path, "--drain-timeout", "100ms"];
    let program = ctx.start(&[dead[0].addr, dead[1].addr], &flags);
    Peer::connect(&program).expect_reset();
    let line = log.wait_for_json(1).remove(0);
    assert_eq!((&line["end"], &line["backend"], &line["attempts"]), (&json!("no_backend"), &json!(""), &json!(2)));
    assert!(line["connect_ms"].is_null() && line["group"] == "default" && line["bytes_to_client"] == 0, "{line}");
    let mut program = start(ctx, &[&backend], &flags);
    let _session = session(&program, &backend);
    program.signal(Signal::SIGTERM);
    program.exit_code(TEST_TIMEOUT);
    assert_eq!(ends(&log.wait_for_json(2))[1], "drained", "the last line is written before the exit");
}

fn a_line_has_the_client_and_the_server_name_that_the_prelude_says(ctx: &Context) {
    let (default, api, log) = (Listening::start(), Listening::start(), LogFile::new());
    let (group, path) = (format!("api={}", api.addr()), log.path());
    let flags = ["--access-log", &path, "--accept-proxy", "127.0.0.1"];
    let rules = ["--group", &group, "--sni", "host=api.example.com -> api"];
    let program = start(ctx, &[&default], &[&flags[..], &rules].concat());
    // Neither is known yet when the header is refused.
    Peer::connect(&program).refused_with(b"HELO\r\n\r\n");
    let line = log.wait_for_json(1).remove(0);
    assert_eq!(line["end"], "bad_proxy_header");
    assert!(line["client"] == "127.0.0.1" && line["group"] == "" && line["server_name"] == "", "{line}");
    Peer::connect(&program).refused_with(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\nGET / HTTP/1.1\r\n");
    let line = log.wait_for_json(2).remove(1);
    assert_eq!(line["end"], "no_hello");
    let Some(hello) = client_hello("API.example.com", "") else { return };
    let mut client = Peer::connect(&program);
    client.send([b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", &hello[..]].concat());
    let mut server = api.accept();
    server.expect(&hello);
    drop((client, server));
    let line = log.wait_for_json(3).remove(2);
    assert_eq!((&line["client"], &line["client_port"]), (&json!("2001:db8::7"), &json!(4711)));
    assert_eq!((&line["peer"], &line["server_name"]), (&json!("127.0.0.1"), &json!("API.example.com")));
    assert_eq!((&line["group"], &line["end"]), (&json!("api"), &json!("done")));
    assert_eq!(line["bytes_to_backend"], hello.len(), "without the header, which the backend did not get");
}

impl Peer {
    /// Sends what is no valid prelude.
    fn refused_with(mut self, bytes: &[u8]) {
        self.send(bytes);
        self.expect_reset();
    }
}

fn a_line_is_written_as_the_format_says(ctx: &Context) {
    let backend = Listening::start();
    let addr = backend.addr();
    for (format, expected) in [
        ("{end} {server_name}|{queue_ms}|{bytes_to_backend} {backend} {{}}", format!("done -|-|1 {addr} {{}}")),
        ("text", format!(" default {addr} connect=")),
    ] {
        let log = LogFile::new();
        let program = start(ctx, &[&backend], &["--access-log", &log.path(), "--access-log-format", format]);
        let (mut client, mut server) = session(&program, &backend);
        client.send("x");
        server.expect("x");
        drop((client, server));
        let line = log.wait_for(1).remove(0);
        let is_whole = if format == "text" { line.ends_with(" done") } else { line == expected };
        assert!(is_whole && line.contains(&expected), "{format}: {line}");
    }
    let program = start(ctx, &[&backend], &["--access-log", "-"]);
    drop(session(&program, &backend));
    program.wait_stdout("\"end\":\"done\"}");
}

fn what_is_not_done_is_in_every_sample(ctx: &Context) {
    let (backend, log) = (Listening::start(), LogFile::new());
    let flags = ["--access-log", &log.path(), "--access-log-sample", "1/10", "--workers", "1"];
    let program = start(ctx, &[&backend], &flags);
    for number in 0..25 {
        let (client, mut server) = session(&program, &backend);
        if number % 5 == 4 {
            client.reset();
            server.expect_reset();
        } else {
            drop((client, server));
        }
    }
    expect_ended(&program, "done", 20);
    expect_ended(&program, "client_reset", 5);
    let lines = log.wait_for_json(7);
    assert_eq!(ends(&lines).into_iter().filter(|end| *end == "client_reset").count(), 5);
}

fn no_session_is_missing_when_the_log_is_rotated(ctx: &Context) {
    const ROUNDS: usize = 5;
    const SESSIONS: usize = 20;
    let (backend, log) = (Listening::start(), LogFile::new());
    let flags = ["--access-log", &log.path(), "--admin", "127.0.0.1:0", "--workers", "2"];
    let mut program = start(ctx, &[&backend], &flags);
    for round in 0..ROUNDS {
        (0..SESSIONS).for_each(|_| drop(session(&program, &backend)));
        until("there is a line", || !log.lines().is_empty());
        fs::rename(log.path(), log.file(&format!("old.{round}"))).unwrap();
        assert_eq!(AdminClient::of(&program).request_ok("POST", "/log/reopen", "")["reopened"], log.path());
    }
    // The last ones are written while the program ends.
    (0..SESSIONS).for_each(|_| drop(session(&program, &backend)));
    program.signal(Signal::SIGTERM);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
    let mut lines = log.lines();
    (0..ROUNDS).for_each(|round| lines.extend(read_lines(Path::new(&log.file(&format!("old.{round}"))))));
    assert_eq!(lines.len(), (ROUNDS + 1) * SESSIONS);
    assert!(ends(&parse(&lines)).iter().all(|end| *end == "done"));
    let program = start(ctx, &[&backend], &["--admin", "127.0.0.1:0"]);
    assert_eq!(AdminClient::of(&program).request("POST", "/log/reopen", "").0, 409, "there is no log");
}

fn dropped_lines(program: &Program) -> u64 {
    let text = AdminClient::of(program).send("GET", "/metrics", "Host: localhost\r\n", "").text();
    let count = text.lines().find_map(|line| line.strip_prefix("lb_access_log_dropped_total "));
    count.expect("the metric is there").parse().unwrap()
}

/// Lines of 16 KB fill the queue and what the writer holds with some 200 sessions.
fn a_log_that_takes_no_more_lines_holds_no_session_up(ctx: &Context) {
    let backend = Listening::start();
    let format = format!("{} {{end}}", "x".repeat(16_000));
    for target in ["/dev/full", "-"] {
        let options = Options { unread_stdout: target == "-", ..Options::default() };
        let log = ["--access-log", target, "--access-log-format", &format];
        let flags = ["--workers", "1", "--admin", "127.0.0.1:0"];
        let name = backend.addr().to_string();
        let mut program = ctx.start_with(&[&name], &[&log[..], &flags].concat(), options);
        until("lines are dropped", || {
            (0..20).for_each(|_| drop(session(&program, &backend)));
            program.stderr().contains("lines dropped")
        });
        if target == "/dev/full" {
            assert!(dropped_lines(&program) > 0); // the address of the other's interface was not read
        }
        program.signal(Signal::SIGTERM);
        assert_eq!(program.exit_code(TEST_TIMEOUT), 0, "it does not wait for its log");
    }
}

fn wrong_options_of_the_log_are_one_line(ctx: &Context) {
    for (flags, says) in [
        (&["--access-log", "-", "--access-log-format", "combined"][..], "`combined` is none of json, text"),
        (&["--access-log", "-", "--access-log-format", "{status}"], "unknown field `status`; known are time, client,"),
        (&["--access-log-format", "json"], "--access-log-format needs --access-log"),
        (&["--access-log-sample", "1/2"], "--access-log-sample needs --access-log"),
    ] {
        assert_usage_error(ctx, &[&["0", "127.0.0.1:9"], flags].concat(), says);
    }
    let exited = ctx.run(&["0", "127.0.0.1:9", "--access-log", "/proc/nothing"]);
    assert!(exited.code == 1 && exited.stderr.contains("access log /proc/nothing"), "{}", exited.stderr);
}
