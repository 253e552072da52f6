//! How each request is counted: its route, its code, its end, and whether it failed.

use super::{METRICS, scrape, scrape_after, scrape_until};
use crate::Context;
use crate::backend::{Backend, Conn};
use crate::case::cases;
use crate::process::Program;
use crate::suites::support::{reserved_port, wait_until_idle};
use crate::wait::{TEST_TIMEOUT, ms, pause};

cases! { "metrics";
    Fast a_request_is_counted_by_route_code_and_end,
    Fast refusals_have_ends_of_their_own,
    Fast failures_of_a_backend_say_what_failed,
    Fast a_client_that_leaves_is_no_failure,
    Fast a_full_queue_and_a_client_that_leaves_it_are_told_apart,
    Fast shed_requests_are_counted_by_group,
    Fast attempts_are_counted_by_backend,
    Fast bytes_are_those_of_the_clients_sockets,
    Fast an_upgraded_connection_is_a_1xx,
}

/// Asserts how often a request has ended so, and whether that is a failure.
fn assert_ended(program: &Program, requests: u32, route: &str, code: &str, end: &str, failed: u32) {
    let metrics = scrape_after(program, f64::from(requests));
    let labels = [("route", route), ("code", code), ("end", end)];
    let count = metrics.sum("lb_requests_total", &labels);
    assert!(count >= 1.0, "{labels:?}:\n{}", metrics.lines("lb_requests_total"));
    let found = metrics.sum("lb_requests_failed_total", &[]);
    assert_eq!(found.to_string(), failed.to_string(), "{labels:?}: failed");
    let durations = metrics.sum("lb_request_duration_seconds_count", &[]);
    assert_eq!(durations.to_string(), requests.to_string(), "every request has a duration");
}

fn a_request_is_counted_by_route_code_and_end(ctx: &Context) {
    let backend = Backend::start(|conn| {
        while let Ok(request) = conn.request() {
            let status = request.head.target.rsplit('/').next().unwrap_or_default().to_owned();
            conn.write(format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n"));
        }
    });
    let group = format!("api={}", backend.addr());
    let routes = ["--group", &group, "--route", "path=/api/* name=api -> api", "--route", "path=*.png -> api"];
    let program = ctx.start(&[backend.addr()], &[&METRICS[..], &routes].concat());
    let mut client = program.client();
    for target in ["/200", "/api/201", "/api/404", "/api/500", "/304", "/x.png"] {
        client.request("GET", target, "");
        let status = client.response("GET").status();
        // `x.png` is no status line.
        assert_eq!(status.to_string(), if target == "/x.png" { "502" } else { target.rsplit('/').next().unwrap() });
    }
    let metrics = scrape_after(&program, 6.0);
    for (route, group, code, end) in [
        ("default", "default", "2xx", "done"),
        ("api", "api", "2xx", "done"),
        ("api", "api", "4xx", "done"),
        ("api", "api", "5xx", "done"),
        ("default", "default", "3xx", "done"),
        ("path=*.png", "api", "502", "invalid_response"),
    ] {
        let labels = [("route", route), ("group", group), ("code", code), ("end", end)];
        let count = metrics.sum("lb_requests_total", &labels);
        assert_eq!(count.to_string(), "1", "{labels:?}:\n{}", metrics.lines("lb_requests_total"));
    }
    let failed = metrics.value("lb_requests_failed_total", &[("route", "path=*.png")]);
    assert_eq!(failed.to_string(), "1");
    assert_eq!(metrics.sum("lb_requests_failed_total", &[]).to_string(), "1", "a backend's own 500 is no failure");
}

fn refusals_have_ends_of_their_own(ctx: &Context) {
    let backend = Backend::ok("a");
    let group = format!("web={}", backend.addr());
    let flags = ["--group", &group, "--route", "path=/web -> web", "--limit", "1/h by=ip path=/web name=once"];
    let program = ctx.start_named(&[], &[&METRICS[..], &flags].concat());
    let mut client = program.client();
    assert_eq!(client.get("/web").status(), 200);
    assert_ended(&program, 1, "path=/web", "2xx", "done", 0);
    assert_eq!(client.get("/web").status(), 429);
    assert_ended(&program, 2, "path=/web", "429", "limited", 0);
    assert_eq!(client.get("/other").status(), 404);
    assert_ended(&program, 3, "default", "404", "no_route", 0);
    client.request("OPTIONS", "/web", "Max-Forwards: 0\r\n");
    // The limit is asked first.
    assert_eq!(client.response("OPTIONS").status(), 429);
    for (bad, status) in [("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/3.0\r\n\r\n", 505)] {
        let mut client = program.client();
        client.send(bad);
        assert_eq!(client.response("GET").status(), status);
    }
    assert_ended(&program, 6, "", "400", "refused_head", 0);
    assert_ended(&program, 6, "", "505", "refused_head", 0);
    let metrics = scrape(&program);
    assert_eq!(metrics.value("lb_limited_total", &[("limit", "once"), ("dry", "false")]).to_string(), "2");
    assert_eq!(metrics.sum("lb_requests_total", &[("group", "web"), ("end", "limited")]).to_string(), "2");
}

/// Reads a request, and then does something else than answering it.
fn after_request(then: impl Fn(&mut Conn) + Send + Sync + 'static) -> Backend {
    Backend::start(move |conn| {
        if conn.request().is_ok() {
            then(conn);
        }
    })
}

fn failures_of_a_backend_say_what_failed(ctx: &Context) {
    let refusing = reserved_port();
    let program = ctx.start(&[refusing.addr], &METRICS);
    assert_eq!(program.client().get("/").status(), 502);
    assert_ended(&program, 1, "default", "502", "backend_refused", 1);

    let resetting = after_request(Conn::reset);
    let program = ctx.start(&[resetting.addr()], &METRICS);
    let mut client = program.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.response("POST").status(), 502);
    assert_ended(&program, 1, "default", "502", "backend_reset_before_response", 1);

    let truncating = after_request(|conn| {
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        conn.close();
    });
    let program = ctx.start(&[truncating.addr()], &METRICS);
    let mut client = program.client();
    client.request("GET", "/", "");
    assert!(client.try_response("GET").is_err());
    assert_ended(&program, 1, "default", "2xx", "backend_reset_in_response_body", 1);

    let silent = Backend::silent();
    let program = ctx.start(&[silent.addr()], &[&METRICS[..], &["--first-byte-timeout", "100ms"]].concat());
    assert_eq!(program.client().get("/").status(), 504);
    assert_ended(&program, 1, "default", "504", "backend_timeout_first_byte", 1);
}

