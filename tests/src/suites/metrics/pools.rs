//! Connections by backend, the balancer's own time, and the longest poll.

use super::{Exposition, METRICS, admin, scrape, scrape_after, scrape_until};
use crate::Context;
use crate::backend::{Backend, Conn};
use crate::case::cases;
use crate::process::Program;
use crate::suites::support::{reserved_port, run_in_parallel};
use crate::wait::{ms, pause};

cases! { "metrics";
    Fast idle_connections_are_those_of_their_backend_until_they_expire,
    Fast connections_that_a_backend_closes_are_stale,
    Fast connections_beyond_the_pools_limit_are_evicted,
    Fast a_removed_backend_has_no_pool,
    Fast all_workers_and_the_shared_pool_have_idle_connections,
    Fast own_time_has_no_waits_and_counts_one_in_sixteen_requests,
    Fast the_longest_poll_of_each_worker_is_shown,
}

/// How long `/slow` takes: its requests overlap.
const SLOW: std::time::Duration = ms(300);

fn answer(conn: &mut Conn) {
    while let Ok(request) = conn.request() {
        match &*request.head.target {
            "/slow" => pause(SLOW),
            "/reset" => return conn.reset(),
            _ => {}
        }
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    }
}

fn start(ctx: &Context, backends: &[&Backend], flags: &[&str]) -> Program {
    let addrs: Vec<_> = backends.iter().map(|backend| backend.addr()).collect();
    ctx.start(&addrs, &[&METRICS[..], &["--admin", "127.0.0.1:0", "--check", "off"], flags].concat())
}

/// Sends so many requests at the same time.
fn burst(program: &Program, requests: usize) {
    run_in_parallel(requests, |_| assert_eq!(program.client().get("/slow").status(), 200));
}

/// A metric of one backend.
fn of(metrics: &Exposition, name: &str, backend: &Backend) -> f64 {
    metrics.sum(name, &[("backend", &backend.addr().to_string()), ("group", "default")])
}

/// Waits until a metric of one backend has this value.
fn until_is(program: &Program, name: &str, backend: &Backend, value: u32) -> Exposition {
    scrape_until(program, name, |metrics| of(metrics, name, backend).to_string() == value.to_string())
}

fn idle_connections_are_those_of_their_backend_until_they_expire(ctx: &Context) {
    let [one, other] = [(); 2].map(|()| Backend::start(answer));
    let program = start(ctx, &[&one, &other], &["--workers", "1", "--upstream-idle-timeout", "3s"]);
    assert_eq!(scrape(&program).sum("lb_backend_pool_idle", &[]).to_string(), "0");
    burst(&program, 5);
    // Round robin: three went to the first one.
    until_is(&program, "lb_backend_pool_idle", &one, 3);
    let metrics = until_is(&program, "lb_backend_pool_idle", &other, 2);
    assert_eq!(of(&metrics, "lb_backend_pool_stale_total", &one).to_string(), "0");
    let metrics = scrape_until(&program, "they expire", |metrics| metrics.sum("lb_backend_pool_idle", &[]) < 0.5);
    for name in ["lb_backend_pool_stale_total", "lb_backend_pool_evicted_total"] {
        assert_eq!(metrics.sum(name, &[]).to_string(), "0", "{name}: they have expired");
    }
}

fn connections_that_a_backend_closes_are_stale(ctx: &Context) {
    let (one, port) = (Backend::start(answer), reserved_port());
    let other = Backend::start_on(port, answer);
    let program = start(ctx, &[&one, &other], &["--workers", "2"]);
    burst(&program, 8);
    until_is(&program, "lb_backend_pool_idle", &one, 4);
    until_is(&program, "lb_backend_pool_idle", &other, 4);
    let killed = other.addr().to_string();
    let _port = other.stop();
    let labels = [("backend", &*killed)];
    let metrics = scrape_until(&program, "its connections have gone", |metrics| {
        metrics.value("lb_backend_pool_idle", &labels) < 0.5
    });
    let stale = metrics.value("lb_backend_pool_stale_total", &labels);
    assert_eq!(stale.to_string(), "4");
    assert_eq!(metrics.sum("lb_backend_pool_stale_total", &[]).to_string(), "4", "of no other backend");
    let pool = admin(&program).request_ok("GET", "/pool", "");
    assert_eq!(pool["stale"], 4, "{pool}");
    assert_eq!(of(&metrics, "lb_backend_pool_idle", &one).to_string(), "4");
}

