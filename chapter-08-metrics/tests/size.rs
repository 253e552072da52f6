//! A thousand backends and twenty routes: how many series, how much memory, and how long a scrape takes.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and says what it measured")]

use std::{net::Ipv4Addr, num::NonZeroUsize, sync::Arc, time::Duration};

use advanced_features::{Balancer, args::BalanceArgs};
use clap::Parser;
use common::{
    cli::ServeArgs,
    clock::now,
    http::{BackendId, Exchange, GroupId, PhaseTimes, RouteId},
};
use connection_pooling::{ClientBytes, EndedRequest, Filter as _, Server, WorkerFilter as _, args::PoolArgs};
use lb_metrics::{
    access_log::{AccessLog, AccessLogConfig, names::Names},
    end_header::EndHeader,
    exposition::Exposition,
    histogram::Buckets,
    record::{Layout, Metrics, filter::RequestState, layout::MaxSeries},
};
use load_balancer::dns_refresher::SystemResolver;
use rate_limiting::filter::{HeaderStyle, LimitsConfig, RateLimits, limiter_for};

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    balance: BalanceArgs,
    #[command(flatten)]
    pool: PoolArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

fn limits(workers: NonZeroUsize) -> RateLimits {
    let config = LimitsConfig {
        rules: Vec::new(),
        exempt: Vec::new(),
        dry_run: false,
        max_keys: NonZeroUsize::MIN,
        headers: HeaderStyle::Off,
        max_clients_per_ip: None,
        bandwidth: None,
    };
    RateLimits::with_limiters(config, workers, now(), limiter_for)
}

fn exchange(route: u16, status: u16, end_reason: &'static str) -> Exchange {
    let local_reply = end_reason != "done";
    Exchange {
        method: None,
        status,
        backend: Some(BackendId { slot: 0, generation: 0 }),
        group: Some(GroupId(0)),
        route: Some(RouteId(route)),
        reused: false,
        retries: 0,
        local_reply,
        has_response: !local_reply,
        bytes_from_client: 0,
        bytes_from_backend: 0,
        times: PhaseTimes::default(),
        failure: None,
        end_reason,
    }
}

#[test]
fn a_thousand_backends_and_twenty_routes_stay_within_the_limits() {
    let workers = NonZeroUsize::new(4).unwrap();
    let backends: Vec<_> = (0..1_000).map(|number| format!("10.0.{}.{}:80", number / 250, number % 250)).collect();
    let args = ["observable_lb", "--check", "off"].into_iter().chain(backends.iter().map(String::as_str));
    let Args { balance, pool, serve } = Args::parse_from(args);
    let balancer = Balancer::new("observable_lb", balance.into_config(serve, 10, None, false).unwrap(), SystemResolver);
    let names: Vec<_> = (0..20).map(|number| format!("route-{number}")).collect();
    let routes = names.iter().map(|name| (name.as_str(), "default"));
    let layout = Layout::new(routes, Some("default"), Buckets::default(), MaxSeries::default());
    let metrics = Metrics::new(layout, workers);
    for (worker, route) in (0..4).flat_map(|worker| (0..20).map(move |route| (worker, route))) {
        let worker = metrics.for_worker(worker);
        for (status, end) in [(200, "done"), (404, "done"), (502, "backend_refused"), (429, "limited"), (503, "shed")] {
            let exchange = &exchange(route, status, end);
            let client_bytes = ClientBytes { received: 100, sent: 300 };
            let (peer, started_at) = (Ipv4Addr::LOCALHOST.into(), now());
            worker.on_end(
                &mut RequestState::default(),
                &EndedRequest { exchange, peer, started_at, client_bytes, own_time: Some(Duration::from_micros(5)) },
            );
        }
    }
    let balancer = balancer.unwrap();
    let names = Names::new(Arc::clone(&balancer), Vec::new());
    let log = AccessLog::start(AccessLogConfig::default(), names, workers).unwrap();
    let filter = ((metrics.clone(), (EndHeader, log)), limits(workers));
    let server = Server::with_filter(balancer, pool.config(1_024), workers, filter);
    let server = Arc::new(server);
    let exposition = Exposition::new(&server).unwrap();
    let began = now();
    let text = exposition.text().unwrap();
    let elapsed = began.elapsed();
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    let bytes: usize = metrics.workers().iter().map(lb_metrics::record::worker_block::WorkerBlock::bytes).sum();
    println!(
        "{series} series, {} KiB of text in {elapsed:?}; counters of 4 workers: {} KiB",
        text.len() >> 10,
        bytes >> 10
    );
    assert!((9_000..=50_000).contains(&series), "{series}");
    assert!(text.len() <= 8 << 20 && bytes <= 8 << 20, "{} and {bytes} bytes", text.len());
    assert!(text.contains("lb_series_dropped_total{metric=\"lb_backend_requests_total\"} 0\n"), "all have series");
}
