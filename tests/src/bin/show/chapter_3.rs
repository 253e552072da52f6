//! Chapter 3: three backends that look like one which does not die.

use std::collections::BTreeMap;
use std::thread;

use backends::{Backend, BackendConfig, Fault};
use integration_tests::client::Client;
use integration_tests::process::Program;
use integration_tests::wait::{PATIENCE, ms, until};
use nix::sys::signal::Signal;

use crate::stage::{Programs, Stage};

pub(crate) fn play(stage: &Stage, programs: &Programs) {
    let backends: Vec<_> = (1..=3).map(backend).collect();
    let names: Vec<_> = backends.iter().map(|backend| backend.addr().to_string()).collect();
    let mut args = vec!["0", "--down-time", "2s"];
    args.extend(names.iter().map(String::as_str));

    stage.scene("Taking turns", "Three backends, and one client that sends nine requests on one connection.");
    let mut balancer = programs.start(stage, "load_balancer", &args);
    let mut client = balancer.client();
    let turns = show(stage, nine_requests(&mut client));
    assert_eq!(turns, ["backend-1", "backend-2", "backend-3"].map(|id| (id.to_owned(), 3)).into());
    stage.say("Each request is a choice of its own: three each, though the client never reconnected.");

    one_dies(stage, &backends, &balancer, &mut client);
    all_die(stage, &backends, &mut client);
    it_is_told_to_stop(stage, &backends, &mut balancer);
}

fn backend(place: u8) -> Backend {
    let config = BackendConfig { id: format!("backend-{place}"), ..BackendConfig::default() };
    Backend::start(config).expect("a free port")
}

/// Sends nine requests, each answered by 200; who answered, one after the other.
fn nine_requests(client: &mut Client) -> Vec<String> {
    let answered_by = |_| {
        let response = client.get("/");
        assert_eq!(response.status(), 200);
        response.fields().get("x-server-id").expect("a backend says who it is").to_owned()
    };
    (0..9).map(answered_by).collect()
}

/// Shows who answered; who answered how many.
fn show(stage: &Stage, answers: Vec<String>) -> BTreeMap<String, usize> {
    let numbers: Vec<_> = answers.iter().map(|id| id.trim_start_matches("backend-")).collect();
    stage.seen(&format!("answered by backend {}", numbers.join(" ")));
    let mut turns = BTreeMap::new();
    for id in answers {
        *turns.entry(id).or_default() += 1;
    }
    turns
}

fn one_dies(stage: &Stage, backends: &[Backend], balancer: &Program, client: &mut Client) {
    stage.scene("One dies", "Backend 2 closes its listener. Nobody tells the balancer. Who notices, and who pays?");
    backends[1].set_fault(Fault::Down).expect("it goes down");
    // All that depends on the time first: people read at a pace of their own.
    let answers = nine_requests(client);
    balancer.signal(Signal::SIGUSR1);
    let table = balancer.wait_stdout("DOWN");
    let turns = show(stage, answers);
    assert!(!turns.contains_key("backend-2") && turns.values().sum::<usize>() == 9);
    stage.say("No client saw it: a connect that fails has sent nothing, so the request goes to the next. The table says who is out:");
    let rows = table.lines().skip_while(|line| !line.starts_with("backend "));
    stage.seen(&rows.collect::<Vec<_>>().join("\n"));

    backends[1].set_fault(Fault::None).expect("its port is still free");
    until("backend 2 gets requests again", || client.get("/").fields().get("x-server-id") == Some("backend-2"));
    stage.say("It is back. After --down-time a request tried it again, and now it takes its turns:");
    assert_eq!(show(stage, nine_requests(client)).len(), 3);
}

fn all_die(stage: &Stage, backends: &[Backend], client: &mut Client) {
    stage.scene("All die", "What cannot be hidden is said, in a message that is as well-formed as any other.");
    for backend in backends {
        backend.set_fault(Fault::Down).expect("it goes down");
    }
    let answers = [client.get("/"), client.get("/")];
    for (response, (said, status)) in
        answers.iter().zip([("the request that finds out", 502), ("the next one, at once", 503)])
    {
        assert_eq!(response.status(), status);
        stage.seen(&format!("{said}: {}", response.text().trim_end()));
    }
    for backend in backends {
        backend.set_fault(Fault::None).expect("its port is still free");
    }
    until("the backends are tried again", || client.get("/").status() == 200);
    stage.seen("all are back, and so is the answer: 200, on the same connection");
}

fn it_is_told_to_stop(stage: &Stage, backends: &[Backend], balancer: &mut Program) {
    stage.scene("It is told to stop", "SIGTERM arrives while a request is on its way that takes 600 ms.");
    let mut slow = balancer.client();
    let waiting = thread::spawn(move || slow.get("/delay/600"));
    until("the request is at a backend", || backends.iter().map(Backend::in_flight).sum::<u64>() == 1);
    stage.typed("kill -TERM $(pidof load_balancer)");
    balancer.signal(Signal::SIGTERM);
    until("nobody new is let in", || Client::try_connect(balancer.addr()).is_err());
    stage.seen("new clients are refused");
    let response = waiting.join().expect("the client does not panic");
    assert_eq!(response.status(), 200);
    stage.seen("the slow request is answered: 200");
    assert_eq!(balancer.exit_code(PATIENCE + ms(5000)), 0);
    stage.seen("exit code 0");
}
