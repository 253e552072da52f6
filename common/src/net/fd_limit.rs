//! The limit on the open file descriptors of the process.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors that belong to no client: the standard streams, listeners, pipes, and the bundled backends' own.
const RESERVED_FDS: u64 = 32;

/// The limit that macOS enforces although it reports no hard limit (`OPEN_MAX`).
const MACOS_OPEN_MAX: u64 = 10_240;

/// Raises the soft limit on open files to the hard limit, and returns the new limit.
///
/// The soft limit is 1,024 on most systems, for programs that use `select(2)`, which cannot handle larger descriptors.
/// We do not use it, and a proxy needs two descriptors per client.
pub fn raise_fd_limit() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = if cfg!(target_os = "macos") { hard.min(MACOS_OPEN_MAX) } else { hard };
    if soft >= wanted {
        return Ok(soft);
    }
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    Ok(wanted)
}

/// How many clients fit into `limit` open files when each may also need a connection to a backend: a client that is
/// accepted and then finds no descriptor for its backend is worse off than one that waits. Logs a warning when that is
/// less than `requested`; `None` requests as many as fit.
///
/// `own_fds`: descriptors of the program itself beyond those that every program has, such as those of its event loops.
/// `backends_in_process`: the backends run in this process, so the other end of each backend connection is a descriptor
/// here as well.
pub fn max_clients_for_fds(limit: u64, own_fds: u64, requested: Option<usize>, backends_in_process: bool) -> usize {
    let available = limit.saturating_sub(RESERVED_FDS).saturating_sub(own_fds);
    let possible = usize::try_from(available / fds_per_client(backends_in_process)).unwrap_or(usize::MAX).max(1);
    let Some(requested) = requested else { return possible };
    if possible < requested {
        tracing::warn!("the limit of {limit} open files allows {possible} clients, not {requested}; raise `ulimit -n`");
    }
    requested.min(possible)
}

/// Each flow also costs some kilobytes of the kernel's memory.
const DEFAULT_MAX_FLOWS: usize = 65_536;

/// How many flows of datagrams fit into `limit` open files, of which the program needs `own_fds` for itself: each flow has
/// a socket to its backend, and clients share the listener. Logs a warning when that is less than `requested`; `None`
/// requests 65,536, or as many as fit.
pub(super) fn max_flows_for_fds(limit: u64, own_fds: u64, requested: Option<usize>) -> usize {
    let available = limit.saturating_sub(RESERVED_FDS).saturating_sub(own_fds);
    let possible = usize::try_from(available).unwrap_or(usize::MAX).max(1);
    if let Some(requested) = requested.filter(|requested| possible < *requested) {
        tracing::warn!("the limit of {limit} open files allows {possible} flows, not {requested}; raise `ulimit -n`");
    }
    requested.unwrap_or(DEFAULT_MAX_FLOWS).min(possible)
}

/// How many more backend connections fit into `limit` open files while `max_clients` clients are connected, each with
/// one backend connection.
pub fn spare_upstreams_for_fds(limit: u64, max_clients: usize, backends_in_process: bool) -> usize {
    let used = fds_per_client(backends_in_process).saturating_mul(u64::try_from(max_clients).unwrap_or(u64::MAX));
    let spare = limit.saturating_sub(RESERVED_FDS).saturating_sub(used);
    usize::try_from(spare / (fds_per_client(backends_in_process) - 1)).unwrap_or(usize::MAX)
}

/// Its connection, and one to a backend, whose other end may be in this process too.
fn fds_per_client(backends_in_process: bool) -> u64 {
    if backends_in_process { 3 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_needs_two_or_three_descriptors() {
        assert_eq!(max_clients_for_fds(1024, 0, Some(1000), false), 496);
        assert_eq!(max_clients_for_fds(1024, 0, Some(1000), true), 330);
        assert_eq!(max_clients_for_fds(1_000_000, 0, Some(1000), true), 1000);
        assert_eq!(max_clients_for_fds(1_000_000, 0, None, false), 499_984);
        assert_eq!(
            max_clients_for_fds(128, 16 * 4, None, false),
            16,
            "sixteen event loops with four descriptors each leave little"
        );
        assert_eq!(max_clients_for_fds(0, 0, Some(1000), false), 1, "at least one client");
    }

    #[test]
    fn each_flow_needs_one_descriptor() {
        assert_eq!(max_flows_for_fds(1024, 8, None), 984);
        assert_eq!(max_flows_for_fds(1024, 8, Some(2000)), 984);
        assert_eq!(max_flows_for_fds(1024, 8, Some(100)), 100);
        assert_eq!(max_flows_for_fds(1_000_000, 8, None), 65_536);
        assert_eq!(max_flows_for_fds(1_000_000, 8, Some(100_000)), 100_000);
        assert_eq!(max_flows_for_fds(0, 8, None), 1);
    }

    #[test]
    fn what_clients_leave_is_spare() {
        assert_eq!(spare_upstreams_for_fds(1024, 496, false), 0);
        assert_eq!(spare_upstreams_for_fds(1024, 400, false), 192);
        assert_eq!(spare_upstreams_for_fds(1024, 300, true), 46);
        assert_eq!(spare_upstreams_for_fds(16, 1, false), 0);
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
