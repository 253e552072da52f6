//! Backends with names that resolve to several addresses.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use advanced_features::{Balancer, args::BalanceArgs, run};
use clap::Parser;
use common::cli::ServeArgs;
use integration_tests::happy_eyeballs::{CONNECT_TIMEOUT_FLAG, assert_a_dead_address_is_overtaken};

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    balance: BalanceArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

#[test]
fn a_dead_address_costs_no_request_the_connect_timeout() {
    assert_a_dead_address_is_overtaken(|addresses, listeners, shutdown| {
        let words = [&["advanced_lb", "two.example:80", "--check", "off"], &CONNECT_TIMEOUT_FLAG[..]].concat();
        let Args { balance, serve } = Args::parse_from(words);
        let config = balance.into_config(serve, 10, None, false).unwrap();
        run(
            &Balancer::new("advanced_lb", config, move |_: &str, _: u16| Ok(addresses.clone())).unwrap(),
            listeners,
            shutdown,
        )
        .unwrap();
    });
}
