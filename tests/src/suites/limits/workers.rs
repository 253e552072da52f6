//! Limits hold for all workers of the process together.

use super::slots::sixty_four_clients;
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::client::Client;
use crate::suites::support::{count_responded, requesting_clients, wait_until_idle};
use crate::wait::until;

cases! { "limits" from 5;
    Fast four_workers_share_the_slots_of_a_backend,
    Fast four_workers_share_the_client_limit,
    Fast a_freed_slot_goes_to_a_client_that_waits_at_any_worker,
}

const FOUR: [&str; 2] = ["--workers", "4"];

fn four_workers_share_the_slots_of_a_backend(ctx: &Context) {
    sixty_four_clients(ctx, false, 10, &FOUR);
    sixty_four_clients(ctx, true, 10, &FOUR);
}

fn four_workers_share_the_client_limit(ctx: &Context) {
    let backend = Backend::ok("ok");
    for places in [1, 2, 3, 10, 30] {
        let program = ctx.start(&[backend.addr()], &[&FOUR[..], &["--max-clients", &places.to_string()]].concat());
        let mut clients = requesting_clients(&program, 40);
        until("all admitted clients are answered", || count_responded(&mut clients) >= places);
        wait_until_idle(&program);
        assert_eq!(count_responded(&mut clients), places);
    }
}

fn a_freed_slot_goes_to_a_client_that_waits_at_any_worker(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[&FOUR[..], &["--max-clients", "10"]].concat());
    let mut clients = requesting_clients(&program, 40);
    while !clients.is_empty() {
        let served = clients.len().min(10);
        until("all admitted clients are answered", || count_responded(&mut clients) == served);
        wait_until_idle(&program);
        assert_eq!(count_responded(&mut clients), served, "of {} clients", clients.len());
        let leaves = clients.iter_mut().position(Client::has_unread_input).expect("some are answered");
        assert_eq!(clients.remove(leaves).response("GET").text(), "ok");
    }
}
