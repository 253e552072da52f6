//! A server in this process, for tests that need more than the command line.

use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc, thread};

use advanced_features::{Balancer, args::BalanceArgs};
use clap::Parser;
use common::{cli::ServeArgs, http::StreamLayer, net::Listeners, shutdown::Shutdown};
use connection_pooling::{AcceptPrelude, Filter, Server, args::PoolArgs, run_with};
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

/// A server with one worker, a filter and the options `args`, without health checks.
pub(crate) fn server_with_filter<F: Filter>(
    args: &[&str],
    resolver: impl Resolve + Sync + Clone,
    filter: F,
) -> Arc<Server<F>> {
    let Args { balance, pool, serve } = Args::parse_from([&["pooled_lb", "--check", "off"], args].concat());
    let config = balance.into_config(serve, 10, None, false).unwrap();
    let balancer = Balancer::new("pooled_lb", config, resolver).unwrap();
    Arc::new(Server::with_filter(balancer, pool.config(1_024), NonZeroUsize::MIN, filter))
}

/// The same without a filter.
#[allow(dead_code, reason = "not every test uses it")]
pub(crate) fn server(args: &[&str], resolver: impl Resolve + Sync + Clone) -> Arc<Server> {
    server_with_filter(args, resolver, ())
}

/// Runs `server` while `case` runs, which gets its address.
#[allow(dead_code, reason = "not every test uses it")]
pub(crate) fn running<L: StreamLayer, F: Filter>(
    server: &Arc<Server<F>>,
    stream_layer: impl Fn() -> L + Send + Sync + 'static,
    case: impl FnOnce(SocketAddr) + Send,
) {
    running_with(server, stream_layer, &Arc::new(()), case);
}

/// The same, with `prelude` before each client's first request.
#[allow(dead_code, reason = "not every test uses it")]
pub(crate) fn running_with<L: StreamLayer, F: Filter, A: AcceptPrelude>(
    server: &Arc<Server<F>>,
    stream_layer: impl Fn() -> L + Send + Sync + 'static,
    prelude: &Arc<A>,
    case: impl FnOnce(SocketAddr) + Send,
) {
    let listeners = Listeners::bind("127.0.0.1:0".parse().unwrap(), NonZeroUsize::MIN).unwrap();
    let (address, shutdown) = (listeners.local_address(), Shutdown::new().unwrap());
    thread::scope(|scope| {
        let case = scope.spawn(move || case(address));
        scope.spawn(|| run_with(server, stream_layer, prelude, &(), listeners, &shutdown).unwrap());
        let ended = case.join();
        shutdown.stop();
        ended.unwrap();
    });
}
