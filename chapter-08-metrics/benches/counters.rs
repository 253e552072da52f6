//! What an increment costs, on 1, 2 and 8 threads: `cargo bench -p chapter-08-metrics --bench counters`.
//!
//! One thread is measured while the others increment the same counter without a pause.

use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use criterion::{Criterion, criterion_group, criterion_main};
use lb_metrics::counter::{self, Counter};

fn measure(c: &mut Criterion, id: &str, counter: &dyn Counter, threads: usize) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for thread in 1..threads {
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Relaxed) {
                    counter.increment(black_box(thread));
                }
            });
        }
        c.bench_function(id, |b| b.iter(|| counter.increment(black_box(0))));
        stop.store(true, Relaxed);
    });
}

fn counters(c: &mut Criterion) {
    for threads in [1, 2, 8] {
        for (name, counter) in counter::all(threads) {
            measure(c, &format!("counter/{name}, {threads} threads"), &*counter, threads);
        }
    }
}

criterion_group!(benches, counters);
criterion_main!(benches);
