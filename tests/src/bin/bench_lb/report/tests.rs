//! A synthetic report, for the tests of everything that is made from one.

use super::*;
use crate::{
    growth,
    workload::{self, Workload},
    zero_copy,
};

/// CPU time per request: measured when this workspace was planned, and estimates for the first chapters.
const TARGETS: [(&str, f64, f64, f64); 10] = [
    ("floor", 11.7, 13.4, 900.0),
    ("chapter 2", 62.0, 71.0, 21_000.0),
    ("chapter 3", 64.0, 74.0, 21_500.0),
    ("nginx", 16.7, 25.0, 660.0),
    ("haproxy", 16.6, 25.3, 1_100.0),
    ("pingora", 29.7, 54.3, 87_000.0),
    ("nginx equal", 18.9, 28.0, 660.0),
    ("envoy", 33.0, 56.0, 11_000.0),
    ("traefik", 76.0, 93.0, 41_000.0),
    ("caddy", 74.0, 90.0, 39_000.0),
];

pub(crate) fn about() -> About {
    About {
        command: "cargo bench-lb".to_owned(),
        date: "Thu, 01 Jan 1970 00:00:00 GMT".to_owned(),
        machine: Machine {
            cpu: "A CPU".to_owned(),
            cores: 2,
            memory_mib: 1_024,
            kernel: "6.1".to_owned(),
            architecture: "x86_64".to_owned(),
            is_virtual: true,
        },
        versions: [("nginx", "1.24.0"), ("haproxy", "2.8.16-0ubuntu0.24.04.1")]
            .map(|(name, version)| (name.into(), version.into()))
            .into(),
        lean: true,
        profile: "dist".to_owned(),
        rounds: 7,
        seconds: 2.0,
        workers: 1,
        cores_apart: true,
        notes: Vec::new(),
    }
}

fn measured(workload: &'static Workload, target: &str, headline: f64, disturbance: f64) -> Measured {
    let round = |round: u32| {
        let figure = headline * (1.0 + 0.01 * f64::from(round % 4)) * if round == 3 { disturbance } else { 1.0 };
        let figures: BTreeMap<Metric, f64> = match workload.name {
            name if name.starts_with("checks") => BTreeMap::from([(Metric::CpuMsPerS, figure)]),
            _ if workload.answer_bytes >= 1 << 20 => {
                BTreeMap::from([(Metric::CpuUs, figure * 5_000.0), (Metric::CpuSPerGib, figure)])
            }
            "idle" => BTreeMap::from([(Metric::BytesPerClient, figure), (Metric::PeakRssKib, 9_000.0)]),
            _ => BTreeMap::from([
                (Metric::CpuUs, figure),
                (Metric::UserUs, figure * 0.2),
                (Metric::SystemUs, figure * 0.8),
                (Metric::RequestsPerS, 1e6 / figure),
                (Metric::P50Us, figure * 20.0),
                (Metric::P99Us, figure * 70.0),
            ]),
        };
        let figures = figures.into_iter().map(|(metric, figure)| (metric, rounded(figure))).collect();
        Sample { round, requests: 1_000, figures, ..Sample::default() }
    };
    let calls = if workload.counts_calls { BTreeMap::from([("recvfrom".to_owned(), 2.0)]) } else { BTreeMap::new() };
    Measured { workload, target: target.to_owned(), samples: (1..=7).map(round).collect(), calls }
}

/// `disturbance`: how much more the third round of all targets costs.
pub(crate) fn report(disturbance: f64) -> Report {
    let mut all = Vec::new();
    for name in [workload::BASE, "get-512", "open-50", "open-80", "idle"] {
        let workload = Workload::named(name).unwrap();
        for (target, at_64, at_512, bytes) in TARGETS {
            let headline = match name {
                "get-512" => at_512,
                "idle" => bytes,
                _ => at_64,
            };
            all.push(measured(workload, target, headline, disturbance));
        }
    }
    Report::new(about(), all)
}

/// `algorithms`: each with its p99, and the share of the slow backend in percent.
pub(crate) fn by_algorithm(algorithms: &[(&str, f64, f64)]) -> Report {
    let measured = |&(name, p99, share): &(&str, f64, f64)| {
        let mut measured = measured(&workload::BY_ALGORITHM, name, 15.0, 1.0);
        for sample in &mut measured.samples {
            sample.figures.extend([(Metric::P99Us, p99), (Metric::SlowPercent, share)]);
        }
        measured
    };
    Report::new(about(), algorithms.iter().map(measured).collect())
}

/// Some targets of `--growth`, each with the exponent of its growth.
pub(crate) fn growth() -> Report {
    let targets = [
        ("rr", 0.0),
        ("lc", 0.1),
        ("rendezvous", 0.3),
        ("maglev", 0.02),
        ("haproxy roundrobin", 0.01),
        ("haproxy leastconn", 0.05),
    ];
    let mut all = Vec::new();
    for workload in growth::rungs(false) {
        let size = f64::from(u32::try_from(workload.rung.unwrap().size).unwrap());
        let able = targets.iter().filter(|(name, _)| workload.only.is_empty() || workload.only.contains(name));
        all.extend(able.map(|(name, exponent)| measured(workload, name, 15.0 * size.powf(*exponent), 2.0)));
    }
    Report::new(about(), all)
}

