//! The checks of chapter 1's exercises. `cargo test` runs them on our solutions, `cargo learn check 1` on your code.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a check fails by panicking, and says what it skips")]

use integration_tests::exercise_checks;

mod e1_uppercase_echo;
mod e2_connection_log;
mod e3_calculator;
mod e4_connect_any;
mod e5_chat;
mod peer;
