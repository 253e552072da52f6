//! Signals, and how clients are spread, in a program with several workers.

use std::thread;

use nix::sys::signal::Signal;

use super::drain::{requests_until_close, slow};
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::suites::support::clients_per_worker;
use crate::wait::{TEST_TIMEOUT, ms, pause, until};

cases! { "robustness" from 5;
    Fast eight_idle_clients_are_two_on_each_of_four_workers,
    Fast clients_that_connect_at_once_are_spread_over_the_workers,
    Fast signals_under_load_lose_nothing_on_four_workers,
}

const FOUR: [&str; 2] = ["--workers", "4"];

fn eight_idle_clients_are_two_on_each_of_four_workers(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &FOUR);
    // The kernel distributes clients by a hash of their ports: by chance that can be even once, but not five times.
    for round in 1..=5 {
        let mut clients: Vec<_> = (0..8).map(|_| program.client()).collect();
        for client in &mut clients {
            assert_eq!(client.get("/").status(), 200);
        }
        assert_eq!(clients_per_worker(&program, 4), [2, 2, 2, 2], "round {round}");
        drop(clients);
        until("all are gone", || clients_per_worker(&program, 4) == [0; 4]);
    }
}

fn clients_that_connect_at_once_are_spread_over_the_workers(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &FOUR);
    let come = || {
        let mut client = program.client();
        assert_eq!(client.get("/").status(), 200);
        client
    };
    for round in 1..=5 {
        let clients: Vec<_> = thread::scope(|scope| {
            let clients: Vec<_> = (0..64).map(|_| scope.spawn(come)).collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        let loops = clients_per_worker(&program, 4);
        assert_eq!(loops.iter().sum::<usize>(), clients.len(), "{loops:?}");
        // Two workers may assign their next clients at the same moment, without having counted each other's.
        assert!(loops.iter().all(|clients| (13..=19).contains(clients)), "round {round}: {loops:?}");
        drop(clients);
        until("all are gone", || clients_per_worker(&program, 4) == [0; 4]);
    }
}

fn signals_under_load_lose_nothing_on_four_workers(ctx: &Context) {
    const CLIENTS: usize = 32;
    let backend = slow(ms(2));
    let mut program = ctx.start(&[backend.addr()], &FOUR);
    let answered: usize = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let client = program.client();
                scope.spawn(|| requests_until_close(client))
            })
            .collect();
        for _ in 0..50 {
            pause(ms(10));
            program.signal(Signal::SIGUSR1);
        }
        program.signal(Signal::SIGTERM);
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert!(answered > CLIENTS, "only {answered} requests were answered");
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
    assert_eq!(backend.connections(), answered, "each request was sent once");
    let last = program.stdout().rsplit("--- statistics").next().unwrap_or_default().to_owned();
    let count = answered.to_string();
    assert!(last.lines().any(|line| line.split_whitespace().take(2).eq(["requests", &count])), "{answered}: {last}");
}
