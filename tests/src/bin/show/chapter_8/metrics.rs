//! Part 1: what the balancer knows of its requests, and how it is asked.

use std::net::SocketAddr;

use backends::{Backend, BackendConfig, Fault};
use integration_tests::client::Client;
use integration_tests::process::Program;
use integration_tests::wait::until;

use crate::narrator::{Narrator, Programs};

pub(crate) fn demo(narrator: &Narrator, programs: &Programs) {
    let start = |id: &str| Backend::start(BackendConfig { id: id.into(), ..BackendConfig::default() });
    let backends = ["backend-1", "backend-2"].map(|id| start(id).expect("a free port"));
    let names = backends.each_ref().map(|backend| backend.addr().to_string());
    let options = ["--check", "off", "--metrics", "127.0.0.1:0", "--limit", "3/h,burst=3 by=ip path=/login name=login"];
    let args: Vec<_> = ["0", &names[0], &names[1]].into_iter().chain(options).collect();
    let balancer = programs.start(narrator, "observable_lb", &args);
    ends(narrator, &balancer);
    one_slow_backend(narrator, &balancer, &backends[1]);
    whose_fault(narrator, &balancer, &backends[1]);
    hostile_clients(narrator, &balancer);
}

fn metrics_addr(balancer: &Program) -> SocketAddr {
    let said = balancer.wait_stdout("metrics on ");
    let addr = said.lines().find_map(|line| line.strip_prefix("metrics on ")?.trim().parse().ok());
    addr.expect("an address after `metrics on`")
}

/// The lines of the metrics that begin with `prefix`, once the value of all together is `sum`.
fn lines(balancer: &Program, prefix: &str, sum: u64) -> Vec<String> {
    let mut found = Vec::new();
    until("the requests are counted", || {
        let text = Client::connect(metrics_addr(balancer)).get("/metrics").text();
        found =
            text.lines().filter(|line| line.starts_with(prefix) && !line.ends_with(" 0")).map(str::to_owned).collect();
        found.iter().map(|line| value(line)).sum::<u64>() == sum
    });
    found
}

fn value(line: &str) -> u64 {
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn show(narrator: &Narrator, lines: &[String]) {
    for line in lines {
        narrator.output(line);
    }
}

fn ends(narrator: &Narrator, balancer: &Program) {
    narrator.section(
        "Why did it end?",
        "Twenty requests, five logins with a limit of three, and one that is no valid HTTP. Each ends for one reason, and \
         the reason has a word.",
    );
    let mut client = balancer.client();
    (0..20).for_each(|_| assert_eq!(client.get("/").status(), 200));
    (0..5).for_each(|_| drop(client.get("/login")));
    client.send("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.response("GET").status(), 400);
    narrator.command("curl -s http://127.0.0.1:9901/metrics | grep ^lb_requests_total");
    let counted = lines(balancer, "lb_requests_total", 26);
    show(narrator, &counted);
    let has = |part: &str, count: u64| counted.iter().any(|line| line.contains(part) && value(line) == count);
    assert!(has("end=\"done\"", 23) && has("end=\"limited\"", 2) && has("end=\"refused_head\"", 1), "{counted:?}");
}

fn one_slow_backend(narrator: &Narrator, balancer: &Program, backend: &Backend) {
    narrator.section(
        "One slow backend",
        "The second backend now takes 200 ms. The mean of twenty requests is 100 ms, which none of them took. What does \
         the histogram say?",
    );
    backend.set_fault(Fault::Slow(std::time::Duration::from_millis(200))).expect("it runs");
    let mut client = balancer.client();
    (0..20).for_each(|_| assert_eq!(client.get("/").status(), 200));
    backend.set_fault(Fault::None).expect("it runs");
    lines(balancer, "lb_requests_total", 46);
    let text = Client::connect(metrics_addr(balancer)).get("/metrics").text();
    let bucket = |bound: &str| {
        let prefix = "lb_request_duration_seconds_bucket{group=\"default\",route=\"default\"";
        let line = text.lines().find(|line| line.starts_with(prefix) && line.contains(&format!("le=\"{bound}\"")));
        let line = line.expect("the bucket is there");
        narrator.output(line);
        value(line)
    };
    let [fast, slow] = ["0.1", "0.25"].map(bucket);
    // Twenty-five before, and half of these twenty.
    assert!((30..=35).contains(&fast) && (43..=45).contains(&slow), "{fast} and {slow}");
    narrator
        .say("Ten lie between 100 and 250 ms, all others below: two kinds of requests, and no mean would show them.");
}

fn whose_fault(narrator: &Narrator, balancer: &Program, backend: &Backend) {
    narrator.section(
        "Whose fault is it?",
        "The second backend now resets each connection. GETs are tried again elsewhere; a POST that was sent must not be. \
         What do the clients see, and what do the metrics say?",
    );
    backend.set_fault(Fault::Reset).expect("it runs");
    let mut client = balancer.client();
    let mut failed = 0;
    for _ in 0..6 {
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
        failed += u64::from(client.response("POST").status() == 502);
    }
    backend.set_fault(Fault::None).expect("it runs");
    narrator.output(&format!("6 sent, {failed} answered with 502"));
    let counted = lines(balancer, "lb_requests_total", 52);
    let ended: Vec<_> = counted.into_iter().filter(|line| line.contains("code=\"502\"")).collect();
    show(narrator, &ended);
    assert!(ended.iter().map(|line| value(line)).sum::<u64>() == failed && failed > 0, "{ended:?}");
    assert!(ended.iter().all(|line| line.contains("end=\"backend_reset_")), "{ended:?}");
    let text = Client::connect(metrics_addr(balancer)).get("/metrics").text();
    let failures = text.lines().filter(|line| line.starts_with("lb_backend_failures_total"));
    let failures: Vec<_> = failures.map(str::to_owned).collect();
    show(narrator, &failures);
    let name = backend.addr().to_string();
    assert!(!failures.is_empty() && failures.iter().all(|line| line.contains(&name)), "{failures:?}");
}

fn hostile_clients(narrator: &Narrator, balancer: &Program) {
    narrator.section(
        "A client that wants to be measured",
        "Each series costs memory. A client sends two thousand requests, each with a method, a path and a host of its own. \
         How many series does it create?",
    );
    let series = || {
        let text = Client::connect(metrics_addr(balancer)).get("/metrics").text();
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    let before = series();
    let mut client = balancer.client();
    for number in 0..2_000 {
        client.send(format!("GET /{number}?x={number} HTTP/1.1\r\nHost: h{number}.example\r\nX-{number}: a\r\n\r\n"));
        assert_eq!(client.response("GET").status(), 200);
    }
    lines(balancer, "lb_requests_total", 2_052);
    let after = series();
    narrator.output(&format!("{before} series before, {after} after"));
    assert_eq!(before, after);
}
