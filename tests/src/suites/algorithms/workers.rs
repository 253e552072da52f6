//! Round robin, weights and hashes are exact over all workers of the process.

use super::{backend_by_client, strs, weighted};
use crate::Context;
use crate::case::cases;
use crate::client::Client;
use crate::process::Program;
use crate::suites::balance::{addrs, assert_round_robin, named};
use crate::suites::support::clients_per_worker;
use crate::wait::until;

cases! { "algorithms" from 5;
    Fast round_robin_is_exact_over_two_workers,
    Fast weights_are_exact_over_two_workers,
    Fast hashes_agree_between_four_workers,
}

/// `each` clients at each of the `loops` workers.
fn at_every_loop(program: &Program, loops: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for count in 1..=4 * loops {
        clients.push(program.client());
        // The next client goes to the worker with the fewest, so this one has to be counted first.
        until("it is accepted", || clients_per_worker(program, loops).iter().sum::<usize>() == count);
    }
    assert_eq!(clients_per_worker(program, loops), vec![4; loops]);
    clients
}

/// The responses to each client, one after another, in `rounds` rounds.
fn rounds(clients: &mut [Client], rounds: usize) -> Vec<String> {
    let mut answers = Vec::new();
    for _ in 0..rounds {
        answers.extend(clients.iter_mut().map(|client| client.get("/").text()));
    }
    answers
}

fn round_robin_is_exact_over_two_workers(ctx: &Context) {
    let backends = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs(&backends), &["--workers", "2"]);
    let mut clients = at_every_loop(&program, 2);
    assert_round_robin(&rounds(&mut clients, 6));
}

fn weights_are_exact_over_two_workers(ctx: &Context) {
    let backends = named(&["a", "b", "c"]);
    let program = ctx.start_named(&strs(&weighted(&backends, &[5, 1, 1])), &["--workers", "2"]);
    let mut clients = at_every_loop(&program, 2);
    // Seven rounds of eight requests are eight weighted cycles of seven.
    assert_eq!(rounds(&mut clients, 7).concat(), "aabacaa".repeat(8));
}

fn hashes_agree_between_four_workers(ctx: &Context) {
    let backends = named(&["a", "b", "c", "d"]);
    for name in ["ketama", "rendezvous", "maglev", "iphash"] {
        let flags = ["-a", name, "--trusted-proxy", "127.0.0.1", "--workers", "4"];
        let program = ctx.start(&addrs(&backends), &flags);
        let mut clients = at_every_loop(&program, 4);
        let initial = backend_by_client(&mut clients[0], 40);
        for client in &mut clients {
            assert_eq!(backend_by_client(client, 40), initial, "{name}");
        }
    }
}
