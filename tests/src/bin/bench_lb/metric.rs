//! The metrics by name: each is defined once, for the table, the JSON and a comparison.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{datagrams, files, zero_copy};

/// A metric of a round, in the order of the table's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Metric {
    /// CPU time of the target's processes per request, in microseconds. The headline: another program on the machine
    /// delays a request, but hardly changes its CPU time.
    CpuUs,
    /// The part of it spent in the program itself.
    UserUs,
    /// The part of it spent in the kernel.
    SystemUs,
    /// CPU seconds per GiB of bodies.
    CpuSPerGib,
    /// CPU time per second without any request, in milliseconds.
    CpuMsPerS,
    /// Resident memory that an idle client adds to that of a fresh process.
    BytesPerClient,
    RequestsPerS,
    /// The share of its CPU cores that the target used. Far below 1 the load was the limit, and requests per second are
    /// not the target's.
    Busy,
    /// Median latency. In an open loop it is measured from the time that the request was due.
    P50Us,
    P99Us,
    /// The maximum resident memory during the round.
    PeakRssKib,
    /// Connections opened to origins per 1,000 requests.
    UpstreamPer1000,
    /// Percentage of requests that went to the slow origin.
    SlowPercent,
}

impl Metric {
    /// The title of its column.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::CpuUs => "CPU µs/req",
            Self::UserUs => "user",
            Self::SystemUs => "system",
            Self::CpuSPerGib => "CPU s/GiB",
            Self::CpuMsPerS => "CPU ms/s",
            Self::BytesPerClient => "bytes/client",
            Self::RequestsPerS => "req/s",
            Self::Busy => "busy",
            Self::P50Us => "p50 µs",
            Self::P99Us => "p99 µs",
            Self::PeakRssKib => "peak KiB",
            Self::UpstreamPer1000 => "conns/1000",
            Self::SlowPercent => "slow %",
        }
    }

    /// How a comparison of two runs judges a change; `None` if neither direction is better.
    pub(crate) fn lower_is_better(self) -> Option<bool> {
        match self {
            Self::RequestsPerS => Some(false),
            Self::Busy | Self::SlowPercent => None,
            _ => Some(true),
        }
    }
}

/// What a target's figure is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Base {
    /// The better of nginx and HAProxy in the same round, each in its lean configuration.
    BestServer,
    Envoy,
    Pingora,
    Floor,
    /// The same target on the first rung of its scale.
    FirstRung,
    /// The best of HAProxy's modes in `--zero-copy`.
    BestHaProxy,
    /// A minimal loop of `splice`, in C.
    SpliceLoop,
    /// Chapter 9's program, which copies all bytes.
    Copy,
    /// nginx, as a file server or for datagrams; there the better one of its ways.
    Nginx,
    /// nginx as a file server that keeps files open.
    NginxCached,
}

impl Base {
    /// Those that are other targets of the same workload.
    pub(crate) const TARGETS: [Self; 9] = [
        Self::BestServer,
        Self::Envoy,
        Self::Pingora,
        Self::Floor,
        Self::BestHaProxy,
        Self::SpliceLoop,
        Self::Copy,
        Self::Nginx,
        Self::NginxCached,
    ];

    /// The targets of which the best one counts; none if it is the target itself.
    pub(crate) fn targets(self) -> &'static [&'static str] {
        match self {
            Self::BestServer => &["nginx", "haproxy"],
            Self::Envoy => &["envoy"],
            Self::Pingora => &["pingora"],
            Self::Floor => &["floor"],
            Self::FirstRung => &[],
            Self::BestHaProxy => &zero_copy::HAPROXY,
            Self::SpliceLoop => &[zero_copy::SPLICE_LOOP],
            Self::Copy => &[zero_copy::COPY],
            Self::Nginx => &[files::NGINX, datagrams::NGINX[0], datagrams::NGINX[1]],
            Self::NginxCached => &[files::NGINX_CACHED],
        }
    }

    /// The title of its column.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::BestServer => "×nginx|haproxy",
            Self::Envoy => "×envoy",
            Self::Pingora => "×pingora",
            Self::Floor => "×floor",
            Self::FirstRung => "×first rung",
            Self::BestHaProxy => "×haproxy",
            Self::SpliceLoop => "×C loop",
            Self::Copy => "×copy",
            Self::Nginx => "×nginx",
            Self::NginxCached => "×nginx cached",
        }
    }
}

/// One round of one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) round: u32,
    /// Correct responses within the window.
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    /// The errors by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) figures: BTreeMap<Metric, f64>,
}