fn a_client_that_leaves_is_no_failure(ctx: &Context) {
    let silent = Backend::silent();
    let program = ctx.start(&[silent.addr()], &METRICS);
    let mut client = program.client();
    client.request("GET", "/", "");
    silent.wait_for("it has the request", |seen| seen.iter().any(|connection| connection.count > 0));
    client.reset();
    assert_ended(&program, 1, "default", "499", "client_reset_before_response", 0);
    let mut client = program.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    wait_until_idle(&program);
    client.reset();
    assert_ended(&program, 2, "default", "499", "client_reset_in_request_body", 0);
    let mut client = program.client();
    client.send("GET / HTTP/1.1\r\nHo");
    wait_until_idle(&program);
    client.half_close();
    assert!(client.read_until_closed(TEST_TIMEOUT).is_some());
    assert_ended(&program, 3, "", "400", "client_closed_in_request_head", 0);
}

fn a_full_queue_and_a_client_that_leaves_it_are_told_apart(ctx: &Context) {
    let silent = Backend::silent();
    let flags = ["--max-connections", "1", "--queue", "1", "--queue-timeout", "1h"];
    let program = ctx.start(&[silent.addr()], &[&METRICS[..], &flags].concat());
    let mut first = program.client();
    first.request("GET", "/", "");
    wait_until_idle(&program);
    let mut queued = program.client();
    queued.request("GET", "/", "");
    wait_until_idle(&program);
    assert_eq!(program.client().get("/").status(), 503);
    assert_ended(&program, 1, "default", "503", "queue_full", 1);
    queued.reset();
    let metrics = scrape_after(&program, 2.0);
    let left = metrics.with("lb_requests_total", &[("code", "499")]).map(|sample| &*sample.labels["end"]);
    let left: Vec<_> = left.collect();
    assert!(left == ["client_reset_before_response"] || left == ["client_left_in_queue"], "{left:?}");
    // The one that found it full has waited for no time.
    assert_eq!(metrics.value("lb_queue_seconds_count", &[("route", "default")]).to_string(), "2");
    assert_eq!(metrics.value("lb_backend_in_flight", &[]).to_string(), "1");
}