/// `--zero-copy`, where splicing costs a fixed part of the copying that HAProxy does better.
pub(crate) fn zero_copy() -> Report {
    let mut all = Vec::new();
    for workload in zero_copy::workloads(false) {
        all.extend(workload.only.iter().map(|target| {
            let cost = match *target {
                "C splice loop" => 0.18,
                "chapter 9 splice" => 0.2,
                "haproxy tcp splice" => 0.5,
                "chapter 9 copy" => 0.8,
                _ => 1.0,
            };
            measured(workload, target, cost, 2.0)
        }));
    }
    Report::new(about(), all)
}

/// `--files` or `--datagrams`, where ours costs half of what nginx does.
pub(crate) fn beside_nginx(workloads: &'static [Workload]) -> Report {
    let cost = |target: &str| match target {
        "chapter 9 files" | "chapter 9 udp" => 0.5,
        "nginx udp, one reply" => 2.0,
        _ => 1.0,
    };
    let all = workloads
        .iter()
        .flat_map(|workload| workload.only.iter().map(move |target| measured(workload, target, cost(target), 2.0)));
    Report::new(about(), all.collect())
}

fn entry<'a>(report: &'a Report, workload: &str, target: &str) -> &'a Entry {
    report.of(workload).find(|entry| entry.target == target).unwrap()
}

#[test]
fn ratios_are_by_round_so_that_a_disturbed_round_leaves_them() {
    for disturbance in [1.0, 3.0] {
        let report = report(disturbance);
        let ratios = &entry(&report, "get-64", "pingora").ratios;
        let best = ratios[&Base::BestServer];
        assert!((best.median - 29.7 / 16.6).abs() < 0.01, "{best:?}");
        assert!((best.max - best.min).abs() < 0.01, "{best:?}");
        assert!((ratios[&Base::Floor].median - 29.7 / 11.7).abs() < 0.01);
    }
}

#[test]
fn base_that_was_not_measured_gives_no_ratio() {
    let small = Workload::named("get-64").unwrap();
    let report =
        Report::new(about(), vec![measured(small, "chapter 3", 10.0, 1.0), measured(small, "nginx", 5.0, 1.0)]);
    let ratios = &entry(&report, "get-64", "chapter 3").ratios;
    assert_eq!(ratios.keys().collect::<Vec<_>>(), [&Base::BestServer]);
    assert!((ratios[&Base::BestServer].median - 2.0).abs() < f64::EPSILON);
}

#[test]
fn growth_is_relative_to_the_same_target_on_its_first_rung() {
    let report = growth();
    let factor = |workload, target| entry(&report, workload, target).ratios[&Base::FirstRung];
    assert!((factor("backends-3", "lc").median - 1.0).abs() < f64::EPSILON);
    let grown = factor("backends-1000", "lc");
    assert!((grown.median - (1_000.0_f64 / 3.0).powf(0.1)).abs() < 0.01, "{grown:?}");
    assert!((grown.max - grown.min).abs() < 0.01, "a disturbed round leaves it: {grown:?}");
    assert_eq!(entry(&report, "checks-3", "rr").headline(), Metric::CpuMsPerS);
    let of_backends = report.of_scale(Scale::Backends);
    assert_eq!(of_backends.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 3, 5, 5, 3]);
}

#[test]
fn ways_of_moving_bytes_are_compared_with_haproxys_best_and_with_copying() {
    let report = zero_copy();
    let splice = |workload| entry(&report, workload, "chapter 9 splice");
    let bulk = splice("bulk-8m");
    assert_eq!(bulk.headline(), Metric::CpuSPerGib);
    assert!((bulk.ratios[&Base::BestHaProxy].median - 0.4).abs() < 0.01, "{:?}", bulk.ratios);
    assert!((bulk.ratios[&Base::SpliceLoop].median - 1.11).abs() < 0.01, "{:?}", bulk.ratios);
    assert!((bulk.ratios[&Base::Copy].median - 0.25).abs() < 0.01, "{:?}", bulk.ratios);
    assert!((splice("session-128").ratios[&Base::BestHaProxy].median - 0.4).abs() < 0.01);
    for workload in ["pipe-4k", "pipe-1m", "body-1k", "body-1m"] {
        assert_eq!(splice(workload).ratios.keys().collect::<Vec<_>>(), [&Base::Copy], "{workload}");
    }
    assert_eq!(splice("pipe-4k").headline(), Metric::CpuSPerGib);
    assert_eq!(splice("body-1m").headline(), Metric::CpuUs, "one for the whole scale");
}

#[test]
fn headline_of_idle_clients_is_memory() {
    let report = report(1.0);
    assert_eq!(entry(&report, "idle", "nginx").headline(), Metric::BytesPerClient);
    assert_eq!(report.workloads(), ["get-64", "get-512", "open-50", "open-80", "idle"]);
}

#[test]
fn peer_is_labelled_with_its_version() {
    let about = about();
    for (target, label) in [
        ("nginx", "nginx 1.24.0"),
        ("nginx equal", "nginx 1.24.0 equal"),
        ("haproxy", "haproxy 2.8.16"),
        ("chapter 3", "chapter 3"),
    ] {
        assert_eq!(about.label(target), label);
    }
    assert_eq!(about.caveat(), "A CPU, 2 virtual cores; loopback; bodies of 14 bytes");
}
