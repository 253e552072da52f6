//! What is measured, by name: each figure once, for the table, the JSON and a comparison alike.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A figure of a round, in the order of the table's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Metric {
    /// CPU time of the target's processes per request, in microseconds. The headline: another program on the machine
    /// makes a request later, but hardly dearer.
    CpuUs,
    /// The part of it in the program itself.
    UserUs,
    /// The part of it in the kernel.
    SystemUs,
    /// CPU seconds per GiB of bodies.
    CpuSPerGib,
    /// What an idle client adds to the resident memory of a fresh process.
    BytesPerClient,
    RequestsPerS,
    /// The part of its cores that the target used. Far below 1 the load was the limit, and requests per second are not
    /// the target's.
    Busy,
    /// Half of the answers came within this. In an open loop from the time that the request was due.
    P50Us,
    P99Us,
    /// The most resident memory in the round, from start to end.
    PeakRssKib,
    /// Connections opened to origins per 1,000 requests.
    UpstreamPer1000,
    /// Of a hundred requests, those that went to the slow origin.
    SlowPercent,
}

impl Metric {
    /// Over a column.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::CpuUs => "CPU µs/req",
            Self::UserUs => "user",
            Self::SystemUs => "system",
            Self::CpuSPerGib => "CPU s/GiB",
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

    /// How a comparison of two runs judges a change; none: it says nothing about better or worse.
    pub(crate) fn lower_is_better(self) -> Option<bool> {
        match self {
            Self::RequestsPerS => Some(false),
            Self::Busy | Self::SlowPercent => None,
            _ => Some(true),
        }
    }
}

/// What a target is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Base {
    /// The better of nginx and HAProxy in the same round.
    BestServer,
    Pingora,
    Floor,
}

impl Base {
    pub(crate) const ALL: [Self; 3] = [Self::BestServer, Self::Pingora, Self::Floor];

    /// The targets of which the best counts.
    pub(crate) fn targets(self) -> &'static [&'static str] {
        match self {
            Self::BestServer => &["nginx", "haproxy"],
            Self::Pingora => &["pingora"],
            Self::Floor => &["floor"],
        }
    }

    /// Over a column.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::BestServer => "×nginx|haproxy",
            Self::Pingora => "×pingora",
            Self::Floor => "×floor",
        }
    }
}

/// One round of one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) round: u32,
    /// Right answers within the window.
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    /// The errors by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) figures: BTreeMap<Metric, f64>,
}
