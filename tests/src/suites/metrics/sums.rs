//! Once it is quiet, the counters equal what the clients saw; and no scrape ever sees one go back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use super::text_format::Exposition;
use super::{METRICS, scrape, scrape_after};
use crate::Context;
use crate::backend::bundled_process::BundledProcess;
use crate::case::cases;
use crate::client::Client;
use crate::process::Program;
use crate::rng::Rng;
use crate::wait::{TEST_TIMEOUT, ms};

cases! { "metrics";
    Fast sums_agree_with_what_the_clients_saw,
    Full a_hundred_thousand_requests_are_counted_under_kills within ms(600_000),
}

/// What a client saw of its requests: how often each code, as the label has it.
type Seen = BTreeMap<String, u32>;

/// Sends one of several kinds of requests, and says how it ended. Another client, if the connection was closed.
fn send_one(program: &Program, client: &mut Client, rng: &mut Rng, seen: &mut Seen) {
    let mut count = |code: &str| *seen.entry(code.to_owned()).or_default() += 1;
    let target = match rng.below(16) {
        0 => "/status/404",
        1 => "/status/500",
        2 => "/limited",
        3 => "/nowhere",
        4 => {
            client.send("GET / HTTP/1.1\r\n\r\n");
            assert_eq!(client.response("GET").status(), 400);
            *client = program.client();
            return count("400");
        }
        5 => "/status/204",
        _ => "/bytes/100",
    };
    client.request("GET", target, "");
    let Ok(response) = client.try_response("GET") else {
        // Killed in the middle of its answer.
        *client = program.client();
        return count("broken");
    };
    match response.status() {
        // The backends answer with none of these.
        local @ (429 | 502 | 503 | 504) => count(&local.to_string()),
        404 if target == "/nowhere" => count("404"),
        status => count(&format!("{}xx", status / 100)),
    }
    if response.head.says_close() {
        *client = program.client();
    }
}

/// Sends `each` requests from each of eight threads, while others scrape. Returns what the clients saw.
fn send_all(program: &Program, each: u32, meanwhile: impl FnOnce() + Send) -> Seen {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let scraper = scope.spawn(|| {
            let mut last: Option<Exposition> = None;
            while !done.load(SeqCst) {
                let now = scrape(program);
                if let Some(last) = &last {
                    now.assert_not_less_than(last);
                }
                last = Some(now);
            }
        });
        let clients: Vec<_> = (0..8)
            .map(|seed| {
                scope.spawn(move || {
                    let (mut client, mut rng, mut seen) = (program.client(), Rng::new(seed), Seen::new());
                    (0..each).for_each(|_| send_one(program, &mut client, &mut rng, &mut seen));
                    seen
                })
            })
            .collect();
        meanwhile();
        let seen = clients.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>();
        done.store(true, SeqCst);
        scraper.join().expect("no counter goes back");
        let mut all = Seen::new();
        for seen in seen {
            for (code, count) in seen.expect("a client") {
                *all.entry(code).or_default() += count;
            }
        }
        all
    })
}

fn start(ctx: &Context, backends: &BundledProcess, flags: &[&str]) -> Program {
    let backends: Vec<_> = backends.addrs().iter().map(ToString::to_string).collect();
    let group = format!("web={}", backends.join(","));
    let routes = ["/status/*", "/bytes/*", "/limited"].map(|path| format!("path={path} -> web"));
    let mut all = vec!["--workers", "4", "--group", &*group, "--limit", "5/h,burst=5 by=global path=/limited"];
    all.extend(routes.iter().flat_map(|rule| ["--route", &**rule]));
    all.extend(METRICS);
    all.extend(flags);
    ctx.start_named(&[], &all)
}

fn assert_agree(program: &Program, seen: &Seen) {
    let total: u32 = seen.values().sum();
    let metrics = scrape_after(program, f64::from(total));
    let broken = metrics.sum("lb_requests_total", &[]) - metrics.sum("lb_requests_total", &[("end", "done")]);
    let mut counted = Seen::new();
    for sample in &metrics.family("lb_requests_total").unwrap().samples {
        let is_broken = sample.labels["code"].ends_with("xx") && sample.labels["end"] != "done";
        let code = if is_broken { "broken" } else { &*sample.labels["code"] };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of few requests")]
        if sample.value > 0.0 {
            *counted.entry(code.to_owned()).or_default() += sample.value as u32;
        }
    }
    assert_eq!(&counted, seen, "{broken} did not end with a whole answer");
    let durations = metrics.sum("lb_request_duration_seconds_count", &[]);
    assert_eq!(durations.to_string(), total.to_string());
    let responses = metrics.sum("lb_backend_requests_total", &[]);
    let answered = metrics.sum("lb_first_byte_seconds_count", &[]);
    assert!(responses >= answered - 0.5, "{responses} and {answered}");
    // A first byte needs a connection. What the balancer answers itself has none, but for a 502 or a 504.
    let (connected, own_answers) = (metrics.sum("lb_own_seconds_count", &[]), ["400", "404", "429", "503"]);
    let without: f64 = own_answers.iter().map(|code| metrics.sum("lb_requests_total", &[("code", code)])).sum();
    let most = f64::from(total) - without;
    assert!(connected >= answered / 32.0 - 8.0 && connected <= most, "{connected}: {answered}, {without}");
    assert_eq!(metrics.sum("lb_backend_in_flight", &[]).to_string(), "0");
}

fn sums_agree_with_what_the_clients_saw(ctx: &Context) {
    let backends = BundledProcess::start(ctx);
    let program = start(ctx, &backends, &[]);
    let seen = send_all(&program, 1_000, || {});
    assert!(["2xx", "4xx", "5xx", "400", "404", "429"].iter().all(|code| seen.contains_key(*code)), "{seen:?}");
    assert_agree(&program, &seen);
}

fn a_hundred_thousand_requests_are_counted_under_kills(ctx: &Context) {
    let backends = BundledProcess::start(ctx);
    let program = start(ctx, &backends, &["--check", "tcp,interval=100ms"]);
    let fault = |addr, what: &str| {
        let mut client = Client::connect(addr);
        client.set_read_timeout(TEST_TIMEOUT);
        client.send(format!("POST /_fault/{what} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
        let _ = client.try_response("POST");
    };
    let seen = send_all(&program, 12_500, || {
        for round in 0..20 {
            let addr = backends.addrs()[round % 3];
            fault(addr, ["reset?for=200ms", "close?for=200ms", "down?for=200ms"][round % 3]);
            crate::wait::pause(ms(300));
        }
    });
    assert_eq!(seen.values().sum::<u32>(), 100_000);
    assert_agree(&program, &seen);
}
