//! One log line for all workers when the process is out of file descriptors.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Exhaustion that recurs within this time counts as the same incident, even if some connections were accepted in
/// between.
const WINDOW: Duration = Duration::from_secs(10);

/// When a worker last found the process out of descriptors.
#[derive(Debug, Default)]
pub struct FdPressure {
    last: Mutex<Option<Instant>>,
}

impl FdPressure {
    /// Records that the process is out of descriptors, and returns whether this is a new incident: the limit is per
    /// process, but each worker runs into it separately.
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
