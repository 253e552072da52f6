//! The CPU time and memory of a process tree.

use std::{fs, io, time::Duration};

use super::tree::fields;
use crate::kernel;

/// CPU time so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CpuTime {
    /// User and system together, to the nanosecond.
    total: Duration,
    /// From `/proc/P/stat`, in ticks of 10 ms: good enough for the proportion of user to system time.
    user_ticks: u64,
    system_ticks: u64,
}

impl CpuTime {
    /// The sum over these processes.
    pub(crate) fn of(pids: &[i32]) -> io::Result<Self> {
        let mut sum = Self::default();
        for &pid in pids {
            let stat = fs::read(format!("/proc/{pid}/stat"))?;
            let (user, system) = ticks(&stat).ok_or_else(|| io::Error::other("cannot parse /proc/P/stat"))?;
            sum.total += kernel::cpu_time(pid)?;
            sum.user_ticks += user;
            sum.system_ticks += system;
        }
        Ok(sum)
    }

    /// User and system time since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> (Duration, Duration) {
        let total = self.total.saturating_sub(earlier.total);
        let user = self.user_ticks.saturating_sub(earlier.user_ticks);
        let all = user + self.system_ticks.saturating_sub(earlier.system_ticks);
        // Less than a tick was used: the proportion is unknown.
        let user = if all == 0 { total / 2 } else { total.mul_f64(part(user, all)) };
        (user, total.saturating_sub(user))
    }
}

#[expect(clippy::cast_precision_loss, reason = "ticks of one run are exact in a float")]
fn part(of: u64, all: u64) -> f64 {
    of as f64 / all as f64
}

/// Fields 14 and 15 of `proc_pid_stat(5)`.
fn ticks(stat: &[u8]) -> Option<(u64, u64)> {
    let mut fields = fields(stat)?.skip(11);
    let mut next = || fields.next()?.parse().ok();
    Some((next()?, next()?))
}

/// Resident memory, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) now_kib: u64,
    /// The maximum so far; for several processes the sum of their maxima.
    pub(crate) peak_kib: u64,
}

impl Memory {
    /// The sum over these processes. Shared pages are counted for each.
    pub(crate) fn of(pids: &[i32]) -> io::Result<Self> {
        let mut sum = Self::default();
        for &pid in pids {
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            sum.now_kib += kib(&status, "VmRSS:").unwrap_or_default();
            sum.peak_kib += kib(&status, "VmHWM:").unwrap_or_default();
        }
        Ok(sum)
    }
}

/// A line `VmRSS:     1234 kB` of `/proc/P/status` or `/proc/meminfo`.
pub(crate) fn kib(status: &str, key: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_behind_any_name() {
        assert_eq!(ticks(b"42 (a) R (b) S 1 2 3 4 5 6 7 8 9 10 123 45 0 0 20 0\n"), Some((123, 45)));
        assert_eq!(ticks(b"42 (a) S 1 2"), None);
    }

    #[test]
    fn total_is_divided_as_the_ticks_are() {
        let before = CpuTime { total: Duration::from_millis(100), user_ticks: 10, system_ticks: 0 };
        let after = CpuTime { total: Duration::from_millis(501), user_ticks: 20, system_ticks: 30 };
        let (user, system) = after.since(before);
        assert_eq!(user, Duration::from_micros(100_250));
        assert_eq!(user + system, Duration::from_millis(401));
        let (user, system) = CpuTime { total: Duration::from_millis(104), ..before }.since(before);
        assert_eq!(user + system, Duration::from_millis(4), "nothing is lost below a tick");
    }

    #[test]
    fn memory_is_read_by_its_key() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(
            (kib(status, "VmRSS:"), kib(status, "VmHWM:"), kib(status, "VmSwap:")),
            (Some(1024), Some(2048), None)
        );
    }

    #[test]
    fn own_process_uses_something() {
        let own = [i32::try_from(std::process::id()).unwrap()];
        assert!(CpuTime::of(&own).unwrap().total > Duration::ZERO);
        let memory = Memory::of(&own).unwrap();
        assert!(memory.peak_kib >= memory.now_kib && memory.now_kib > 100, "{memory:?}");
    }
}
