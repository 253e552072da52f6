//! A request on the steady path makes the worker allocate nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{net::SocketAddr, num::NonZeroUsize};

use advanced_features::{Balancer, args::BalanceArgs};
use clap::Parser;
use common::cli::ServeArgs;
use high_perf_io::{Server, run};
use integration_tests::{
    allocations::{AllocationCounter, CountingAllocator},
    steady_state,
};
use load_balancer::dns_refresher::SystemResolver;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    balance: BalanceArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

fn server(backend: SocketAddr) -> Server {
    let words = ["high_perf_lb", &backend.to_string(), "--check", "off"].map(str::to_owned);
    let Args { balance, serve } = Args::parse_from(words);
    let config = balance.into_config(serve, 10, None, false).unwrap();
    Server::new(Balancer::new("high_perf_lb", config, SystemResolver).unwrap(), NonZeroUsize::MIN).unwrap()
}

#[test]
fn a_thousand_requests_allocate_nothing() {
    static THREAD: AllocationCounter = AllocationCounter::new();
    let server = server(steady_state::backend());
    steady_state::assert_allocates_nothing(&THREAD, |listeners, shutdown| run(&server, listeners, shutdown).unwrap());
}
