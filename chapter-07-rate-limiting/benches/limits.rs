//! The cost of a decision: `cargo bench -p chapter-07-rate-limiting --bench limits`.
//!
//! For a key that the table knows, on one thread, and while another thread asks for the same key without a pause; and
//! for keys that are all new, in a table that is full.

use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use criterion::{Criterion, criterion_group, criterion_main};
use rate_limiting::{
    algorithm::{FixedWindow, Gcra, GovernorGcra, SlidingLog, SlidingWindow, TokenBucket},
    limiter::{KeyedLimiter, RateLimiter},
    rate::{Quota, Rate},
    table::Key,
};

const KEYS: usize = 65_536;

fn limiters() -> Vec<(&'static str, Box<dyn RateLimiter>)> {
    let rate: Rate = "1000000/s".parse().expect("a rate");
    // Logs are for low rates: this one refuses nearly all.
    let low: Rate = "100/s".parse().expect("a rate");
    let quota = Quota::new(rate);
    vec![
        ("gcra", Box::new(KeyedLimiter::new(Gcra::new(quota), KEYS))),
        ("governor", Box::new(KeyedLimiter::new(GovernorGcra::new(quota), KEYS))),
        ("token", Box::new(KeyedLimiter::new(TokenBucket::new(quota), KEYS))),
        ("fixed", Box::new(KeyedLimiter::new(FixedWindow::new(rate), KEYS))),
        ("sliding", Box::new(KeyedLimiter::new(SlidingWindow::new(rate), KEYS))),
        ("log", Box::new(KeyedLimiter::new(SlidingLog::new(low), KEYS))),
    ]
}

/// One microsecond per check: half of the checks exceed a million per second where two threads ask.
fn measure(c: &mut Criterion, id: &str, limiter: &dyn RateLimiter, threads: usize) {
    let (stop, clock) = (AtomicBool::new(false), AtomicU64::new(0));
    let check = |clock: &AtomicU64| {
        let now = Duration::from_micros(clock.fetch_add(1, Relaxed));
        limiter.check(black_box(Key::from_hash(0x1234_5678_9abc_def0)), 1, now)
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // A clock of its own: the benchmark does not measure the clock.
            scope.spawn(|| {
                let clock = AtomicU64::new(0);
                while !stop.load(Relaxed) {
                    black_box(check(&clock));
                }
            });
        }
        c.bench_function(id, |b| b.iter(|| check(&clock)));
        stop.store(true, Relaxed);
    });
}

fn known_key(c: &mut Criterion) {
    for (name, limiter) in limiters() {
        for threads in [1, 2] {
            measure(c, &format!("limit/{name}, {threads} threads"), &*limiter, threads);
        }
    }
}

fn new_keys(c: &mut Criterion) {
    let quota = Quota::new("1/h".parse().expect("a rate"));
    let limiter = KeyedLimiter::new(Gcra::new(quota), KEYS);
    let mut hash = 0_u64;
    c.bench_function("limit/gcra, only new keys", |b| {
        b.iter(|| {
            hash = hash.wrapping_add(0x9E37_79B9_7F4A_7C15);
            limiter.check(Key::from_hash(hash ^ hash >> 29), 1, Duration::ZERO)
        });
    });
}

criterion_group!(benches, known_key, new_keys);
criterion_main!(benches);
