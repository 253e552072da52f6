//! Black-box suites for every chapter, and the clients and backends they use.
//!
//! A chapter's `tests/ladder.rs` is one line, [`ladder!`]. It runs each suite that [`capabilities`]
//! lists for the chapter against the binary that cargo has just built. Nothing here looks inside the
//! product: the suites send raw bytes to a process on an ephemeral port, through a [`client`] and
//! scripted [`backend`]s whose every byte is read by a [`checker`] of our own, or through third-party
//! HTTP implementations ([`third_party`]).
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

pub mod admin_client;
pub mod allocations;
pub mod backend;
pub mod black_hole;
pub mod capabilities;
pub mod cargo;
mod case;
pub mod checker;
mod children;
pub mod client;
pub mod command_line;
pub mod context;
pub mod cpu;
pub mod edge_triggered;
pub mod exercise;
pub mod happy_eyeballs;
pub mod process;
pub mod rng;
pub mod runner;
pub mod steady_state;
mod suites;
pub mod terminal;
pub mod third_party;
pub mod wait;
pub mod webdriver;
pub mod wrong_answers;

pub use case::{Case, Tier};
pub use context::Context;
pub use runner::run_ladder;

/// Expands to the `main` of a chapter's `tests/ladder.rs`.
///
/// `env!("CARGO_BIN_EXE_…")` must be expanded there, because only then does cargo build the binary first. A chapter
/// with further programs lists them, `others = ["echo_client"]`, and a case finds them by [`Context::other_program`].
#[macro_export]
macro_rules! ladder {
    (chapter = $chapter:literal, bin = $bin:literal $(, others = [$($other:literal),+])?) => {
        fn main() -> std::process::ExitCode {
            let others = &[$($(($other, env!(concat!("CARGO_BIN_EXE_", $other)))),+)?];
            $crate::run_ladder($chapter, env!(concat!("CARGO_BIN_EXE_", $bin)), others)
        }
    };
}
