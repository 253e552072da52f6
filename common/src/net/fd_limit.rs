//! The number of descriptors that the process may have open.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files that are no client's: the standard streams, listeners, pipes, bundled backends' own.
const RESERVED_FDS: u64 = 32;

/// What macOS refuses to exceed although it reports no hard limit at all (`OPEN_MAX`).
const MACOS_OPEN_MAX: u64 = 10_240;

/// Raises the soft limit on open files to the hard one, and returns the limit that holds from now
/// on.
///
/// The soft limit is 1,024 on most systems for the sake of programs that use `select(2)`, which
/// cannot count further. We do not, and a proxy needs two descriptors per client.
pub fn raise_fd_limit() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = if cfg!(target_os = "macos") { hard.min(MACOS_OPEN_MAX) } else { hard };
    if soft >= wanted {
        return Ok(soft);
    }
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    Ok(wanted)
}

/// How many clients can be served with `limit` open files, when `wanted` are asked for and each may need a
/// connection to a backend too: a client that is accepted and then finds no descriptor left for its backend
/// is worse off than one that waits. Says so when it is less than was wanted. `None` asks for as many as there can be.
///
/// `own`: files that the program has open for itself besides a few that every program has; those of its event loops.
/// `bundled`: the backends run in this process, and the other end of that connection is a file of ours as well.
pub fn max_clients_for_fds(limit: u64, own: u64, wanted: Option<usize>, bundled: bool) -> usize {
    let each = if bundled { 3 } else { 2 };
    let left = limit.saturating_sub(RESERVED_FDS).saturating_sub(own);
    let possible = usize::try_from(left / each).unwrap_or(usize::MAX).max(1);
    let Some(wanted) = wanted else { return possible };
    if possible < wanted {
        tracing::warn!("the limit of {limit} open files allows {possible} clients, not {wanted}; raise `ulimit -n`");
    }
    wanted.min(possible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_may_need_two_files_or_three() {
        assert_eq!(max_clients_for_fds(1024, 0, Some(1000), false), 496);
        assert_eq!(max_clients_for_fds(1024, 0, Some(1000), true), 330);
        assert_eq!(max_clients_for_fds(1_000_000, 0, Some(1000), true), 1000);
        assert_eq!(max_clients_for_fds(1_000_000, 0, None, false), 499_984);
        assert_eq!(max_clients_for_fds(128, 16 * 4, None, false), 16, "sixteen loops of four files leave little");
        assert_eq!(max_clients_for_fds(0, 0, Some(1000), false), 1, "one at least, or the program is of no use");
    }

    #[test]
    fn raises_the_soft_limit_to_the_hard_one() {
        let raised = raise_fd_limit().unwrap();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, raised);
        assert!(cfg!(target_os = "macos") || soft == hard);
        assert_eq!(raise_fd_limit().unwrap(), raised);
    }
}
