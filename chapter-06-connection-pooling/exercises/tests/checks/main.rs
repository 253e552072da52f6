//! The checks of chapter 6's exercises. `cargo test` runs them on our solutions, `cargo learn check 6` on your code.
#![allow(clippy::unwrap_used, reason = "a check fails by panicking")]

use integration_tests::exercise_checks;

mod e1_lifo_fifo;
mod e2_leases;
mod e3_executor;
mod e4_preconnect;
mod e5_connection_pool;
mod manual_task;
mod simulation;
