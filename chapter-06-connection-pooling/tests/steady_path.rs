//! A request on the steady path costs the core no memory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc};

use advanced_features::{Balancer, args::BalanceArgs};
use clap::Parser;
use common::cli::ServeArgs;
use connection_pooling::{Server, args::PoolArgs, run};
use integration_tests::{
    allocations::{Counting, Tally},
    steady,
};
use load_balancer::names::SystemResolver;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    balance: BalanceArgs,
    #[command(flatten)]
    pool: PoolArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

fn server(backend: SocketAddr) -> Arc<Server> {
    let words = ["pooled_lb", &backend.to_string(), "--check", "off"].map(str::to_owned);
    let Args { balance, pool, serve } = Args::parse_from(words);
    let config = balance.config(serve, 10, None, false).unwrap();
    let balancer = Balancer::new("pooled_lb", config, SystemResolver).unwrap();
    Arc::new(Server::new(balancer, pool.config(1_024), NonZeroUsize::MIN))
}

#[test]
fn a_thousand_requests_allocate_nothing() {
    static THREAD: Tally = Tally::new();
    let server = server(steady::backend());
    steady::assert_allocates_nothing(&THREAD, |listeners, shutdown| run(&server, listeners, shutdown).unwrap());
}
