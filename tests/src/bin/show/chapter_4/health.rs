//! Part 2: a backend that answers 500: found by requests, found by checks, and back by and by.

use std::time::Duration;

use backends::Fault;
use integration_tests::client::Client;
use integration_tests::process::Program;
use integration_tests::wait::{ms, until};

use super::balancer;
use crate::fleet::{Fleet, answers, table, tally};
use crate::stage::{Programs, Stage, now};

/// The length of the slow start.
const RAMP: Duration = ms(2_500);
/// Requests in one look, and what is a full share of them.
const BATCH: usize = 30;
const FULL: usize = BATCH / 3;

pub(crate) fn play(stage: &Stage, programs: &Programs) {
    let backends = Fleet::start(3);
    found_by_requests(stage, programs, &backends);
    found_by_checks(stage, programs, &backends);
}

fn found_by_requests(stage: &Stage, programs: &Programs, backends: &Fleet) {
    stage.scene(
        "Found by requests",
        "Backend 2 accepts every connection and answers every request with 500. Connecting proves nothing, so the \
         answers are counted: three failures in a row, and it is ejected.",
    );
    let balancer = balancer(stage, programs, &backends.names(), &["--eject-after", "3"]);
    let mut client = balancer.client();
    backends.set_fault(2, Fault::Error);
    let statuses: Vec<_> = (0..15).map(|_| client.get("/").status()).collect();
    // All that depends on the time first: an ejection lasts 30 s, and people read at a pace of their own.
    let table = table(&balancer, backends);
    stage.seen(&statuses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    assert_eq!(statuses.iter().filter(|status| **status == 500).count(), 3, "{statuses:?}");
    assert!(statuses[9..].iter().all(|status| *status == 200), "{statuses:?}");
    stage
        .say("Three requests paid, and none after them. A 500 is an answer: it is passed on, and not asked for again.");
    assert!(table.contains("EJECTED"), "{table}");
    stage.seen(&table);
    backends.set_fault(2, Fault::None);
}

fn found_by_checks(stage: &Stage, programs: &Programs, backends: &Fleet) {
    stage.scene(
        "Found by checks",
        "The same fault, and a check that asks for /health: here every 200 ms, in doubt every 50.",
    );
    let ramp = format!("{}ms", RAMP.as_millis());
    let check = "http:/health,interval=200ms,fast=50ms,fall=2,rise=2";
    let balancer = balancer(stage, programs, &backends.names(), &["--check", check, "--slow-start", &ramp]);
    let mut client = balancer.client();
    let before = backends[1].requests();
    backends.set_fault(2, Fault::Error);
    until("the checks find it", || log_says(&balancer, "health checks fail").is_some());
    let nine = tally(&answers(&mut client, 9));
    stage.seen(&log_says(&balancer, "health checks fail").unwrap_or_default());
    assert!(!nine.contains_key(&2) && backends[1].requests() == before);
    stage.say("Nine requests, nine times 200: no client had to find out.");
    it_comes_back(stage, backends, &mut client);
}

/// It gets little at first. How much is due to it is known at any time, so what is said holds on a slow machine too.
fn it_comes_back(stage: &Stage, backends: &Fleet, client: &mut Client) {
    stage.scene(
        "Back by and by",
        "It is mended, the checks let it in, and its caches are cold. So it begins with a tenth of its turns. Of \
         thirty requests ten are its full share:",
    );
    let mended = now();
    backends.set_fault(2, Fault::None);
    let mut shown = 0;
    until("it has its full share again", || {
        let got = tally(&answers(client, BATCH)).get(&2).copied().unwrap_or(0);
        assert!(got <= due(mended.elapsed()), "{got} of {BATCH} after {:?}", mended.elapsed());
        if got >= shown + 2 || (got > 0 && shown == 0) || (got == FULL && shown < FULL) {
            stage.seen(&format!("backend 2 answers {got:2} of {BATCH}"));
            shown = got;
        }
        got == FULL
    });
}

/// The most that may have come to it in a batch when it was mended so long ago. A turn that it does not take goes to
/// the others, who give it on: at a share `s` it has `s / (2 + s)` of the requests of three.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the batch")]
fn due(elapsed: Duration) -> usize {
    let share = 0.1 + 0.9 * (elapsed.as_secs_f64() / RAMP.as_secs_f64()).min(1.0);
    // One more for a turn at the edge of the batch, and one for what adds up to a turn.
    (30.0 * share / (2.0 + share)).ceil() as usize + 2
}

/// The line of the log that says this, without its time.
fn log_says(balancer: &Program, words: &str) -> Option<String> {
    let log = balancer.stderr();
    let line = log.lines().find(|line| line.contains(words))?;
    Some(line.split_once(' ').map_or(line, |(_, line)| line.trim_start()).to_owned())
}
