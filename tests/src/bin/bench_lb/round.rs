//! One round: a fresh target in front of fresh origins is warmed up, measured for a window, and stopped.
//!
//! Everything is started anew each time. That costs a tenth of a second, and no round inherits another's heap, pool or
//! memory layout, so the spread over the rounds is that of separate runs.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use common::shutdown::{Shutdown, ShutdownStage};
use tempfile::TempDir;

use crate::{
    clock,
    cores::Cores,
    load::{Arrivals, Datagrams, Driver, Load, SendMode, Tally},
    metric::{Metric, Sample},
    origin::{Count, Fleet},
    process::{Child, CpuTime, Memory, Space, tree},
    stats::rounded,
    strace,
    target::Target,
    topology::Topology,
    workload::{self, Manner, Origins, Workload},
};

/// Grace period for responses in flight when the window ends.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Time limit for serving every client once, and for the first response of a window.
const ONCE_TIMEOUT: Duration = Duration::from_secs(30);

/// The time limit of a window that is extended.
const LONGEST_WINDOW: Duration = Duration::from_mins(2);

/// More clients than this connect a few at a time: all at once they would overflow the accept queue, and those whose
/// connects are dropped retry after one second and more.
const MAX_AT_ONCE: usize = 1_024;

/// What all rounds of a run share.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) cores: Cores,
    pub(crate) origin: PathBuf,
    pub(crate) strace: Option<PathBuf>,
    pub(crate) workers: usize,
    /// How long pools fill, buffers grow and branch predictors learn before the window.
    pub(crate) warm_up: Duration,
    /// The length of the window.
    pub(crate) seconds: Duration,
    /// The bytes of large bodies that it is extended for.
    pub(crate) least_bytes: u64,
    pub(crate) stop: Shutdown,
}

/// The programs of one round. The target is dropped, and so stopped, first.
struct Stage {
    target: Child,
    addr: SocketAddr,
    fleet: Fleet,
    directory: TempDir,
}

impl Stage {
    /// The target's processes.
    fn pids(&self) -> io::Result<Vec<i32>> {
        tree(self.target.pid())
    }
}

impl Bench {
    /// Measures one round. `rate`: the requests per second of an open loop.
    pub(crate) fn round(&self, workload: &Workload, target: &Target, rate: Option<f64>) -> io::Result<Sample> {
        let stage = self.stage(workload, target)?;
        let sample = match workload.manner {
            Manner::Idle => self.idle(workload, &stage),
            Manner::ChecksOnly => self.checks_only(&stage),
            _ => self.window(workload, stage, rate),
        };
        if self.stop.is_draining() {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
        }
        sample
    }

    /// System calls per request, in a separate round.
    pub(crate) fn calls(&self, workload: &Workload, target: &Target) -> io::Result<BTreeMap<String, f64>> {
        let Some(program) = &self.strace else { return Ok(BTreeMap::new()) };
        let stage = self.stage(workload, target)?;
        let mut driver = self.load(workload, stage.addr, SendMode::Closed)?;
        driver.run(self.warm_up)?;
        driver.drain(DRAIN_TIMEOUT)?;
        driver.reset();
        let pids = stage.pids()?;
        let (calls, ()) = strace::count(program, &pids, self.space(&self.cores.load, &stage.directory), || {
            driver.run(self.seconds)?;
            driver.drain(DRAIN_TIMEOUT)
        })?;
        let answered = answered(driver.tally())?;
        #[expect(clippy::cast_precision_loss, reason = "calls of a second")]
        Ok(calls.into_iter().map(|(name, calls)| (name, rounded(calls as f64 / answered))).collect())
    }

