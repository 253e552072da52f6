//! What a turn costs under a mutex and as an atomic, alone and contended: `cargo bench -p chapter-03-load-balancer`.
//!
//! Each measurement is of one thread's turn while the others take theirs as fast as they can. Real requests leave
//! a thousand times more room between two turns: this is the worst that contention can do.

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
/// The turn as one would write it first: a number, and a lock around it.
#[derive(Debug, Default)]
struct LockedTurn {
    turn: Mutex<usize>,
}

impl LockedTurn {
    fn next(&self) -> usize {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        *turn = turn.wrapping_add(1);
        *turn
    }
}
// ANCHOR_END: naive

impl LockedTurn {
    /// As [`RoundRobin::pick`], with the lock in the counter's place.
    fn pick(&self, usable: impl Fn(usize) -> bool) -> usize {
        let candidates = (0..BACKENDS).filter(|slot| usable(*slot)).count();
        let turn = self.next() % candidates.max(1);
        (0..BACKENDS).filter(|slot| usable(*slot)).nth(turn).unwrap_or(0)
    }
}

/// Measures `pick` on this thread while `threads - 1` others call it without pause.
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
            c.bench_function(&format!("turn/{name}, {threads} threads"), |b| b.iter(&pick));
            stop.store(true, Relaxed);
        });
    }
}

/// Nobody is down. The compiler must not know.
fn is_up(slot: usize) -> bool {
    black_box(slot) < BACKENDS
}

fn turns(c: &mut Criterion) {
    let (locked, atomic, ours) = (LockedTurn::default(), AtomicUsize::default(), RoundRobin::default());
    measure(c, "mutex, the number alone", || locked.next() % BACKENDS);
    measure(c, "atomic, the number alone", || atomic.fetch_add(1, Relaxed) % BACKENDS);
    measure(c, "mutex, asking who is up", || locked.pick(is_up));
    measure(c, "atomic, asking who is up (ours)", || ours.pick(BACKENDS, is_up).unwrap_or(0));
}

criterion_group!(benches, turns);
criterion_main!(benches);
