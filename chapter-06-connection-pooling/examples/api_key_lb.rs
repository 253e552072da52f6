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

use clap::Parser;
use common::{
    cli,
    http::{HeaderEdits, LocalReply, ResponseInfo},
};
use connection_pooling::{Filter, RequestInfo, Server, WorkerFilter, args::BalancerArgs};
use subtle::ConstantTimeEq as _;

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

// ANCHOR: filter
impl WorkerFilter for ApiKeys {
    /// The index of the client whose key a request has.
    type State = Option<usize>;

    fn on_request(&self, state: &mut Self::State, request: &RequestInfo<'_>, _now: Instant) -> Result<(), LocalReply> {
        let mut sent = request.header_values("X-API-Key");
        // A request with two keys is ambiguous: a backend might read the other one.
        let (Some(key), None) = (sent.next(), sent.next()) else { return Err(UNAUTHORIZED) };
        // In constant time: how long it takes must not tell how much of a key is right.
        *state = self.0.iter().position(|(valid, _)| valid.as_bytes().ct_eq(key).into());
        if state.is_some() { Ok(()) } else { Err(UNAUTHORIZED) }
    }

    fn on_response_head(&self, state: &mut Self::State, _response: &ResponseInfo<'_>, edits: &mut HeaderEdits<'_>) {
        edits.remove("X-Client"); // a backend's own
        if let Some(client) = *state {
            edits.add("X-Client", &self.0[client].1);
        }
    }
}
// ANCHOR_END: filter

/// A load balancer that checks API keys.
#[derive(Debug, Parser)]
struct Args {
    /// A valid key and the name of its client (repeatable)
    #[arg(long = "key", value_name = "KEY=NAME", default_value = "open-sesame=Ali", value_parser = parse_key)]
    keys: Vec<(String, String)>,
    #[command(flatten)]
    balancer: BalancerArgs,
}

fn parse_key(text: &str) -> Result<(String, String), String> {
    let (key, name) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("expected KEY=NAME")?;
    Ok((key.to_owned(), name.to_owned()))
}

fn main() -> ExitCode {
    cli::run(run)
}

fn run(args: Args) -> Result<ExitCode, Box<dyn Error>> {
    let (program, pool, workers) = args.balancer.into_program("api_key_lb")?;
    let keys = ApiKeys(args.keys.into());
    program.run(
        || backends::start_bundled(3, 9001),
        |balancer| Ok(Arc::new(Server::with_filter(balancer, pool, workers, keys))),
    )
}
