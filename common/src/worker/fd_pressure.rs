//! One log line for all workers when descriptors run out.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Descriptors that run out again within this time have run out once, whatever could be accepted in between.
const WINDOW: Duration = Duration::from_secs(10);

/// When a worker last found that the process is out of descriptors.
#[derive(Debug, Default)]
pub struct FdPressure {
    last: Mutex<Option<Instant>>,
}

impl FdPressure {
    /// Notes that descriptors have run out, and returns whether that is new: they run out for the process, and each worker
    /// finds out by itself.
    pub fn is_new(&self, now: Instant) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        last.is_none_or(|last| now.saturating_duration_since(last) >= WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continuing_pressure_is_reported_once() {
        let (pressure, start) = (FdPressure::default(), crate::clock::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let found = [0, 0, 9, 18, 27, 37, 38].map(|after| pressure.is_new(at(after)));
        assert_eq!(found, [true, false, false, false, false, true, false]);
    }
}
