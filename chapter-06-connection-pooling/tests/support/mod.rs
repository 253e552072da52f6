//! A server in this process, for what no command line reaches.

use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc, thread};

use advanced_features::{Balancer, args::BalanceArgs};
use clap::Parser;
use common::{cli::ServeArgs, http::StreamLayer, net::Listeners, shutdown::Shutdown};
use connection_pooling::{Server, args::PoolArgs, run_with};
use load_balancer::dns_refresher::Resolve;

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    balance: BalanceArgs,
    #[command(flatten)]
    pool: PoolArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

/// One core with a command line of `words`, whose backends are not checked.
pub(crate) fn server(words: &[&str], resolver: impl Resolve + Sync + Clone) -> Arc<Server> {
    let Args { balance, pool, serve } = Args::parse_from([&["pooled_lb", "--check", "off"], words].concat());
    let config = balance.into_config(serve, 10, None, false).unwrap();
    let balancer = Balancer::new("pooled_lb", config, resolver).unwrap();
    Arc::new(Server::new(balancer, pool.config(1_024), NonZeroUsize::MIN))
}

/// Runs `server` for as long as `case` lasts, which is told where.
#[allow(dead_code, reason = "not every test runs one")]
pub(crate) fn running<L: StreamLayer>(
    server: &Arc<Server>,
    layer: impl Fn() -> L + Sync + Send,
    case: impl FnOnce(SocketAddr) + Send,
) {
    let listeners = Listeners::bind("127.0.0.1:0".parse().unwrap(), NonZeroUsize::MIN).unwrap();
    let (address, shutdown) = (listeners.local_address(), Shutdown::new().unwrap());
    thread::scope(|scope| {
        let case = scope.spawn(move || case(address));
        scope.spawn(|| run_with(server, layer, listeners, &shutdown).unwrap());
        let ended = case.join();
        shutdown.stop();
        ended.unwrap();
    });
}
