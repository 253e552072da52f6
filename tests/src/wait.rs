//! Waiting with deadlines, and the one place that sleeps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that has to happen: far more than a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Shorthand, for tables and arguments.
pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Lets time pass. Only for a pause that is itself the stimulus (a slow peer), never to wait.
pub fn pause(length: Duration) {
    thread::sleep(length);
}

/// Asks `probe` until it answers or `within` has passed.
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

/// Like [`eventually`], for a claim; panics with `what` when it does not come true in [`PATIENCE`].
pub fn until(what: &str, mut claim: impl FnMut() -> bool) {
    let held = eventually(PATIENCE, || claim().then_some(()));
    assert!(held.is_some(), "not within {PATIENCE:?}: {what}");
}

/// Raises the flag when dropped, through a panic too: nobody runs on for a test that has failed.
#[derive(Debug)]
pub struct Stop<'a>(pub &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
