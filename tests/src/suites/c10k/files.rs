//! More clients than file descriptors.

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::client::Client;
use crate::process::{Options, Program};
use crate::suites::support::{clients_per_worker, count_responded, requesting_clients, wait_until_idle};
use crate::third_party;
use crate::wait::{ms, pause, until};

cases! { "c10k";
    Fast clients_beyond_the_limit_of_open_files_wait_at_no_cost,
    Fast the_descriptors_of_many_workers_are_reserved,
    Fast out_of_descriptors_it_logs_once_does_not_spin_and_recovers,
    Fast out_of_descriptors_four_workers_log_once,
}

/// CPU time of one second in which the program only waits.
const IDLE: std::time::Duration = ms(200);

/// Asserts that the program uses almost no CPU time for a second.
fn assert_idle(program: &Program) {
    let before = program.cpu();
    pause(ms(1_000));
    let used = program.cpu().since(before).total();
    assert!(used <= IDLE, "{used:?} of CPU time in an idle second");
}

fn clients_beyond_the_limit_of_open_files_wait_at_no_cost(ctx: &Context) {
    let backend = Backend::ok("ok");
    let name = backend.addr().to_string();
    let options = Options { max_files: Some(96), ..Options::default() };
    let program = ctx.start_with(&[&name], &["--workers", "1", "--max-clients", "1000"], options);
    let mut clients = requesting_clients(&program, 60);
    until("some are served", || count_responded(&mut clients) > 0);
    wait_until_idle(&program);
    let served = count_responded(&mut clients);
    assert!((16..=48).contains(&served), "{served} of 60 are served with 96 files");
    assert_idle(&program);
    let said = program.stderr();
    assert_eq!(said.matches("open files").count(), 1, "{said}");
    each_client_is_served_when_another_leaves(clients);
}

/// Each client that is answered disconnects, until none is left.
fn each_client_is_served_when_another_leaves(mut clients: Vec<Client>) {
    while !clients.is_empty() {
        until("the next one is served", || count_responded(&mut clients) > 0);
        let at = clients.iter_mut().position(Client::has_unread_input).expect("one is answered");
        let response = clients.remove(at).response("GET");
        assert_eq!(response.status(), 200, "{response:?}");
    }
}

/// Each worker needs descriptors of its own, and sixteen workers need many. A client that is accepted and then finds no
/// descriptor for its upstream connection is worse off than one that waits.
fn the_descriptors_of_many_workers_are_reserved(ctx: &Context) {
    let backend = Backend::ok("ok");
    let name = backend.addr().to_string();
    let options = Options { max_files: Some(128), ..Options::default() };
    let program = ctx.start_with(&[&name], &["--workers", "16"], options);
    each_client_is_served_when_another_leaves(requesting_clients(&program, 60));
}

fn out_of_descriptors_it_logs_once_does_not_spin_and_recovers(ctx: &Context) {
    run_out_of_descriptors(ctx, 1);
}

fn out_of_descriptors_four_workers_log_once(ctx: &Context) {
    run_out_of_descriptors(ctx, 4);
}

/// The case that no calculation foresees: descriptors run out, here because the limit of a running program is lowered.
fn run_out_of_descriptors(ctx: &Context, loops: usize) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &["--workers", &loops.to_string()]);
    let connected = |clients| clients_per_worker(&program, loops).iter().sum::<usize>() == clients;
    let mut within: Vec<_> = (0..24).map(|_| program.client()).collect();
    // All connect before the first request, so that they have the lowest descriptor numbers, without gaps.
    until("all are accepted", || connected(within.len()));
    for client in &mut within {
        assert_eq!(client.get("/").text(), "ok");
    }
    wait_until_idle(&program);
    let (pid, limit) = (program.pid().to_string(), program.next_fd());
    if third_party::run("prlimit", &["--pid", &pid, &format!("--nofile={limit}")], b"").is_none() {
        return;
    }
    let mut waiting: Vec<_> = (0..8).map(|_| program.client()).collect();
    until("the error is logged", || program.stderr().contains("cannot accept"));
    assert_idle(&program);
    assert!(connected(within.len()), "no further client can be accepted");
    // Two descriptors for each client that stays and each that waits.
    within.truncate(4);
    until("the waiting clients are accepted", || connected(within.len() + waiting.len()));
    for client in within.iter_mut().chain(&mut waiting) {
        assert_eq!(client.get("/").text(), "ok");
    }
    let said = program.stderr();
    assert_eq!(said.matches("cannot accept").count(), 1, "{said}");
}
