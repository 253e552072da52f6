//! Shared by servers with one worker thread per core, from chapter 5 on: event loops in chapter 5, async runtimes in 6.
//!
//! A worker has its own listener and connections, and shares no lock. This module has the parts that all workers share:
//! the threads, the distribution of connections over workers, and the rate-limited log line for fd pressure. It does
//! not depend on how a worker waits.

mod connections;
mod fd_pressure;
mod threads;

pub use connections::WorkerConnections;
pub use fd_pressure::FdPressure;
pub use threads::{fds_for_workers, run_on_threads};
