//! Suite `metrics`: what the balancer counts is what its clients saw, under the documented names, in a format that a
//! strict parser accepts; and no client can make it count more than was configured.

use std::net::SocketAddr;

use crate::admin_client::AdminClient;
use crate::client::{Client, Response};
use crate::process::Program;
use crate::wait::until;

pub(super) mod bounded;
pub(super) mod endpoints;
pub(super) mod exposition;
pub(super) mod monitoring;
pub(super) mod pools;
pub(super) mod requests;
pub(super) mod sums;
pub(super) mod terminal_view;
mod text_format;

use text_format::Exposition;

/// Serves metrics to anybody, on an ephemeral port.
const METRICS: [&str; 2] = ["--metrics", "127.0.0.1:0"];

/// The address that `program` prints for its metrics.
fn metrics_addr(program: &Program) -> SocketAddr {
    let stdout = program.wait_stdout("metrics on ");
    let addr = stdout.lines().find_map(|line| line.strip_prefix("metrics on ")?.trim().parse().ok());
    addr.unwrap_or_else(|| panic!("no address after `metrics on`: {stdout}"))
}

/// One GET on a connection of its own.
fn get(addr: SocketAddr, target: &str) -> Response {
    Client::connect(addr).get(target)
}

/// The metrics of `program`, which the strict parser has accepted.
fn scrape(program: &Program) -> Exposition {
    let response = get(metrics_addr(program), "/metrics");
    assert_eq!(response.status(), 200, "{response:?}");
    assert_eq!(response.fields().get("content-type"), Some("text/plain; version=0.0.4"));
    Exposition::parse(&response.text()).unwrap_or_else(|error| panic!("{error}"))
}

/// The metrics, once `claim` holds for them: a request is counted after its client has its answer.
fn scrape_until(program: &Program, what: &str, mut claim: impl FnMut(&Exposition) -> bool) -> Exposition {
    let mut last = scrape(program);
    until(what, || {
        last = scrape(program);
        claim(&last)
    });
    last
}

/// The metrics once `requests` have ended.
fn scrape_after(program: &Program, requests: f64) -> Exposition {
    let ended = |metrics: &Exposition| metrics.sum("lb_requests_total", &[]);
    let metrics = scrape_until(program, "the requests are counted", |metrics| ended(metrics) >= requests);
    assert!((ended(&metrics) - requests).abs() < 0.5, "{requests}: {}", metrics.lines("lb_requests_total"));
    // The last one may have ended between two families of that scrape.
    scrape(program)
}

fn admin(program: &Program) -> AdminClient {
    AdminClient::of(program)
}
