//! The command line that all programs share, and how a program exits early.
//!
//! A chapter flattens [`ServeArgs`] into its own `clap` struct and calls [`parse`] first in `main`. An invalid command
//! line is one line on stderr that says what is wrong, where, and what to do, with exit code [`EXIT_USAGE`]. A failure
//! of the environment (a port in use) goes through [`exit_code`] and exits with [`EXIT_FAILURE`].

mod duration;
mod exit;
mod in_process_backends;
mod serve_args;

pub use duration::parse_duration;
pub use exit::{EXIT_FAILURE, EXIT_USAGE, EarlyExit, exit_code, parse, run, try_parse_from, usage_error};
pub use in_process_backends::InProcessBackends;
pub use serve_args::{ServeArgs, WorkerArgs, parse_ip, parse_network, parse_port};
