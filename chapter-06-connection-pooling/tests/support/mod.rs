//! A server in this process, for what no command line reaches.

use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc};

use advanced_features::{Balancer, args::BalanceArgs};
use clap::Parser;
use common::cli::ServeArgs;
use connection_pooling::{Server, args::PoolArgs};
use load_balancer::names::SystemResolver;

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    balance: BalanceArgs,
    #[command(flatten)]
    pool: PoolArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

/// One core before `backend`, which it does not check.
pub(crate) fn server(backend: SocketAddr) -> Arc<Server> {
    let words = ["pooled_lb", &backend.to_string(), "--check", "off"].map(str::to_owned);
    let Args { balance, pool, serve } = Args::parse_from(words);
    let config = balance.config(serve, 10, None, false).unwrap();
    let balancer = Balancer::new("pooled_lb", config, SystemResolver).unwrap();
    Arc::new(Server::new(balancer, pool.config(1_024), NonZeroUsize::MIN))
}
