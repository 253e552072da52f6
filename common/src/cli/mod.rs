//! The command line that all programs share, and the ways in which one of them ends early.
//!
//! A chapter flattens [`ServeArgs`] into its own `clap` struct and calls [`parse`] as the first
//! thing in `main`. A command line that is refused is one line on stderr that says what, where and
//! what to do, and exit code [`EXIT_USAGE`]; what the machine refuses (a port in use) goes through
//! [`exit_code`] and is [`EXIT_FAILURE`].

mod duration;
mod exit;
mod serve_args;

pub use duration::parse_duration;
pub use exit::{EXIT_FAILURE, EXIT_USAGE, EarlyExit, exit_code, parse, try_parse_from, usage_error};
pub use serve_args::{ServeArgs, WorkerArgs, parse_ip, parse_port};
