//! A balancer with a filter of its own, from this chapter's library: requests need a valid `X-API-Key`.
//!
//! ```console
//! $ cargo run -p chapter-06-connection-pooling --example api_key_lb
//! $ curl -i http://127.0.0.1:8080/                              # in a second terminal: 401
//! $ curl -i -H 'X-API-Key: open-sesame' http://127.0.0.1:8080/  # 200, and which client it was
//! ```
//!
//! Everything else (health checks, retries, the pool, drains) is that of `pooled_lb`, and so are its options.

use std::{error::Error, process::ExitCode, sync::Arc, time::Instant};

use advanced_features::{
    args::{AdminArgs, BalanceArgs},
    program::{Program, Threads},
};
use clap::Parser;
use common::{
    cli::{self, ServeArgs, WorkerArgs},
    http::{HeaderEdits, LocalReply, ResponseInfo},
    net,
};
use connection_pooling::{Filter, RequestInfo, Server, WorkerFilter, args::PoolArgs};

const UNAUTHORIZED: LocalReply = LocalReply::new(401, "no_api_key").with_fields(&[("WWW-Authenticate", "ApiKey")]);

/// The valid keys, each with the name of its client.
#[derive(Debug, Clone)]
struct ApiKeys(Arc<[(String, String)]>);

impl Filter for ApiKeys {
    /// Nothing differs between workers, so each has a copy.
    type Worker = Self;

    fn for_worker(&self, _worker_id: usize) -> Self {
        self.clone()
    }
}

impl WorkerFilter for ApiKeys {
    /// The index of the client whose key a request has.
    type State = Option<usize>;

    fn on_request(&self, state: &mut Self::State, request: &RequestInfo<'_>, _now: Instant) -> Result<(), LocalReply> {
        let mut sent = request.header_values("X-API-Key");
        // A request with two keys is ambiguous: a backend might read the other one.
        let (Some(key), None) = (sent.next(), sent.next()) else { return Err(UNAUTHORIZED) };
        *state = self.0.iter().position(|(valid, _)| valid.as_bytes() == key);
        if state.is_some() { Ok(()) } else { Err(UNAUTHORIZED) }
    }

    fn on_response_head(&self, state: &mut Self::State, _response: &ResponseInfo<'_>, edits: &mut HeaderEdits<'_>) {
        if let Some(client) = *state {
            edits.add("X-Client", &self.0[client].1);
        }
    }
}

/// A load balancer that checks API keys.
#[derive(Debug, Parser)]
struct Args {
    /// Port to listen on; 0 means an ephemeral port
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    port: u16,
    #[command(flatten)]
    balance: BalanceArgs,
    #[command(flatten)]
    pool: PoolArgs,
    /// A valid key and the name of its client (repeatable)
    #[arg(long = "key", value_name = "KEY=NAME", default_value = "open-sesame=Ali", value_parser = parse_key)]
    keys: Vec<(String, String)>,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    workers: WorkerArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

fn parse_key(text: &str) -> Result<(String, String), String> {
    let (key, name) = text.split_once('=').ok_or("expected KEY=NAME")?;
    Ok((key.to_owned(), name.to_owned()))
}

fn main() -> ExitCode {
    cli::run(run)
}

fn run(args: Args) -> Result<ExitCode, Box<dyn Error>> {
    let Args { port, keys, balance, pool, admin: AdminArgs { admin }, workers, serve } = args;
    let (count, pool) = (workers.count(), pool.config(net::raise_fd_limit()?));
    let threads = Threads::Workers { count, poller: None, extra_fds: pool.max_fds() };
    let program = Program::new("api_key_lb", port, balance, serve).admin(admin).threads(threads);
    program.run(
        || backends::start_bundled(3, 9001),
        |balancer| Ok(Arc::new(Server::with_filter(balancer, pool, count, ApiKeys(keys.into())))),
    )
}
