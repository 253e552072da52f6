//! Waiting with deadlines, and the only place that sleeps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The time limit for any expected event: far more than a loaded machine needs.
pub const TEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Short for `Duration::from_millis`, for tables and arguments.
pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Sleeps. Only for a pause that is itself the stimulus (a slow peer), never to wait for something.
pub fn pause(length: Duration) {
    thread::sleep(length);
}

/// Polls `probe` until it returns a value or `within` has passed.
pub fn eventually<T>(within: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        pause(ms(3));
    }
}

/// Like [`eventually`], for a condition; panics with `what` when it does not become true within [`TEST_TIMEOUT`].
pub fn until(what: &str, mut claim: impl FnMut() -> bool) {
    let held = eventually(TEST_TIMEOUT, || claim().then_some(()));
    assert!(held.is_some(), "not within {TEST_TIMEOUT:?}: {what}");
}

/// Sets the flag when dropped, also by a panic, so that no thread runs on after its test has failed.
#[derive(Debug)]
pub struct StopOnDrop<'a>(pub &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
