//! The result, as text and as JSON.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    time::Duration,
};

use hdrhistogram::Histogram;
use integration_tests::cpu::CpuTime;
use serde::Serialize;

use crate::{plan::Plan, tally::Tally};

/// Above this share of its threads' time the generator itself is the bottleneck.
const BUSY_GENERATOR: f64 = 0.9;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) authority: String,
    pub(crate) path: String,
    /// Requested rate per second; null in a closed loop.
    pub(crate) rate: Option<f64>,
    pub(crate) connections: u32,
    pub(crate) threads: u32,
    pub(crate) interrupted: bool,
    pub(crate) seconds: f64,
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) warm_up_requests: u64,
    pub(crate) warm_up_failed: u64,
    /// In flight at an interrupt.
    pub(crate) abandoned: u64,
    /// Due in an open loop, but no connection was free before the end.
    pub(crate) never_sent: u64,
    pub(crate) requests_per_second: f64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    /// Of successes: in an open loop from the time at which a request was due.
    pub(crate) latency_us: Latency,
    /// In an open loop: from the time at which a request was sent.
    pub(crate) uncorrected_latency_us: Option<Latency>,
    pub(crate) connections_opened: u64,
    /// Both numbers include the warm-up.
    pub(crate) requests_per_connection: f64,
    /// Responses by `X-Server-ID`.
    pub(crate) servers: BTreeMap<String, u64>,
    pub(crate) processes: Vec<ProcessUse>,
    /// Processes that exited before the end of the run.
    pub(crate) ended_pids: Vec<u32>,
    pub(crate) generator: Option<ProcessUse>,
}

/// Percentiles in microseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p99_9: f64,
    pub(crate) max: f64,
    pub(crate) mean: f64,
}

/// CPU time over the measured part of the run.
#[derive(Debug, Serialize)]
pub(crate) struct ProcessUse {
    pub(crate) pid: u32,
    pub(crate) user_seconds: f64,
    pub(crate) system_seconds: f64,
    pub(crate) us_per_request: f64,
}

impl Report {
    /// `seconds`: from the end of the warm-up to the last response.
    pub(crate) fn new(plan: &Plan, tally: &Tally, elapsed: Duration) -> Self {
        let seconds = elapsed.as_secs_f64();
        Self {
            authority: plan.target.authority.clone(),
            path: plan.target.path.clone(),
            rate: plan.rate,
            connections: plan.connections,
            threads: plan.threads,
            interrupted: false,
            seconds,
            requests: tally.requests,
            failed: tally.failed(),
            failures: tally.failures.iter().map(|(kind, &count)| (kind.to_string(), count)).collect(),
            warm_up_requests: tally.warm_up_requests,
            warm_up_failed: tally.warm_up_failures,
            abandoned: tally.in_flight,
            never_sent: 0,
            requests_per_second: ratio(tally.requests, seconds),
            bytes_sent: tally.sent,
            bytes_received: tally.received,
            latency_us: Latency::of(&tally.latency),
            uncorrected_latency_us: tally.uncorrected.as_ref().map(Latency::of),
            connections_opened: tally.opened,
            requests_per_connection: ratio(tally.requests + tally.warm_up_requests, to_f64(tally.opened)),
            servers: tally
                .server_ids
                .iter()
                .map(|(id, count)| (String::from_utf8_lossy(id).into_owned(), *count))
                .collect(),
            processes: Vec::new(),
            ended_pids: Vec::new(),
            generator: None,
        }
    }

    /// Whether every request got the expected response.
    pub(crate) fn is_clean(&self) -> bool {
        self.failed == 0 && self.warm_up_failed == 0
    }

    /// Whether the generator, and not the server, may have been the bottleneck.
    fn is_generator_busy(&self) -> bool {
        self.generator.as_ref().is_some_and(|own| {
            own.user_seconds + own.system_seconds > BUSY_GENERATOR * self.seconds * f64::from(self.threads)
        })
    }
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| micros(histogram.value_at_quantile(quantile));
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: micros(histogram.max()),
            mean: histogram.mean() / 1_000.0,
        }
    }
}

