//! What an idle client costs the program in memory. The kernel's memory for its connection is not counted.

use super::{idle_clients, max_clients, max_idle_upstreams};
use crate::Context;
use crate::backend::bundled_process::BundledProcess;
use crate::case::cases;
use crate::wait::until;

cases! { "c10k";
    Fast an_idle_client_costs_a_few_hundred_bytes,
}

const CLIENTS: usize = 4_000;
/// For an engine with a state machine per client: about 460 were measured.
const MAX_BYTES_PER_STATE: u64 = 1_024;
/// For an engine with a task per client.
const MAX_BYTES_PER_TASK: u64 = 2_048;

fn an_idle_client_costs_a_few_hundred_bytes(ctx: &Context) {
    let backends = BundledProcess::start(ctx);
    let program = ctx.start(&backends.addrs(), &["--idle-timeout", "1h"]);
    // The first clients pay for what is needed once, such as the pages of the code.
    let first = idle_clients(&program, 64);
    until("they are idle", || backends.open_connections() <= max_idle_upstreams(ctx));
    let before = program.rss_kib();
    let count = max_clients(first.len()).min(CLIENTS);
    let _clients = idle_clients(&program, count);
    until("all are idle", || backends.open_connections() <= max_idle_upstreams(ctx));
    let grown = program.rss_kib().saturating_sub(before);
    let each = grown * 1024 / count as u64;
    println!("c10k: {each} bytes for each of {count} idle clients");
    let most = if ctx.clients_are_tasks() { MAX_BYTES_PER_TASK } else { MAX_BYTES_PER_STATE };
    assert!(each <= most, "{each} bytes for each of {count} idle clients");
}
