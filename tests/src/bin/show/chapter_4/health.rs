//! Part 2: a backend that answers 500: ejected by live responses, marked down by checks, and its slow start.

use std::time::Duration;

use backends::Fault;
use integration_tests::client::Client;
use integration_tests::process::Program;
use integration_tests::wait::{ms, until};

use super::balancer;
use crate::demo_backends::{DemoBackends, count_by_backend, responding_backends, table};
use crate::narrator::{Narrator, Programs, now};

/// The duration of slow start.
const RAMP: Duration = ms(2_500);
/// Requests per batch, and a full share of them.
const BATCH: usize = 30;
const FULL: usize = BATCH / 3;

pub(crate) fn demo(narrator: &Narrator, programs: &Programs) {
    let backends = DemoBackends::start(3);
    found_by_requests(narrator, programs, &backends);
    found_by_checks(narrator, programs, &backends);
}

fn found_by_requests(narrator: &Narrator, programs: &Programs, backends: &DemoBackends) {
    narrator.section(
        "Outlier ejection",
        "Backend 2 accepts every connection and answers every request with 500. A successful connect proves nothing, so \
         responses are counted: three consecutive failures, and it is ejected. (An application's 500 counts only with \
         --eject-on: one URL that always fails could eject every backend. 502, 503 and 504 count without it.)",
    );
    let balancer = balancer(narrator, programs, &backends.names(), &["--eject-after", "3", "--eject-on", "500"]);
    let mut client = balancer.client();
    backends.set_fault(2, Fault::Error);
    let statuses: Vec<_> = (0..15).map(|_| client.get("/").status()).collect();
    // Everything that depends on time first: an ejection lasts 30 s, and readers take as long as they like.
    let table = table(&balancer, backends);
    narrator.output(&statuses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    assert_eq!(statuses.iter().filter(|status| **status == 500).count(), 3, "{statuses:?}");
    assert!(statuses[9..].iter().all(|status| *status == 200), "{statuses:?}");
    narrator.say("Three requests got a 500, and none after them. A 500 is a response: it is forwarded, not retried.");
    assert!(table.contains("EJECTED"), "{table}");
    narrator.output(&table);
    backends.set_fault(2, Fault::None);
}

fn found_by_checks(narrator: &Narrator, programs: &Programs, backends: &DemoBackends) {
    narrator.section(
        "Health checks",
        "The same fault, and a health check of /health: every 200 ms, or every 50 ms while its result is in doubt.",
    );
    let ramp = format!("{}ms", RAMP.as_millis());
    let check = "http:/health,interval=200ms,fast=50ms,fall=2,rise=2";
    let balancer = balancer(narrator, programs, &backends.names(), &["--check", check, "--slow-start", &ramp]);
    let mut client = balancer.client();
    let before = backends[1].requests();
    backends.set_fault(2, Fault::Error);
    until("the checks find it", || log_says(&balancer, "health checks fail").is_some());
    let nine = count_by_backend(&responding_backends(&mut client, 9));
    narrator.output(&log_says(&balancer, "health checks fail").unwrap_or_default());
    assert!(!nine.contains_key(&2) && backends[1].requests() == before);
    narrator.say("Nine requests, nine times 200: no client noticed.");
    it_comes_back(narrator, backends, &mut client);
}

/// It gets few requests at first. The most it may get at any time is known, so the check holds on a slow machine too.
fn it_comes_back(narrator: &Narrator, backends: &DemoBackends, client: &mut Client) {
    narrator.section(
        "Slow start",
        "It has recovered, its checks pass, but its caches are cold. So it begins with a tenth of its share. Of thirty \
         requests ten are its full share:",
    );
    let mended = now();
    backends.set_fault(2, Fault::None);
    let mut shown = 0;
    until("it has its full share again", || {
        let got = count_by_backend(&responding_backends(client, BATCH)).get(&2).copied().unwrap_or(0);
        assert!(got <= due(mended.elapsed()), "{got} of {BATCH} after {:?}", mended.elapsed());
        if got >= shown + 2 || (got > 0 && shown == 0) || (got == FULL && shown < FULL) {
            narrator.output(&format!("backend 2 answers {got:2} of {BATCH}"));
            shown = got;
        }
        got == FULL
    });
}

/// The most requests of a batch that it may get, so long after its recovery. A turn that it does not take goes to the
/// others: with a share `s` it gets `s / (2 + s)` of the requests of three backends.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the batch")]
fn due(elapsed: Duration) -> usize {
    let share = 0.1 + 0.9 * (elapsed.as_secs_f64() / RAMP.as_secs_f64()).min(1.0);
    // One more for a pick at the edge of the batch, and one for the rounding.
    (30.0 * share / (2.0 + share)).ceil() as usize + 2
}

/// The log line that contains this text, without its timestamp.
fn log_says(balancer: &Program, words: &str) -> Option<String> {
    let log = balancer.stderr();
    let line = log.lines().find(|line| line.contains(words))?;
    Some(line.split_once(' ').map_or(line, |(_, line)| line.trim_start()).to_owned())
}
