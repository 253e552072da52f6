//! Part 2: what the live page and `lb_top` show while a backend goes down and comes back.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use integration_tests::admin_client::AdminClient;
use integration_tests::client::Client;
use integration_tests::process::Program;
use integration_tests::wait::{StopOnDrop, ms, pause, until};
use serde_json::Value;

use crate::narrator::{Narrator, Programs};

/// The time between two readings.
const PERIOD: Duration = ms(500);
/// After so many readings, what was expected must have happened.
const MAX_READINGS: usize = 12;
/// The time between two requests of the traffic.
const PAUSE: Duration = ms(10);

pub(crate) fn demo(narrator: &Narrator, programs: &Programs) {
    let check = "http:/health,interval=200ms,fast=50ms,fall=2,rise=2";
    let flags = ["0", "--admin", "127.0.0.1:0", "--check", check, "--slow-start", "0s"];
    let balancer = programs.start(narrator, "observable_lb", &flags);
    let admin = AdminClient::of(&balancer);
    let (done, failed) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let _stop = StopOnDrop(&done);
        scope.spawn(|| send_until(&done, &failed, &balancer));
        let name = red_and_back(narrator, admin);
        assert_eq!(failed.load(Ordering::Relaxed), 0, "no client may notice");
        events(narrator, admin, &name);
    });
    in_the_terminal(narrator, programs, admin);
}

fn send_until(done: &AtomicBool, failed: &AtomicU64, balancer: &Program) {
    let mut client = balancer.client();
    while !done.load(Ordering::Relaxed) {
        failed.fetch_add(u64::from(client.get("/").status() != 200), Ordering::Relaxed);
        pause(PAUSE);
    }
}

/// The first backend goes down and comes back; returns its name.
fn red_and_back(narrator: &Narrator, admin: AdminClient) -> String {
    narrator.section(
        "Counters become rates",
        "The live page gets counters. Two readings make a row: each backend's state, its share of the requests, and \
         requests per second.",
    );
    narrator.command(&format!("curl -s http://{}/live.json    # every half second", admin.addr()));
    let mut readings = Readings::start(admin);
    narrator.output(&readings.titles());
    let is_shared = |backend: &Backend| backend.state == "UP" && (0.2..0.5).contains(&backend.share());
    readings.show_until(narrator, "a third each", |backends| backends.iter().all(is_shared));
    let [first, second] = [0, 1].map(|index| readings.name(index));
    narrator.section("Red", "The first backend closes its port. Its requests go to the others.");
    set_fault(narrator, &first, "down");
    readings.show_until(narrator, "it is down and gets nothing", |backends| {
        backends[0].state == "DOWN" && backends[0].requests == 0 && backends[1].share() > 0.3
    });
    narrator.section("And back", "It opens its port again. (Nothing listens there: the second backend is told.)");
    set_fault(narrator, &second, "up?id=backend-1");
    readings.show_until(narrator, "it has its share again", |backends| backends.iter().all(is_shared));
    first
}

fn set_fault(narrator: &Narrator, backend: &str, fault: &str) {
    narrator.command(&format!("curl -X POST 'http://{backend}/_fault/{fault}'"));
    let addr: SocketAddr = backend.parse().expect("the balancer's own backends are named by their addresses");
    let mut client = Client::connect(addr);
    client.request("POST", &format!("/_fault/{fault}"), "Content-Length: 0\r\n");
    assert_eq!(client.response("POST").status(), 200);
}

fn events(narrator: &Narrator, admin: AdminClient, name: &str) {
    narrator.section(
        "The last events",
        "No request failed. Somebody who opens the page only now still finds what happened.",
    );
    let mut kinds = Vec::new();
    until("the balancer has noticed both", || {
        let document = admin.request_ok("GET", "/live.json", "");
        let events = document["events"].as_array().cloned().unwrap_or_default();
        kinds = events.iter().filter(|event| event["subject"] == name).map(|event| text(&event["kind"])).collect();
        kinds.last().is_some_and(|kind| kind == "up")
    });
    for kind in &kinds {
        narrator.output(&format!("{name}: {kind}"));
    }
    assert!(kinds.iter().any(|kind| kind == "down"), "{kinds:?}");
}

