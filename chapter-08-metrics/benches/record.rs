//! What recording a request costs, and a scrape: `cargo bench -p chapter-08-metrics --bench record`.

use std::{hint::black_box, net::Ipv4Addr, num::NonZeroUsize, time::Duration};

use common::{
    clock::now,
    http::{BackendId, Exchange, GroupId, Method, PhaseTimes, RouteId},
};
use connection_pooling::{ClientBytes, EndedRequest, Filter as _, WorkerFilter as _};
use criterion::{Criterion, criterion_group, criterion_main};
use lb_metrics::{
    exposition::{Exposition, request_collector::RequestCollector},
    histogram::Buckets,
    record::{Layout, Metrics, filter::RequestState, layout::MaxSeries},
};

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
    EndedRequest { exchange, peer: Ipv4Addr::LOCALHOST.into(), started_at: now(), client_bytes }
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

criterion_group!(benches, record, scrape);
criterion_main!(benches);
