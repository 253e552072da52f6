//! What recording a request costs, and a scrape: `cargo bench -p chapter-08-metrics --bench record`.

use std::{hint::black_box, net::Ipv4Addr, num::NonZeroUsize, time::Duration};

use advanced_features::{Balancer, args::BalanceArgs};
use clap::Parser;
use common::{
    cli::ServeArgs,
    clock::now,
    http::{BackendId, Exchange, GroupId, Head, Method, PhaseTimes, RouteId},
};
use connection_pooling::{ClientBytes, EndedRequest, Filter as _, RequestInfo, WorkerFilter as _};
use criterion::{Criterion, criterion_group, criterion_main};
use lb_metrics::{
    access_log::{
        AccessLog, AccessLogConfig, LogFormat, filter::LogState, line_log::LineLogConfig, names::Names,
        sampling::SampleRate,
    },
    exposition::{Exposition, request_collector::RequestCollector},
    histogram::Buckets,
    record::{Layout, Metrics, filter::RequestState, layout::MaxSeries},
};
use load_balancer::dns_refresher::SystemResolver;

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    balance: BalanceArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

fn metrics(routes: usize) -> Metrics {
    let names: Vec<_> = (0..routes).map(|number| format!("route-{number}")).collect();
    let routes = names.iter().map(|name| (name.as_str(), "web"));
    let layout = Layout::new(routes, Some("web"), Buckets::default(), MaxSeries::default());
    Metrics::new(layout, NonZeroUsize::new(4).expect("four workers"))
}

fn exchange(local_reply: bool, end_reason: &'static str) -> Exchange {
    Exchange {
        method: Some(Method::Get),
        status: if local_reply { 429 } else { 200 },
        backend: Some(BackendId { slot: 1, generation: 0 }),
        group: Some(GroupId(0)),
        route: Some(RouteId(1)),
        reused: true,
        retries: 0,
        local_reply,
        has_response: !local_reply,
        bytes_from_client: 0,
        bytes_from_backend: 128,
        times: PhaseTimes {
            queued: None,
            connected: Some(Duration::ZERO),
            first_byte: Some(Duration::from_micros(700)),
            total: Duration::from_micros(750),
        },
        failure: None,
        end_reason,
    }
}

fn ended(exchange: &Exchange) -> EndedRequest<'_> {
    let client_bytes = ClientBytes { received: 100, sent: 300 };
    EndedRequest {
        exchange,
        peer: Ipv4Addr::LOCALHOST.into(),
        started_at: now(),
        client_bytes,
        own_time: Some(Duration::from_micros(5)),
    }
}

fn record(c: &mut Criterion) {
    let metrics = metrics(20);
    let worker = metrics.for_worker(0);
    for (name, exchange) in [("done", exchange(false, "done")), ("limited", exchange(true, "limited"))] {
        let ended = ended(&exchange);
        c.bench_function(&format!("record/{name}"), |b| {
            b.iter(|| {
                let mut state = RequestState::default();
                worker.on_end(&mut state, black_box(&ended));
                worker.reset(&mut state);
            });
        });
    }
}

/// A line of the access log: what is kept of the head, and the line itself, until the writer has it.
fn log(c: &mut Criterion) {
    const HEAD: &[u8] =
        b"GET /api/items?page=2 HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\nUser-Agent: Mozilla/5.0\r\n\r\n";
    let args = Args::parse_from(["observable_lb", "127.0.0.1:9", "--check", "off"]);
    let config = args.balance.into_config(args.serve, 10, None, false).expect("valid arguments");
    let balancer = Balancer::new("observable_lb", config, SystemResolver).expect("an address needs no resolver");
    let lines = LineLogConfig { target: "/dev/null".into(), format: LogFormat::json(), sample: SampleRate::ALL };
    let config = AccessLogConfig { lines: Some(lines), ..AccessLogConfig::default() };
    let log = AccessLog::start(config, Names::new(balancer, Vec::new()), NonZeroUsize::MIN).expect("it can be opened");
    let (worker, mut state) = (log.for_worker(0), LogState::default());
    let mut head = Head::new();
    head.read_request(HEAD, &mut 0).expect("a valid head");
    let (exchange, mut client) =
        (exchange(false, "done"), RequestInfo::new(head.view(HEAD), Ipv4Addr::LOCALHOST.into()));
    client.set_request_id(1, false);
    c.bench_function("record/log line", |b| {
        b.iter(|| {
            let _ = worker.on_request(&mut state, black_box(&client), now());
            worker.on_end(&mut state, black_box(&ended(&exchange)));
            worker.reset(&mut state);
        });
    });
}

fn scrape(c: &mut Criterion) {
    // 180 routes with four histograms each are 14,400 series.
    let metrics = metrics(180);
    let worker = metrics.for_worker(0);
    worker.on_end(&mut RequestState::default(), &ended(&exchange(false, "done")));
    let exposition = Exposition::of(vec![Box::new(RequestCollector::new(metrics, || 0))]).expect("one collector");
    let text = exposition.text().expect("it can be written");
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    c.bench_function(&format!("scrape/{series} series"), |b| b.iter(|| exposition.text()));
}

criterion_group!(benches, record, log, scrape);
criterion_main!(benches);