/// The columns of the table that are printed: all of them are wider than a terminal.
const COLUMNS: [&str; 7] = ["BACKEND", "STATE", "SHARE", "REQS", "ERRS", "P50", "P99"];

fn in_the_terminal(narrator: &Narrator, programs: &Programs, admin: AdminClient) {
    narrator.section(
        "The same in a terminal",
        "lb_top reads the same document. These are some of its columns, since the start; without --once it is a screen.",
    );
    let ended = programs.run(narrator, "lb_top", &["--once", &format!("http://{}", admin.addr())]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let mut table = ended.stdout.lines().skip_while(|line| !line.starts_with("GROUP"));
    let titles: Vec<_> = table.next().expect("there is a table").split_whitespace().collect();
    let places = COLUMNS.map(|title| titles.iter().position(|found| *found == title).expect("it has this column"));
    let rows = table.take_while(|line| !line.is_empty()).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut count = 0;
    for row in [titles].into_iter().chain(rows) {
        let [name, cells @ ..] = places.map(|place| row[place]);
        narrator.output(&cells.iter().fold(format!("{name:16}"), |line, cell| format!("{line}{cell:>9}")));
        count += usize::from(cells[0] == "UP");
    }
    assert_eq!(count, 3, "{}", ended.stdout);
}

/// What a backend has done between two readings.
#[derive(Debug)]
struct Backend {
    state: String,
    requests: u64,
    /// Those of all backends.
    all: u64,
}

impl Backend {
    #[expect(clippy::cast_precision_loss, reason = "they are small")]
    fn share(&self) -> f64 {
        if self.all == 0 { 0.0 } else { self.requests as f64 / self.all as f64 }
    }
}

/// Readings of the live document.
struct Readings {
    admin: AdminClient,
    last: Value,
}

impl Readings {
    fn start(admin: AdminClient) -> Self {
        Self { admin, last: admin.request_ok("GET", "/live.json", "") }
    }

    fn name(&self, index: usize) -> String {
        text(&self.last["backends"][index]["name"])
    }

    fn titles(&self) -> String {
        let mut line = "uptime  ".to_owned();
        (0..3).for_each(|index| _ = write!(line, "{:<22}", self.name(index)));
        line.trim_end().to_owned()
    }

    /// Reads and prints a row, again and again, until `claim` holds for what the backends did between the last two.
    fn show_until(&mut self, narrator: &Narrator, what: &str, claim: impl Fn(&[Backend]) -> bool) {
        let mut backends = Vec::new();
        for _ in 0..MAX_READINGS {
            pause(PERIOD);
            let now = self.admin.request_ok("GET", "/live.json", "");
            let time = millis(&now).saturating_sub(millis(&self.last));
            backends = between(&self.last, &now);
            narrator.row(&row(&now, &backends, time));
            self.last = now;
            if claim(&backends) {
                return;
            }
        }
        panic!("not after {MAX_READINGS} readings: {what}: {backends:?}");
    }
}

fn between(before: &Value, now: &Value) -> Vec<Backend> {
    let requests = |document: &Value| -> Vec<u64> {
        let backends = document["backends"].as_array().expect("a list of backends");
        backends.iter().map(|backend| backend["requests"].as_u64().expect("a counter")).collect()
    };
    let growth: Vec<_> = requests(now).iter().zip(requests(before)).map(|(now, old)| now.saturating_sub(old)).collect();
    let all = growth.iter().sum();
    let state = |index: usize| text(&now["backends"][index]["state"]);
    growth.into_iter().enumerate().map(|(index, requests)| Backend { state: state(index), requests, all }).collect()
}

#[expect(clippy::cast_precision_loss, reason = "they are small")]
fn row(now: &Value, backends: &[Backend], time: u64) -> String {
    let mut line = format!("{:4.1} s  ", millis(now) as f64 / 1e3);
    for backend in backends {
        let rate = backend.requests * 1_000 / time.max(1);
        let _ = write!(line, "{:<5} {:>3.0} %  {rate:>3}/s   ", backend.state, backend.share() * 100.0);
    }
    line.trim_end().to_owned()
}

fn millis(document: &Value) -> u64 {
    document["uptime_ms"].as_u64().expect("the document has an uptime")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}
