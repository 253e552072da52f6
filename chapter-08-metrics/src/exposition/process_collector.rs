//! What the kernel counts of this process, under the names that every Prometheus client uses.

use std::{fs, time::Duration};

use common::clock::wall_clock;
use nix::sys::{
    resource::{Resource, UsageWho, getrlimit, getrusage},
    time::TimeVal,
};
use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::family::{Family, count, number, seconds};

const CPU: Family = Family::counter(
    "process_cpu_seconds_total",
    &[],
    "The time that this process has computed, in user and kernel mode.",
);
const START: Family =
    Family::gauge("process_start_time_seconds", &[], "When this process started, in seconds since 1970 (UTC).");
const OPEN_FDS: Family = Family::gauge("process_open_fds", &[], "Open file descriptors.");
const MAX_FDS: Family = Family::gauge("process_max_fds", &[], "The most file descriptors that may be open.");
const RESIDENT: Family = Family::gauge("process_resident_memory_bytes", &[], "Resident memory.");
const VIRTUAL: Family = Family::gauge("process_virtual_memory_bytes", &[], "Virtual memory.");
const THREADS: Family = Family::gauge("process_threads", &[], "Threads.");

const ALL: [Family; 7] = [CPU, START, OPEN_FDS, MAX_FDS, RESIDENT, VIRTUAL, THREADS];

/// The process's own metrics. Those that the platform does not provide are omitted.
#[derive(Debug)]
pub struct ProcessCollector {
    started_at: Duration,
    descs: Vec<Desc>,
}

impl Default for ProcessCollector {
    /// Of this process, which has just started.
    fn default() -> Self {
        let started_at = wall_clock().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self { started_at, descs: ALL.iter().map(Family::desc).collect() }
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kib = |key| status_value(&status, key).map(|kib| count(kib * 1024));
        let values = [
            (CPU, cpu().map(seconds)),
            (START, Some(seconds(self.started_at))),
            // One of them is that of the directory being read.
            (OPEN_FDS, fs::read_dir("/proc/self/fd").ok().map(|fds| number(fds.count().saturating_sub(1)))),
            (MAX_FDS, getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| count(soft))),
            (RESIDENT, kib("VmRSS:")),
            (VIRTUAL, kib("VmSize:")),
            (THREADS, status_value(&status, "Threads:").map(count)),
        ];
        values.into_iter().filter_map(|(family, value)| value.map(|value| family.with_one(value))).collect()
    }
}

/// The number behind a key of `/proc/self/status`.
fn status_value(status: &str, key: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

fn cpu() -> Option<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let duration = |time: TimeVal| {
        let micros = time.tv_sec().saturating_mul(1_000_000).saturating_add(time.tv_usec());
        Duration::from_micros(u64::try_from(micros).unwrap_or_default())
    };
    Some(duration(usage.user_time()) + duration(usage.system_time()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_what_it_uses() {
        let families = ProcessCollector::default().collect();
        let value = |name: &str| {
            let family = families.iter().find(|family| family.name() == name)?;
            let metric = family.get_metric().first()?;
            Some(metric.get_gauge().get_value() + metric.get_counter().get_value())
        };
        assert!(value("process_start_time_seconds").is_some_and(|seconds| seconds > 1.7e9));
        assert!(value("process_cpu_seconds_total").is_some());
        if cfg!(target_os = "linux") {
            assert!(value("process_resident_memory_bytes").is_some_and(|bytes| bytes > 100_000.0));
            assert!(value("process_open_fds") >= Some(3.0) && value("process_threads") >= Some(1.0));
        }
    }

    #[test]
    fn a_line_of_the_status_has_a_number() {
        let status = "VmRSSx:\t1 kB\nVmRSS:\t  12 kB\nThreads:\tx\n";
        assert_eq!((status_value(status, "VmRSS:"), status_value(status, "Threads:")), (Some(12), None));
        assert_eq!(status_value(status, "VmSize:"), None);
    }
}
