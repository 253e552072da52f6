//! Minutes of mixed traffic: clients of many kinds, and backends of which one at a time injects faults.

use std::thread;
use std::time::{Duration, Instant};

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::process::Program;
use crate::wait::{ms, pause, until};

mod clients;
mod faulty_backends;

use faulty_backends::FaultyBackends;

cases! { "retry" from 5;
    Full mixed_faults_for_minutes_lose_no_request_and_leak_nothing within ms(2_000_000),
}

const DURATION: Duration = Duration::from_mins(10);
/// For shared connections, which keep more state.
const DURATION_WITH_SHARED_CONNECTIONS: Duration = Duration::from_mins(30);
const CLIENTS: usize = 48;
/// How much memory may still grow after the warm-up.
const MAX_GROWTH_KIB: u64 = 4 * 1024;

fn mixed_faults_for_minutes_lose_no_request_and_leak_nothing(ctx: &Context) {
    let duration = if ctx.upstreams_are_shared() { DURATION_WITH_SHARED_CONNECTIONS } else { DURATION };
    let end = Instant::now() + duration;
    let backends = FaultyBackends::start();
    let addrs: Vec<_> = backends.backends().iter().map(Backend::addr).collect();
    // Connections that are idle at the end must be closed soon.
    let flags: &[&str] = if ctx.upstreams_are_shared() { &["--upstream-idle-timeout", "2s"] } else { &[] };
    let mut program = ctx.start(&addrs, flags);
    let files = program.fds();
    let usage = thread::scope(|scope| {
        let (backends, program) = (&backends, &program);
        scope.spawn(move || backends.inject_faults(end));
        for number in 0..CLIENTS {
            scope.spawn(move || clients::run(backends, program.addr(), number, end));
        }
        sample_usage(backends, program, duration, end)
    });
    program.assert_running();
    println!("retry: {usage:?} in {duration:?}: {backends:?}");
    backends.assert_nothing_lost();
    assert!(usage.last_kib <= usage.early_kib + MAX_GROWTH_KIB, "memory grows: {usage:?}");
    // Each client has its own connection, one to each of the backends, and one that is about to be closed.
    assert!(usage.max_fds <= files + CLIENTS * (addrs.len() + 2), "{files} files at first: {usage:?}");
    until("every descriptor is closed", || program.fds() <= files + 2);
}

/// The resources that the program used.
#[derive(Debug)]
struct ResourceUsage {
    /// The least resident memory in the second sixth of the time, and in the last: a short peak is no growth.
    early_kib: u64,
    last_kib: u64,
    max_fds: usize,
}

fn sample_usage(backends: &FaultyBackends, program: &Program, duration: Duration, end: Instant) -> ResourceUsage {
    let mut usage = ResourceUsage { early_kib: u64::MAX, last_kib: u64::MAX, max_fds: 0 };
    while backends.is_running(end) {
        let left = end.saturating_duration_since(Instant::now());
        let now = program.rss_kib();
        if left < duration / 6 {
            usage.last_kib = usage.last_kib.min(now);
        } else if (duration * 4 / 6..duration * 5 / 6).contains(&left) {
            usage.early_kib = usage.early_kib.min(now);
        }
        usage.max_fds = usage.max_fds.max(program.fds());
        pause(ms(100));
    }
    usage
}
