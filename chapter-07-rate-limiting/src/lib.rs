#![doc = include_str!("../README.md")]
//! # The modules
//!
//! | module | what it holds |
//! |---|---|
//! | [`algorithm`] | how requests of one key are counted: token bucket, windows, GCRA |
//! | [`rate`] | a rate and a burst, and their syntax |
//! | [`table`] | a state per key, in bounded memory |
//! | [`limiter`] | an algorithm and its table: a limit by key |
//! | [`rule`] | a limit and its syntax; what it is counted by |
//! | [`bandwidth`] | a limit on bytes per second: its bucket, its syntax, the throttle of a connection |
//! | [`filter`] | the limits on each request's way: refusals, headers, counters |
//! | [`load_shed`] | load shedding: adaptive limits, and the queue under overload |
//! | `server` | the statistics and the admin interface |
//! | [`args`] | the command line of the limits |
//! | [`program`] | the program: command line, limits, balancer |

pub mod algorithm;
pub mod args;
pub mod bandwidth;
pub mod byte_size;
pub mod filter;
pub mod limiter;
pub mod load_shed;
pub mod program;
pub mod rate;
pub mod rule;
mod server;
pub mod table;
mod ticks;

pub use server::{LimitedServer, Parts};