impl ProcessUse {
    pub(crate) fn new(pid: u32, used: CpuTime, requests: u64) -> Self {
        let us_per_request = used.total().as_secs_f64() * 1e6 / to_f64(requests.max(1));
        Self { pid, user_seconds: used.user.as_secs_f64(), system_seconds: used.system.as_secs_f64(), us_per_request }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = self.rate.map_or("closed loop".to_owned(), |rate| format!("open loop at {rate}/s"));
        let Self { authority, path, connections, threads, .. } = self;
        write!(f, "http://{authority}{path}  {mode}, {connections} connections, {threads} threads")?;
        f.write_str(if self.interrupted { ", interrupted\n" } else { "\n" })?;
        row(f, "requests", format_args!("{} in {:.2} s, {} failed", self.requests, self.seconds, self.failed))?;
        for (kind, count) in &self.failures {
            row(f, "", format_args!("{count:>10}  {kind}"))?;
        }
        if self.warm_up_requests > 0 {
            let Self { warm_up_requests, warm_up_failed, .. } = self;
            row(f, "warm-up", format_args!("{warm_up_requests} not counted, {warm_up_failed} failed"))?;
        }
        if self.abandoned > 0 {
            row(f, "abandoned", format_args!("{} in flight at the interrupt, not counted", self.abandoned))?;
        }
        if self.never_sent > 0 {
            row(f, "never sent", format_args!("{} were due, but no connection was free", self.never_sent))?;
        }
        row(f, "rate", format_args!("{:.0} requests/s", self.requests_per_second))?;
        let (sent, received) = (mebibytes(self.bytes_sent), mebibytes(self.bytes_received));
        let per_second = if self.seconds > 0.0 { received / self.seconds } else { 0.0 };
        row(f, "transfer", format_args!("{received:.2} MiB in ({per_second:.2} MiB/s), {sent:.2} MiB out"))?;
        self.write_latency(f)?;
        let (opened, each) = (self.connections_opened, self.requests_per_connection);
        row(f, "connections", format_args!("{opened} opened, {each:.1} requests on each"))?;
        for (id, &count) in &self.servers {
            let share = 100.0 * ratio(count, to_f64(self.servers.values().sum()));
            // The value comes from a server and goes to a terminal: escape sequences must not pass.
            row(f, "server", format_args!("{:<12} {count:>10}  {share:.2} %", id.escape_debug().to_string()))?;
        }
        self.write_cpu(f)
    }
}

impl Report {
    fn write_latency(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.requests == self.failed {
            return row(f, "latency", format_args!("none: no request succeeded"));
        }
        row(f, "latency", format_args!("{:>10} {:>10} {:>10} {:>10} {:>10}", "p50", "p90", "p99", "p99.9", "max"))?;
        let corrected = if self.rate.is_some() { "  from due" } else { "" };
        latency_row(f, corrected, &self.latency_us)?;
        self.uncorrected_latency_us.as_ref().map_or(Ok(()), |latency| latency_row(f, "  from sent", latency))
    }

    fn write_cpu(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, used) in self
            .processes
            .iter()
            .map(|used| (format!("pid {}", used.pid), used))
            .chain(self.generator.iter().map(|used| ("load itself".to_owned(), used)))
        {
            let ProcessUse { user_seconds, system_seconds, us_per_request, .. } = used;
            row(
                f,
                "cpu",
                format_args!(
                    "{name:<12} {user_seconds:.2} s user, {system_seconds:.2} s system, {us_per_request:.1} µs per request"
                ),
            )?;
        }
        for pid in &self.ended_pids {
            row(f, "cpu", format_args!("pid {pid} exited during the run: its CPU time is unknown"))?;
        }
        if self.is_generator_busy() {
            row(f, "note", format_args!("load itself was the bottleneck: try more threads (-t)"))?;
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, text: fmt::Arguments<'_>) -> fmt::Result {
    writeln!(f, "{name:<12} {text}")
}

fn latency_row(f: &mut fmt::Formatter<'_>, name: &str, latency: &Latency) -> fmt::Result {
    let mut text = String::new();
    for micros in [latency.p50, latency.p90, latency.p99, latency.p99_9, latency.max] {
        write!(text, "{:>10} ", spell(micros))?;
    }
    row(f, name, format_args!("{}", text.trim_end()))
}

/// Three or four significant digits and a unit.
fn spell(micros: f64) -> String {
    match micros {
        _ if micros < 1_000.0 => format!("{micros:.0} µs"),
        _ if micros < 100_000.0 => format!("{:.2} ms", micros / 1e3),
        _ if micros < 1_000_000.0 => format!("{:.0} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

fn micros(nanos: u64) -> f64 {
    to_f64(nanos) / 1_000.0
}

fn mebibytes(bytes: u64) -> f64 {
    to_f64(bytes) / f64::from(1 << 20)
}

/// Zero instead of a division by zero.
fn ratio(count: u64, by: f64) -> f64 {
    if by > 0.0 { to_f64(count) / by } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "counts for people, exact up to 2^53")]
fn to_f64(count: u64) -> f64 {
    count as f64
}
