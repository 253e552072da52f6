//! The cost of a decision: `cargo bench -p chapter-07-rate-limiting --bench limits`.
//!
//! For a key that the table knows, on one thread, and while another thread asks for the same key without a pause; and
//! for keys that are all new, in a table that is full.

use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use rate_limiting::{
    algorithm::{FixedWindow, Gcra, GovernorGcra, SlidingLog, SlidingWindow, TokenBucket},
    limiter::{KeyedLimiter, RateLimiter},
    rate::{Quota, Rate},
    table::Key,
};

const KEYS: usize = 65_536;

fn limiters(epoch: Instant) -> Vec<(&'static str, Box<dyn RateLimiter>)> {
    let rate: Rate = "1000000/s".parse().expect("a rate");
    // Logs are for low rates: this one refuses nearly all.
    let low: Rate = "100/s".parse().expect("a rate");
    let quota = Quota::new(rate);
    vec![
        ("gcra", Box::new(KeyedLimiter::new(Gcra::new(quota, epoch), KEYS))),
        ("governor", Box::new(KeyedLimiter::new(GovernorGcra::new(quota, epoch), KEYS))),
        ("token", Box::new(KeyedLimiter::new(TokenBucket::new(quota, epoch), KEYS))),
        ("fixed", Box::new(KeyedLimiter::new(FixedWindow::new(rate, epoch), KEYS))),
        ("sliding", Box::new(KeyedLimiter::new(SlidingWindow::new(rate, epoch), KEYS))),
        ("log", Box::new(KeyedLimiter::new(SlidingLog::new(low, epoch), KEYS))),
    ]
}

/// One microsecond per check: half of the checks exceed a million per second where two threads ask.
fn measure(c: &mut Criterion, id: &str, limiter: &dyn RateLimiter, epoch: Instant, threads: usize) {
    let (stop, clock) = (AtomicBool::new(false), AtomicU64::new(0));
    let check = |clock: &AtomicU64| {
        let now = epoch + Duration::from_micros(clock.fetch_add(1, Relaxed));
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

#[expect(clippy::disallowed_methods, reason = "one instant for all; reading the clock is the engine's cost")]
fn known_key(c: &mut Criterion) {
    let epoch = Instant::now();
    for (name, limiter) in limiters(epoch) {
        for threads in [1, 2] {
            measure(c, &format!("limit/{name}, {threads} threads"), &*limiter, epoch, threads);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "as above")]
fn new_keys(c: &mut Criterion) {
    let epoch = Instant::now();
    let quota = Quota::new("1/h".parse().expect("a rate"));
    let limiter = KeyedLimiter::new(Gcra::new(quota, epoch), KEYS);
    let mut hash = 0_u64;
    c.bench_function("limit/gcra, only new keys", |b| {
        b.iter(|| {
            hash = hash.wrapping_add(0x9E37_79B9_7F4A_7C15);
            limiter.check(Key::from_hash(hash ^ hash >> 29), 1, epoch)
        });
    });
}

criterion_group!(benches, known_key, new_keys);
criterion_main!(benches);
