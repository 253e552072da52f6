//! Black-box suites for every chapter, and the peers they speak through.
//!
//! A chapter's `tests/ladder.rs` is one line, [`ladder!`]. It runs, against the binary that cargo
//! has just built, each suite that [`capabilities`] says this chapter passes. Nothing here looks
//! inside the product: the suites speak raw bytes to a process on a port the kernel chose, through
//! a [`client`] and scripted [`backend`]s whose every byte is read by a [`checker`] of our own, or
//! through other people's HTTP ([`foreign`]).
//!
//! Invariants: each case starts its own programs and backends and ends them when dropped; each wait
//! has a deadline; no case depends on the speed of the machine.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    reason = "this crate is test code: it panics to fail, waits in real time, and prints"
)]

pub mod allocations;
pub mod backend;
pub mod capabilities;
pub mod cargo;
pub mod checker;
pub mod client;
pub mod command_line;
pub mod context;
pub mod cpu;
pub mod edge;
pub mod exercise;
pub mod foreign;
pub mod panel;
pub mod process;
pub mod runner;
pub mod seed;
pub mod steady;
mod suites;
pub mod wait;

pub use context::Context;
pub use runner::{Case, Tier, run_ladder};

/// Expands to the `main` of a chapter's `tests/ladder.rs`.
///
/// `env!("CARGO_BIN_EXE_…")` must be expanded there: only so does cargo build the binary first. A chapter with
/// further programs names them, `others = ["echo_client"]`, and a case finds them by [`Context::other`].
#[macro_export]
macro_rules! ladder {
    (chapter = $chapter:literal, bin = $bin:literal $(, others = [$($other:literal),+])?) => {
        fn main() -> std::process::ExitCode {
            let others = &[$($(($other, env!(concat!("CARGO_BIN_EXE_", $other)))),+)?];
            $crate::run_ladder($chapter, env!(concat!("CARGO_BIN_EXE_", $bin)), others)
        }
    };
}
