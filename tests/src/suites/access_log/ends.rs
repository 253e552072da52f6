//! Why it ended is the same word everywhere.

use super::{LogFile, admin, parse};
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::process::Program;
use crate::suites::support::{reserved_port, wait_until_idle};
use crate::wait::{TEST_TIMEOUT, until};

cases! { "access_log";
    Fast one_word_is_in_the_log_the_metric_the_list_and_the_header,
    Fast a_backends_response_has_no_word,
    Fast the_header_says_what_the_balancer_has_answered,
}

fn count_in_metrics(program: &Program, end: &str) -> usize {
    let admin = admin(program);
    let text = admin.send("GET", "/metrics", &format!("Host: {}\r\n", admin.addr()), "").text();
    let label = format!("end=\"{end}\"");
    let samples = text.lines().filter(|line| line.starts_with("lb_requests_total{") && line.contains(&label));
    samples.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum()
}

/// Makes a request end in another way with each call, and returns its word.
fn fail(program: &Program, silent: &Backend, round: usize) -> &'static str {
    let mut client = program.client();
    let mut answered = |head: &str, end: &'static str| {
        client.send(format!("{head}\r\n\r\n"));
        let response = client.response("GET");
        assert_eq!(response.fields().get("x-lb-end"), Some(end), "{head}: {response:?}");
        end
    };
    match round {
        0 => answered("GET / HTTP/1.1", "refused_head"),
        1 => answered("GET / HTTP/2.7\r\nHost: a", "refused_head"),
        2 => answered("GET /dead HTTP/1.1\r\nHost: a", "backend_refused"),
        3 => answered("POST /reset HTTP/1.1\r\nHost: a\r\nContent-Length: 0", "backend_reset_before_response"),
        4 => answered("GET /odd HTTP/1.1\r\nHost: a", "invalid_response"),
        5 => answered("GET /silent HTTP/1.1\r\nHost: a", "backend_timeout_first_byte"),
        6 => answered("GET /nowhere HTTP/1.1\r\nHost: a", "no_route"),
        7 => answered("OPTIONS /odd HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0", "max_forwards"),
        8 => answered("POST /odd HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx", "refused_body"),
        9 => {
            client.request("GET", "/cut", "");
            assert!(client.try_response("GET").is_err());
            "backend_reset_in_response_body"
        }
        10 => {
            client.send("GET / HTT");
            wait_until_idle(program);
            client.half_close();
            assert!(client.read_until_closed(TEST_TIMEOUT).is_some());
            "client_closed_in_request_head"
        }
        _ => {
            let before = silent.connections();
            client.request("GET", "/silent", "");
            until("it waits for its response", || silent.connections() > before);
            client.reset();
            "client_reset_before_response"
        }
    }
}

fn one_word_is_in_the_log_the_metric_the_list_and_the_header(ctx: &Context) {
    let backend = Backend::start(|conn| {
        let Ok(request) = conn.request() else { return };
        match request.head.target.as_str() {
            "/reset" => conn.reset(),
            "/cut" => {
                conn.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
                conn.close();
            }
            _ => {
                conn.write("nonsense\r\n\r\n");
                conn.close();
            }
        }
    });
    let silent = Backend::silent();
    let log = LogFile::new();
    let groups = [
        format!("some={}", backend.addr()),
        format!("silent={}", silent.addr()),
        format!("dead={}", reserved_port().addr),
    ];
    let mut flags = vec!["--admin", "127.0.0.1:0", "--first-byte-timeout", "500ms"];
    for group in &groups {
        flags.extend(["--group", group]);
    }
    for route in ["path=/silent -> silent", "path=/dead -> dead", "path=/reset -> some", "path=/cut -> some"] {
        flags.extend(["--route", route]);
    }
    let path = log.path();
    flags.extend(["--route", "path=/odd -> some", "--access-log", &path]);
    let program = ctx.start_named(&[], &flags);
    for round in 0..=11 {
        let end = fail(&program, &silent, round);
        let line = parse(&log.wait_for(round + 1)).pop().unwrap();
        assert_eq!(line["end"], end, "{round}: {line}");
        let says_why = end.starts_with("refused_") || end.starts_with("invalid_");
        assert_eq!(!line["detail"].as_str().unwrap().is_empty(), says_why, "{line}");
        until("it is counted", || count_in_metrics(&program, end) >= 1);
        let recent = admin(&program).request_ok("GET", "/requests", "");
        let newest = &recent["requests"][0];
        // The list has what failed; that is not what the client did wrong.
        if line["status"].as_u64() >= Some(500) && line["status"] != 505 || end.ends_with("response_body") {
            assert_eq!(newest, &line, "{round}");
        } else {
            assert_ne!(newest, &line, "{round}");
        }
    }
    let ends: Vec<_> = log.lines();
    for line in parse(&ends) {
        let end = line["end"].as_str().unwrap();
        let logged = ends.iter().filter(|line| line.contains(&format!("\"end\":\"{end}\""))).count();
        assert_eq!(count_in_metrics(&program, end), logged, "{end}");
    }
}

fn a_backends_response_has_no_word(ctx: &Context) {
    let backend = Backend::answering("HTTP/1.1 503 x\r\nX-LB-End: theirs\r\nContent-Length: 0\r\n\r\n");
    let program = ctx.start(&[backend.addr()], &[]);
    assert_eq!(program.client().get("/").fields().all("X-LB-End"), ["theirs"], "what a backend says is the backend's");
}

fn the_header_says_what_the_balancer_has_answered(ctx: &Context) {
    let silent = Backend::silent();
    let flags =
        ["--max-connections", "1", "--queue", "1", "--queue-timeout", "300ms", "--limit", "1/h by=ip path=/limited"];
    let program = ctx.start(&[silent.addr()], &flags);
    let mut first = program.client();
    first.request("GET", "/", "");
    wait_until_idle(&program);
    let mut queued = program.client();
    queued.request("GET", "/", "");
    wait_until_idle(&program);
    let end = |target: &str| program.client().get(target).fields().get("x-lb-end").map(str::to_owned);
    assert_eq!(end("/").as_deref(), Some("queue_full"));
    assert_eq!(queued.response("GET").fields().get("x-lb-end"), Some("queue_timeout"));
    assert_eq!(end("/limited").as_deref(), Some("queue_timeout"));
    assert_eq!(end("/limited").as_deref(), Some("limited"));
}
