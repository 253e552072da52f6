//! The cost of a pick under each algorithm: `cargo bench -p chapter-04-advanced-features --bench picks`.
//!
//! With 3 to 10,000 backends, all of them eligible, on one thread and while another thread picks continuously from
//! the same picker. With real requests the time between two picks is a thousand times longer: the second thread shows
//! the worst case of contention, not the expected one.
//!
//! Append `-- --warm-up-time 0.05 --measurement-time 0.1 --sample-size 20` to finish in seconds.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use advanced_features::balance::policy::{Algorithm, Candidate, PeakEwma, PickCounters, Picker, hash};
use criterion::{Criterion, criterion_group, criterion_main};

/// A backend as on the request path: each of its counters, and what does not change, on a cache line of its own.
#[derive(Debug)]
struct Backend {
    key: u64,
    in_flight: InFlight,
    ewma: PeakEwma,
}

#[derive(Debug)]
#[repr(align(64))]
struct InFlight(AtomicU32);

impl Candidate for Backend {
    fn name_hash(&self) -> u64 {
        self.key
    }

    fn weight(&self) -> u32 {
        1
    }

    fn in_flight(&self) -> u32 {
        self.in_flight.0.load(Relaxed)
    }

    fn latency(&self, now: Instant) -> Duration {
        self.ewma.latency(now)
    }
}

/// Backends with a known latency, each with a few requests in flight.
fn backends(count: u64, now: Instant) -> Vec<Arc<Backend>> {
    let backend = |i| {
        let ewma = PeakEwma::new(now);
        ewma.record(Duration::from_micros(500 + i), now);
        let load = (hash::mix(i) % 4).try_into().expect("below 4");
        Arc::new(Backend { key: hash::mix(i), in_flight: InFlight(AtomicU32::new(load)), ewma })
    };
    (0..count).map(backend).collect()
}

/// Measures picks on this thread while `threads - 1` others pick continuously.
fn measure(c: &mut Criterion, name: &str, picker: &Picker<Arc<Backend>>, now: Instant) {
    let keys = AtomicU64::new(0);
    // Each thread counts its own keys, so that the benchmark does not measure the counter.
    let pick = |key: &mut u64| {
        *key = key.wrapping_add(1);
        picker.pick(*key, now, |backend| black_box(backend.key) != 0).map(|backend| backend.key)
    };
    for threads in [1, 2] {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| {
                    let mut key = keys.fetch_add(1 << 32, Relaxed);
                    while !stop.load(Relaxed) {
                        black_box(pick(&mut key));
                    }
                });
            }
            let mut key = keys.fetch_add(1 << 32, Relaxed);
            let backends = picker.candidates().len();
            let id = format!("pick/{name}, {backends} backends, {threads} threads");
            c.bench_function(&id, |b| b.iter(|| pick(&mut key)));
            stop.store(true, Relaxed);
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "one instant for all picks; reading the clock is the engine's cost")]
fn picks(c: &mut Criterion) {
    let now = Instant::now();
    let bounded = [(Algorithm::Maglev, Some(1.25))];
    let algorithms = Algorithm::all().into_iter().map(|algorithm| (algorithm, None)).chain(bounded);
    for (algorithm, factor) in algorithms {
        for count in [3, 30, 300, 1_000, 10_000] {
            let picker = Picker::new(algorithm, factor, backends(count, now), Arc::new(PickCounters::with_seed(1)));
            let name = factor.map_or_else(|| algorithm.to_string(), |factor| format!("{algorithm} bounded {factor}"));
            measure(c, &name, &picker, now);
        }
    }
}

criterion_group!(benches, picks);
criterion_main!(benches);
