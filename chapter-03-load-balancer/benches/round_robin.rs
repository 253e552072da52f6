//! The cost of a round-robin pick with a mutex and with an atomic, alone and contended:
//! `cargo bench -p chapter-03-load-balancer`.
//!
//! Each benchmark measures the picks of one thread while the other threads pick as fast as they can. Real requests
//! leave a thousand times more time between two picks, so this is the worst case of contention.

use std::{
    hint::black_box,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use criterion::{Criterion, criterion_group, criterion_main};
use load_balancer::round_robin::RoundRobin;

const BACKENDS: usize = 3;

// ANCHOR: naive
/// The naive round-robin counter: a number behind a mutex.
#[derive(Debug, Default)]
struct LockedCounter {
    counter: Mutex<usize>,
}

impl LockedCounter {
    fn next(&self) -> usize {
        let mut counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
        *counter = counter.wrapping_add(1);
        *counter
    }
}
// ANCHOR_END: naive

impl LockedCounter {
    /// As [`RoundRobin::pick`], with a mutex instead of the atomic counter.
    fn pick(&self, usable: impl Fn(usize) -> bool) -> usize {
        let usable_count = (0..BACKENDS).filter(|slot| usable(*slot)).count();
        let offset = self.next() % usable_count.max(1);
        (0..BACKENDS).filter(|slot| usable(*slot)).nth(offset).unwrap_or(0)
    }
}

/// Measures `pick` on this thread while `threads - 1` other threads call it in a loop.
fn measure(c: &mut Criterion, name: &str, pick: impl Fn() -> usize + Sync) {
    for threads in [1, 2] {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| {
                    while !stop.load(Relaxed) {
                        black_box(pick());
                    }
                });
            }
            c.bench_function(&format!("pick/{name}, {threads} threads"), |b| b.iter(&pick));
            stop.store(true, Relaxed);
        });
    }
}

/// Always true, but the compiler must not know that.
fn is_up(slot: usize) -> bool {
    black_box(slot) < BACKENDS
}

fn picks(c: &mut Criterion) {
    let (locked, atomic, round_robin) = (LockedCounter::default(), AtomicUsize::default(), RoundRobin::default());
    measure(c, "mutex, the number alone", || locked.next() % BACKENDS);
    measure(c, "atomic, the number alone", || atomic.fetch_add(1, Relaxed) % BACKENDS);
    measure(c, "mutex, checking the server is up", || locked.pick(is_up));
    measure(c, "atomic, checking the server is up (ours)", || round_robin.pick(BACKENDS, is_up).unwrap_or(0));
}

criterion_group!(benches, picks);
criterion_main!(benches);
