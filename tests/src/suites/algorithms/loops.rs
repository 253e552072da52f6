//! Turns, weights and hashes belong to the process, not to each of its loops.

use super::{homes, strs, weighted};
use crate::Context;
use crate::client::Client;
use crate::process::Program;
use crate::runner::cases;
use crate::suites::balance::{addrs, assert_turns, named};
use crate::suites::clients_of_loops;
use crate::wait::until;

cases! { "algorithms" from 5;
    Fast requests_to_two_loops_take_turns_exactly,
    Fast requests_to_two_loops_follow_weights_exactly,
    Fast hashes_agree_between_four_loops,
}

/// Clients at each of so many loops.
fn at_every_loop(program: &Program, loops: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for count in 1..=4 * loops {
        clients.push(program.client());
        // The next one goes where there are fewer: so this one has to be counted.
        until("it is accepted", || clients_of_loops(program, loops).iter().sum::<usize>() == count);
    }
    assert_eq!(clients_of_loops(program, loops), vec![4; loops]);
    clients
}

/// What each of the clients is answered, one after another, in so many rounds.
fn rounds(clients: &mut [Client], rounds: usize) -> Vec<String> {
    let mut answers = Vec::new();
    for _ in 0..rounds {
        answers.extend(clients.iter_mut().map(|client| client.get("/").text()));
    }
    answers
}

fn requests_to_two_loops_take_turns_exactly(ctx: &Context) {
    let backends = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs(&backends), &["--workers", "2"]);
    let mut clients = at_every_loop(&program, 2);
    assert_turns(&rounds(&mut clients, 6));
}

fn requests_to_two_loops_follow_weights_exactly(ctx: &Context) {
    let backends = named(&["a", "b", "c"]);
    let program = ctx.start_named(&strs(&weighted(&backends, &[5, 1, 1])), &["--workers", "2"]);
    let mut clients = at_every_loop(&program, 2);
    // Seven rounds of eight requests are eight cycles of seven.
    assert_eq!(rounds(&mut clients, 7).concat(), "aabacaa".repeat(8));
}

fn hashes_agree_between_four_loops(ctx: &Context) {
    let backends = named(&["a", "b", "c", "d"]);
    for name in ["ketama", "rendezvous", "maglev", "iphash"] {
        let flags = ["-a", name, "--trusted-proxy", "127.0.0.1", "--workers", "4"];
        let program = ctx.start(&addrs(&backends), &flags);
        let mut clients = at_every_loop(&program, 4);
        let home = homes(&mut clients[0], 40);
        for client in &mut clients {
            assert_eq!(homes(client, 40), home, "{name}");
        }
    }
}
