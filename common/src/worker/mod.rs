//! What servers with a worker thread per core share, from chapter 5 on: event loops there, runtimes in chapter 6.
//!
//! A worker has its own listener, its own connections and nothing to lock. Here is the little that is common to all of
//! them: the threads, the distribution of connections over workers, and one log line for all when descriptors run out.
//! Nothing here knows how a worker waits.

mod connections;
mod fd_pressure;
mod threads;

pub use connections::WorkerConnections;
pub use fd_pressure::FdPressure;
pub use threads::{fds_for_workers, run_on_threads};
