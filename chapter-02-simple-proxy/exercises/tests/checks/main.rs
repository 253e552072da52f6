//! The checks of chapter 2's exercises. `cargo test` runs them on our solutions, `cargo learn check 2` on your code.
#![allow(clippy::unwrap_used, reason = "a check fails by panicking")]

use integration_tests::exercise_checks;

mod e1_log_line;
mod e2_hop_by_hop;
mod e3_chunked_decoder;
mod e4_files;
mod e5_cache;