    fn space<'a>(&'a self, cores: &'a [usize], directory: &'a TempDir) -> Space<'a> {
        Space { cores, home: &self.cores.load, directory: directory.path() }
    }

    fn stage(&self, workload: &Workload, target: &Target) -> io::Result<Stage> {
        let directory = tempfile::tempdir()?;
        workload.write_files(&directory.path().join(workload::DIRECTORY))?;
        let fleet = Fleet::start(&self.origin, workload.origins, self.space(&self.cores.origins, &directory))?;
        let space = self.space(&self.cores.target, &directory);
        let topology = Topology {
            backends: &fleet.addresses(),
            routes: workload.routes,
            max_clients: workload.max_clients(),
            pool: workload.pool(),
            pipe_bytes: workload.pipe_bytes(),
            workers: self.workers,
        };
        let (target, addr) = target.start(topology, space)?;
        Ok(Stage { target, addr, fleet, directory })
    }

    /// The load of a workload, with all its clients connected if they are many.
    fn load(&self, workload: &Workload, to: SocketAddr, mode: SendMode) -> io::Result<Box<dyn Load + '_>> {
        if let Manner::Datagrams { window } = workload.manner {
            let bytes = usize::try_from(workload.answer_bytes).unwrap_or(usize::MAX);
            return Ok(Box::new(Datagrams::new(to, workload.clients, window, bytes, &self.stop)?));
        }
        let mut driver = self.driver(workload, to, mode)?;
        if workload.clients > MAX_AT_ONCE {
            let connected = driver.request_once(ONCE_TIMEOUT)?;
            if connected < workload.clients {
                return Err(io::Error::other(format!("it served only {connected} of {} clients", workload.clients)));
            }
        }
        Ok(Box::new(driver))
    }

    fn driver(&self, workload: &Workload, to: SocketAddr, mode: SendMode) -> io::Result<Driver<'_>> {
        Driver::new(to, workload.request(to), workload.clients, mode, &self.stop)
    }

    fn window(&self, workload: &Workload, mut stage: Stage, rate: Option<f64>) -> io::Result<Sample> {
        let mode = rate.map_or(SendMode::Closed, |rate| SendMode::Open(Arrivals::new(rate)));
        let mut driver = self.load(workload, stage.addr, mode)?;
        driver.run(self.warm_up)?;
        let counted = stage.fleet.count()?;
        // Reading the origins' counters took time, in which responses waited: a second, shorter warm-up drains those.
        driver.run(self.warm_up / 4)?;
        driver.reset();

        let pids = stage.pids()?;
        let (before, start) = (CpuTime::of(&pids)?, clock::now());
        if workload.manner == Manner::Killing {
            driver.run(self.seconds / 2)?;
            stage.fleet.kill_one();
            driver.run(self.seconds / 2)?;
        } else {
            driver.run(self.seconds)?;
            self.extend_window(driver.as_mut(), workload, start)?;
        }
        let elapsed = clock::now().saturating_duration_since(start).as_secs_f64();
        let (user, system) = CpuTime::of(&pids)?.since(before);
        let requests = driver.tally().answered;
        let answered = answered(driver.tally())?;

        driver.drain(DRAIN_TIMEOUT)?;
        let mut figures = cpu_figures(workload, user, system, answered);
        let cores = to_f64(self.cores.target.len() as u64);
        figures.push((Metric::Busy, (user + system).as_secs_f64() / elapsed / cores));
        figures.push((Metric::RequestsPerS, answered / elapsed));
        figures.push((Metric::PeakRssKib, to_f64(Memory::of(&pids)?.peak_kib)));
        for (metric, part) in [(Metric::P50Us, 0.5), (Metric::P99Us, 0.99)] {
            figures.extend(driver.tally().quantile_us(part).map(|latency| (metric, latency)));
        }
        if workload.is_counted_by_origins() {
            figures.extend(upstream_figures(workload, &stage.fleet.since(&counted)?));
        }
        Ok(sample(requests, driver.tally(), figures))
    }

    /// Extends a window that began at `start` until a response has arrived or failed: with large bodies and a busy
    /// machine, a short window may hold none, and then there is nothing to divide by. And until the least bytes have.
    fn extend_window(&self, driver: &mut dyn Load, workload: &Workload, start: Instant) -> io::Result<()> {
        let has_none = |tally: &Tally| tally.answered == 0 && tally.errors() == 0;
        while has_none(driver.tally()) && clock::now() < start + ONCE_TIMEOUT && !self.stop.is_draining() {
            driver.run(self.seconds)?;
        }
        let least_answers =
            self.least_bytes.checked_div(workload.answer_bytes).filter(|_| workload.has_large_answers());
        let has_few = |tally: &Tally| tally.answered < least_answers.unwrap_or_default();
        while has_few(driver.tally()) && clock::now() < start + LONGEST_WINDOW && !self.stop.is_draining() {
            driver.run(self.seconds)?;
        }
        Ok(())
    }

    /// The CPU time of a target that nobody sends requests to.
    fn checks_only(&self, stage: &Stage) -> io::Result<Sample> {
        self.stop.wait_timeout(ShutdownStage::Draining, self.warm_up);
        let pids = stage.pids()?;
        let (before, start) = (CpuTime::of(&pids)?, clock::now());
        self.stop.wait_timeout(ShutdownStage::Draining, self.seconds);
        let elapsed = clock::now().saturating_duration_since(start).as_secs_f64();
        let (user, system) = CpuTime::of(&pids)?.since(before);
        let figures = vec![
            (Metric::CpuMsPerS, (user + system).as_secs_f64() * 1_000.0 / elapsed),
            (Metric::PeakRssKib, to_f64(Memory::of(&pids)?.peak_kib)),
        ];
        Ok(sample(0, &Tally::new(), figures))
    }

    fn idle(&self, workload: &Workload, stage: &Stage) -> io::Result<Sample> {
        let mut driver = self.driver(workload, stage.addr, SendMode::Once)?;
        let pids = stage.pids()?;
        let before = Memory::of(&pids)?;
        let connected = driver.request_once(ONCE_TIMEOUT)?;
        let after = Memory::of(&stage.pids()?)?;
        let requests = driver.tally().answered;
        answered(driver.tally())?;
        let grown = to_f64(after.now_kib.saturating_sub(before.now_kib)) * 1_024.0;
        let figures = vec![
            (Metric::BytesPerClient, grown / to_f64(connected.max(1) as u64)),
            (Metric::PeakRssKib, to_f64(after.peak_kib)),
        ];
        Ok(sample(requests, driver.tally(), figures))
    }
}

