//! What the benchmark needs of Linux only: which CPU cores a process may run on, how much CPU time another process has
//! used, a timer with microsecond precision.
//!
//! On other systems every function returns an error, and `main` calls [`allowed_cores`] first.

use std::{io, time::Duration};

#[cfg(target_os = "linux")]
pub(crate) use linux::{Timer, allowed_cores, cpu_time, pin};

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{Timer, allowed_cores, cpu_time, pin};

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::{AsFd, AsRawFd};

    use mio::{Interest, Registry, Token, unix::SourceFd};
    use nix::{
        sched::{CpuSet, sched_getaffinity, sched_setaffinity},
        sys::{
            time::TimeSpec,
            timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
        },
        time::{clock_getcpuclockid, clock_gettime},
        unistd::Pid,
    };

    use super::{Duration, io};

    /// The calling thread, for the affinity calls.
    const THIS_THREAD: Pid = Pid::from_raw(0);

    /// The CPU cores that this process may use, in order.
    pub(crate) fn allowed_cores() -> io::Result<Vec<usize>> {
        let set = sched_getaffinity(THIS_THREAD)?;
        Ok((0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false)).collect())
    }

    /// Pins the calling thread, and the processes that it starts from now on, to `cores`.
    pub(crate) fn pin(cores: &[usize]) -> io::Result<()> {
        let mut set = CpuSet::new();
        for &core in cores {
            set.set(core)?;
        }
        Ok(sched_setaffinity(THIS_THREAD, &set)?)
    }

    /// The CPU time that process `pid` has used so far, to the nanosecond, over all its threads, ended ones included.
    ///
    /// `/proc/P/stat` says the same in ticks of 10 ms; `/proc/P/task/*/schedstat` forgets the threads that ended, which
    /// are all of them in the chapters with a thread per connection.
    pub(crate) fn cpu_time(pid: i32) -> io::Result<Duration> {
        Ok(clock_gettime(clock_getcpuclockid(Pid::from_raw(pid))?)?.into())
    }

    /// A timer in a poller. `Poll::poll`'s own timeout is rounded up to a millisecond, ten times the latency of a
    /// response.
    #[derive(Debug)]
    pub(crate) struct Timer(TimerFd);

    impl Timer {
        pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
            let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
            registry.register(&mut SourceFd(&timer.as_fd().as_raw_fd()), token, Interest::READABLE)?;
            Ok(Self(timer))
        }

        /// Expires once, `after` from now. Setting it again resets its expiry count: the next expiry is a new edge.
        pub(crate) fn set(&self, after: Duration) -> io::Result<()> {
            // A zero would disarm it.
            let after = after.max(Duration::from_nanos(1));
            Ok(self.0.set(Expiration::OneShot(TimeSpec::from_duration(after)), TimerSetTimeFlags::empty())?)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use mio::{Registry, Token};

    use super::{Duration, io};

    fn unsupported<T>() -> io::Result<T> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "bench_lb pins processes to CPU cores and reads /proc: it needs Linux",
        ))
    }

    pub(crate) fn allowed_cores() -> io::Result<Vec<usize>> {
        unsupported()
    }

    pub(crate) fn pin(_: &[usize]) -> io::Result<()> {
        unsupported()
    }

    pub(crate) fn cpu_time(_: i32) -> io::Result<Duration> {
        unsupported()
    }

    #[derive(Debug)]
    pub(crate) struct Timer;

    impl Timer {
        pub(crate) fn new(_: &Registry, _: Token) -> io::Result<Self> {
            unsupported()
        }

        pub(crate) fn set(&self, _: Duration) -> io::Result<()> {
            unsupported()
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn pinned_thread_is_allowed_that_core_only() {
        std::thread::spawn(|| {
            let first = allowed_cores().unwrap()[0];
            pin(&[first]).unwrap();
            assert_eq!(allowed_cores().unwrap(), [first]);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn own_cpu_time_grows_with_work() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let before = cpu_time(pid).unwrap();
        let sum: u64 = (0..2_000_000_u64).map(std::hint::black_box).sum();
        assert!(cpu_time(pid).unwrap() > before, "{sum}");
    }
}
