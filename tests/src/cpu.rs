//! The CPU time of a process, from `/proc/P/stat`: the sum over all its threads, ended ones included.

use std::{fs, io, path::Path, time::Duration};

/// `/proc` counts in ticks of 10 ms (`USER_HZ`), whatever the kernel's own rate: part of its ABI on
/// every machine that Rust supports. This is also the precision of a short run.
const TICK: Duration = Duration::from_millis(10);

/// CPU time used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In user mode.
    pub user: Duration,
    /// In the kernel, for this process.
    pub system: Duration,
}

impl CpuTime {
    /// False without a `/proc` file system.
    pub fn is_available() -> bool {
        Path::new("/proc/self/stat").exists()
    }

    /// `process`: a process id, or `self`.
    pub fn of(process: &str) -> io::Result<Self> {
        let text = fs::read(format!("/proc/{process}/stat"))?;
        Self::parse(&text).ok_or_else(|| io::Error::other("cannot parse /proc/P/stat"))
    }

    /// The CPU time used since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { user: self.user.saturating_sub(earlier.user), system: self.system.saturating_sub(earlier.system) }
    }

    /// User and system time together.
    pub fn total(self) -> Duration {
        self.user + self.system
    }

    /// Fields 14 and 15 of `proc_pid_stat(5)`.
    fn parse(text: &[u8]) -> Option<Self> {
        // The second field is the program's name in parentheses, which may contain spaces and
        // parentheses: count from the last one, after which the third field comes.
        let close = text.iter().rposition(|&byte| byte == b')')?;
        let mut fields = str::from_utf8(&text[close + 1..]).ok()?.split_ascii_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse().ok().map(|ticks: u32| TICK * ticks);
        Some(Self { user: ticks()?, system: ticks()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_user_and_system_behind_any_name() {
        let text = b"42 (a) R (b) S 1 2 3 4 5 6 7 8 9 10 123 45 0 0 20 0\n";
        let time = CpuTime::parse(text).unwrap();
        assert_eq!((time.user, time.system), (Duration::from_millis(1230), Duration::from_millis(450)));
        assert_eq!(CpuTime::parse(b"42 (a) S 1 2"), None);
        assert_eq!(CpuTime::parse(b""), None);
    }

    #[test]
    fn reads_our_own() {
        assert!(!CpuTime::is_available() || CpuTime::of("self").is_ok());
    }
}
