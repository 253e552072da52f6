//! Part 3: a retry that no client notices, one that must not happen, no backend left, and a queued request.

use std::sync::mpsc;
use std::thread;

use backends::Fault;
use integration_tests::client::{Client, Response};
use integration_tests::wait::until;

use super::{balancer, since};
use crate::demo_backends::{DemoBackends, responding_backends, table};
use crate::narrator::{Narrator, Programs};

pub(crate) fn demo(narrator: &Narrator, programs: &Programs) {
    let backends = DemoBackends::start(3);
    narrator.section(
        "Retried",
        "Backend 2 reads every request and closes without a byte. Nine GETs, which are safe to retry.",
    );
    let balancer = balancer(narrator, programs, &backends.names(), &["--eject-after", "0", "--breaker", "0"]);
    let mut client = balancer.client();
    backends.set_fault(2, Fault::Close);
    gets_are_asked_again(narrator, &backends, &mut client);
    a_post_is_not(narrator, &backends, &mut client);

    narrator.section("No backend left", "All three close their listeners.");
    backends.set_all(Fault::Down);
    let [finds_out, next] = [client.get("/"), client.get("/")];
    let table = table(&balancer, &backends);
    said(narrator, "the request that finds all backends down", &finds_out, 502);
    said(narrator, "the next one", &next, 503);
    assert_eq!(table.matches(" DOWN ").count(), 3, "{table}");
    narrator.say("The second does not wait for three failing connects. The table shows why:");
    narrator.output(&table);

    two_want_one_place(narrator, programs);
}

fn gets_are_asked_again(narrator: &Narrator, backends: &DemoBackends, client: &mut Client) {
    let before = backends.requests();
    let answered = responding_backends(client, 9);
    assert!(answered.iter().all(|number| *number != 2));
    let seen = since(backends, &before);
    assert!(seen[1] > 0 && seen[0] + seen[2] == 9, "{seen:?}");
    narrator.output("200 200 200 200 200 200 200 200 200");
    narrator.output(&format!("requests that arrived at backend 1: {}, at 2: {}, at 3: {}", seen[0], seen[1], seen[2]));
    narrator.say(&format!("{} requests failed and were retried on another backend. No client noticed.", seen[1]));
}

fn a_post_is_not(narrator: &Narrator, backends: &DemoBackends, client: &mut Client) {
    narrator.section(
        "Not retried",
        "Now POSTs, such as an order: was it placed before the connection closed? The balancer cannot know.",
    );
    for _ in 0..3 {
        let before = backends.requests();
        client.request("POST", "/order", "Content-Length: 2\r\n");
        client.send("hi");
        let response = client.response("POST");
        let seen = since(backends, &before);
        assert_eq!(seen.iter().sum::<u64>(), 1, "it was executed once: {seen:?}");
        let number = 1 + seen.iter().position(|seen| *seen == 1).expect("one backend received it");
        narrator.output(&format!("POST /order: {}; it arrived once, at backend {number}", response.status()));
        assert_eq!(response.status(), if number == 2 { 502 } else { 200 });
    }
    // Round robin is exact, so backend 2 got one of three.
    narrator
        .say("A 502 is better than two orders in place of one. The client may retry: it knows what the request means.");
}

fn two_want_one_place(narrator: &Narrator, programs: &Programs) {
    let backends = DemoBackends::start(1);
    narrator.section(
        "One slot, and a queue of one",
        "A backend is limited to one request at a time, with a queue for one. A client reads an endless stream; then two \
         more clients connect.",
    );
    let flags = ["--max-connections", "1", "--queue", "1", "--queue-timeout", "60s"];
    let balancer = balancer(narrator, programs, &backends.names(), &flags);
    let mut listening = balancer.client();
    listening.request("GET", "/stream", "");
    listening.response_head("GET").expect("the stream begins");
    let (sender, answered) = mpsc::channel();
    let two: Vec<_> = (0..2).map(|_| (balancer.client(), sender.clone())).collect();
    for (mut client, sender) in two {
        thread::spawn(move || drop(sender.send(client.get("/"))));
    }
    let refused = answered.recv().expect("one of the two is answered");
    said(narrator, "one of the two", &refused, 503);
    assert_eq!(refused.fields().get("retry-after"), Some("1"));
    narrator.output("with `Retry-After: 1`; the other one is queued");
    assert!(answered.try_recv().is_err() && backends.requests() == [1]);
    drop(listening);
    let served = answered.recv().expect("the other one is answered");
    assert_eq!(served.status(), 200);
    narrator.output("the first client leaves: the one in the queue gets 200");
    until("no request is left", || backends[0].in_flight() == 0);
}

/// Prints a local reply.
fn said(narrator: &Narrator, who: &str, response: &Response, status: u16) {
    assert_eq!(response.status(), status, "{response:?}");
    narrator.output(&format!("{who}: {}", response.text().trim_end()));
}
