//! Chapter 3: three backends that look like one that never fails.

use std::thread;

use backends::{Backend, Fault};
use integration_tests::client::Client;
use integration_tests::process::Program;
use integration_tests::wait::{PATIENCE, ms, until};
use nix::sys::signal::Signal;

use crate::fleet::{Fleet, answers, show, table};
use crate::stage::{Programs, Stage};

pub(crate) fn play(stage: &Stage, programs: &Programs) {
    let backends = Fleet::start(3);
    let names = backends.names();
    let mut args = vec!["0", "--down-time", "2s"];
    args.extend(names.iter().map(String::as_str));

    stage.scene("Round robin", "Three backends, and one client that sends nine requests on one connection.");
    let mut balancer = programs.start(stage, "load_balancer", &args);
    let mut client = balancer.client();
    let turns = show(stage, &answers(&mut client, 9));
    assert_eq!(turns, [1, 2, 3].map(|number| (number, 3)).into());
    stage.say("Each request is balanced separately: three each, although the client never reconnected.");

    one_dies(stage, &backends, &balancer, &mut client);
    all_die(stage, &backends, &mut client);
    it_is_told_to_stop(stage, &backends, &mut balancer);
}

fn one_dies(stage: &Stage, backends: &Fleet, balancer: &Program, client: &mut Client) {
    stage.scene("One dies", "Backend 2 closes its listener. The balancer is not told. Does a client notice?");
    backends.set_fault(2, Fault::Down);
    // Everything that depends on time first: readers take as long as they like.
    let answered = answers(client, 9);
    let table = table(balancer, backends);
    let turns = show(stage, &answered);
    assert!(!turns.contains_key(&2) && turns.values().sum::<usize>() == 9);
    stage.say("No client noticed: a failed connect has sent nothing, so the request goes to the next backend. The table shows the state:");
    assert!(table.contains("DOWN"), "{table}");
    stage.seen(&table);

    backends.set_fault(2, Fault::None);
    until("backend 2 gets requests again", || client.get("/").fields().get("x-server-id") == Some("backend-2"));
    stage.say("It is back. After --down-time a request tried it again, and now it gets its share:");
    assert_eq!(show(stage, &answers(client, 9)).len(), 3);
}

fn all_die(stage: &Stage, backends: &Fleet, client: &mut Client) {
    stage.scene("All die", "This cannot be hidden, so the client gets a well-formed error.");
    backends.set_all(Fault::Down);
    let answers = [client.get("/"), client.get("/")];
    for (response, (said, status)) in answers
        .iter()
        .zip([("the request that finds all backends down", 502), ("the next one, without a connect", 503)])
    {
        assert_eq!(response.status(), status);
        stage.seen(&format!("{said}: {}", response.text().trim_end()));
    }
    backends.set_all(Fault::None);
    until("the backends are tried again", || client.get("/").status() == 200);
    stage.seen("all are back: 200, on the same connection");
}

fn it_is_told_to_stop(stage: &Stage, backends: &Fleet, balancer: &mut Program) {
    stage.scene("Graceful shutdown", "SIGTERM arrives while a request of 600 ms is in flight.");
    let mut slow = balancer.client();
    let waiting = thread::spawn(move || slow.get("/delay/600"));
    until("the request is at a backend", || backends.iter().map(Backend::in_flight).sum::<u64>() == 1);
    stage.typed("kill -TERM $(pidof load_balancer)");
    balancer.signal(Signal::SIGTERM);
    until("no new client is accepted", || Client::try_connect(balancer.addr()).is_err());
    stage.seen("new clients are refused");
    let response = waiting.join().expect("the client does not panic");
    assert_eq!(response.status(), 200);
    stage.seen("the slow request is answered: 200");
    assert_eq!(balancer.exit_code(PATIENCE + ms(5000)), 0);
    stage.seen("exit code 0");
}
