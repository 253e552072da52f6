//! The only place that reads the clock, and timers with microsecond precision.
//!
//! A runtime's own timers are rounded up to a millisecond. On the loopback interface a response takes a tenth of that,
//! so an open loop paced by them would mostly measure its own delay.

use std::time::Instant;

#[cfg(target_os = "linux")]
pub(crate) use crate::sys::PreciseTimer;

/// The one reading of the clock in this program.
#[expect(clippy::disallowed_methods, reason = "this is the engine: what it measures is time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits for an instant with the runtime's timer, to the millisecond.
#[cfg(not(target_os = "linux"))]
pub(crate) struct PreciseTimer;

#[cfg(not(target_os = "linux"))]
impl PreciseTimer {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    pub(crate) async fn sleep_until(&mut self, due: Instant) -> std::io::Result<()> {
        tokio::time::sleep_until(due.into()).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn timer_expires_after_its_time_and_can_be_reset() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut timer = PreciseTimer::new().unwrap();
            for wait in [0, 300, 1_700] {
                let due = now() + Duration::from_micros(wait);
                let rings = tokio::time::timeout(Duration::from_secs(10), timer.sleep_until(due));
                rings.await.expect("the timer did not expire").unwrap();
                assert!(now() >= due);
            }
        });
    }
}
