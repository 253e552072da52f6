//! The timer on Linux: `timerfd_create(2)` in the runtime's epoll.
//!
//! The only unsafe block of the generator: `tokio` cannot know that a descriptor stays open and the same while it is
//! registered, so we guarantee it.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, RawFd},
    time::Instant,
};

use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};
use tokio::io::{Interest, unix::AsyncFd};

use crate::clock;

/// `AsyncFd` needs `AsRawFd`, which `nix` does not implement.
struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Waits for an instant, to the microsecond.
pub(crate) struct PreciseTimer(AsyncFd<Timer>);

impl PreciseTimer {
    /// Must be called inside a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = Timer(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?);
        // SAFETY: `timer` owns its descriptor, which is open until it is dropped; the `AsyncFd` owns
        // `timer`, and no code here replaces what is inside.
        let timer = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) };
        Ok(Self(timer?))
    }

    /// Returns at once when `due` has passed.
    pub(crate) async fn sleep_until(&mut self, due: Instant) -> io::Result<()> {
        let left = due.saturating_duration_since(clock::now());
        // Zero would disarm the timer, and the wait would never end.
        if left.is_zero() {
            return Ok(());
        }
        let once = Expiration::OneShot(TimeSpec::from_duration(left));
        self.0.get_ref().0.set(once, TimerSetTimeFlags::empty())?;
        // The expiry is not read: setting the timer again resets its count, and the next expiry is a new edge for
        // epoll.
        self.0.readable().await?.clear_ready();
        Ok(())
    }
}
