//! The processes that a case started, for its watchdog.

use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The running processes of a case, so that a watchdog can kill them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Children(Arc<Mutex<Vec<i32>>>);

impl Children {
    fn change(&self, change: impl FnOnce(&mut Vec<i32>)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn add(&self, pid: i32) {
        self.change(|pids| pids.push(pid));
    }

    pub(crate) fn remove(&self, pid: i32) {
        self.change(|pids| pids.retain(|known| *known != pid));
    }

    /// Kills every process that has not been waited for.
    pub(crate) fn kill_all(&self) {
        self.change(|pids| {
            for pid in pids.drain(..) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        });
    }
}