fn cpu_figures(workload: &Workload, user: Duration, system: Duration, answered: f64) -> Vec<(Metric, f64)> {
    let per_request = |time: Duration| time.as_secs_f64() * 1e6 / answered;
    let mut figures = vec![
        (Metric::CpuUs, per_request(user + system)),
        (Metric::UserUs, per_request(user)),
        (Metric::SystemUs, per_request(system)),
    ];
    // For small bodies the cost per byte is not distinguishable from the cost per request.
    if workload.has_large_answers() {
        let gib = answered * to_f64(workload.answer_bytes) / f64::from(1 << 30);
        figures.push((Metric::CpuSPerGib, (user + system).as_secs_f64() / gib));
    }
    figures
}

/// `counts`: what the target caused at each origin.
fn upstream_figures(workload: &Workload, counts: &[Count]) -> Vec<(Metric, f64)> {
    let requests = to_f64(counts.iter().map(|count| count.requests).sum::<u64>().max(1));
    let connections = to_f64(counts.iter().map(|count| count.connections).sum());
    let mut figures = vec![(Metric::UpstreamPer1000, connections * 1_000.0 / requests)];
    // The slow one is the last.
    if let (Origins::OneSlow { .. }, Some(slow)) = (workload.origins, counts.last()) {
        figures.push((Metric::SlowPercent, to_f64(slow.requests) * 100.0 / requests));
    }
    figures
}

fn sample(requests: u64, tally: &Tally, figures: Vec<(Metric, f64)>) -> Sample {
    Sample {
        round: 0,
        requests,
        errors: tally.errors(),
        failures: tally.failures().map(|(failure, count)| (failure.name().to_owned(), count)).collect(),
        figures: figures.into_iter().map(|(metric, figure)| (metric, rounded(figure))).collect(),
    }
}

/// The divisor of all per-request figures.
fn answered(tally: &Tally) -> io::Result<f64> {
    if tally.answered > 0 {
        return Ok(to_f64(tally.answered));
    }
    let failures: Vec<_> = tally.failures().map(|(failure, count)| format!("{} {count}", failure.name())).collect();
    Err(io::Error::other(format!("no request was answered; failed: {}", failures.join(", "))))
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run are exact in a float")]
fn to_f64(count: u64) -> f64 {
    count as f64
}
