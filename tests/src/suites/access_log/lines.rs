//! What a line says.

use std::time::Duration;

use serde_json::Value;

use super::{LogFile, parse, stdout_lines};
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::suites::support::reserved_port;
use crate::wait::until;

cases! { "access_log";
    Fast a_line_has_the_documented_values,
    Fast a_line_says_how_the_backend_was_reached,
    Fast a_client_cannot_write_a_line_of_its_own,
    Fast other_formats_have_the_same_values,
    Fast a_redacted_query_is_nowhere,
    Fast a_sample_has_all_that_went_wrong,
    Fast bytes_are_those_of_the_clients_connection,
}

const NAMES: [&str; 24] = [
    "time",
    "client",
    "peer",
    "method",
    "host",
    "path",
    "query",
    "status",
    "request_id",
    "user_agent",
    "route",
    "group",
    "backend",
    "attempts",
    "reused",
    "limit",
    "queue_ms",
    "connect_ms",
    "first_byte_ms",
    "total_ms",
    "bytes_received",
    "bytes_sent",
    "end",
    "detail",
];

fn answering() -> Backend {
    Backend::start(|conn| {
        while let Ok(request) = conn.request() {
            let status = request.head.target.rsplit('/').next().unwrap_or_default().to_owned();
            let status = if status.parse::<u16>().is_ok() { status } else { "200".to_owned() };
            conn.write(format!("HTTP/1.1 {status} x\r\nContent-Length: 2\r\n\r\nok"));
        }
    })
}

fn a_line_has_the_documented_values(ctx: &Context) {
    let (log, backend) = (LogFile::new(), answering());
    let group = format!("api={}", backend.addr());
    let flags = ["--access-log", &log.path(), "--group", &group, "--route", "path=/api/* name=shop -> api"];
    let more = ["--trusted-proxy", "127.0.0.1", "--limit", "1/h by=header:X-Key name=once"];
    let program = ctx.start(&[backend.addr()], &[&flags[..], &more].concat());
    let mut client = program.client();
    client.request(
        "PUT",
        "/api/x;y/../z?q=1&r=%20",
        "X-Forwarded-For: 192.0.2.7\r\nX-Request-ID: id-1\r\nUser-Agent: Mozilla/5.0 (x)\r\nX-Key: a\r\nContent-Length: 0\r\n",
    );
    let response = client.response("PUT");
    let date = response.fields().get("date").unwrap().to_owned(); // Mon, 30 Nov 2026 16:20:59 GMT
    client.request("BREW", "/", "X-Key: a\r\nContent-Length: 0\r\n");
    assert_eq!(client.response("BREW").status(), 429);
    let lines = log.wait_for(2);
    let [first, second] = parse(&lines).try_into().unwrap();
    for (line, text) in [(&first, &lines[0]), (&second, &lines[1])] {
        let names: Vec<_> = NAMES.iter().map(|name| text.find(&format!("\"{name}\":"))).collect();
        assert!(names.iter().all(Option::is_some) && names.is_sorted(), "all fields, in order: {text}");
        assert_eq!(line.as_object().unwrap().len(), NAMES.len(), "{text}");
    }
    let name = backend.addr().to_string();
    for (field, value) in [
        ("client", "192.0.2.7".into()),
        ("peer", "127.0.0.1".into()),
        ("method", "PUT".into()),
        ("host", "test".into()),
        ("query", "q=1&r=%20".into()),
        ("status", 200.into()),
        ("request_id", "id-1".into()),
        ("user_agent", "Mozilla/5.0 (x)".into()),
        ("route", "shop".into()),
        ("group", "api".into()),
        ("backend", Value::from(name)),
        ("attempts", 1.into()),
        ("reused", false.into()),
        ("limit", "".into()),
        ("queue_ms", Value::Null),
        ("end", "done".into()),
    ] {
        assert_eq!(first[field], value, "{field}: {first}");
    }
    let time = first["time"].as_str().unwrap();
    let is_of = |time: &str| time[..4] == date[12..16] && time[8..10] == date[5..7] && time[11..13] == date[17..19];
    assert!(time.len() == "2026-11-30T16:20:59.123Z".len() && time.ends_with('Z') && is_of(time), "{time}, {date}");
    let millis = |field: &str| first[field].as_f64().unwrap();
    assert!(millis("connect_ms") + millis("first_byte_ms") <= millis("total_ms") + 0.01, "{first}");
    for (field, value) in [
        ("method", "BREW".into()),
        ("status", 429.into()),
        ("limit", "once".into()),
        ("backend", "".into()),
        ("attempts", 0.into()),
        ("connect_ms", Value::Null),
        ("first_byte_ms", Value::Null),
        ("route", "default".into()),
        ("user_agent", "".into()),
        ("end", "limited".into()),
    ] {
        assert_eq!(second[field], value, "{field}: {second}");
    }
    assert_eq!(second["request_id"].as_str().unwrap().len(), 32, "our own: {second}");
}

