//! No client can create a series, and no configuration more than were permitted.

use super::{METRICS, get, metrics_addr, scrape, scrape_after};
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::rng::Rng;
use crate::suites::support::assert_usage_error;
use crate::wait::TEST_TIMEOUT;

cases! { "metrics";
    Fast hostile_requests_create_no_series,
    Fast routes_beyond_the_limit_share_their_series,
    Fast backends_beyond_the_limit_have_no_series,
    Fast wrong_options_are_refused_in_one_line,
}

fn backend() -> Backend {
    Backend::keeping_alive("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
}

fn hostile_requests_create_no_series(ctx: &Context) {
    const ROUNDS: u32 = 200;
    let backend = backend();
    let flags = ["--route", "path=/api/* name=api -> default", "--trusted-proxy", "127.0.0.1", "--log-requests"];
    let program = ctx.start(&[backend.addr()], &[&METRICS[..], &flags].concat());
    let mut rng = Rng::new(8);
    let mut word = || format!("x{:x}", rng.number());
    let mut before = None;
    for round in 0..=ROUNDS {
        if round == 1 {
            // After one request of each kind: they may create what is documented.
            before = Some(scrape_after(&program, 3.0).series());
        }
        let mut client = program.client();
        let head = format!(
            "{} /api/{}?{}={} HTTP/1.1\r\nHost: {}.example\r\nX-Request-ID: {}\r\nX-Forwarded-For: 192.0.2.{}\r\n\
             User-Agent: {}\r\nCookie: {}={}\r\n{}: {}\r\n\r\n",
            word().to_uppercase(),
            word(),
            word(),
            word(),
            word(),
            word(),
            round % 250,
            word(),
            word(),
            word(),
            word(),
            word()
        );
        client.send(head);
        assert_eq!(client.response("POST").status(), 200);
        client.request("GET", &format!("/{}", word()), "");
        assert_eq!(client.response("GET").status(), 200);
        client.send(format!("{}\"}} 1\\n{}\r\n\r\n", word(), word()));
        assert!(client.read_until_closed(TEST_TIMEOUT).is_some());
    }
    let after = scrape_after(&program, 3.0 * f64::from(ROUNDS + 1)).series();
    let new: Vec<_> = after.difference(before.as_ref().expect("there was a second round")).collect();
    assert!(new.is_empty(), "{new:?}");
    let text = get(metrics_addr(&program), "/metrics").text();
    for trace in ["192.0.2", ".example", "X-Req", "/api/x"] {
        assert!(!text.contains(trace), "{trace} is in the metrics");
    }
}

/// The flags of `routes` routes by path.
fn routes(count: usize) -> Vec<String> {
    let rules = (0..count).map(|number| format!("path=/r{number} name=r{number} -> default"));
    rules.flat_map(|rule| ["--route".to_owned(), rule]).collect()
}

fn routes_beyond_the_limit_share_their_series(ctx: &Context) {
    let backend = backend();
    let routes = routes(20);
    let mut flags: Vec<_> = METRICS.into_iter().chain(["--metrics-max-series", "1000"]).collect();
    flags.extend(routes.iter().map(String::as_str));
    let program = ctx.start(&[backend.addr()], &flags);
    let mut client = program.client();
    for number in 0..20 {
        assert_eq!(client.get(&format!("/r{number}")).status(), 200);
    }
    let metrics = scrape_after(&program, 20.0);
    let series = metrics.samples().count();
    assert!(series <= 1_000, "{series}");
    let of_route = |name: &str| metrics.sum("lb_requests_total", &[("route", name)]).to_string();
    assert_eq!((of_route("r0"), of_route("r1"), of_route("other")), ("1".into(), "0".into(), "19".into()));
    let dropped = metrics.value("lb_series_dropped_total", &[("metric", "lb_request_duration_seconds")]);
    assert_eq!(dropped.to_string(), (19 * 93).to_string());
    assert_eq!(metrics.sum("lb_request_duration_seconds_count", &[("route", "other")]).to_string(), "19");
}

fn backends_beyond_the_limit_have_no_series(ctx: &Context) {
    let backends: Vec<_> = (0..60).map(|_| backend()).collect();
    let addrs: Vec<_> = backends.iter().map(Backend::addr).collect();
    let program = ctx.start(&addrs, &[&METRICS[..], &["--metrics-max-series", "1000"]].concat());
    let mut client = program.client();
    (0..60).for_each(|_| assert_eq!(client.get("/").status(), 200));
    let metrics = scrape_after(&program, 60.0);
    assert!(metrics.samples().count() <= 1_000);
    // 500 series, 21 for each backend.
    assert_eq!(metrics.sum("lb_backend_requests_total", &[("code", "2xx")]).to_string(), "23");
    assert_eq!(metrics.value("lb_backends_healthy", &[("group", "default")]).to_string(), "60");
    let dropped = metrics.value("lb_series_dropped_total", &[("metric", "lb_backend_requests_total")]);
    assert_eq!(dropped.to_string(), (37 * 21).to_string());
}

fn wrong_options_are_refused_in_one_line(ctx: &Context) {
    for (line, says) in [
        (["--metrics", "9901"], "expected an address and a port"),
        (["--metrics", "localhost:9901"], "expected an address and a port"),
        (["--metrics-buckets", "1ms"], "expected seconds"),
        (["--metrics-buckets", "1,0.5"], "must be ascending"),
        (["--metrics-max-series", "10"], "from 1000 to"),
        (["--metrics-max-series", "x"], "from 1000 to"),
        (["--route", "name=a/b -> default"], "invalid name 'a/b'"),
    ] {
        assert_usage_error(ctx, &["0", "127.0.0.1:9", line[0], line[1]], says);
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let finished = ctx.run_named("0", &["127.0.0.1:9"], &["--metrics", &addr]);
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.stderr.contains(&format!("metrics {addr}")), "{finished:?}");
    // It takes no requests before it knows that.
    assert!(!finished.stdout.contains("listening on"), "{finished:?}");
    drop(scrape(&ctx.start(&["127.0.0.1:9".parse().unwrap()], &METRICS)));
}
