//! Goodput against offered load, without and with load shedding:
//! `cargo run -p chapter-07-rate-limiting --example overload`.
//!
//! The backend serves 16 requests at a time, each in 50 ms, so 320 per second; requests that it holds beyond that wait
//! in it, and slow it down. A client gives up after a second, and the backend does not notice. Goodput is what is
//! answered in time. Time is simulated, in steps of a millisecond; the limit and the queue are the balancer's own.

use std::{
    collections::VecDeque,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Wake, Waker},
    time::{Duration, Instant},
};

use advanced_features::{
    balance::policy::PickCounters,
    limit::{
        adaptive::{AdaptiveLimit, AdaptiveSlot, OverloadPolicy as _},
        queue::{Queue, QueueTicket, QueueTurn},
    },
};
use common::{clock, outln};
use rate_limiting::load_shed::{LimitKind, LoadShedConfig};

const CAPACITY: f64 = 16.0;
const SERVICE: Duration = Duration::from_millis(50);
const PEAK: f64 = 320.0;
const PATIENCE: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(1);
/// The first seconds, in which the limit finds itself, do not count.
const SECONDS: u32 = 25;
const WARM_UP_SECONDS: u32 = 5;

/// Set when the request should try again.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// A request in the backend, which has done its work when the backend has done so much for each of its requests.
struct InBackend {
    arrived: Instant,
    sent: Instant,
    done_at: f64,
    slot: Option<AdaptiveSlot>,
}

/// The backend shares its time fairly, so requests are done in the order in which they came.
#[derive(Default)]
struct Backend {
    requests: VecDeque<InBackend>,
    work_done: f64,
}

impl Backend {
    fn accept(&mut self, arrived: Instant, slot: Option<AdaptiveSlot>, now: Instant) {
        let done_at = self.work_done + SERVICE.as_secs_f64();
        self.requests.push_back(InBackend { arrived, sent: now, done_at, slot });
    }

    /// Works for a step; returns the requests that are done.
    fn work(&mut self) -> Vec<InBackend> {
        let held = f64::from(u32::try_from(self.requests.len()).unwrap_or(u32::MAX)).max(1.0);
        let overfull = (held - CAPACITY).max(0.0) / CAPACITY;
        self.work_done += STEP.as_secs_f64() * (CAPACITY / held).min(1.0) / (1.0 + overfull / 16.0);
        let done = self.requests.iter().take_while(|request| request.done_at <= self.work_done).count();
        self.requests.drain(..done).collect()
    }
}

/// The balancer in front of it: with an adaptive limit and its queue, or nothing.
struct Balancer {
    shedding: Option<(Arc<AdaptiveLimit>, Arc<Queue>)>,
    queued: Vec<(Instant, Arc<Woken>, QueueTicket)>,
}

impl Balancer {
    fn new(config: Option<LoadShedConfig>) -> Self {
        let shedding = config.map(|config| {
            let queue = Arc::new(Queue::with_discipline(1024, config.queue_discipline()));
            (Arc::new(AdaptiveLimit::new(config.limit_algorithm(), Arc::clone(&queue))), queue)
        });
        Self { shedding, queued: Vec::new() }
    }

    fn arrive(&mut self, backend: &mut Backend, now: Instant) {
        let Some((limit, queue)) = &self.shedding else { return backend.accept(now, None, now) };
        if queue.is_empty()
            && let Some(slot) = limit.try_acquire()
        {
            return backend.accept(now, Some(slot), now);
        }
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        if let Ok(ticket) = queue.enqueue(Waker::from(Arc::clone(&woken)), now) {
            self.queued.push((now, woken, ticket));
        }
    }

    /// Lets every request that has been woken try. One that leaves may wake another.
    fn serve_queue(&mut self, backend: &mut Backend, now: Instant) {
        let Some((limit, _)) = &self.shedding else { return };
        self.queued.retain(|(arrived, _, _)| now - *arrived < PATIENCE);
        while let Some(index) = self.queued.iter().position(|(_, woken, _)| woken.0.swap(false, Relaxed)) {
            let (arrived, _, ticket) = &self.queued[index];
            let slot = match ticket.turn(now) {
                QueueTurn::Next => limit.try_acquire(),
                QueueTurn::Wait => None,
                QueueTurn::Shed => {
                    self.queued.remove(index);
                    continue;
                }
            };
            if let Some(slot) = slot {
                backend.accept(*arrived, Some(slot), now);
                self.queued.remove(index);
            }
        }
    }
}

/// The goodput per second, and the 99th percentile of the latency of what was answered in time.
fn run(config: Option<LoadShedConfig>, rate: f64) -> (f64, Duration) {
    let (mut balancer, mut backend) = (Balancer::new(config), Backend::default());
    let random = PickCounters::with_seed(7);
    let start = clock::now();
    let mut next_arrival = start;
    let mut latencies = Vec::new();
    for step in 0..SECONDS * 1_000 {
        let now = start + STEP * step;
        while next_arrival <= now {
            balancer.arrive(&mut backend, next_arrival);
            // A Poisson process: independent clients.
            let uniform = f64::from(u32::try_from(random.next_random() >> 32).unwrap_or(0) | 1) / 2f64.powi(32);
            next_arrival += Duration::from_secs_f64(-uniform.ln() / rate);
        }
        for done in backend.work() {
            if let Some(slot) = done.slot {
                slot.record(done.sent, false, now);
            }
            let latency = now - done.arrived;
            if latency <= PATIENCE && step >= WARM_UP_SECONDS * 1_000 {
                latencies.push(latency);
            }
        }
        balancer.serve_queue(&mut backend, now);
    }
    latencies.sort_unstable();
    let goodput = f64::from(u32::try_from(latencies.len()).unwrap_or(u32::MAX)) / f64::from(SECONDS - WARM_UP_SECONDS);
    (goodput, latencies.get(latencies.len() * 99 / 100).copied().unwrap_or_default())
}

fn main() -> ExitCode {
    let shed = |limit| Some(LoadShedConfig { limit, target: Duration::from_millis(100) });
    let columns = [None, shed(LimitKind::Aimd { threshold: Duration::from_millis(75) }), shed(LimitKind::Gradient)];
    outln!("peak {PEAK}/s; goodput per second, and the p99 latency of responses in time\n");
    outln!("offered      no shedding       aimd, 75ms         gradient   goodput: - none, a aimd, g gradient");
    for percent in [50, 80, 95, 105, 120, 150, 200, 300] {
        let results = columns.map(|config| run(config, PEAK * f64::from(percent) / 100.0));
        let [none, aimd, gradient] = results.map(|(goodput, p99)| format!("{goodput:>7.0} {:>5} ms", p99.as_millis()));
        let mut plot = vec![b' '; 41];
        for ((goodput, _), mark) in results.iter().zip(*b"-ag") {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a column, capped")]
            let column = (goodput / PEAK * 40.0).min(40.0) as usize;
            plot[column] = mark;
        }
        outln!("{percent:>5} %  {none}  {aimd}  {gradient}   |{}", String::from_utf8_lossy(&plot).trim_end());
    }
    ExitCode::SUCCESS
}
