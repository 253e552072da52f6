//! The descriptors of a process: as many clients as it accepts are served.

use super::requesting_clients;
use crate::Context;
use crate::backend::bundled_process::BundledProcess;
use crate::case::cases;
use crate::process::{Options, Program};

cases! { "limits";
    Fast idle_upstream_connections_leave_descriptors_to_connect,
    Fast as_many_requests_may_be_queued_as_clients_are_accepted,
}

/// The limit of open files in each case.
const MAX_FILES: u32 = 128;

fn start(ctx: &Context, backends: &BundledProcess, flags: &[&str]) -> Program {
    let names: Vec<_> = backends.addrs().iter().map(ToString::to_string).collect();
    let options = Options { max_files: Some(MAX_FILES), ..Options::default() };
    let flags = if has_workers(ctx) { [flags, &["--workers", "2"]].concat() } else { flags.to_vec() };
    ctx.start_with(&[&names[0], &names[1], &names[2]], &flags, options)
}

fn has_workers(ctx: &Context) -> bool {
    ctx.chapter > 4
}

/// How many clients it accepts: a program with workers prints that.
fn max_clients(ctx: &Context, program: &Program) -> usize {
    if !has_workers(ctx) {
        return common::net::max_clients_for_fds(MAX_FILES.into(), 0, None, false);
    }
    let said = program.wait_stdout(" client connections");
    let number = said.split_once("at most ").and_then(|(_, rest)| rest.split_once(" client"));
    number.and_then(|(number, _)| number.parse().ok()).unwrap_or_else(|| panic!("no number of clients: {said}"))
}

/// A client whose requests go to three backends keeps a connection to each. These idle connections only save time, so
/// they must not use up the descriptors that a request needs.
fn idle_upstream_connections_leave_descriptors_to_connect(ctx: &Context) {
    let backends = BundledProcess::start(ctx);
    let program = start(ctx, &backends, &[]);
    let max_clients = max_clients(ctx, &program);
    // Round robin gives a client all three backends if the number of clients is no multiple of three.
    let count = max_clients - usize::from(max_clients.is_multiple_of(3));
    let mut clients: Vec<_> = (0..count).map(|_| program.client()).collect();
    for round in 0..6 {
        for (number, client) in clients.iter_mut().enumerate() {
            let response = client.get("/");
            assert_eq!(response.status(), 200, "client {number} in round {round}: {response:?}");
        }
    }
}

/// All at once, behind three slots, from clients that have idle connections to backends.
fn as_many_requests_may_be_queued_as_clients_are_accepted(ctx: &Context) {
    let backends = BundledProcess::start(ctx);
    let program = start(ctx, &backends, &["--max-connections", "1", "--queue-timeout", "60s"]);
    let mut clients = requesting_clients(&program, max_clients(ctx, &program));
    for _ in 0..2 {
        for (number, client) in clients.iter_mut().enumerate() {
            let response = client.response("GET");
            assert_eq!(response.status(), 200, "client {number}: {response:?}");
        }
        for client in &mut clients {
            client.request("GET", "/delay/1", "");
        }
    }
}