fn a_line_says_how_the_backend_was_reached(ctx: &Context) {
    let (log, good, dead) = (LogFile::new(), answering(), reserved_port());
    let flags = ["--access-log", &log.path(), "--workers", "1", "--retries", "1"];
    let program = ctx.start(&[dead.addr, good.addr()], &flags);
    let mut client = program.client();
    (0..3).for_each(|_| assert_eq!(client.get("/").status(), 200));
    let lines = log.wait_for_json(3);
    let tries = |line: &Value| line["attempts"].as_u64().unwrap();
    assert_eq!(lines.iter().map(tries).max(), Some(2), "one went to the dead backend first: {lines:?}");
    assert!(lines.iter().all(|line| line["backend"] == good.addr().to_string().as_str()), "{lines:?}");
    let (fresh, reused): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line["reused"] == false);
    assert_eq!((fresh.len(), reused.len()), (1, 2), "{lines:?}");
    assert!(fresh[0]["connect_ms"].is_f64() && reused.iter().all(|line| line["connect_ms"].is_null()), "{lines:?}");
}

fn a_client_cannot_write_a_line_of_its_own(ctx: &Context) {
    const AGENT: &str = "x\" 200 1\\\"\t\u{9b}31m\u{2028}é\u{1F600}";
    let backend = answering();
    let (json, combined) = (LogFile::new(), LogFile::new());
    for (log, format) in [(&json, "json"), (&combined, "combined")] {
        // The lines of one worker are in the order of their requests.
        let flags = ["--access-log", &log.path(), "--access-log-format", format, "--workers", "1"];
        let program = ctx.start(&[backend.addr()], &flags);
        let mut client = program.client();
        // A quote in a path is refused, and what is refused is in no line.
        client.send("GET /a\"b HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.response("GET").status(), 400);
        let mut client = program.client();
        for agent in [AGENT.as_bytes(), b"\xff\xfe\xe9", &b"a".repeat(20_000)] {
            client.send([b"GET /a?b=\\\"c\" HTTP/1.1\r\nHost: a\r\nUser-Agent: ", agent, b"\r\n\r\n"].concat());
            assert_eq!(client.response("GET").status(), 200);
        }
        log.wait_for(4);
    }
    let lines = json.wait_for(4);
    assert!(lines.iter().all(|line| line.bytes().all(|byte| matches!(byte, b' '..=b'~'))), "ASCII: {lines:?}");
    let values = parse(&lines);
    assert_eq!((values[1]["user_agent"].as_str().unwrap(), &values[1]["query"]), (AGENT, &"b=\\\"c\"".into()));
    assert_eq!(values[2]["user_agent"], "\u{ff}\u{fe}\u{e9}", "as Latin-1");
    let long = values[3]["user_agent"].as_str().unwrap();
    assert!(long.len() == 2_048 && long.ends_with("aaa..."), "{}", long.len());
    for line in combined.wait_for(4) {
        assert_eq!(line.matches('"').count(), 6, "three quoted parts: {line}");
        assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
    }
}

fn other_formats_have_the_same_values(ctx: &Context) {
    let backend = answering();
    let template = "{{{end}}} {status} {method} {path} {query} {limit} {connect_ms} {protocol}";
    for (format, is_right) in [
        (
            "common",
            (|line: &str| line.starts_with("127.0.0.1 - - [") && line.contains("+0000] \"GET /x?y HTTP/1.1\" 200 "))
                as fn(&str) -> bool,
        ),
        ("combined", |line| line.ends_with(" \"http://ref/?a\" \"agent\"") && line.contains("\"GET /x?y HTTP/1.1\"")),
        (template, |line| line.starts_with("{done} 200 GET /x y - 0.") && line.ends_with(" HTTP/1.1")),
    ] {
        let log = LogFile::new();
        let program = ctx.start(&[backend.addr()], &["--access-log", &log.path(), "--access-log-format", format]);
        let mut client = program.client();
        client.request("GET", "/x?y", "User-Agent: agent\r\nReferer: http://ref/?a\r\n");
        assert_eq!(client.response("GET").status(), 200);
        let [line] = log.wait_for(1).try_into().unwrap();
        assert!(is_right(&line), "{format}: {line}");
    }
}

fn a_redacted_query_is_nowhere(ctx: &Context) {
    let backend = answering();
    for format in ["json", "combined", "{query} {request_line} {referer}"] {
        let log = LogFile::new();
        let flags = ["--access-log", &log.path(), "--access-log-format", format, "--access-log-redact-query"];
        let more = ["--admin", "127.0.0.1:0", "--slow", "1ms", "--route", "path=/x -> default"];
        let program = ctx.start(&[backend.addr()], &[&flags[..], &more].concat());
        let mut client = program.client();
        for target in ["/x/503?token=secret", "/x?secret", "/y?a=b?secret"] {
            client.request("GET", target, "Referer: http://ref/?secret\r\n");
            client.response("GET");
        }
        client.send("GET /x?secret HTTP/1.1\r\nHost: a b\r\n\r\n");
        assert_eq!(client.response("GET").status(), 400);
        let lines = log.wait_for(4).concat();
        let recent = super::admin(&program).request_ok("GET", "/requests", "").to_string();
        assert!(lines.contains("[redacted]"), "{lines}");
        for text in [lines, recent, program.stdout(), program.stderr()] {
            assert!(!text.contains("secret"), "{text}");
        }
    }
}

fn a_sample_has_all_that_went_wrong(ctx: &Context) {
    let (log, backend) = (LogFile::new(), answering());
    let flags = ["--access-log", &log.path(), "--access-log-sample", "1/10", "--workers", "1"];
    let program = ctx.start(&[backend.addr()], &flags);
    let mut client = program.client();
    for number in 0..50 {
        assert_eq!(client.get("/").status(), 200);
        assert_eq!(client.get("/404").status(), 404);
        let status = if number % 10 == 0 { 503 } else { 204 };
        client.get(&format!("/{status}"));
    }
    program.client().send("x\r\n\r\n");
    // 145 went well, the first of which has a line.
    let lines = log.wait_for_json(15 + 5 + 1);
    let of = |status: u16| lines.iter().filter(|line| line["status"] == status).count();
    assert_eq!((of(503), of(400)), (5, 1));
}

fn bytes_are_those_of_the_clients_connection(ctx: &Context) {
    let backend = Backend::ok("0123456789");
    let program = ctx.start(&[backend.addr()], &["--log-requests"]);
    let mut client = program.client();
    let request = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc";
    client.send(request);
    let response = client.read_until_closed(Duration::from_secs(20)).unwrap();
    until("there is a line", || stdout_lines(&program).len() == 1);
    let line = &stdout_lines(&program)[0];
    assert_eq!(
        (line["bytes_received"].as_u64(), line["bytes_sent"].as_u64()),
        (Some(request.len() as u64), Some(response.len() as u64)),
        "{line}"
    );
}
