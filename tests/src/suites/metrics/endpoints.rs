//! Where metrics are served, to whom, and what a scraper can do to the balancer.

use std::net::SocketAddr;
use std::sync::{Mutex, mpsc::channel};
use std::time::Instant;

use nix::sys::signal::Signal;

use super::{Exposition, METRICS, admin, get, metrics_addr, scrape_after};
use crate::Context;
use crate::admin_client::json;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::client::Client;
use crate::suites::support::reserved_port;
use crate::wait::{TEST_TIMEOUT, ms, until};

cases! { "metrics";
    Fast the_metrics_port_serves_three_paths_to_anybody,
    Fast the_admin_interface_has_metrics_and_statistics,
    Fast a_group_without_backends_makes_it_not_ready,
    Fast a_draining_balancer_is_not_ready_and_answers_until_its_exit,
    Fast scrapers_that_do_not_read_stop_neither_requests_nor_others,
}

fn the_metrics_port_serves_three_paths_to_anybody(ctx: &Context) {
    let backend = Backend::ok("a");
    let program = ctx.start(&[backend.addr()], &[&METRICS[..], &["--admin", "127.0.0.1:0"]].concat());
    let addr = metrics_addr(&program);
    let send = |method: &str, target: &str, host: &str| {
        let mut client = Client::connect(addr);
        client.send(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        client.response(method)
    };
    for host in ["10.0.0.1:9901", "lb.example", "evil.example"] {
        for target in ["/metrics", "/healthz", "/readyz"] {
            assert_eq!(send("GET", target, host).status(), 200, "{target} {host}");
        }
    }
    assert_eq!(send("HEAD", "/metrics", "a").status(), 200);
    assert_eq!(get(addr, "/healthz").text(), "ok\n");
    assert_eq!(json(&get(addr, "/readyz"))["ready"], true);
    for target in ["/", "/stats", "/backends", "/groups", "/pool", "/limits", "/metrics/", "/metricsx", "/METRICS"] {
        assert_eq!(send("GET", target, "a").status(), 404, "{target}");
    }
    for (method, target) in [("POST", "/metrics"), ("DELETE", "/metrics"), ("PUT", "/readyz"), ("BREW", "/healthz")] {
        let response = send(method, target, "a");
        assert_eq!((response.status(), response.fields().get("allow")), (405, Some("GET, HEAD")), "{method} {target}");
    }
    assert_eq!(send("POST", "/backends", "a").status(), 404);
    // It is not on the clients' port.
    assert_eq!(program.client().get("/metrics").text(), "a");
}

fn the_admin_interface_has_metrics_and_statistics(ctx: &Context) {
    let backend = Backend::ok("a");
    let program = ctx.start(&[backend.addr()], &["--admin", "127.0.0.1:0"]);
    let admin = admin(&program);
    assert_eq!(program.client().get("/").status(), 200);
    let host = format!("Host: {}\r\n", admin.addr());
    let metrics = admin.send("GET", "/metrics", &host, "");
    Exposition::parse(&metrics.text()).unwrap();
    assert_eq!(admin.send("GET", "/metrics", "Host: evil.example\r\n", "").status(), 403, "as the rest of it");
    until("the request is counted", || admin.request_ok("GET", "/stats", "")["requests"] == 1);
    let stats = admin.request_ok("GET", "/stats", "");
    assert_eq!((&stats["failed"], &stats["connections_accepted"]), (&0.into(), &1.into()), "{stats}");
    assert_eq!(stats["backends"][0]["name"], backend.addr().to_string());
    assert!(stats["groups"][0]["name"] == "default" && stats["pool"]["misses"] == 1, "{stats}");
    assert_eq!(admin.request("POST", "/stats", "").0, 405);
    let help = admin.request_ok("GET", "/", "").to_string();
    assert!(
        ["/metrics", "/stats", "/readyz", "/pool", "/backends", "/limits"].iter().all(|path| help.contains(path)),
        "{help}"
    );
}

fn a_group_without_backends_makes_it_not_ready(ctx: &Context) {
    let (port, other) = (reserved_port(), Backend::ok("b"));
    let backend = Backend::start_on(port, |conn| {
        if conn.request().is_ok() {
            conn.write(ok_response("a"));
        }
        conn.close();
    });
    let group = format!("api={}", other.addr());
    let unused = "unused=127.0.0.1:9";
    let flags = ["--group", &group, "--group", unused, "--route", "path=/api/* -> api", "--check", "tcp,interval=50ms"];
    let program = ctx.start(&[backend.addr()], &[&METRICS[..], &flags].concat());
    let addr = metrics_addr(&program);
    until("it is ready: nothing is routed to `unused`", || get(addr, "/readyz").status() == 200);
    let port = backend.stop();
    until("it is not ready", || get(addr, "/readyz").status() == 503);
    let response = get(addr, "/readyz");
    let body = json(&response);
    assert_eq!(body["groups_without_backends"], serde_json::json!(["default"]), "{body}");
    assert_eq!((&body["ready"], get(addr, "/healthz").status()), (&false.into(), 200), "alive all the same");
    let _backend = Backend::start_on(port, |conn| drop(conn.request()));
    until("it is ready again", || get(addr, "/readyz").status() == 200);
}

fn a_draining_balancer_is_not_ready_and_answers_until_its_exit(ctx: &Context) {
    let (open, gate) = channel();
    let gate = Mutex::new(gate);
    let backend = Backend::start(move |conn| {
        if conn.request().is_ok() && gate.lock().unwrap().recv().is_ok() {
            conn.write(ok_response("a"));
        }
        conn.close();
    });
    let mut program = ctx.start(&[backend.addr()], &METRICS);
    let addr = metrics_addr(&program);
    let mut client = program.client();
    client.request("GET", "/", "");
    backend.wait_for("it has the request", |seen| seen.iter().any(|connection| connection.count > 0));
    program.signal(Signal::SIGTERM);
    until("it is not ready", || get(addr, "/readyz").status() == 503);
    assert_eq!(json(&get(addr, "/readyz"))["draining"], true);
    assert_eq!((get(addr, "/healthz").status(), get(addr, "/metrics").status()), (200, 200));
    open.send(()).unwrap();
    assert_eq!(client.response("GET").status(), 200);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
    assert!(Client::try_connect(addr).is_err(), "gone with the process");
}

/// A client that asks for the metrics again and again, and reads nothing.
fn stalled_scraper(addr: SocketAddr) -> Client {
    let mut client = Client::connect_with_recv_buffer(addr, 4 << 10);
    for _ in 0..200 {
        if client.try_send(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").is_err() {
            break;
        }
    }
    client
}

fn scrapers_that_do_not_read_stop_neither_requests_nor_others(ctx: &Context) {
    let backend = Backend::start(|conn| {
        while conn.request().is_ok() {
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let program = ctx.start(&[backend.addr()], &METRICS);
    let addr = metrics_addr(&program);
    let before = program.rss_kib();
    let stalled: Vec<_> = (0..16).map(|_| stalled_scraper(addr)).collect();
    let mut client = program.client();
    let mut slowest = ms(0);
    for _ in 0..500 {
        let began = Instant::now();
        assert_eq!(client.get("/").status(), 200);
        slowest = slowest.max(began.elapsed());
    }
    assert!(slowest < ms(2_000), "a request took {slowest:?}");
    scrape_after(&program, 500.0);
    let grown = program.rss_kib().saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} KiB for scrapers that do not read");
    drop(stalled);
}
