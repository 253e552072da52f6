//! Chapter 3: three backends that look like one that never fails.

use std::thread;

use backends::{Backend, Fault};
use integration_tests::client::Client;
use integration_tests::process::Program;
use integration_tests::wait::{TEST_TIMEOUT, ms, until};
use nix::sys::signal::Signal;

use crate::demo_backends::{DemoBackends, responding_backends, show, table};
use crate::narrator::{Narrator, Programs};

pub(crate) fn demo(narrator: &Narrator, programs: &Programs) {
    let backends = DemoBackends::start(3);
    let names = backends.names();
    let mut args = vec!["0", "--down-time", "2s"];
    args.extend(names.iter().map(String::as_str));

    narrator.section("Round robin", "Three backends, and one client that sends nine requests on one connection.");
    let mut balancer = programs.start(narrator, "load_balancer", &args);
    let mut client = balancer.client();
    let counts = show(narrator, &responding_backends(&mut client, 9));
    assert_eq!(counts, [1, 2, 3].map(|number| (number, 3)).into());
    narrator.say("Each request is balanced separately: three each, although the client never reconnected.");

    one_backend_fails(narrator, &backends, &balancer, &mut client);
    all_backends_fail(narrator, &backends, &mut client);
    graceful_shutdown(narrator, &backends, &mut balancer);
}

fn one_backend_fails(narrator: &Narrator, backends: &DemoBackends, balancer: &Program, client: &mut Client) {
    narrator.section("One dies", "Backend 2 closes its listener. The balancer is not told. Does a client notice?");
    backends.set_fault(2, Fault::Down);
    // Everything that depends on time first: readers take as long as they like.
    let answered = responding_backends(client, 9);
    let table = table(balancer, backends);
    let counts = show(narrator, &answered);
    assert!(!counts.contains_key(&2) && counts.values().sum::<usize>() == 9);
    narrator.say("No client noticed: a failed connect has sent nothing, so the request goes to the next backend. The table shows the state:");
    assert!(table.contains("DOWN"), "{table}");
    narrator.output(&table);

    backends.set_fault(2, Fault::None);
    until("backend 2 gets requests again", || client.get("/").fields().get("x-server-id") == Some("backend-2"));
    narrator.say("It is back. After --down-time a request tried it again, and now it gets its share:");
    assert_eq!(show(narrator, &responding_backends(client, 9)).len(), 3);
}

fn all_backends_fail(narrator: &Narrator, backends: &DemoBackends, client: &mut Client) {
    narrator.section("All die", "This cannot be hidden, so the client gets a well-formed error.");
    backends.set_all(Fault::Down);
    let answers = [client.get("/"), client.get("/")];
    for (response, (said, status)) in answers
        .iter()
        .zip([("the request that finds all backends down", 502), ("the next one, without a connect", 503)])
    {
        assert_eq!(response.status(), status);
        narrator.output(&format!("{said}: {}", response.text().trim_end()));
    }
    backends.set_all(Fault::None);
    until("the backends are tried again", || client.get("/").status() == 200);
    narrator.output("all are back: 200, on the same connection");
}

fn graceful_shutdown(narrator: &Narrator, backends: &DemoBackends, balancer: &mut Program) {
    narrator.section("Graceful shutdown", "SIGTERM arrives while a request of 600 ms is in flight.");
    let mut slow = balancer.client();
    let waiting = thread::spawn(move || slow.get("/delay/600"));
    until("the request is at a backend", || backends.iter().map(Backend::in_flight).sum::<u64>() == 1);
    narrator.command("kill -TERM $(pidof load_balancer)");
    balancer.signal(Signal::SIGTERM);
    until("no new client is accepted", || Client::try_connect(balancer.addr()).is_err());
    narrator.output("new clients are refused");
    let response = waiting.join().expect("the client does not panic");
    assert_eq!(response.status(), 200);
    narrator.output("the slow request is answered: 200");
    assert_eq!(balancer.exit_code(TEST_TIMEOUT + ms(5000)), 0);
    narrator.output("exit code 0");
}
