//! Four counters, one, two and eight threads, and a way to lose counts:
//! `cargo run --release -p chapter-08-metrics --example counters`.

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use common::{clock::now, outln};
use lb_metrics::{
    counter::{self, Counter},
    single_writer::SingleWriter,
};

const INCREMENTS: u32 = 2_000_000;

/// Increments from so many threads at once; returns the time per increment of one thread.
fn measure(counter: &dyn Counter, threads: usize) -> Duration {
    let start = Barrier::new(threads);
    let times: Vec<Duration> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    let began: Instant = now();
                    (0..INCREMENTS).for_each(|_| counter.increment(thread));
                    began.elapsed()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("it counts")).collect()
    });
    let expected = u64::try_from(threads).unwrap_or_default() * u64::from(INCREMENTS);
    assert_eq!(counter.value(), expected, "no increment is lost");
    times.iter().sum::<Duration>() / u32::try_from(threads).unwrap_or(1) / INCREMENTS
}

fn main() {
    outln!("the time of an increment, in nanoseconds");
    outln!("{:<20}{:>10}{:>10}{:>10}", "", "1 thread", "2 threads", "8 threads");
    for kind in 0..counter::all(1).len() {
        let times = [1, 2, 8].map(|threads| {
            let (_, counter) = &counter::all(threads)[kind];
            measure(&**counter, threads).as_nanos()
        });
        let name = counter::all(1)[kind].0;
        outln!("{name:<20}{:>10}{:>10}{:>10}", times[0], times[1], times[2]);
    }
    two_writers();
}

/// What the single writer must not be used for.
fn two_writers() {
    // Long enough for the two to run at the same time, or to be interrupted between load and store.
    const ADDITIONS: u64 = 50_000_000;
    let (number, start) = (SingleWriter::default(), Barrier::new(2));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                start.wait();
                // Opaque, or the compiler makes one addition of all.
                (0..ADDITIONS).for_each(|_| number.add(black_box(1)));
            });
        }
    });
    let (counted, all) = (number.get(), 2 * ADDITIONS);
    outln!("a single writer with two writers: {counted} of {all} counted, {} lost", all - counted);
}
