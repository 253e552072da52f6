//! More clients than descriptors.

use crate::Context;
use crate::backend::{Backend, bundled::Bundled};
use crate::client::Client;
use crate::foreign;
use crate::process::{Options, Program};
use crate::runner::cases;
use crate::suites::{answered, asking, clients_of_loops, settle};
use crate::wait::{ms, pause, until};

cases! { "c10k";
    Fast clients_beyond_the_limit_of_open_files_wait_at_no_cost,
    Fast the_files_of_many_loops_are_no_clients,
    Fast what_clients_keep_open_leaves_enough_to_connect,
    Fast without_a_descriptor_it_does_not_spin_says_it_once_and_goes_on,
    Fast without_a_descriptor_four_loops_say_it_once_too,
}

/// Of a second, while there is nothing to do but to wait.
const IDLE: std::time::Duration = ms(200);

/// Asserts that the program uses next to no CPU time for a second.
fn assert_rests(program: &Program) {
    let before = program.cpu();
    pause(ms(1_000));
    let used = program.cpu().since(before).total();
    assert!(used <= IDLE, "{used:?} of CPU time in a second of waiting");
}

fn clients_beyond_the_limit_of_open_files_wait_at_no_cost(ctx: &Context) {
    let backend = Backend::ok("ok");
    let name = backend.addr().to_string();
    let options = Options { max_files: Some(96), ..Options::default() };
    let program = ctx.start_with(&[&name], &["--workers", "1", "--max-clients", "1000"], options);
    let mut clients = asking(&program, 60);
    until("some are served", || answered(&mut clients) > 0);
    settle(&program);
    let served = answered(&mut clients);
    assert!((16..=48).contains(&served), "{served} of 60 are served with 96 files");
    assert_rests(&program);
    let said = program.stderr();
    assert_eq!(said.matches("open files").count(), 1, "{said}");
    all_are_served_in_turn(clients);
}

/// Each that is answered leaves, until nobody is left.
fn all_are_served_in_turn(mut clients: Vec<Client>) {
    while !clients.is_empty() {
        until("the next one is served", || answered(&mut clients) > 0);
        let at = clients.iter_mut().position(Client::has_news).expect("one is answered");
        let response = clients.remove(at).response("GET");
        assert_eq!(response.status(), 200, "{response:?}");
    }
}

/// A loop has files of its own, and sixteen have many. Who is accepted and then finds no descriptor left for the way to a
/// backend is worse off than who waits.
fn the_files_of_many_loops_are_no_clients(ctx: &Context) {
    let backend = Backend::ok("ok");
    let name = backend.addr().to_string();
    let options = Options { max_files: Some(128), ..Options::default() };
    let program = ctx.start_with(&[&name], &["--workers", "16"], options);
    all_are_served_in_turn(asking(&program, 60));
}

/// A client that goes round three backends keeps a connection to each. That is a saving, not a right: what others keep
/// must not be what a request lacks.
fn what_clients_keep_open_leaves_enough_to_connect(ctx: &Context) {
    let backends = Bundled::start(ctx);
    let names: Vec<_> = backends.addrs().iter().map(ToString::to_string).collect();
    let options = Options { max_files: Some(128), ..Options::default() };
    let program = ctx.start_with(&[&names[0], &names[1], &names[2]], &["--workers", "2"], options);
    let mut clients: Vec<_> = (0..promised(&program)).map(|_| program.client()).collect();
    for round in 0..6 {
        for (number, client) in clients.iter_mut().enumerate() {
            let response = client.get("/");
            assert_eq!(response.status(), 200, "client {number} in round {round}: {response:?}");
        }
    }
}

/// How many clients the program says that it can have.
fn promised(program: &Program) -> usize {
    let said = program.wait_stdout(" clients");
    let number = said.split_once("at most ").and_then(|(_, rest)| rest.split_once(" client"));
    number.and_then(|(number, _)| number.parse().ok()).unwrap_or_else(|| panic!("no number of clients: {said}"))
}

fn without_a_descriptor_it_does_not_spin_says_it_once_and_goes_on(ctx: &Context) {
    run_out_of_descriptors(ctx, 1);
}

fn without_a_descriptor_four_loops_say_it_once_too(ctx: &Context) {
    run_out_of_descriptors(ctx, 4);
}

/// What no reckoning foresees: somebody else takes the descriptors, here by lowering the limit of a running program.
fn run_out_of_descriptors(ctx: &Context, loops: usize) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &["--workers", &loops.to_string()]);
    let connected = |clients| clients_of_loops(&program, loops).iter().sum::<usize>() == clients;
    let mut within: Vec<_> = (0..24).map(|_| program.client()).collect();
    // All of them before the first request, so that theirs are the lowest numbers, without gaps.
    until("all are accepted", || connected(within.len()));
    for client in &mut within {
        assert_eq!(client.get("/").text(), "ok");
    }
    settle(&program);
    let (pid, limit) = (program.pid().to_string(), program.next_fd());
    if foreign::run("prlimit", &["--pid", &pid, &format!("--nofile={limit}")], b"").is_none() {
        return;
    }
    let mut waiting: Vec<_> = (0..8).map(|_| program.client()).collect();
    until("it says so", || program.stderr().contains("cannot accept"));
    assert_rests(&program);
    assert!(connected(within.len()), "there is no descriptor for more");
    // Two for each of those that stay and those that wait.
    within.truncate(4);
    until("those who waited are accepted", || connected(within.len() + waiting.len()));
    for client in within.iter_mut().chain(&mut waiting) {
        assert_eq!(client.get("/").text(), "ok");
    }
    let said = program.stderr();
    assert_eq!(said.matches("cannot accept").count(), 1, "{said}");
}
