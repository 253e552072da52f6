//! One run: starts the threads, keeps the time, and merges their counters.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use common::shutdown::Shutdown;
use integration_tests::cpu::CpuTime;

use crate::{
    clock, load_thread,
    plan::Plan,
    progress::{self, Progress},
    report::{ProcessUse, Report},
    schedule::{Limit, Schedule},
    tally::{Gauge, Tally},
};

type End = io::Result<Tally>;

/// Runs the load and returns the report; `pids`: the processes whose CPU time is reported.
pub(crate) fn run(plan: &Arc<Plan>, pids: &[u32], quiet: bool, shutdown: &Shutdown) -> io::Result<Report> {
    let schedule = Arc::new(Schedule::new(clock::now(), plan.warm_up, plan.limit, plan.rate));
    CpuMeter::start(pids)?; // a mistyped --pid must not cost a run
    let (gauges, ends) = start_threads(plan, &schedule, shutdown)?;
    let progress = Progress::new(quiet, gauges, plan.limit, (schedule.start, plan.warm_up));
    let mut watch = Watch { ends, progress, tallies: Vec::new(), threads: plan.threads as usize };

    watch.until(Some(schedule.measured_from()))?;
    let meter = CpuMeter::start(pids)?;
    watch.until(None)?;

    let mut tallies = std::mem::take(&mut watch.tallies).into_iter();
    let mut tally = tallies.next().ok_or_else(|| io::Error::other("no thread ran"))?;
    tallies.for_each(|other| tally.merge(&other));
    let interrupted = shutdown.is_draining();
    let elapsed = elapsed(&schedule, plan.limit, &tally, interrupted);
    let mut report = Report::new(plan, &tally, elapsed);
    report.interrupted = interrupted;
    report.never_sent = if interrupted { 0 } else { schedule.never_sent() };
    meter.finish(&mut report);
    Ok(report)
}

/// The time that the rate is based on: the whole duration even if the last response arrived earlier, and longer if it
/// arrived later.
fn elapsed(schedule: &Schedule, limit: Limit, tally: &Tally, interrupted: bool) -> Duration {
    let since = |end: Instant| end.saturating_duration_since(schedule.measured_from());
    let until_last = tally.last_end.map(since).unwrap_or_default();
    match limit {
        _ if interrupted => since(clock::now()),
        Limit::For(duration) => until_last.max(duration),
        Limit::Requests(_) => until_last,
    }
}

fn start_threads(
    plan: &Arc<Plan>,
    schedule: &Arc<Schedule>,
    shutdown: &Shutdown,
) -> io::Result<(Vec<Arc<Gauge>>, Receiver<End>)> {
    let (ended, ends) = mpsc::channel();
    let mut gauges = Vec::new();
    for index in 0..plan.threads {
        let gauge = Arc::new(Gauge::default());
        gauges.push(Arc::clone(&gauge));
        let tally = Tally::new(gauge, plan.rate.is_some()).map_err(io::Error::other)?;
        let (plan, schedule) = (Arc::clone(plan), Arc::clone(schedule));
        let (ended, shutdown) = (ended.clone(), shutdown.clone());
        thread::Builder::new().name(format!("load-{index}")).spawn(move || {
            let share = plan.share(index);
            // The receiver is gone only if another thread has already failed the run.
            let _ = ended.send(load_thread::run(plan, &schedule, share, tally, &shutdown));
        })?;
    }
    Ok((gauges, ends))
}

/// Waits for the threads and updates the progress bar.
struct Watch {
    ends: Receiver<End>,
    progress: Progress,
    tallies: Vec<Tally>,
    threads: usize,
}

impl Watch {
    /// Returns when all threads have ended, or at `limit`.
    fn until(&mut self, limit: Option<Instant>) -> io::Result<()> {
        while self.tallies.len() < self.threads {
            let now = clock::now();
            let left = limit.map_or(progress::INTERVAL, |limit| limit.saturating_duration_since(now));
            if left.is_zero() {
                break;
            }
            match self.ends.recv_timeout(left.min(progress::INTERVAL)) {
                Ok(end) => self.tallies.push(end?),
                Err(RecvTimeoutError::Timeout) => self.progress.show(clock::now()),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("a load thread panicked"));
                }
            }
        }
        Ok(())
    }
}

/// CPU times at the end of the warm-up, which are subtracted from those at the end.
struct CpuMeter {
    pids: Vec<(u32, CpuTime)>,
    own: Option<CpuTime>,
}

impl CpuMeter {
    fn start(pids: &[u32]) -> io::Result<Self> {
        if !CpuTime::is_available() {
            return Ok(Self { pids: Vec::new(), own: None });
        }
        let read = |&pid: &u32| {
            let time = CpuTime::of(&pid.to_string());
            time.map(|time| (pid, time)).map_err(|error| io::Error::other(format!("--pid {pid}: {error}")))
        };
        let pids = pids.iter().map(read).collect::<io::Result<_>>()?;
        Ok(Self { pids, own: CpuTime::of("self").ok() })
    }

    /// Writes the times since `start` into the report.
    fn finish(self, report: &mut Report) {
        let requests = report.requests;
        let used = |pid: u32, name: &str, before: CpuTime| {
            let now = CpuTime::of(name).ok()?;
            Some(ProcessUse::new(pid, now.since(before), requests))
        };
        for (pid, before) in self.pids {
            match used(pid, &pid.to_string(), before) {
                Some(process) => report.processes.push(process),
                None => report.ended_pids.push(pid),
            }
        }
        report.generator = self.own.and_then(|before| used(std::process::id(), "self", before));
    }
}
