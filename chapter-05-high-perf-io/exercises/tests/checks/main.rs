//! The checks of chapter 5's exercises. `cargo test` runs them on our solutions, `cargo learn check 5` on your code.
#![allow(clippy::unwrap_used, reason = "a check fails by panicking")]

use integration_tests::exercise_checks;

mod e1_edge_triggered;
mod e2_poller;
mod e3_timers;
mod e4_ready_queue;
mod e5_message_queue;