fn connections_beyond_the_pools_limit_are_evicted(ctx: &Context) {
    let backend = Backend::start(answer);
    let program = start(ctx, &[&backend], &["--workers", "1", "-p", "2"]);
    burst(&program, 6);
    let metrics = until_is(&program, "lb_backend_pool_evicted_total", &backend, 4);
    assert_eq!(of(&metrics, "lb_backend_pool_idle", &backend).to_string(), "2");
    let pool = admin(&program).request_ok("GET", "/pool", "");
    assert_eq!(pool["evicted"], 4, "{pool}");
}

fn a_removed_backend_has_no_pool(ctx: &Context) {
    let [one, other] = [(); 2].map(|()| Backend::start(answer));
    let program = start(ctx, &[&one, &other], &["--workers", "1"]);
    burst(&program, 2);
    until_is(&program, "lb_backend_pool_idle", &other, 1);
    admin(&program).remove(other.addr());
    let metrics = scrape(&program);
    for family in metrics.families().iter().filter(|family| family.name.starts_with("lb_backend_pool")) {
        let backends: Vec<_> = family.samples.iter().map(|sample| sample.labels["backend"].clone()).collect();
        assert_eq!(backends, [one.addr().to_string()], "{}", family.name);
    }
    // One at the same address is another backend.
    admin(&program).add_backend(other.addr());
    let metrics = scrape(&program);
    assert_eq!(of(&metrics, "lb_backend_pool_idle", &other).to_string(), "0");
}

fn all_workers_and_the_shared_pool_have_idle_connections(ctx: &Context) {
    let backend = Backend::start(answer);
    let program = start(ctx, &[&backend], &["--workers", "4"]);
    burst(&program, 12);
    until_is(&program, "lb_backend_pool_idle", &backend, 12);
    // After five seconds they move to the pool that the workers share.
    let shared_idle = || admin(&program).request_ok("GET", "/pool", "")["shared_idle"] == 12;
    scrape_until(&program, "all are shared", |_| shared_idle());
    until_is(&program, "lb_backend_pool_idle", &backend, 12);
}

fn own_time_has_no_waits_and_counts_one_in_sixteen_requests(ctx: &Context) {
    let (good, refusing) = (Backend::start(answer), reserved_port());
    let group = format!("down={}", refusing.addr);
    let flags = ["--group", &group, "--route", "path=/down -> down", "--limit", "1/h by=ip path=/once"];
    let program = start(ctx, &[&good], &[&flags[..], &["--max-connections", "1", "--workers", "1"]].concat());
    // Of these three, two wait in the queue, one for the two others.
    burst(&program, 3);
    for (target, status) in [("/once", 200), ("/once", 429), ("/down", 502)] {
        assert_eq!(program.client().get(target).status(), status, "{target}");
    }
    let mut client = program.client();
    client.send("POST /reset HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.response("POST").status(), 502);
    let mut client = program.client();
    client.send("GARBAGE\r\n\r\n");
    assert_eq!(client.response("GET").status(), 400);
    let mut client = program.client();
    (0..40).for_each(|_| assert_eq!(client.get("/").status(), 200));
    let metrics = scrape_after(&program, 48.0);
    // The first, and two of these forty.
    let count = |route| metrics.value("lb_own_seconds_count", &[("route", route)]).to_string();
    assert_eq!((count("default"), count("path=/down"), count("")), ("3".into(), "0".into(), "0".into()));
    let own = metrics.sum("lb_own_seconds_sum", &[]);
    let queued = metrics.sum("lb_queue_seconds_sum", &[]);
    assert!(own > 0.0 && own < SLOW.as_secs_f64() / 2.0, "{own}");
    assert!(queued > 1.5 * SLOW.as_secs_f64(), "{queued}");
}

fn the_longest_poll_of_each_worker_is_shown(ctx: &Context) {
    let backend = Backend::start(answer);
    let program = start(ctx, &[&backend], &["--workers", "3"]);
    assert_eq!(program.client().get("/slow").status(), 200);
    let metrics = scrape_after(&program, 1.0);
    let polls: Vec<_> = metrics.with("lb_worker_poll_seconds_max", &[]).map(|sample| sample.value).collect();
    assert_eq!(polls.len(), 3);
    // Waiting for the backend is no poll.
    assert!(polls.iter().all(|longest| *longest > 0.0 && *longest < SLOW.as_secs_f64()), "{polls:?}");
    let later = scrape(&program);
    let later = later.with("lb_worker_poll_seconds_max", &[]).map(|sample| sample.value);
    assert!(later.zip(polls).all(|(later, before)| later >= before), "the longest since the start");
}
