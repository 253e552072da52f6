//! The number of descriptors that the process may have open.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What macOS refuses to exceed although it reports no hard limit at all (`OPEN_MAX`).
const MACOS_OPEN_MAX: u64 = 10_240;

/// Raises the soft limit on open files to the hard one, and returns the limit that holds from now
/// on.
///
/// The soft limit is 1,024 on most systems for the sake of programs that use `select(2)`, which
/// cannot count further. We do not, and a proxy needs two descriptors per client.
pub fn raise_file_limit() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = if cfg!(target_os = "macos") { hard.min(MACOS_OPEN_MAX) } else { hard };
    if soft >= wanted {
        return Ok(soft);
    }
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raises_the_soft_limit_to_the_hard_one() {
        let raised = raise_file_limit().unwrap();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, raised);
        assert!(cfg!(target_os = "macos") || soft == hard);
        assert_eq!(raise_file_limit().unwrap(), raised);
    }
}
