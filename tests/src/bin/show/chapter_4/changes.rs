//! Part 5: backends are drained, weighted and added under traffic.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use integration_tests::admin_client::AdminClient;
use integration_tests::client::Client;
use integration_tests::process::Program;
use integration_tests::wait::{StopOnDrop, TEST_TIMEOUT, ms, until};
use serde_json::Value;

use super::{balancer, since};
use crate::demo_backends::{DemoBackends, responding_backend};
use crate::narrator::{Narrator, Programs};

/// Clients that send requests of 5 ms without a pause.
const CLIENTS: u64 = 4;

pub(crate) fn demo(narrator: &Narrator, programs: &Programs) {
    let backends = DemoBackends::start(4);
    narrator.section(
        "Changes under traffic",
        "Three backends, and four clients that send requests all the time. Every request must be answered with 200.",
    );
    let balancer = balancer(narrator, programs, &backends.names()[..3], &["--admin", "127.0.0.1:0"]);
    let admin = AdminClient::of(&balancer);
    narrator.output(&format!("admin interface on {}", admin.addr()));
    let traffic = Traffic::default();
    thread::scope(|scope| {
        let _stop = StopOnDrop(&traffic.stop);
        for _ in 0..CLIENTS {
            scope.spawn(|| traffic.flow(&balancer));
        }
        until("traffic flows", || backends[..3].iter().all(|backend| backend.requests() > 0));
        drain(narrator, &backends, &balancer, admin);
        weigh(narrator, &backends, admin);
        add(narrator, &backends, admin);
    });
    narrator.say(&format!("{} requests were sent meanwhile, and every one was answered with 200.", traffic.answered()));
}

fn drain(narrator: &Narrator, backends: &DemoBackends, balancer: &Program, admin: AdminClient) {
    let (second, name) = (&backends[1], &backends.names()[1]);
    narrator.say("Backend 2 needs a new kernel, but a client is reading a stream from it. So it is drained:");
    let mut listening = listener_of(2, balancer);
    narrator.command(&format!("curl -X POST http://{}/backends/{name}/drain", admin.addr()));
    row(narrator, &admin.backend_action(second.addr(), "drain"));
    until("only the stream is left", || second.in_flight() == 1);
    let before = backends.requests();
    until("the others go on", || since(backends, &before)[0] > 30);
    assert_eq!(since(backends, &before)[1], 0, "it gets no new requests");
    goes_on(&mut listening);
    narrator.say("It gets no new requests, and the stream continues. Then the client disconnects:");
    drop(listening);
    let list = || admin.request_ok("GET", &format!("/backends/{name}"), "");
    until("it is empty", || list()["in_flight"] == 0);
    row(narrator, &list());
    admin.backend_action(second.addr(), "enable");
}

/// A client that reads an event stream of backend `number`.
fn listener_of(number: usize, balancer: &Program) -> Client {
    loop {
        let mut client = balancer.client();
        client.request("GET", "/stream?every=100", "");
        let (_, head, _) = client.response_head("GET").expect("the stream begins");
        if head.fields.get("x-server-id") == Some(&format!("backend-{number}")) {
            return client;
        }
    }
}

/// Waits for a new event.
fn goes_on(client: &mut Client) {
    client.set_read_timeout(ms(1));
    while client.reader().fill().is_ok_and(|bytes| bytes > 0) {}
    client.set_read_timeout(TEST_TIMEOUT);
    assert!(client.reader().fill().expect("the stream goes on") > 0);
}

fn weigh(narrator: &Narrator, backends: &DemoBackends, admin: AdminClient) {
    narrator.section(
        "Changing a weight",
        "Backend 1 moved to a larger machine: it gets eight times the share of each other backend.",
    );
    narrator.command(&format!(
        "curl -X PUT -d '{{\"weight\": 8}}' http://{}/backends/{}/weight",
        admin.addr(),
        backends.names()[0]
    ));
    admin.set_weight(backends[0].addr(), 8);
    let before = backends.requests();
    until("a few hundred requests", || since(backends, &before).iter().sum::<u64>() >= 300);
    let seen = since(backends, &before);
    let all = seen.iter().sum::<u64>();
    narrator.output(&format!("of {all} requests: backend 1 {}, backend 2 {}, backend 3 {}", seen[0], seen[1], seen[2]));
    // Eight of ten, apart from requests that were in flight.
    assert!(seen[0].abs_diff(all * 8 / 10) <= 3 * CLIENTS, "{seen:?}");
    admin.set_weight(backends[0].addr(), 1);
}

fn add(narrator: &Narrator, backends: &DemoBackends, admin: AdminClient) {
    narrator.section("Adding a backend", "The load grows, and a fourth backend is added.");
    let name = &backends.names()[3];
    narrator.command(&format!("curl -d '{{\"backend\": \"{name}\"}}' http://{}/backends", admin.addr()));
    row(narrator, &admin.add_backend(backends[3].addr()));
    let before = backends.requests();
    until("it gets its share", || since(backends, &before)[3] > 20);
    narrator.output(&format!("backend 4 has answered {} requests", backends[3].requests()));
    let (status, refused) = admin.request("PUT", &format!("/backends/{name}/weight"), "{\"weight\": -1}");
    assert_eq!(status, 400);
    narrator.say("An invalid change is rejected with the reason:");
    narrator.command(&format!("curl -X PUT -d '{{\"weight\": -1}}' http://{}/backends/{name}/weight", admin.addr()));
    narrator.output(refused["error"].as_str().expect("an error has a reason"));
}

/// Prints a backend as the admin interface lists it.
fn row(narrator: &Narrator, row: &Value) {
    let word = |key: &str| row[key].as_str().expect("a word");
    narrator.output(&format!("{}: {}, {} in flight", word("name"), word("state"), row["in_flight"]));
}

/// The traffic during all changes.
#[derive(Debug, Default)]
struct Traffic {
    stop: AtomicBool,
    answered: AtomicUsize,
}

impl Traffic {
    fn flow(&self, balancer: &Program) {
        let mut client = balancer.client();
        while !self.stop.load(Ordering::Relaxed) {
            responding_backend(&client.get("/delay/5"));
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }
}