fn shed_requests_are_counted_by_group(ctx: &Context) {
    let silent = Backend::silent();
    let flags = ["--shed", "aimd", "--shed-target", "50ms"];
    let program = ctx.start(&[silent.addr()], &[&METRICS[..], &flags].concat());
    let mut clients = Vec::new();
    // Twenty are in flight; those behind them wait, until the group is known to be overloaded.
    let metrics = scrape_until(&program, "one is shed", |metrics| {
        let mut client = program.client();
        client.request("GET", "/", "");
        clients.push(client);
        pause(ms(20));
        metrics.value("lb_shed_total", &[("group", "default")]) > 0.0
    });
    let shed = metrics.value("lb_shed_total", &[("group", "default")]);
    let ended = metrics.value("lb_requests_total", &[("code", "503"), ("end", "shed"), ("route", "default")]);
    assert_eq!(ended.to_string(), shed.to_string());
    assert_eq!(metrics.sum("lb_requests_failed_total", &[]).to_string(), shed.to_string());
    // One that was shed was not waiting for nothing: it has a time in the queue.
    assert!(metrics.value("lb_queue_seconds_sum", &[("route", "default")]) > 0.0);
}

fn attempts_are_counted_by_backend(ctx: &Context) {
    let good = Backend::start(|conn| {
        while conn.request().is_ok() {
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let resetting = after_request(Conn::reset);
    let program = ctx.start(&[good.addr(), resetting.addr()], &[&METRICS[..], &["--retries", "1"]].concat());
    let mut client = program.client();
    (0..10).for_each(|_| assert_eq!(client.get("/").status(), 200));
    let metrics = scrape_after(&program, 10.0);
    let [good, bad] = [good.addr(), resetting.addr()].map(|addr| addr.to_string());
    let of = |name: &str, backend: &str| metrics.sum(name, &[("backend", backend), ("group", "default")]).to_string();
    assert_eq!(of("lb_backend_requests_total", &good), "10");
    assert_eq!(of("lb_backend_requests_total", &bad), "0");
    let failures = metrics.value("lb_backend_failures_total", &[("backend", &bad), ("kind", "reset")]);
    assert!(failures >= 4.0, "half of the requests went there first: {}", metrics.lines("lb_backend_failures_total"));
    assert_eq!(metrics.value("lb_retries_total", &[("group", "default")]).to_string(), failures.to_string());
    assert_eq!(of("lb_backend_failures_total", &good), "0");
    assert_eq!(of("lb_backend_pool_hits_total", &good), "9");
    assert_eq!(metrics.value("lb_pool_hits_total", &[]).to_string(), "9");
    assert_eq!(metrics.value("lb_pool_misses_total", &[]).to_string(), (failures + 1.0).to_string());
    assert_eq!((of("lb_backend_weight", &good), of("lb_backend_in_flight", &good)), ("1".into(), "0".into()));
    assert!(metrics.value("lb_backend_seconds_total", &[("backend", &good)]) > 0.0);
    assert_eq!(metrics.sum("lb_requests_failed_total", &[]).to_string(), "0", "a retry has hidden them");
}

fn bytes_are_those_of_the_clients_sockets(ctx: &Context) {
    const REQUEST: &str = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let backend = Backend::start(|conn| {
        while conn.request().is_ok() {
            conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        }
    });
    let program = ctx.start(&[backend.addr()], &METRICS);
    let mut client = program.client();
    client.send(REQUEST);
    assert_eq!(client.response("POST").status(), 200);
    // A head that is refused counts too.
    client.send("GARBAGE\r\n\r\n");
    let rest = client.read_until_closed(TEST_TIMEOUT).expect("it closes");
    let metrics = scrape_after(&program, 2.0);
    let received = metrics.value("lb_bytes_received_total", &[]);
    assert_eq!(received.to_string(), (REQUEST.len() + 11).to_string());
    let sent = metrics.value("lb_bytes_sent_total", &[]);
    // The first response has a Date besides what the backend sent.
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n";
    let body = "3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(sent.to_string(), (head.len() + body.len() + rest.len()).to_string());
}

fn an_upgraded_connection_is_a_1xx(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if conn.head().is_ok() {
            conn.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
            conn.read_until_closed();
        }
    });
    let program = ctx.start(&[backend.addr()], &METRICS);
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let mut client = program.client();
    client.send(upgrade);
    assert_eq!(client.response_head("GET").unwrap().1.status, 101);
    client.send("hello");
    // Bytes of an open connection are counted as they pass, not at its end.
    let expected = upgrade.len() + 5;
    scrape_until(&program, "the bytes are counted", |metrics| {
        metrics.value("lb_bytes_received_total", &[]).to_string() == expected.to_string()
    });
    client.half_close();
    assert_ended(&program, 1, "default", "1xx", "done", 0);
}
